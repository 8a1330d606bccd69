import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_taskneurons._search import SearchSettings, make_scorer, search
from sklearn_taskneurons._threads import single_blas_thread


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.mark.parametrize("threads", [1, 2])
def test_one_thread_inside_and_what_was_set_outside(threads):
    with threadpool_limits(limits=threads, user_api="blas"):
        before = blas_threads()
        with single_blas_thread():
            assert set(blas_threads()) <= {1}
        assert blas_threads() == before
        with pytest.raises(KeyError), single_blas_thread():
            raise KeyError
        assert blas_threads() == before


def test_overlapping_blocks_have_one_thread_and_leave_what_was_set():
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        first, second = single_blas_thread(), single_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert set(blas_threads()) <= {1}
        second.__exit__(None, None, None)
        assert blas_threads() == before


def test_threads_change_nothing(cubic):
    settings = SearchSettings(population_size=60, generations=5)
    results = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads, user_api="blas"):
            scorer = make_scorer(*cubic, settings=settings)
            results.append(search(scorer, settings, np.random.default_rng(0)).front)
    assert results[0] == results[1]
