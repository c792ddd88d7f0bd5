"""Motion attention against eq. 4 written out densely."""

import pytest
import torch
from diffusers.models.attention import Attention
from tiny import seeded

from driftfield.networks.motion_attention import MotionAttention, MotionContext

BATCH, FRAMES, SIDE, CHANNELS, HEADS = 2, 3, 2, 8, 2


@pytest.fixture
def layer():
    """A self-attention, its W_o, tokens [B·h·w, L, C] and motion maps [B, L, C, h, w]."""
    generator = torch.Generator().manual_seed(0)
    attention = seeded(lambda: Attention(query_dim=CHANNELS, heads=HEADS, dim_head=CHANNELS // HEADS), 0)
    output = seeded(lambda: torch.nn.Linear(CHANNELS, CHANNELS, bias=False), 1)
    tokens = torch.randn(BATCH * SIDE * SIDE, FRAMES, CHANNELS, generator=generator)
    maps = torch.randn(BATCH, FRAMES, CHANNELS, SIDE, SIDE, generator=generator)
    return attention, output, tokens, maps


def dense(attention, output, tokens, maps, scale):
    """One token sequence and one head at a time: softmax(Q Kᵀ / √d) V + g · W_o softmax(Q Kᵀ / √d) W_V z_m."""
    width = CHANNELS // HEADS
    results = []
    for index, sequence in enumerate(tokens):
        clip, row, column = index // SIDE**2, index // SIDE % SIDE, index % SIDE
        own, moved = [], []
        for head in range(HEADS):
            part = slice(head * width, (head + 1) * width)
            query = sequence @ attention.to_q.weight[part].T
            key = sequence @ attention.to_k.weight[part].T
            weights = torch.softmax(query @ key.T / width**0.5, dim=-1)
            own.append(weights @ (sequence @ attention.to_v.weight[part].T))
            moved.append(weights @ (maps[clip, :, :, row, column] @ attention.to_v.weight[part].T))
        base = attention.to_out[0](torch.cat(own, dim=-1))
        results.append(base + scale * torch.cat(moved, dim=-1) @ output.weight.T)
    return torch.stack(results)


@torch.no_grad()
@pytest.mark.parametrize("scale", [0.0, 1.0, -2.5])
def test_equation_4(layer, scale):
    attention, output, tokens, maps = layer
    attention.set_processor(MotionAttention(output, 1, MotionContext(maps=(None, maps), scale=scale)))
    torch.testing.assert_close(attention(tokens), dense(attention, output, tokens, maps, scale))


@torch.no_grad()
def test_without_motion_it_is_diffusers_own_attention(layer):
    attention, output, tokens, maps = layer
    own = attention(tokens)
    context = MotionContext()
    attention.set_processor(MotionAttention(output, 0, context))
    assert torch.equal(attention(tokens), own)
    output.weight.zero_()
    context.maps = (maps,)
    assert torch.equal(attention(tokens), own)
