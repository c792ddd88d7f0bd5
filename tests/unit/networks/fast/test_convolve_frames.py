"""Convolutions over the frames of a clip against torch's."""

import pytest
import torch
import torch.nn.functional as F
from fused_operations import DEVICE, compiled_for_hopper, kernels, on_gpu
from noise import randn
from torch import Tensor, nn

from driftfield.networks.fast import backend
from driftfield.networks.fast.convolve_frames import add_convolved_frames, convolve_frames

COMPILED = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from driftfield.networks.fast.kernels import convolve_frames as own

sizes = {"PIXELS": own.PIXELS, "CHANNELS": own.CHANNELS, "INSIDE": own.INSIDE, "GROUP": own.GROUP}
sizes |= {"WIDTH": 320, "TAPS": 3, "HAS_ONTO": True, "SIGN": 1}
block = f"tensordesc<bf16[1,1,{own.PIXELS},{own.INSIDE}]>"
place = f"tensordesc<bf16[1,1,{own.PIXELS},{own.CHANNELS}]>"
given = {"x": block, "weight": f"tensordesc<bf16[{own.CHANNELS},{own.INSIDE}]>", "bias": "*bf16", "onto": place}
given |= {"factor": "*bf16", "out": place} | dict.fromkeys(["clips", "frames", "pixels", "channels"], "i32")
given |= dict.fromkeys(sizes, "constexpr")
made = compile(ASTSource(own.convolve_frames, given, sizes), GPUTarget("cuda", 90, 32), own.OPTIONS)
products = [line for line in made.asm["ptx"].splitlines() if "wgmma.mma_async" in line]
print(all(f"m64n{own.CHANNELS}k16" in line for line in products), len(products), made.metadata.shared)
"""


def random(frames: int, pixels: int, width: int, channels: int, taps: int = 3) -> tuple[Tensor, nn.Conv3d, Tensor]:
    """x, a layer for it, and data to add its result to."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layer = nn.Conv3d(width, channels, (taps, 1, 1), padding=(taps // 2, 0, 0))
    layer = layer.to(memory_format=torch.channels_last_3d)
    return randn(2, frames, pixels, width), layer, randn(2, frames, pixels, channels, seed=2)


def expected(x: Tensor, layer: nn.Conv3d) -> Tensor:
    return layer(x.permute(0, 3, 1, 2)[..., None])[..., 0].permute(0, 2, 3, 1)


@torch.no_grad()
@pytest.mark.parametrize("sign", [1, -1])
def test_torch_form(sign):
    x, layer, onto = random(4, 6, 8, 16)
    out, left = convolve_frames(x, layer)
    assert left is None
    torch.testing.assert_close(out, expected(x, layer), atol=1e-5, rtol=1e-5)
    factor = torch.tensor([0.7])
    got = add_convolved_frames(onto, x, layer, factor=factor, sign=sign)
    s = 1 / (1 + torch.exp(-sign * factor))
    torch.testing.assert_close(got, onto + s * expected(x, layer), atol=1e-5, rtol=1e-5)


SIZES = [(3, 300, 64, 128, 3), (1, 256, 128, 72, 3), (4, 5, 64, 200, 5)]


@torch.no_grad()
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("frames, pixels, width, channels, taps", SIZES)
def test_the_kernel_is_torchs_convolution(frames, pixels, width, channels, taps, sign):
    x, layer, onto = random(frames, pixels, width, channels, taps)
    factor, close = torch.tensor([0.7]), {"atol": 2e-5, "rtol": 1e-5}
    if torch.cuda.is_available():
        x, layer, onto, factor = x.cuda().bfloat16(), layer.cuda().bfloat16(), onto.cuda().bfloat16(), factor.cuda()
        close = {"atol": 2e-2, "rtol": 1e-2}
    weight, launch = layer.weight.flatten(2).mT, kernels().convolve_frames.launch
    plain, summed = launch(x, weight), launch(x, weight, layer.bias, onto, factor, sign)
    convolved = expected(x.float(), layer.float())
    torch.testing.assert_close(plain.float(), convolved - layer.bias, **close)
    torch.testing.assert_close(summed.float(), onto.float() + (sign * factor).sigmoid() * convolved, **close)


def test_for_hopper_it_is_products_from_shared_memory():
    alike, products, shared = compiled_for_hopper(COMPILED)
    assert alike == "True" and int(products) == 8 and int(shared) < 227 * 1024


@pytest.mark.parametrize(
    "pixels, width, channels, dtype, capability, allowed",
    [
        (4096, 320, 320, torch.bfloat16, (9, 0), True),
        (2304, 64, 64, torch.float16, (9, 0), True),
        (256, 64, 64, torch.bfloat16, (9, 0), True),
        (144, 64, 64, torch.bfloat16, (9, 0), False),  # nearly half of a block would be empty
        (300, 64, 64, torch.bfloat16, (9, 0), False),
        (4096, 96, 96, torch.bfloat16, (9, 0), False),
        (4096, 64, 4, torch.bfloat16, (9, 0), False),
        (4096, 64, 64, torch.float32, (9, 0), False),
        (4096, 64, 64, torch.bfloat16, (8, 0), False),
    ],
)
def test_other_sizes_formats_and_gpus_keep_the_separate_form(
    pixels, width, channels, dtype, capability, allowed, monkeypatch
):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    x, weight = torch.empty(1, 2, pixels, width, dtype=dtype), torch.empty(channels, width, 3, 1, 1, dtype=dtype)
    assert kernels().convolve_frames.fits(x, weight) is allowed


def test_gradients_come_from_the_separate_form(monkeypatch):
    module = kernels()
    monkeypatch.setattr(backend, "kernels_for", lambda x: module)
    monkeypatch.setattr(module.convolve_frames, "fits", lambda *given: True)
    x, layer, onto = (each.to(DEVICE) for each in random(3, 4, 64, 64))
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        add_convolved_frames(onto, x, layer, factor=torch.zeros(1, device=DEVICE), sign=1).sum().backward()
        got = layer.weight.grad.clone()
        layer.weight.grad = None
        (onto + 0.5 * expected(x, layer)).sum().backward()
    torch.testing.assert_close(got, layer.weight.grad, atol=1e-3, rtol=1e-4)


@on_gpu
@torch.no_grad()
def test_a_gpu_of_hoppers_kind_has_it():
    if torch.cuda.get_device_capability() != (9, 0):
        pytest.skip("another GPU")
    x, layer, _ = random(5, 1024, 320, 320)
    x, layer = x.cuda().bfloat16(), layer.cuda().bfloat16()
    out, left = convolve_frames(x, layer)
    assert left is layer.bias
    assert torch.equal(out, kernels().convolve_frames.launch(x, layer.weight.flatten(2).mT))
    whole = F.conv3d(x.permute(0, 3, 1, 2)[..., None].float(), layer.weight.float(), None, padding=(1, 0, 0))
    torch.testing.assert_close(out.float(), whole[..., 0].permute(0, 2, 3, 1), atol=2e-2, rtol=1e-2)
