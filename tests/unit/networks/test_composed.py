"""Training's operations: compiled ones against eager ones, and the rewritten networks' gradients against diffusers'."""

import copy

import pytest
import torch
from tiny import EMBEDDING, FRAMES, seeded, tiny_unet
from torch import Tensor, nn

from driftfield.networks import composed
from driftfield.networks.animator import AdapterConfig, MotionAdapter, MotionUNet
from driftfield.networks.fast import FastResidualBlock, accelerate
from driftfield.networks.motion_encoder import MotionEncoder

CHANNELS = 64


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def operands() -> dict[str, Tensor]:
    made = {"x": randn(4, 6, CHANNELS) + 2, "y": randn(4, 6, CHANNELS, seed=1), "vectors": randn(2, CHANNELS, seed=2)}
    made |= {"weight": randn(CHANNELS, seed=3), "bias": randn(CHANNELS, seed=4), "factor": randn(1, seed=5)}
    return {name: value.requires_grad_() for name, value in made.items()}


OPERATIONS = {
    "group norm": lambda o: composed.group_norm(o["x"], o["weight"], o["bias"], None, 8, 1e-5, True),
    "group norm, shift": lambda o: composed.group_norm(o["x"], o["weight"], o["bias"], o["vectors"], 8, 1e-5, False),
    "instance norm": lambda o: composed.instance_norm_leaky_relu(o["x"], o["weight"], o["bias"], 1e-5, 0.2),
    "layer norm": lambda o: torch.stack(
        composed.add_layer_norm(o["x"], o["weight"], o["bias"], 1e-5, o["y"], o["vectors"], o["vectors"].flip(0))
    ),
    "gated": lambda o: composed.gated_gelu(o["x"]),
    "share": lambda o: composed.mix(o["x"], o["y"], None, o["bias"], o["factor"], -1, False),
    "blend": lambda o: composed.mix(o["x"], o["y"], o["x"], None, o["factor"], 1, True),
}


@pytest.fixture
def compiled(monkeypatch):
    for name in ("group_norm", "instance_norm_leaky_relu", "add_layer_norm", "gated_gelu", "mix"):
        monkeypatch.setattr(composed, name, getattr(composed, name))  # taken back after the test
    compile_here = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, dynamic: compile_here(f, dynamic=dynamic, backend="aot_eager"))
    yield composed.compile_operations
    torch._dynamo.reset()


def result_and_gradients(operation) -> list[Tensor]:
    given = operands()
    result = operation(given)
    (result * randn(*result.shape, seed=9)).sum().backward()
    return [result.detach(), *(value.grad for value in given.values() if value.grad is not None)]


@pytest.mark.parametrize("name", OPERATIONS)
def test_compiled_operations_are_the_eager_ones(name, compiled):
    expected = result_and_gradients(OPERATIONS[name])
    compiled()
    got = result_and_gradients(OPERATIONS[name])
    assert len(got) == len(expected) > 1
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=2e-5)


@pytest.fixture
def animator() -> MotionUNet:
    unet = tiny_unet().requires_grad_(True)
    adapter = seeded(lambda: MotionAdapter(AdapterConfig.for_unet(unet, base_channels=8)), 3).requires_grad_(True)
    with torch.no_grad():
        for i, linear in enumerate((*adapter.outputs, adapter.strength)):
            linear.weight.copy_(0.1 * randn(*linear.weight.shape, seed=i))
    return MotionUNet(unet, adapter)


def gradients(animator: nn.Module) -> dict[str, Tensor]:
    animator.zero_grad()
    ids = torch.tensor([[6.0, 127.0, 0.02]]).expand(2, -1)
    motion = animator.encode_motion(3 * randn(FRAMES - 1, 2, 64, 128, seed=2))
    out = animator(
        randn(2, FRAMES, 8, 8, 16), torch.tensor([-0.5, 0.5]), randn(2, 1, EMBEDDING, seed=1), ids,
        motion=motion, strength_percent=torch.tensor([30.0, 300.0]),
    )  # fmt: skip
    (out * randn(*out.shape, seed=9)).sum().backward()
    return {name: p.grad for name, p in animator.named_parameters() if p.grad is not None}


def test_gradients_are_those_of_diffusers(animator):
    expected = gradients(copy.deepcopy(animator))
    got = gradients(accelerate(animator))
    largest = max(value.abs().max().item() for value in expected.values())
    # Queries and keys of attention to one token change nothing: diffusers gives them zeros, we do not compute them.
    for name, value in expected.items():
        if name in got:
            torch.testing.assert_close(got[name], value, atol=1e-6 * largest, rtol=1e-3, msg=name)
        else:
            assert value.abs().max() <= 1e-6 * largest, name
    assert len(got) > 0.8 * len(expected)


def test_rewritten_motion_encoder_gives_the_same_maps():
    encoder = seeded(lambda: MotionEncoder((16, 24), base_channels=8, flow_scale_px=8.0), 0)
    flow = 4 * randn(2, 2, 64, 96)
    expected = encoder(flow)
    assert any(isinstance(module, FastResidualBlock) for module in accelerate(encoder).modules())
    for a, b in zip(encoder(flow), expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
