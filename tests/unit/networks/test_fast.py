"""The rewritten blocks against diffusers' own, and the fused operations against torch's."""

import copy
import importlib

import pytest
import torch
import torch.nn.functional as F
from diffusers.models.attention import Attention
from tiny import EMBEDDING, FRAMES, seeded, tiny_unet, tiny_vae
from torch import nn

from driftfield.networks import fused
from driftfield.networks.animator import AdapterConfig, MotionAdapter, MotionUNet
from driftfield.networks.fast import FastResBlock, FastUpsample, accelerate
from driftfield.networks.single_token import SingleTokenAttention

pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.fixture
def no_grad():
    with torch.no_grad():
        yield


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def inputs(batch: int) -> tuple[torch.Tensor, ...]:
    ids = torch.tensor([[6.0, 127.0, 0.02]]).expand(batch, -1)
    return randn(batch, FRAMES, 8, 8, 16), torch.linspace(-1, 1, batch), randn(batch, 1, EMBEDDING, seed=1), ids


def close(got: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5 * expected.abs().max().item())


@pytest.mark.parametrize("batch", [1, 3])
def test_unet_is_that_of_diffusers(batch):
    unet = tiny_unet()
    for module in unet.modules():  # away from their start, where the mix of space and time is even
        if hasattr(module, "mix_factor"):
            module.mix_factor.fill_(1.3)
    expected = unet(*inputs(batch)).sample
    names = [(name, value.shape) for name, value in unet.state_dict().items()]
    close(accelerate(unet)(*inputs(batch)).sample, expected)
    assert sum(isinstance(module, FastResBlock) for module in unet.modules()) == 8
    assert [(name, value.shape) for name, value in unet.state_dict().items()] == names
    close(accelerate(unet)(*inputs(batch)).sample, expected)


def test_adapter_and_strength_work_on():
    unet = tiny_unet()
    adapter = seeded(lambda: MotionAdapter(AdapterConfig.for_unet(unet, base_channels=8)), 3)
    for i, linear in enumerate((*adapter.outputs, adapter.strength)):
        linear.weight.copy_(0.1 * randn(*linear.weight.shape, seed=i))
    animator = MotionUNet(unet, adapter)
    motion = animator.encode_motion(3 * randn(FRAMES - 1, 2, 64, 128, seed=2))
    options = {"motion": motion, "motion_scale": 1.5, "strength_percent": torch.tensor([30.0, 300.0])}
    expected, plain = animator(*inputs(2), **options), animator(*inputs(2))
    assert (expected - plain).abs().max() > 0.01
    accelerate(animator)
    close(animator(*inputs(2), **options), expected)
    close(animator(*inputs(2)), plain)


@pytest.mark.parametrize("clips", [1, 2])
def test_decoder_is_that_of_diffusers(clips):
    vae, latents = tiny_vae(), randn(clips * 3, 4, 8, 16)
    expected = vae.decode(latents, num_frames=3).sample
    accelerate(vae.decoder)
    close(vae.decode(latents, num_frames=3).sample, expected)


@pytest.mark.parametrize("size", [(3, 5), None, (6, 10), (7, 11)])
def test_upsampling_is_that_of_diffusers(size):
    module = next(m for m in tiny_unet().modules() if type(m).__name__ == "Upsample2D")
    image = randn(2, 64, 3, 5)
    expected = module(image, size)
    module.__class__ = FastUpsample
    close(module(image, size), expected)


def test_cross_attention_to_one_token_needs_no_queries():
    attention = seeded(lambda: Attention(query_dim=32, cross_attention_dim=16, heads=4, dim_head=8), 0)
    tokens, token = randn(3, 7, 32), randn(3, 1, 16)
    expected = attention(tokens, token)
    attention.set_processor(SingleTokenAttention())
    close(attention(tokens, token), expected)


def test_more_than_one_token_is_refused():
    sample, time, embedding, ids = inputs(1)
    with pytest.raises(ValueError, match="image embedding: got 2 tokens, allowed 1"):
        accelerate(tiny_unet())(sample, time, embedding.expand(-1, 2, -1), ids)


def norms(channels: int) -> tuple[nn.GroupNorm, nn.LayerNorm]:
    made = nn.GroupNorm(32, channels), nn.LayerNorm(channels)
    for i, norm in enumerate(made):
        norm.weight.copy_(randn(channels, seed=20 + i))
        norm.bias.copy_(randn(channels, seed=30 + i))
    return made


OPERATIONS = {
    "group norm": lambda x, y, v, b, f, group, layer: fused.group_norm(x, group),
    "group norm, shift": lambda x, y, v, b, f, group, layer: fused.group_norm(x, group, shift=v, silu=True),
    "layer norm": lambda x, y, v, b, f, group, layer: fused.add_layer_norm(x, layer)[1],
    "layer norm, sums": lambda x, y, v, b, f, group, layer: torch.stack(
        fused.add_layer_norm(x, layer, add=y, before=v, after=v.flip(0))
    ),
    "gated": lambda x, y, v, b, f, group, layer: fused.gated_gelu(x),
    "sum": lambda x, y, v, b, f, group, layer: fused.mix(x, y, bias=b),
    "share": lambda x, y, v, b, f, group, layer: fused.mix(x, y, bias=b, factor=f, sign=-1),
    "blend": lambda x, y, v, b, f, group, layer: fused.mix(x, y, x, factor=f, blend=True),
    "frames": lambda x, y, v, b, f, group, layer: fused.attend_over_frames(
        *(t.unflatten(0, (2, 2)).half() for t in (x, y, x)), heads=2
    ).float(),
}


def operands(channels: int, rows: int) -> list:
    x, y = (randn(4, rows, channels, seed=i) + 2 for i in (0, 1))
    vectors, bias, factor = randn(2, channels, seed=2), randn(channels, seed=3), randn(1, seed=4)
    return [x, y, vectors, bias, factor, *norms(channels)]


def test_operations_are_what_they_say():
    x, y, vectors, bias, factor, group, layer = given = operands(64, 6)
    rows, s = vectors.repeat_interleave(2, 0)[:, None], torch.sigmoid(factor)
    total = x + y + rows
    value, gate = x.chunk(2, dim=-1)
    expected = {
        "group norm": group(x.mT).mT,
        "group norm, shift": F.silu(group((x + rows).mT).mT),
        "layer norm": layer(x),
        "layer norm, sums": torch.stack([total, layer(total + rows.flip(0))]),
        "gated": value * F.gelu(gate),
        "sum": x + y + bias,
        "share": x + (1 - s) * (y + bias),
        "blend": (1 - s) * x + s * (y + x),
    }
    for name, result in expected.items():
        torch.testing.assert_close(OPERATIONS[name](*given), result, atol=1e-5, rtol=1e-5, msg=name)


on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="the kernels need a GPU")


@on_gpu
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("channels, rows", [(64, 5), (320, 700), (128, 4100)])
def test_kernels_are_the_torch_operations(name, channels, rows):
    assert fused.launchers() is not None
    given = operands(channels, rows)
    on_gpu = [copy.deepcopy(value).cuda() for value in given]
    tolerance = 2e-3 if name == "frames" else 1e-5
    torch.testing.assert_close(
        OPERATIONS[name](*on_gpu).cpu(), OPERATIONS[name](*given), atol=tolerance, rtol=tolerance
    )


@on_gpu
def test_another_length_builds_no_more_kernels():
    kernels = importlib.import_module("driftfield.networks.kernels")
    norm, device = nn.GroupNorm(4, 64).cuda(), torch.cuda.current_device()

    def built_for(rows: int) -> int:
        fused.group_norm(randn(1, rows, 64).cuda(), norm)
        functions = (kernels.channel_moments, kernels.group_scale, kernels.normalize)
        return sum(len(function.device_caches[device][0]) for function in functions)

    assert built_for(300) == built_for(5_000) == built_for(70_001) >= 3
