"""What runs on a device beside the CPU, in a process of its own: torch takes no device any more once it has found gradients."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).with_name("cases.py")


@pytest.mark.skipif(sys.platform != "linux", reason="the device has been built on Linux only")
@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "c++")) is None, reason="needs a C++ compiler")
def test_every_case_holds():
    result = subprocess.run([sys.executable, "-m", "pytest", "-q", str(CASES)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed" in result.stdout
    assert "skipped" not in result.stdout
