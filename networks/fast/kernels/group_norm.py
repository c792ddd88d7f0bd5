"""Group norm with an activation in Triton: kernels, their gradients, and the torch operation of both."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd import Function

from .launch import TILE, blocks, call, power_of_two


@triton.jit(do_not_specialize=["rows", "chunks"])
def channel_moments(x, means, squares, rows, channels, chunks, ROWS: tl.constexpr, CHANNELS: tl.constexpr):
    """x [N, rows, channels] → mean and sum of squared deviations of every chunk of ROWS rows, [N, chunks, channels]."""
    chunk, sample = tl.program_id(0), tl.program_id(1).to(tl.int64)
    row, channel = chunk * ROWS + tl.arange(0, ROWS), tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)
    mask = (row[:, None] < rows) & (channel[None, :] < channels)
    offset = (sample * rows + row)[:, None] * channels + channel[None, :]
    values = tl.load(x + offset, mask=mask, other=0.0).to(tl.float32)
    mean = tl.sum(values, axis=0) / tl.minimum(rows - chunk * ROWS, ROWS)
    deviation = tl.where(mask, values - mean[None, :], 0.0)
    target = (sample * chunks + chunk) * channels + channel
    tl.store(means + target, mean, mask=channel < channels)
    tl.store(squares + target, tl.sum(deviation * deviation, axis=0), mask=channel < channels)


@triton.jit(do_not_specialize=["rows", "channels", "group", "chunks", "shared"])
def group_scale(
    means, squares, shift, scale, offset, rows, channels, group, chunks, shared, eps,
    HAS_SHIFT: tl.constexpr, ROWS: tl.constexpr, GROUP_BLOCK: tl.constexpr, CHUNKS: tl.constexpr,
):  # fmt: skip
    """From the moments of x to its groups' norm, x + shift less its mean over its deviation = x · scale + offset.

    scale and offset are [N, channels] float32; `shared` samples have one row of shift in common. CHUNKS chunks are
    looked at in one go.
    """
    sample, inside = tl.program_id(0).to(tl.int64), tl.arange(0, GROUP_BLOCK)
    channel, in_group = tl.program_id(1) * group + inside, inside < group
    moved = tl.zeros([GROUP_BLOCK], tl.float32)
    if HAS_SHIFT:
        moved = tl.load(shift + sample // shared * channels + channel, mask=in_group, other=0.0).to(tl.float32)
    total = tl.zeros([CHUNKS, GROUP_BLOCK], tl.float32)
    first = 0  # loops that end where a number says, not a constexpr: one kernel for all lengths
    while first < chunks:
        chunk = first + tl.arange(0, CHUNKS)
        mask = (chunk < chunks)[:, None] & in_group[None, :]
        count = tl.minimum(rows - chunk * ROWS, ROWS).to(tl.float32)[:, None]
        mean = tl.load(means + (sample * chunks + chunk)[:, None] * channels + channel[None, :], mask=mask, other=0.0)
        total += tl.where(mask, count * (mean + moved[None, :]), 0.0)
        first += CHUNKS
    numbers = (rows * group).to(tl.float32)
    center = tl.sum(tl.sum(total, axis=0), axis=0) / numbers
    scatter = tl.zeros([CHUNKS, GROUP_BLOCK], tl.float32)
    first = 0
    while first < chunks:
        chunk = first + tl.arange(0, CHUNKS)
        mask = (chunk < chunks)[:, None] & in_group[None, :]
        count = tl.minimum(rows - chunk * ROWS, ROWS).to(tl.float32)[:, None]
        element = (sample * chunks + chunk)[:, None] * channels + channel[None, :]
        far = tl.load(means + element, mask=mask, other=0.0) + moved[None, :] - center
        scatter += tl.where(mask, tl.load(squares + element, mask=mask, other=0.0) + count * far * far, 0.0)
        first += CHUNKS
    deviation = tl.sqrt(tl.sum(tl.sum(scatter, axis=0), axis=0) / numbers + eps)
    factor = tl.full([GROUP_BLOCK], 1.0, tl.float32) / deviation
    tl.store(scale + sample * channels + channel, factor, mask=in_group)
    tl.store(offset + sample * channels + channel, (moved - center) * factor, mask=in_group)


@triton.jit(do_not_specialize=["rows"])
def normalize(
    x, scale, offset, weight, bias, out, rows, channels, slope,
    ACTIVATION: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """out = activation((x · scale + offset) · weight + bias); x and out [N, rows, channels]."""
    sample = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)
    known = channel < channels
    mask = (row[:, None] < rows) & known[None, :]
    element = (sample * rows + row)[:, None] * channels + channel[None, :]
    w = tl.load(weight + channel, mask=known, other=0.0).to(tl.float32)
    factor = tl.load(scale + sample * channels + channel, mask=known, other=0.0) * w
    added = tl.load(offset + sample * channels + channel, mask=known, other=0.0) * w
    added += tl.load(bias + channel, mask=known, other=0.0).to(tl.float32)
    y = tl.load(x + element, mask=mask, other=0.0).to(tl.float32) * factor[None, :] + added[None, :]
    if ACTIVATION == "silu":
        root = tl.rsqrt(1.0 + tl.exp(-y))
        y = y * root * root  # without a division, which takes as long as the rest
    if ACTIVATION == "leaky relu":
        y = tl.where(y > 0, y, slope * y)
    tl.store(out + element, y.to(out.dtype.element_ty), mask=mask)


@triton.jit
def affine_gradient(normal, gradient, weight, bias, slope, ACTIVATION: tl.constexpr):
    """The gradient at y = normal · weight + bias, from that at activation(y)."""
    y = normal * weight[None, :] + bias[None, :]
    if ACTIVATION == "silu":
        s = tl.sigmoid(y)
        return gradient * s * (1.0 + y * (1.0 - s))
    if ACTIVATION == "leaky relu":
        return tl.where(y > 0, gradient, slope * gradient)
    return gradient


@triton.jit(do_not_specialize=["rows", "chunks", "plane"])
def norm_sums(
    x, gradient, scale, offset, weight, bias, sums, rows, channels, chunks, plane, slope,
    ACTIVATION: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """sums [3, N, chunks, channels] over the rows: of the affine gradient g, of g x̂ and of x̂ = x · scale + offset.

    plane: how many numbers one of the three has.
    """
    chunk, sample = tl.program_id(0), tl.program_id(1).to(tl.int64)
    row, channel = chunk * ROWS + tl.arange(0, ROWS), tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)
    known = channel < channels
    mask = (row[:, None] < rows) & known[None, :]
    element = (sample * rows + row)[:, None] * channels + channel[None, :]
    at = sample * channels + channel
    factor, added = tl.load(scale + at, mask=known, other=0.0), tl.load(offset + at, mask=known, other=0.0)
    w = tl.load(weight + channel, mask=known, other=0.0).to(tl.float32)
    b = tl.load(bias + channel, mask=known, other=0.0).to(tl.float32)
    normal = tl.load(x + element, mask=mask, other=0.0).to(tl.float32) * factor[None, :] + added[None, :]
    normal = tl.where(mask, normal, 0.0)
    g = tl.load(gradient + element, mask=mask, other=0.0).to(tl.float32)
    g = affine_gradient(normal, g, w, b, slope, ACTIVATION)
    target = sums + (sample * chunks + chunk) * channels + channel
    tl.store(target, tl.sum(g, axis=0), mask=known)
    tl.store(target + plane, tl.sum(g * normal, axis=0), mask=known)
    tl.store(target + 2 * plane, tl.sum(normal, axis=0), mask=known)


@triton.jit(do_not_specialize=["rows"])
def norm_gradient(
    x, gradient, scale, offset, weight, bias, mean, slant, out, rows, channels, slope,
    ACTIVATION: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """out = scale · (g · weight − mean − x̂ · slant), mean and slant [N, channels] float32."""
    sample = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)
    known = channel < channels
    mask = (row[:, None] < rows) & known[None, :]
    element = (sample * rows + row)[:, None] * channels + channel[None, :]
    at = sample * channels + channel
    factor, added = tl.load(scale + at, mask=known, other=0.0), tl.load(offset + at, mask=known, other=0.0)
    m, t = tl.load(mean + at, mask=known, other=0.0), tl.load(slant + at, mask=known, other=0.0)
    w = tl.load(weight + channel, mask=known, other=0.0).to(tl.float32)
    b = tl.load(bias + channel, mask=known, other=0.0).to(tl.float32)
    normal = tl.load(x + element, mask=mask, other=0.0).to(tl.float32) * factor[None, :] + added[None, :]
    g = tl.load(gradient + element, mask=mask, other=0.0).to(tl.float32)
    g = affine_gradient(normal, g, w, b, slope, ACTIVATION)
    d = factor[None, :] * (g * w[None, :] - m[None, :] - normal * t[None, :])
    tl.store(out + element, d.to(out.dtype.element_ty), mask=mask)


class GroupNorm(Function):
    """activation(GroupNorm(x + shift)), x [N, …, C], shift [M, C]."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, shift: Tensor | None, groups: int, eps: float,
        activation: str, slope: float,
    ) -> Tensor:  # fmt: skip
        x = x.contiguous()
        samples, channels = len(x), x.shape[-1]
        rows, group = x.numel() // samples // channels, channels // groups
        width = min(64, power_of_two(channels))
        height = TILE // width
        chunks = blocks(rows, height)
        grid = (chunks, samples, blocks(channels, width))
        means, squares = x.new_empty((2, samples, chunks, channels), dtype=torch.float32)
        scale, offset = x.new_empty((2, samples, channels), dtype=torch.float32)
        channel_moments[grid](x, means, squares, rows, channels, chunks, ROWS=height, CHANNELS=width, num_warps=2)
        group_block = power_of_two(group)
        group_scale[(samples, groups)](
            means, squares, x if shift is None else shift.contiguous(), scale, offset, rows, channels, group, chunks,
            1 if shift is None else samples // len(shift), eps, HAS_SHIFT=shift is not None, ROWS=height,
            GROUP_BLOCK=group_block, CHUNKS=2048 // group_block,
        )  # fmt: skip
        out = torch.empty_like(x)
        if channels % 128 == 0:
            width = 128
        height = TILE // 2 // width
        normalize[blocks(rows, height), samples, blocks(channels, width)](
            x, scale, offset, weight, bias, out, rows, channels, slope, ACTIVATION=activation, ROWS=height,
            CHANNELS=width,
        )  # fmt: skip
        if ctx is not None:
            ctx.save_for_backward(x, weight, bias, scale, offset)
            ctx.shift, ctx.groups, ctx.activation, ctx.slope = shift, groups, activation, slope
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, scale, offset = ctx.saved_tensors
        gradient = gradient.contiguous()
        samples, channels = scale.shape
        rows = x.numel() // samples // channels
        width = min(64, power_of_two(channels))
        height = TILE // width
        chunks = blocks(rows, height)
        grid = (chunks, samples, blocks(channels, width))
        given = (x, gradient, scale, offset, weight, bias)
        options = {"ACTIVATION": ctx.activation, "ROWS": height, "CHANNELS": width}
        sums = scale.new_empty(3, samples, chunks, channels)
        plane = samples * chunks * channels
        norm_sums[grid](*given, sums, rows, channels, chunks, plane, ctx.slope, **options)
        of_bias, of_weight, normal = sums.sum(2)

        def over_groups(values: Tensor) -> Tensor:  # [N, C] → the group's mean over all its numbers
            grouped = (values * weight.float()).unflatten(1, (ctx.groups, -1))
            mean = grouped.sum(2, keepdim=True) / (rows * channels // ctx.groups)
            return mean.expand_as(grouped).flatten(1).contiguous()

        mean, slant = over_groups(of_bias), over_groups(of_weight)
        out = torch.empty_like(x)
        norm_gradient[grid](*given, mean, slant, out, rows, channels, ctx.slope, **options)
        of_shift = None
        if ctx.shift is not None:
            moved = scale * (of_bias * weight.float() - rows * mean - normal * slant)
            of_shift = moved.unflatten(0, (len(ctx.shift), -1)).sum(1).to(ctx.shift.dtype)
        return out, of_weight.sum(0).to(weight.dtype), of_bias.sum(0).to(bias.dtype), of_shift, *[None] * 4


def launch(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    shift: Tensor | None,
    groups: int,
    eps: float,
    activation: str,
    slope: float = 0.0,
) -> Tensor:
    """activation: "none", "silu" or "leaky relu"."""
    return call(GroupNorm, x, weight, bias, shift, groups, eps, activation, slope)
