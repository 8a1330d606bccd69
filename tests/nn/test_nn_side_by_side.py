import numpy as np
import pytest
import torch
from torch import nn

from sklearn_taskneurons._training import make_net_of, make_table, predict, train
from sklearn_taskneurons._training.vector import member_of_entries, parameter_vector
from sklearn_taskneurons.nn._autoencoder import ConvAutoencoder
from sklearn_taskneurons.nn._side_by_side import SideBySide


def networks(n_members):
    return SideBySide(nn.Conv2d, n_members, (2, 3, 4), in_channels=2, out_channels=1, kernel_size=(3, 4))


def test_each_network_gets_its_own_rows_or_all_the_same():
    module = networks(3)
    own = torch.randn(5, 3, 24)
    expected = [network(rows.view(5, 2, 3, 4)).view(5, 1) for network, rows in zip(module.networks, own.unbind(1), strict=True)]
    torch.testing.assert_close(module(own), torch.stack(expected, 1))
    torch.testing.assert_close(module(own[:, 1])[:, 1], expected[1])


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("n_members", [1, 2])
def test_networks_get_images_with_their_channels_last(n_channels, n_members):
    shape = (n_channels, 4, 5)
    options = {"in_channels": n_channels, "out_channels": 2, "kernel_size": 3}
    module, seen = SideBySide(nn.Conv2d, n_members, shape, **options), []
    for network in module.networks:
        network.register_forward_hook(lambda network, inputs, output: seen.extend([*inputs, output]))
    module(torch.randn(6, n_channels * 20))
    module(torch.randn(6, n_members, n_channels * 20))
    assert len(seen) == 4 * n_members
    for images in seen:  # the strides tell, since one channel is contiguous in any order
        _, channels, _, width = images.shape
        assert images.stride()[1:] == (1, width * channels, channels)


def test_a_member_is_a_copy_of_a_network():
    module, x = networks(3).eval(), torch.randn(5, 24)
    expected = module(x)
    for index in range(3):
        member = module.member(index)
        assert not member.training
        torch.testing.assert_close(member(x.view(5, 2, 3, 4)).flatten(1), expected[:, index])
        nn.init.zeros_(member.weight)
    torch.testing.assert_close(module(x), expected)
    for index in (3, -1):
        with pytest.raises(IndexError, match=f"index must be from 0 to 2, got {index}"):
            module.member(index)


def test_what_is_no_image_has_no_order():
    module = SideBySide(nn.Conv1d, 1, (2, 5), in_channels=2, out_channels=1, kernel_size=5)
    x = torch.randn(6, 10)
    torch.testing.assert_close(module(x)[:, 0], module.networks[0](x.view(6, 2, 5)).flatten(1))


def test_rows_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="24 columns"):
        networks(1)(torch.zeros(5, 23))
    with pytest.raises(ValueError, match=r"\(N, 2, in_features\), for 2 members, got the shape \(5, 3, 24\)"):
        networks(2)(torch.zeros(5, 3, 24))


def test_every_parameter_belongs_to_its_member():
    module = networks(3)
    vector = parameter_vector(module)
    for index, network in enumerate(module.networks):
        torch.testing.assert_close(vector[member_of_entries(module, 3) == index], parameter_vector(network))


def test_members_that_cannot_be_told_apart_are_refused():
    module = nn.Linear(3, 2)
    assert member_of_entries(module, 1).tolist() == [0] * 8
    with pytest.raises(ValueError, match=r"first axis .* 3 members, got shapes \[\(2, 3\), \(2,\)\]"):
        member_of_entries(module, 3)


def test_each_member_keeps_its_own_best_epoch():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 24))
    # The first member has something to learn on its rows, the other one has not.
    y = np.where(np.arange(120) < 60, X[:, 0], rng.normal(size=120))[:, None]
    net = make_net_of(SideBySide, {"network": nn.Conv2d, "n_members": 2, "input_shape": (2, 3, 4), "in_channels": 2,
                                   "out_channels": 1, "kernel_size": (3, 4)}, lr=0.05, batch_size=10)  # fmt: skip
    table = make_table(X, y, n_members=2)
    rows = torch.arange(120).view(2, 60).T
    held_out = rows[40:]
    training = train(net, table.subset(rows[:40]), table.subset(held_out), max_epochs=30, n_iter_no_change=None)
    assert training.best_epochs[0] > training.best_epochs[1] + 5
    errors = (predict(net, X)[..., 0] - y) ** 2
    losses = [errors[rows, member].mean() for member, rows in enumerate(held_out.T.numpy())]
    np.testing.assert_allclose(losses, training.best_losses, rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 7), (3, 5, 4), (2, 28, 9)])
def test_an_autoencoder_gives_images_of_the_shape_that_it_got(shape):
    module = ConvAutoencoder(shape, 3)
    x = torch.randn(4, *shape)
    assert module.encoder(x).shape == (4, 3)
    assert module(x).shape == x.shape
