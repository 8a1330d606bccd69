"""A device beside the CPU, on machines that have none."""

import contextlib
import os
import subprocess
import types
from pathlib import Path

import pytest
import torch

SOURCE = Path(__file__).with_name("accelerator.cpp")
NAME = "simulated"  # torch has a module "accelerator"


@pytest.fixture(scope="session")
def accelerator(tmp_path_factory):
    """Compile and register the device; return its name."""
    compiler = os.environ.get("CXX", "c++")
    library = tmp_path_factory.mktemp("accelerator") / "accelerator.so"
    torch_folder = Path(torch.__file__).parent
    command = [compiler, "-std=c++17", "-shared", "-fPIC", "-w", str(SOURCE), "-o", str(library)]
    command += [f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}", f"-I{torch_folder / 'include'}"]
    command += [f"-L{torch_folder / 'lib'}", "-ltorch_cpu", "-lc10"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    torch.ops.load_library(str(library))
    torch.utils.rename_privateuse1_backend(NAME)
    torch._register_device_module(NAME, _device_module())
    return NAME


def _device_module():
    """Return what torch asks the module of a device for; random numbers are the CPU's."""
    module = types.ModuleType(f"torch.{NAME}")
    module.is_available = lambda: True
    module.device_count = lambda: 1
    module.current_device = lambda: 0
    module.device = lambda device: contextlib.nullcontext()
    module._is_in_bad_fork = lambda: False
    module.manual_seed_all = lambda seed: None
    return module
