"""Makes the checkout importable as the package `driftfield`, ComfyUI's modules, and one real ComfyUI that runs."""

import importlib
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


@pytest.fixture(scope="session")
def comfy_base(tmp_path_factory):
    """The base directory of an imported ComfyUI; the tests are skipped where COMFYUI_DIR names none."""
    folder = os.environ.get("COMFYUI_DIR")
    if not folder:
        pytest.skip("COMFYUI_DIR is not set: the loaders need ComfyUI's modules")
    sys.path.append(folder)
    from comfy.cli_args import args

    args.cpu = not torch.cuda.is_available()
    import comfy.model_management  # noqa: F401  (reads args once)
    import folder_paths

    base = tmp_path_factory.mktemp("base")
    names = ("checkpoints", "diffusers", "loras", "driftfield")
    before = {name: folder_paths.folder_names_and_paths.get(name) for name in names}
    for name in before:
        (base / "models" / name).mkdir(parents=True)
    importlib.import_module("driftfield.model_loaders.locations")  # registers its folder before it is redirected
    for name in before:
        extensions = folder_paths.folder_names_and_paths[name][1]
        folder_paths.folder_names_and_paths[name] = ([str(base / "models" / name)], extensions)
    yield base
    for name, paths in before.items():
        if paths is not None:
            folder_paths.folder_names_and_paths[name] = paths
    sys.path.remove(folder)
