"""The skorch net of the estimators: a multi-layer perceptron of task-based neurons, seeded and ready to train."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from skorch import NeuralNet

from sklearn_taskneurons._training.batches import RowOrder, TensorBatches
from sklearn_taskneurons._training.callbacks import BestEpoch
from sklearn_taskneurons._training.losses import WeightedCrossEntropyLoss, WeightedMSELoss
from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.nn import TaskNeuronMLP


def make_net(
    in_features: int,
    out_features: int,
    formula: Formula | str,
    *,
    task: Literal["regression", "classification"] = "regression",
    hidden_layer_sizes: int | Sequence[int] = (64, 32),
    activation: str = "tanh",
    bound_input: bool = False,
    lr: float = 0.005,
    weight_decay: float = 1e-4,
    batch_size: int = 128,
    max_epochs: int = 200,
    device: torch.device | str = "cpu",
    callbacks: Any = None,
    verbose: int = 0,
    seed: int = 0,
) -> NeuralNet:
    net = NeuralNet(
        TaskNeuronMLP,
        module__in_features=in_features,
        module__hidden_layer_sizes=hidden_layer_sizes,
        module__out_features=out_features,
        module__formula=formula,
        module__activation=activation,
        module__bound_input=bound_input,
        criterion=WeightedMSELoss if task == "regression" else WeightedCrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=weight_decay,
        optimizer__fused=True,
        lr=lr,
        batch_size=batch_size,
        max_epochs=max_epochs,
        iterator_train=TensorBatches,
        iterator_train__order=RowOrder(seed),
        iterator_valid=TensorBatches,
        iterator_valid__batch_size=65536,
        train_split=None,
        callbacks=[("best_epoch", BestEpoch()), *(callbacks or [])],
        device=str(device),
        verbose=verbose,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net.initialize()
    return net
