"""Attention to one token, without queries."""

import torch
from diffusers.models.attention import Attention
from noise import randn
from tiny import seeded

from driftfield.networks.fast.single_token import SingleTokenAttention


@torch.no_grad()
def test_cross_attention_to_one_token_needs_no_queries():
    attention = seeded(lambda: Attention(query_dim=32, cross_attention_dim=16, heads=4, dim_head=8), 0)
    tokens, token = randn(3, 7, 32), randn(3, 1, 16)
    expected = attention(tokens, token)
    attention.set_processor(SingleTokenAttention())
    got = attention(tokens, token)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5 * expected.abs().max().item())
