"""A weighted sum in Triton: kernels, their gradients, and the torch operation of both."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd import Function

from .launch import TILE, blocks, call, power_of_two


@triton.jit(do_not_specialize=["rows"])
def mix(
    x, y, z, bias, factor, out, rows, channels,
    HAS_Z: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_FACTOR: tl.constexpr, SIGN: tl.constexpr, BLEND: tl.constexpr,
    ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """out = x + s (y + z + bias), or with BLEND (1 − s) x + s (y + z + bias); s = sigmoid(SIGN · factor), or 1."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    mask = (row[:, None] < rows) & (channel[None, :] < channels)
    element = row[:, None] * channels + channel[None, :]
    base = tl.load(x + element, mask=mask, other=0.0).to(tl.float32)
    added = tl.load(y + element, mask=mask, other=0.0).to(tl.float32)
    if HAS_Z:
        added += tl.load(z + element, mask=mask, other=0.0).to(tl.float32)
    if HAS_BIAS:
        added += tl.load(bias + channel, mask=channel < channels, other=0.0).to(tl.float32)[None, :]
    if HAS_FACTOR:
        s = tl.sigmoid(SIGN * tl.load(factor).to(tl.float32))
        added *= s
        if BLEND:
            base *= 1.0 - s
    tl.store(out + element, (base + added).to(out.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=["rows", "plane"])
def mix_gradient(
    x, y, z, bias, factor, gradient, of_x, of_y, sums, rows, channels, plane,
    HAS_Z: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_FACTOR: tl.constexpr, SIGN: tl.constexpr, BLEND: tl.constexpr,
    ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Of out = x + s (y + z + bias), or with BLEND (1 − s) x + s (y + z + bias): gradients at x (BLEND) and y.

    sums [2, blocks, channels] over a block's rows: of the gradient, and of it times what s multiplies. Without factor
    s is 1, and x and y have the gradient itself: only the sums are written.
    """
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    known = channel < channels
    mask = (row[:, None] < rows) & known[None, :]
    element = row[:, None] * channels + channel[None, :]
    g = tl.load(gradient + element, mask=mask, other=0.0).to(tl.float32)
    target = sums + tl.program_id(0) * channels + channel
    tl.store(target, tl.sum(g, axis=0), mask=known)
    if HAS_FACTOR:
        s = tl.sigmoid(SIGN * tl.load(factor).to(tl.float32))
        tl.store(of_y + element, (s * g).to(of_y.dtype.element_ty), mask=mask)
        inner = tl.load(y + element, mask=mask, other=0.0).to(tl.float32)
        if HAS_Z:
            inner += tl.load(z + element, mask=mask, other=0.0).to(tl.float32)
        if HAS_BIAS:
            inner += tl.load(bias + channel, mask=known, other=0.0).to(tl.float32)[None, :]
        if BLEND:
            inner -= tl.load(x + element, mask=mask, other=0.0).to(tl.float32)
            tl.store(of_x + element, ((1.0 - s) * g).to(of_x.dtype.element_ty), mask=mask)
        tl.store(target + plane, tl.sum(g * inner, axis=0), mask=known)


class Mix(Function):
    """x + s (y + z + bias), or with blend (1 − s) x + s (y + z + bias); s = sigmoid(sign · factor), or 1."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        y: Tensor,
        z: Tensor | None,
        bias: Tensor | None,
        factor: Tensor | None,
        sign: int,
        blend: bool,
    ) -> Tensor:
        x, y = x.contiguous(), y.contiguous()
        z = z if z is None else z.contiguous()
        channels = x.shape[-1]
        rows = x.numel() // channels
        out = torch.empty_like(x)
        width = min(128, power_of_two(channels))
        height = TILE // 2 // width
        options = {"HAS_Z": z is not None, "HAS_BIAS": bias is not None, "HAS_FACTOR": factor is not None}
        options |= {"SIGN": sign, "BLEND": blend, "ROWS": height, "CHANNELS": width}
        grid = (blocks(rows, height), blocks(channels, width))
        given = (x, y, *(x if one is None else one for one in (z, bias, factor)))
        mix[grid](*given, out, rows, channels, **options)
        if ctx is not None:
            if factor is not None:
                ctx.save_for_backward(*(x, y) if blend else (y, y), z, bias, factor)
            ctx.z, ctx.bias, ctx.factor, ctx.grid, ctx.options = z is not None, bias, factor, grid, options
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        gradient = gradient.contiguous()
        channels, blend = gradient.shape[-1], ctx.options["BLEND"]
        rows = gradient.numel() // channels
        of_x = of_y = gradient
        of_bias = of_factor = None
        if ctx.factor is not None or ctx.bias is not None:
            given = [gradient] * 5
            if ctx.factor is not None:
                given = [gradient if one is None else one for one in ctx.saved_tensors]
                of_y = torch.empty_like(gradient)
                of_x = torch.empty_like(gradient) if blend else gradient
            sums = gradient.new_empty((2, ctx.grid[0], channels), dtype=torch.float32)
            mix_gradient[ctx.grid](*given, gradient, of_x, of_y, sums, rows, channels, sums[0].numel(), **ctx.options)
            s = 1.0
            if ctx.factor is not None:
                s = torch.sigmoid(ctx.options["SIGN"] * ctx.factor.float())
                of_factor = (ctx.options["SIGN"] * s * (1 - s) * sums[1].sum()).to(ctx.factor.dtype)
            of_bias = None if ctx.bias is None else (s * sums[0].sum(0)).to(ctx.bias.dtype)
        return of_x, of_y, of_y if ctx.z else None, of_bias, of_factor, None, None


def launch(
    x: Tensor, y: Tensor, z: Tensor | None, bias: Tensor | None, factor: Tensor | None, sign: int, blend: bool
) -> Tensor:
    return call(Mix, x, y, z, bias, factor, sign, blend)
