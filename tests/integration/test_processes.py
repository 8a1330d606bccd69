"""Models in processes that are forked, and on several threads of torch."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from sklearn_taskneurons import TaskNeuronClassifier, TaskNeuronRegressor, VSRRegressor

SECONDS = 120  # by which a process that waits for what will never come is told

needs_forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")


def in_another_process(script):
    """Run a script that forks; its own process must be none with threads of the tests."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)], timeout=SECONDS, check=False
    ).returncode


@needs_forks
@pytest.mark.parametrize("before", ["fit()", "torch.randn(2000, 2000) @ torch.randn(2000, 2000)"])
def test_a_forked_process_fits(before):
    script = f"""
        import multiprocessing
        import numpy as np
        import torch
        from sklearn_taskneurons import TaskNeuronRegressor, VSRRegressor

        X = np.random.default_rng(0).normal(size=(200, 3))

        def fit():
            TaskNeuronRegressor(max_epochs=2).fit(X, X[:, 0])
            VSRRegressor(function_set=("add", "mul", "sin"), generations=2).fit(X, X[:, 0])

        torch.set_num_threads(2)
        {before}
        child = multiprocessing.get_context("fork").Process(target=fit)
        child.start()
        child.join()
        raise SystemExit(child.exitcode)
    """
    assert in_another_process(script) == 0


@needs_forks
def test_a_forked_process_does_not_wait_for_threads_that_it_has_not():
    script = """
        import os
        os.environ["OPENBLAS_NUM_THREADS"] = "2"  # a thread that set it would be the only one that may
        import threading
        import torch
        from threadpoolctl import threadpool_info
        from sklearn_taskneurons import _device, _threads

        def hold():
            with _device.seeded_torch(0), _threads.single_torch_thread(), _threads.single_blas_thread():
                with _threads._torch.lock, _threads._blas.lock:
                    held.set()
                    done.wait()

        def blas():
            return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

        torch.set_num_threads(2)
        before = torch.get_num_threads(), blas()
        held, done = threading.Event(), threading.Event()
        threading.Thread(target=hold, daemon=True).start()
        held.wait()
        child = os.fork()
        if not child:
            with _device.seeded_torch(0), _threads.single_torch_thread(), _threads.single_blas_thread():
                inside = torch.get_num_threads(), blas()
            os._exit(0 if (inside, (torch.get_num_threads(), blas())) == ((1, {1}), before) else 1)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        done.set()
        os._exit(code)
    """
    assert in_another_process(script) == 0


@pytest.mark.parametrize(
    "model",
    [
        TaskNeuronClassifier(max_epochs=3, random_state=0),
        TaskNeuronRegressor(max_epochs=3, random_state=0),
        VSRRegressor(function_set=("add", "mul", "sin", "sum"), generations=3, random_state=0),
    ],
)
def test_the_number_of_threads_of_torch_does_not_matter(model):
    X = np.random.default_rng(0).normal(size=(600, 8))
    y = (X**2).sum(axis=1) > 8
    before, values = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2, 3):
            torch.set_num_threads(n_threads)
            model.fit(X, y)
            values.append(model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X))
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    assert_array_equal(values[1], values[0])
    assert_array_equal(values[2], values[0])
