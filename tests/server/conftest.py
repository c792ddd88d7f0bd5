"""One real ComfyUI for all server tests, with the pack mounted, on an isolated base directory."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from comfy_client import ComfyClient, ComfyServer
from PIL import Image
from tiny import tiny_pipeline_folder


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    if "COMFYUI_DIR" not in os.environ:
        pytest.skip("no COMFYUI_DIR: run them with bash scripts/test.sh")
    base = tmp_path_factory.mktemp("comfyui")
    (base / "custom_nodes").mkdir()
    shutil.copy(Path(__file__).parent / "probe.py", base / "custom_nodes" / "driftfield_probe.py")
    tiny_pipeline_folder(base / "models" / "diffusers" / "tiny")
    with ComfyServer(base, log=base / "server.log") as running:
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
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    Image.fromarray(pixels).save(server.base / "input" / "still.png")
    return "still.png"
