"""What the scripts of benchmarks have in common."""

import json
import platform

import numpy as np
import torch
from threadpoolctl import threadpool_info

from benchmarks.environment import limited, versions
from benchmarks.script import make_parser, write


def blas_threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_versions_are_those_that_run_here():
    found = versions("numpy", "no-such-distribution")
    assert found["python"] == platform.python_version()
    assert found["numpy"] == np.__version__
    assert found["no-such-distribution"] is None


def test_all_libraries_have_as_many_threads_as_they_may_and_get_theirs_back():
    with limited(2):
        assert torch.get_num_threads() == 2
        before = blas_threads()
        with limited(1):
            assert (torch.get_num_threads(), blas_threads()) == (1, {1})
        assert (torch.get_num_threads(), blas_threads()) == (2, before)


def test_the_document_goes_where_the_options_say(tmp_path, capsys):
    options = make_parser("Nothing.", "nothing.json").parse_args(["--output", str(tmp_path / "new" / "found.json")])
    write(options.output, {"figures": [1.5, None]})
    assert json.loads(options.output.read_text()) == {"figures": [1.5, None]}
    assert str(options.output) in capsys.readouterr().out
