import threading

import numpy as np
import pytest
import torch

from sklearn_taskneurons._device import resolve_device, to_array, to_tensor
from sklearn_taskneurons._threads import single_torch_thread


def test_resolve_device():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device(torch.device("cpu")) == torch.device("cpu")
    assert resolve_device("auto") == torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("device", ["abacus", "cuda:99", "", 1.5, None])
def test_unknown_device(device):
    with pytest.raises(ValueError, match="device must be 'auto' or a device that torch can use here"):
        resolve_device(device)


def test_tensors_are_copies_of_the_wanted_type():
    array = np.arange(6.0).reshape(2, 3)
    tensor = to_tensor(array)
    assert tensor.dtype == torch.float32
    tensor[0, 0] = 9
    assert array[0, 0] == 0
    assert to_tensor(np.arange(3), torch.int64).dtype == torch.int64
    np.testing.assert_array_equal(to_array(to_tensor(array).requires_grad_()), array)


def test_large_numbers_stay_finite():
    tensor = to_tensor(np.array([1e300, -1e300, 1.0]))
    assert tensor.tolist() == [torch.finfo(torch.float32).max, torch.finfo(torch.float32).min, 1.0]


def test_single_thread_is_taken_back_after_an_error():
    before = torch.get_num_threads()
    seen = []

    def fail():
        with single_torch_thread():
            seen.append(torch.get_num_threads())
            raise ZeroDivisionError

    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError):
            fail()
        assert [*seen, torch.get_num_threads()] == [1, 2]
    finally:
        torch.set_num_threads(before)


def test_a_block_inside_of_another_one_leaves_it_as_it_is():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with single_torch_thread():
            with single_torch_thread():
                pass
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_overlapping_blocks_of_threads_leave_the_number_that_was_before():
    before = torch.get_num_threads()
    first_is_in, second_is_in, first_is_out = threading.Event(), threading.Event(), threading.Event()
    seen = {}

    def first():
        with single_torch_thread():
            first_is_in.set()
            second_is_in.wait(10)
        seen["first"] = torch.get_num_threads()
        first_is_out.set()

    def second():
        first_is_in.wait(10)
        with single_torch_thread():
            second_is_in.set()
            first_is_out.wait(10)
            seen["inside"] = torch.get_num_threads()
        seen["second"] = torch.get_num_threads()

    def in_threads(*functions):
        threads = [threading.Thread(target=function) for function in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    torch.set_num_threads(3)
    try:
        in_threads(first, second)
        in_threads(lambda: seen.update(later=torch.get_num_threads()))
        assert seen == {"first": 3, "inside": 1, "second": 3, "later": 3}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_thread_gets_back_the_number_of_its_own():
    before = torch.get_num_threads()
    seen = []

    def other():
        torch.set_num_threads(2)
        with single_torch_thread():
            pass
        seen.append(torch.get_num_threads())

    torch.set_num_threads(3)
    try:
        with single_torch_thread():
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        assert [*seen, torch.get_num_threads()] == [2, 3]
    finally:
        torch.set_num_threads(before)
