"""What a measurement holds for: the versions, and the number of threads."""

import platform
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version

import torch
from threadpoolctl import threadpool_limits

import sklearn_taskneurons


def versions(*distributions):
    """Return the versions of Python, of the package and of other distributions, None for those that are not installed."""
    found = {"python": platform.python_version(), "sklearn_taskneurons": sklearn_taskneurons.__version__}
    for distribution in distributions:
        try:
            found[distribution] = version(distribution)
        except PackageNotFoundError:
            found[distribution] = None
    return found


@contextmanager
def limited(n_threads):
    """Let all libraries use that many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        with threadpool_limits(n_threads):
            yield
    finally:
        torch.set_num_threads(before)
