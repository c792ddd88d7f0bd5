"""Makes the checkout importable as the package `driftfield`, and one real ComfyUI for the server and browser tests."""

import os
import shutil
import sys
from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # before anything imports Triton: then kernels run without a GPU

from comfy_client import ComfyClient, ComfyServer, make_base_directory, workflow_media

TESTS = Path(__file__).absolute().parent
_packages = make_base_directory(TESTS.parent / ".comfyui") / "custom_nodes"  # there the checkout is called driftfield
sys.path.insert(0, str(_packages))  # here, and in the processes that tests start:
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_packages), os.environ.get("PYTHONPATH")]))
os.environ["HF_HUB_OFFLINE"] = "1"  # nothing here may download a model


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A ComfyUI on an isolated base directory, with the pack, the probe, and tiny models in its model folders."""
    from prompts import write_tiny_models

    if "COMFYUI_DIR" not in os.environ:
        pytest.skip("no COMFYUI_DIR: run the tests with bash scripts/test.sh")
    base = tmp_path_factory.mktemp("comfyui")
    (base / "custom_nodes").mkdir()
    shutil.copy(TESTS / "server" / "probe.py", base / "custom_nodes" / "driftfield_probe.py")
    write_tiny_models(base / "models")
    with ComfyServer(base, log=base / "server.log") as running:
        for file in workflow_media():
            shutil.copy(file, base / "input")
        yield running


@pytest.fixture
def client(server):
    with ComfyClient(server.url) as connected:
        yield connected


@pytest.fixture(scope="session")
def object_info(server):
    with ComfyClient(server.url) as connected:
        return connected.object_info()


@pytest.fixture(scope="session")
def still(server):
    """The name, in ComfyUI's input folder, of a 64 x 64 picture with something in it."""
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    Image.fromarray(pixels).save(server.base / "input" / "still.png")
    return "still.png"
