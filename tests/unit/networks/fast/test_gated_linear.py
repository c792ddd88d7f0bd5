"""A linear layer and its gated GELU in one."""

import pytest
import torch
from fused_operations import DEVICE, Operands, compiled_for_hopper, kernels, on_gpu
from torch import nn

from driftfield.networks.fast import backend
from driftfield.networks.fast.gated_gelu import gated_gelu
from driftfield.networks.fast.gated_linear import gated_linear

COMPILED = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from driftfield.networks.fast.kernels import gated_linear as own

sizes = {"WIDTH": 320, "ROWS": own.ROWS, "CHANNELS": own.CHANNELS, "INSIDE": own.INSIDE, "GROUP": own.GROUP}
block, weights = f"tensordesc<bf16[{own.ROWS},{own.INSIDE}]>", f"tensordesc<bf16[2,{own.CHANNELS},{own.INSIDE}]>"
given = {"x": block, "weight": weights, "bias": "*bf16", "out": f"tensordesc<bf16[{own.ROWS},{own.CHANNELS}]>"}
given |= {"rows": "i32", "channels": "i32"} | dict.fromkeys(sizes, "constexpr")
made = compile(ASTSource(own.gated_linear, given, sizes), GPUTarget("cuda", 90, 32), own.OPTIONS)
print(f"m64n{2 * own.CHANNELS}k16" in made.asm["ptx"], made.metadata.shared)
"""


def random(rows: int, width: int, channels: int) -> tuple[torch.Tensor, nn.Linear]:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layer = nn.Linear(width, 2 * channels)
        layer.weight.data *= 4  # gates of -6 .. 6
    return Operands.random(width, rows).x, layer


@torch.no_grad()
def test_it_is_the_layer_and_then_the_gate():
    x, layer = random(6, 16, 32)
    torch.testing.assert_close(gated_linear(x, layer), gated_gelu(layer(x)), atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("rows, width, channels", [(50, 64, 128), (64, 72, 64), (300, 128, 64)])
def test_the_kernel_is_the_layer_and_then_the_gate(rows, width, channels):
    x, layer = random(rows, width, channels)
    if torch.cuda.is_available():
        x, layer = x.cuda().bfloat16(), layer.cuda().bfloat16()
    got = kernels().gated_linear.launch(x, layer.weight, layer.bias)
    expected = gated_gelu(layer.float()(x.float()))
    assert got.shape == (4, rows, channels)
    close = {"atol": 1e-5, "rtol": 1e-5} if got.dtype == torch.float32 else {"atol": 2e-3, "rtol": 1e-2}
    torch.testing.assert_close(got.float(), expected, **close)


def test_for_hopper_it_is_one_product_of_which_three_fit_a_multiprocessor():
    one_product, shared = compiled_for_hopper(COMPILED)
    assert one_product == "True" and 3 * int(shared) < 227 * 1024


@pytest.mark.parametrize(
    "channels, dtype, capability, allowed",
    [
        (64, torch.bfloat16, (9, 0), True),
        (64, torch.float16, (9, 0), True),
        (64, torch.float32, (9, 0), False),
        (32, torch.bfloat16, (9, 0), False),
        (64, torch.bfloat16, (8, 0), False),
        (64, torch.bfloat16, (12, 0), False),
    ],
)
def test_other_sizes_formats_and_gpus_keep_the_separate_form(channels, dtype, capability, allowed, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    x, layer = random(3, 16, channels)
    assert kernels().gated_linear.fits(x.to(dtype), layer.to(dtype).weight) is allowed


def test_gradients_come_from_the_separate_form(monkeypatch):
    module = kernels()
    monkeypatch.setattr(backend, "kernels_for", lambda x: module)
    monkeypatch.setattr(module.gated_linear, "fits", lambda *given: True)
    x, layer = (each.to(DEVICE) for each in random(5, 16, 64))
    gated_linear(x, layer).sum().backward()
    got = layer.weight.grad.clone()
    layer.weight.grad = None
    gated_gelu(layer(x)).sum().backward()
    torch.testing.assert_close(got, layer.weight.grad, atol=1e-3, rtol=1e-4)


@on_gpu
@torch.no_grad()
def test_a_gpu_of_hoppers_kind_has_it():
    x, layer = random(700, 320, 1280)
    x, layer = x.cuda().bfloat16(), layer.cuda().bfloat16()
    if torch.cuda.get_device_capability() != (9, 0):
        pytest.skip("another GPU")
    assert torch.equal(gated_linear(x, layer), kernels().gated_linear.launch(x, layer.weight, layer.bias))
