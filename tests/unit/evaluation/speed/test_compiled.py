"""Networks are compiled as one graph each and compute the same; what Inductor makes of it is not tried here."""

import copy

import pytest
import torch
from noise import randn
from PIL import Image
from tiny import EMBEDDING, FRAMES, tiny_pipeline, tiny_unet, tiny_vae

from driftfield.evaluation.speed import compiled as torch_compiled
from driftfield.networks.motion_unet import MotionUNet


@pytest.fixture(autouse=True)
def one_graph_without_inductor(monkeypatch):
    monkeypatch.setitem(torch_compiled.FORM, "backend", "eager")
    with torch.no_grad():
        yield


def close(got: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5 * expected.abs().max().item())


def test_our_network_and_decoder():
    network, decoder = MotionUNet(tiny_unet()), tiny_vae().decoder
    compiled = torch_compiled.CompiledNetwork(copy.deepcopy(network))
    ids = torch.tensor([[6.0, 127.0, 0.02]])
    inputs = randn(1, FRAMES, 8, 8, 16), torch.tensor([0.3]), randn(1, 1, EMBEDDING, seed=1), ids
    close(compiled(*inputs, motion=None), network(*inputs, motion=None))
    compiled = torch_compiled.CompiledNetwork(copy.deepcopy(decoder))
    inputs = randn(3, 4, 8, 8), torch.zeros(1, 3), 3
    close(compiled(*inputs), decoder(*inputs))


def test_diffusers_pipeline():
    pipeline = tiny_pipeline()
    compiled = torch_compiled.compiled_pipeline(pipeline)
    assert pipeline.unet._compiled_call_impl is None and compiled.unet._compiled_call_impl is not None
    options = {"height": 64, "width": 64, "num_frames": 3, "num_inference_steps": 1, "output_type": "pt"}
    image = Image.new("RGB", (64, 64), (90, 140, 200))
    pipeline.set_progress_bar_config(disable=True)
    frames, expected = (
        each(image, generator=torch.Generator().manual_seed(1), **options).frames for each in (compiled, pipeline)
    )
    torch.testing.assert_close(frames, expected, rtol=0, atol=1e-4)
