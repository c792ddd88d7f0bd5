"""Gated GELU in Triton: kernels, their gradients, and the torch operation of both."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd import Function

from .launch import TILE, blocks, call, power_of_two


@triton.jit(do_not_specialize=["rows"])
def gated_gelu(x, bias, out, rows, channels, HAS_BIAS: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr):
    """x [rows, 2 channels] → of x + bias first half · GELU(second half), [rows, channels]; GELU with erf."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    mask = (row[:, None] < rows) & (channel[None, :] < channels)
    element = row[:, None] * (2 * channels) + channel[None, :]
    value = tl.load(x + element, mask=mask, other=0.0).to(tl.float32)
    gate = tl.load(x + element + channels, mask=mask, other=0.0).to(tl.float32)
    if HAS_BIAS:
        value += tl.load(bias + channel, mask=channel < channels, other=0.0).to(tl.float32)[None, :]
        gate += tl.load(bias + channels + channel, mask=channel < channels, other=0.0).to(tl.float32)[None, :]
    y = value * 0.5 * gate * (1.0 + tl.erf(gate * 0.7071067811865476))
    tl.store(out + row[:, None] * channels + channel[None, :], y.to(out.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=["rows"])
def gated_gelu_gradient(
    x, bias, gradient, out, sums, rows, channels, HAS_BIAS: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr
):
    """Gradient [rows, 2 channels] at x + bias; sums [blocks, 2 channels] of it over a block's rows."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    known = channel < channels
    mask = (row[:, None] < rows) & known[None, :]
    element = row[:, None] * (2 * channels) + channel[None, :]
    value = tl.load(x + element, mask=mask, other=0.0).to(tl.float32)
    gate = tl.load(x + element + channels, mask=mask, other=0.0).to(tl.float32)
    if HAS_BIAS:
        value += tl.load(bias + channel, mask=known, other=0.0).to(tl.float32)[None, :]
        gate += tl.load(bias + channels + channel, mask=known, other=0.0).to(tl.float32)[None, :]
    g = tl.load(gradient + row[:, None] * channels + channel[None, :], mask=mask, other=0.0).to(tl.float32)
    below = 0.5 * (1.0 + tl.erf(gate * 0.7071067811865476))
    of_value = g * gate * below
    of_gate = g * value * (below + gate * 0.3989422804014327 * tl.exp(-0.5 * gate * gate))
    tl.store(out + element, of_value.to(out.dtype.element_ty), mask=mask)
    tl.store(out + element + channels, of_gate.to(out.dtype.element_ty), mask=mask)
    if HAS_BIAS:
        target = sums + tl.program_id(0) * (2 * channels) + channel
        tl.store(target, tl.sum(of_value, axis=0), mask=known)
        tl.store(target + channels, tl.sum(of_gate, axis=0), mask=known)


class GatedGelu(Function):
    """First half · GELU(second half) of x + bias."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor | None) -> Tensor:
        x = x.contiguous()
        channels = x.shape[-1] // 2
        rows = x.numel() // x.shape[-1]
        out = x.new_empty((*x.shape[:-1], channels))
        width = min(256, power_of_two(channels))
        height = TILE // 4 // width
        gated_gelu[(blocks(rows, height), blocks(channels, width))](
            x, x if bias is None else bias, out, rows, channels, HAS_BIAS=bias is not None, ROWS=height, CHANNELS=width
        )
        if ctx is not None:
            ctx.save_for_backward(x, bias)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, bias = ctx.saved_tensors
        channels = x.shape[-1] // 2
        rows = x.numel() // x.shape[-1]
        width = min(128, power_of_two(channels))
        height = TILE // 2 // width
        grid = (blocks(rows, height), blocks(channels, width))
        out, sums = torch.empty_like(x), x.new_empty((grid[0], 2 * channels), dtype=torch.float32)
        gated_gelu_gradient[grid](
            x, x if bias is None else bias, gradient.contiguous(), out, sums, rows, channels,
            HAS_BIAS=bias is not None, ROWS=height, CHANNELS=width,
        )  # fmt: skip
        return out, None if bias is None else sums.sum(0).to(bias.dtype)


def launch(x: Tensor, bias: Tensor | None) -> Tensor:
    return call(GatedGelu, x, bias)
