"""The pack's modules inside ComfyUI, and tiny models in its model folders."""

import asyncio
import importlib
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch
from tiny import tiny_pipeline, tiny_pipeline_folder

LOADERS = (
    "adapter",
    "animator",
    "files",
    "locations",
    "lora",
    "memory",
    "raft",
    "refiner",
    "svd_checkpoint",
)
PIPELINE = (
    "along",
    "animate",
    "animate_still",
    "baselines",
    "composition",
    "decode",
    "denoise",
    "devices",
    "encode",
    "extend",
    "frames",
    "motion",
    "plan",
    "refine",
    "settings",
)


@pytest.fixture(scope="session")
def loaders(comfy_base):
    """The modules of model_loaders by name, on a CPU without bf16."""
    modules = {name: importlib.import_module(f"driftfield.model_loaders.{name}") for name in LOADERS}
    modules["memory"].cpu_knows_bf16 = lambda: False
    return SimpleNamespace(**modules)


@pytest.fixture(scope="session")
def pipeline(comfy_base):
    """The modules of pipeline by name."""
    return SimpleNamespace(**{name: importlib.import_module(f"driftfield.pipeline.{name}") for name in PIPELINE})


@pytest.fixture(scope="session")
def tiny_folder(comfy_base):
    return tiny_pipeline_folder(comfy_base / "models" / "diffusers" / "tiny")


@pytest.fixture(scope="module")
def plain(loaders, tiny_folder):
    """The tiny model without an adapter."""
    return loaders.animator.load_animator("tiny", "none", "auto")


@pytest.fixture(scope="module")
def warped(loaders, tiny_folder, tiny_adapters):
    """The tiny model with the adapter that was trained on a warped reference."""
    return loaders.animator.load_animator("tiny", tiny_adapters["warped"], "auto")


@pytest.fixture(scope="module")
def diffusers_pipeline():
    """diffusers' own pipeline of the tiny model."""
    return tiny_pipeline()


@pytest.fixture(scope="session")
def node_classes(comfy_base):
    """The node classes that ComfyUI gets; asked for in another thread, for an open page keeps a loop in this one."""
    import driftfield

    async def load():
        return await (await driftfield.comfy_entrypoint()).get_node_list()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, load()).result()


@pytest.fixture(scope="session")
def tiny_adapters(comfy_base):
    """{reference: file name} of motion adapters for the tiny model whose layers do something."""
    import json

    from safetensors.torch import save_file
    from tiny import seeded, tiny_unet

    from driftfield.networks.motion_unet import REFERENCES, AdapterConfig, MotionAdapter

    folder = comfy_base / "models" / "driftfield" / "adapters"
    folder.mkdir(exist_ok=True)
    names = {}
    for reference in REFERENCES:
        config = AdapterConfig.for_unet(tiny_unet(), reference=reference, base_channels=8)
        adapter = seeded(lambda config=config: MotionAdapter(config), 4)
        generator = torch.Generator().manual_seed(5)
        for linear in (*adapter.outputs, adapter.strength):
            linear.weight.normal_(std=0.05, generator=generator)
        names[reference] = f"tiny_{reference}.safetensors"
        metadata = {"format": "driftfield.adapter.v1", "config": json.dumps(config.to_dict())}
        save_file(adapter.state_dict(), folder / names[reference], metadata=metadata)
    return names
