"""The rewritten networks' gradients against diffusers'."""

import copy

import pytest
import torch
from fused_operations import DEVICE, kernels
from noise import randn
from tiny import EMBEDDING, FRAMES, seeded, tiny_unet
from torch import Tensor, nn

from driftfield.networks.fast import accelerate, backend
from driftfield.networks.fast.blocks import FastResidualBlock
from driftfield.networks.motion_encoder import MotionEncoder
from driftfield.networks.motion_unet import AdapterConfig, MotionAdapter, MotionUNet


@pytest.fixture
def network() -> MotionUNet:
    unet = tiny_unet().requires_grad_(True)
    adapter = seeded(lambda: MotionAdapter(AdapterConfig.for_unet(unet, base_channels=8)), 3).requires_grad_(True)
    with torch.no_grad():
        for i, linear in enumerate((*adapter.outputs, adapter.strength)):
            linear.weight.copy_(0.1 * randn(*linear.weight.shape, seed=i))
    return MotionUNet(unet, adapter)


def gradients(network: nn.Module) -> dict[str, Tensor]:
    network.zero_grad()
    like = next(network.parameters())
    ids = torch.tensor([[6.0, 127.0, 0.02]]).expand(2, -1)
    motion = network.encode_motion(3 * randn(FRAMES - 1, 2, 64, 128, seed=2).to(like))
    out = network(
        randn(2, FRAMES, 8, 8, 16).to(like), torch.tensor([-0.5, 0.5]).to(like),
        randn(2, 1, EMBEDDING, seed=1).to(like), ids.to(like),
        motion=motion, strength_percent=torch.tensor([30.0, 300.0]).to(like),
    )  # fmt: skip
    (out * randn(*out.shape, seed=9).to(like)).sum().backward()
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


# In Triton's interpreter the whole network takes minutes; every operation has a test of its own.
SLOW = () if torch.cuda.is_available() else (pytest.mark.slow,)


# Each is a sum over pixels and frames, whose rounding depends on its order, and so on the number of threads: in float32
# either network's are up to 1.6e-6 of the largest away from the true ones. In float64, which the kernels do not know,
# that does not count; what is left, 3e-8, comes from what a network computes in float32 whatever it gets.
@pytest.mark.parametrize(
    "by, dtype, atol, rtol",
    [("torch", torch.float64, 1e-7, 0.0), pytest.param("kernels", torch.float32, 4e-6, 1e-3, marks=SLOW)],
    ids=["torch", "kernels"],
)
def test_gradients_are_those_of_diffusers(network, by, dtype, atol, rtol, monkeypatch):
    network.to(dtype)
    if by == "kernels":
        module = kernels()
        monkeypatch.setattr(backend, "kernels_for", lambda x: module)
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
        network.to(DEVICE)
    expected = gradients(copy.deepcopy(network))
    got = gradients(accelerate(network))
    largest = max(value.abs().max().item() for value in expected.values())
    # Queries and keys of attention to one token change nothing: diffusers gives them zeros, we do not compute them.
    for name, value in expected.items():
        if name in got:
            torch.testing.assert_close(got[name], value, atol=atol * largest, rtol=rtol, msg=name)
        else:
            assert value.abs().max() <= atol * largest, name
    assert len(got) > 0.8 * len(expected)


def test_rewritten_motion_encoder_gives_the_same_maps():
    encoder = seeded(lambda: MotionEncoder((16, 24), base_channels=8, flow_scale_px=8.0), 0)
    flow = 4 * randn(2, 2, 64, 96)
    expected = encoder(flow)
    assert any(isinstance(module, FastResidualBlock) for module in accelerate(encoder).modules())
    for a, b in zip(encoder(flow), expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
