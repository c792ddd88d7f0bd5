"""8-bit storage: what is rounded and what is not, and that the result stays near."""

import pytest
import torch
from noise import randn
from tiny import EMBEDDING, FRAMES, tiny_unet

from driftfield.networks.fast import accelerate
from driftfield.networks.fast.fp8 import E4M3, store_fp8


@pytest.fixture
def inputs():
    return randn(1, FRAMES, 8, 8, 8), torch.tensor([0.3]), randn(1, 1, EMBEDDING, seed=1), torch.tensor([[6.0, 99, 0]])


def test_large_layers_are_rounded_and_the_rest_is_untouched():
    plain, stored = tiny_unet().state_dict(), store_fp8(tiny_unet()).state_dict()
    assert plain.keys() == stored.keys()
    small = {key for key, value in stored.items() if value.dtype == E4M3}
    assert all(torch.equal(stored[key], plain[key].to(E4M3) if key in small else plain[key]) for key in plain)
    assert all(key.endswith(".weight") and plain[key].ndim > 1 for key in small)
    assert "conv_in.weight" not in small and "add_embedding.linear_1.weight" not in small
    assert "down_blocks.0.attentions.0.temporal_transformer_blocks.0.attn1.to_q.weight" in small
    assert "down_blocks.0.resnets.0.temporal_res_block.conv1.weight" in small
    assert sum(plain[key].numel() for key in small) > 0.9 * sum(value.numel() for value in plain.values())


@pytest.mark.parametrize("fast", [False, True])
def test_it_computes_what_rounded_weights_compute(inputs, fast):
    rounded = tiny_unet()
    stored = store_fp8(tiny_unet())
    for key, value in stored.state_dict().items():
        rounded.state_dict()[key].copy_(value)
    change = accelerate if fast else lambda unet: unet
    with torch.no_grad():
        got, exact = change(stored)(*inputs).sample, rounded(*inputs).sample
        original = tiny_unet()(*inputs).sample
    torch.testing.assert_close(got, exact, atol=1e-5, rtol=1e-4)
    assert (got - original).std() < 0.1 * original.std()


def test_a_weight_too_large_for_it_keeps_its_layer_wide():
    unet = tiny_unet()
    layer = unet.mid_block.resnets[0].spatial_res_block.conv1
    layer.weight.data[0, 0, 0, 0] = 449
    store_fp8(unet)
    assert layer.weight.dtype == torch.float32 and layer.weight[0, 0, 0, 0] == 449
    assert unet.mid_block.resnets[0].spatial_res_block.conv2.weight.dtype == E4M3


def test_autocast_free_half_precision(inputs):
    unet = store_fp8(tiny_unet().to(torch.bfloat16))
    with torch.no_grad():
        out = unet(*(x.to(torch.bfloat16) for x in inputs)).sample
    assert out.dtype == torch.bfloat16 and out.isfinite().all()
