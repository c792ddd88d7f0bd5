"""Sums and the layer norm of them in Triton: kernels, their gradients, and the torch operation of both."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd import Function

from .launch import TILE, blocks, call, power_of_two


@triton.jit(do_not_specialize=["rows", "rows_before", "rows_after"])
def add_and_normalize(
    x, add, before, after, weight, bias, total, out, rows, channels, rows_before, rows_after, eps,
    HAS_ADD: tl.constexpr, HAS_BEFORE: tl.constexpr, HAS_AFTER: tl.constexpr, ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
):  # fmt: skip
    """total = x + add + before; out = LayerNorm(total + after). Rows of before and after hold for many rows of x."""
    row, channel = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS), tl.arange(0, CHANNELS)
    known = channel < channels
    mask = (row[:, None] < rows) & known[None, :]
    element = row[:, None] * channels + channel[None, :]
    s = tl.load(x + element, mask=mask, other=0.0).to(tl.float32)
    if HAS_ADD:
        s += tl.load(add + element, mask=mask, other=0.0).to(tl.float32)
    if HAS_BEFORE:
        at = (row // rows_before)[:, None] * channels + channel[None, :]
        s += tl.load(before + at, mask=mask, other=0.0).to(tl.float32)
    if HAS_ADD or HAS_BEFORE:
        tl.store(total + element, s.to(total.dtype.element_ty), mask=mask)
    if HAS_AFTER:
        at = (row // rows_after)[:, None] * channels + channel[None, :]
        s += tl.load(after + at, mask=mask, other=0.0).to(tl.float32)
    mean = tl.sum(s, axis=1) / channels
    deviation = tl.where(mask, s - mean[:, None], 0.0)
    inverse = 1.0 / tl.sqrt(tl.sum(deviation * deviation, axis=1) / channels + eps)
    factor = tl.load(weight + channel, mask=known, other=0.0).to(tl.float32)
    added = tl.load(bias + channel, mask=known, other=0.0).to(tl.float32)
    y = deviation * inverse[:, None] * factor[None, :] + added[None, :]
    tl.store(out + element, y.to(out.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=["run", "rows_after", "plane"])
def layer_norm_gradient(
    total, after, weight, of_total, of_out, out, sums, run, channels, rows_after, plane, eps,
    HAS_AFTER: tl.constexpr, HAS_TOTAL: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Gradient at `total` from those at total and at LayerNorm(total + after).

    sums [4, samples · blocks, channels] over a block's rows of one sample, which has `run` of them: the gradient of
    weight, of bias, of what the norm has seen, and of total.
    """
    block, sample = tl.program_id(0), tl.program_id(1).to(tl.int64)
    inside, channel = block * ROWS + tl.arange(0, ROWS), tl.arange(0, CHANNELS)
    known = channel < channels
    mask = (inside < run)[:, None] & known[None, :]
    row = sample * run + inside
    element = row[:, None] * channels + channel[None, :]
    s = tl.load(total + element, mask=mask, other=0.0).to(tl.float32)
    if HAS_AFTER:
        at = (row // rows_after)[:, None] * channels + channel[None, :]
        s += tl.load(after + at, mask=mask, other=0.0).to(tl.float32)
    mean = tl.sum(s, axis=1) / channels
    deviation = tl.where(mask, s - mean[:, None], 0.0)
    inverse = 1.0 / tl.sqrt(tl.sum(deviation * deviation, axis=1) / channels + eps)
    normal = deviation * inverse[:, None]
    g = tl.load(of_out + element, mask=mask, other=0.0).to(tl.float32)
    gw = g * tl.load(weight + channel, mask=known, other=0.0).to(tl.float32)[None, :]
    straight, slant = tl.sum(gw, axis=1) / channels, tl.sum(gw * normal, axis=1) / channels
    d = tl.where(mask, (gw - straight[:, None] - normal * slant[:, None]) * inverse[:, None], 0.0)
    target = sums + (sample * tl.num_programs(0) + block) * channels + channel
    tl.store(target, tl.sum(g * normal, axis=0), mask=known)
    tl.store(target + plane, tl.sum(g, axis=0), mask=known)
    tl.store(target + 2 * plane, tl.sum(d, axis=0), mask=known)
    if HAS_TOTAL:
        d += tl.load(of_total + element, mask=mask, other=0.0).to(tl.float32)
    tl.store(target + 3 * plane, tl.sum(d, axis=0), mask=known)
    tl.store(out + element, d.to(out.dtype.element_ty), mask=mask)


class AddLayerNorm(Function):
    """(x + add + before, LayerNorm(that + after))."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, add: Tensor | None, before: Tensor | None,
        after: Tensor | None,
    ) -> tuple[Tensor | None, Tensor]:  # fmt: skip
        x = x.contiguous()
        channels = x.shape[-1]
        rows = x.numel() // channels
        width = power_of_two(channels)
        height = max(1, TILE // 2 // width)
        changed = add is not None or before is not None
        total, out = torch.empty_like(x) if changed else x, torch.empty_like(x)
        before, after = (None if row is None else row.contiguous() for row in (before, after))
        add_and_normalize[(blocks(rows, height),)](
            x, x if add is None else add.contiguous(), x if before is None else before, x if after is None else after,
            weight, bias, total, out, rows, channels, 1 if before is None else rows // len(before),
            1 if after is None else rows // len(after), eps, HAS_ADD=add is not None, HAS_BEFORE=before is not None,
            HAS_AFTER=after is not None, ROWS=height, CHANNELS=width,
        )  # fmt: skip
        if ctx is not None:
            ctx.save_for_backward(total, weight, after)
            ctx.eps, ctx.added, ctx.before = eps, add is not None, before
            ctx.set_materialize_grads(False)
        return (total if changed else None), out

    @staticmethod
    def backward(ctx: Any, of_total: Tensor | None, of_out: Tensor | None) -> tuple[Tensor | None, ...]:
        total, weight, after = ctx.saved_tensors
        samples, channels = len(total), total.shape[-1]
        run = total.numel() // samples // channels
        width = power_of_two(channels)
        height = max(1, TILE // 2 // width)
        grid = (blocks(run, height), samples)
        sums = total.new_empty((4, samples, grid[0], channels), dtype=torch.float32)
        out = torch.empty_like(total)
        layer_norm_gradient[grid](
            total, total if after is None else after, weight, total if of_total is None else of_total.contiguous(),
            torch.zeros_like(total) if of_out is None else of_out.contiguous(), out, sums, run, channels,
            1 if after is None else run * samples // len(after), sums[0].numel(), ctx.eps,
            HAS_AFTER=after is not None, HAS_TOTAL=of_total is not None, ROWS=height, CHANNELS=width,
        )  # fmt: skip
        sums = sums.sum(2)

        def rows_of(vectors: Tensor | None, values: Tensor) -> Tensor | None:
            return None if vectors is None else values.unflatten(0, (len(vectors), -1)).sum(1).to(vectors.dtype)

        of_weight, of_bias = sums[:2].sum(1).to(weight.dtype)
        of_added = out if ctx.added else None
        return out, of_weight, of_bias, None, of_added, rows_of(ctx.before, sums[3]), rows_of(after, sums[2])


def launch(
    x: Tensor, weight: Tensor, bias: Tensor, eps: float, add: Tensor | None, before: Tensor | None, after: Tensor | None
) -> tuple[Tensor, Tensor]:
    """ValueError where a row of before or after would change within a sample."""
    for rows in (before, after):
        if rows is not None and len(x) % len(rows):
            raise ValueError(f"rows for {len(x)} samples: got {len(rows)}, allowed a number that divides them")
    total, out = call(AddLayerNorm, x, weight, bias, eps, add, before, after)
    return (x if total is None else total), out
