"""`kernels` and `kernels_backward` as torch operations: grids, outputs, and what a gradient needs to be kept.

Where no gradient is wanted the kernels are called straight, without autograd's bookkeeping.
"""

import torch
from torch import Tensor
from torch.autograd import Function

from . import kernels, kernels_backward

TILE = 8192  # numbers that one program of a kernel holds


def blocks(count: int, size: int) -> int:
    return -(-count // size)


def power_of_two(count: int) -> int:
    return 1 << max(0, count - 1).bit_length()


def wanted(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)


def call(function: type[Function], *arguments):
    """function's result, with its gradient where one is wanted."""
    if wanted(*(one for one in arguments if isinstance(one, Tensor))):
        return function.apply(*arguments)
    return function.forward(None, *arguments)


class Normalize(Function):
    """activation(GroupNorm(x + shift)), x [N, …, C], shift [M, C]."""

    @staticmethod
    def forward(ctx, x, weight, bias, shift, groups, eps, activation, slope):
        x = x.contiguous()
        samples, channels = len(x), x.shape[-1]
        rows, group = x.numel() // samples // channels, channels // groups
        width = min(64, power_of_two(channels))
        height = TILE // width
        chunks = blocks(rows, height)
        grid = (chunks, samples, blocks(channels, width))
        means, squares = x.new_empty((2, samples, chunks, channels), dtype=torch.float32)
        scale, offset = x.new_empty((2, samples, channels), dtype=torch.float32)
        kernels.channel_moments[grid](x, means, squares, rows, channels, chunks, ROWS=height, CHANNELS=width)
        group_block = power_of_two(group)
        kernels.group_scale[(samples, groups)](
            means, squares, x if shift is None else shift.contiguous(), scale, offset, rows, channels, group, chunks,
            1 if shift is None else samples // len(shift), eps, HAS_SHIFT=shift is not None, ROWS=height,
            GROUP_BLOCK=group_block, CHUNKS=2048 // group_block,
        )  # fmt: skip
        out = torch.empty_like(x)
        kernels.normalize[grid](
            x, scale, offset, weight, bias, out, rows, channels, slope, ACTIVATION=activation, ROWS=height,
            CHANNELS=width,
        )  # fmt: skip
        if ctx is not None:
            ctx.save_for_backward(x, weight, bias, scale, offset)
            ctx.shift, ctx.groups, ctx.activation, ctx.slope = shift, groups, activation, slope
        return out

    @staticmethod
    def backward(ctx, gradient):
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
        kernels_backward.norm_sums[grid](*given, sums, rows, channels, chunks, plane, ctx.slope, **options)
        of_bias, of_weight, normal = sums.sum(2)

        def over_groups(values: Tensor) -> Tensor:  # [N, C] → the group's mean over all its numbers
            grouped = (values * weight.float()).unflatten(1, (ctx.groups, -1))
            mean = grouped.sum(2, keepdim=True) / (rows * channels // ctx.groups)
            return mean.expand_as(grouped).flatten(1).contiguous()

        mean, slant = over_groups(of_bias), over_groups(of_weight)
        out = torch.empty_like(x)
        kernels_backward.norm_gradient[grid](*given, mean, slant, out, rows, channels, ctx.slope, **options)
        of_shift = None
        if ctx.shift is not None:
            moved = scale * (of_bias * weight.float() - rows * mean - normal * slant)
            of_shift = moved.unflatten(0, (len(ctx.shift), -1)).sum(1).to(ctx.shift.dtype)
        return out, of_weight.sum(0).to(weight.dtype), of_bias.sum(0).to(bias.dtype), of_shift, *[None] * 4


def normalize(x, weight, bias, shift, groups, eps, activation, slope=0.0) -> Tensor:
    """activation: "none", "silu" or "leaky relu"."""
    return call(Normalize, x, weight, bias, shift, groups, eps, activation, slope)


class AddLayerNorm(Function):
    """(x + add + before, LayerNorm(that + after))."""

    @staticmethod
    def forward(ctx, x, weight, bias, eps, add, before, after):
        x = x.contiguous()
        channels = x.shape[-1]
        rows = x.numel() // channels
        width = power_of_two(channels)
        height = max(1, TILE // 2 // width)
        changed = add is not None or before is not None
        total, out = torch.empty_like(x) if changed else x, torch.empty_like(x)
        before, after = (None if row is None else row.contiguous() for row in (before, after))
        kernels.add_and_normalize[(blocks(rows, height),)](
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
    def backward(ctx, of_total, of_out):
        total, weight, after = ctx.saved_tensors
        samples, channels = len(total), total.shape[-1]
        run = total.numel() // samples // channels
        width = power_of_two(channels)
        height = max(1, TILE // 2 // width)
        grid = (blocks(run, height), samples)
        sums = total.new_empty((4, samples, grid[0], channels), dtype=torch.float32)
        out = torch.empty_like(total)
        kernels_backward.layer_norm_gradient[grid](
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


def add_layer_norm(x, weight, bias, eps, add, before, after) -> tuple[Tensor, Tensor]:
    """ValueError where a row of before or after would change within a sample."""
    for rows in (before, after):
        if rows is not None and len(x) % len(rows):
            raise ValueError(f"rows for {len(x)} samples: got {len(rows)}, allowed a number that divides them")
    total, out = call(AddLayerNorm, x, weight, bias, eps, add, before, after)
    return (x if total is None else total), out


class GatedGelu(Function):
    """First half · GELU(second half) of x + bias."""

    @staticmethod
    def forward(ctx, x, bias):
        x = x.contiguous()
        channels = x.shape[-1] // 2
        rows = x.numel() // x.shape[-1]
        out = x.new_empty((*x.shape[:-1], channels))
        width = min(256, power_of_two(channels))
        height = TILE // 4 // width
        kernels.gated_gelu[(blocks(rows, height), blocks(channels, width))](
            x, x if bias is None else bias, out, rows, channels, HAS_BIAS=bias is not None, ROWS=height, CHANNELS=width
        )
        if ctx is not None:
            ctx.save_for_backward(x, bias)
        return out

    @staticmethod
    def backward(ctx, gradient):
        x, bias = ctx.saved_tensors
        channels = x.shape[-1] // 2
        rows = x.numel() // x.shape[-1]
        width = min(128, power_of_two(channels))
        height = TILE // 2 // width
        grid = (blocks(rows, height), blocks(channels, width))
        out, sums = torch.empty_like(x), x.new_empty((grid[0], 2 * channels), dtype=torch.float32)
        kernels_backward.gated_gelu_gradient[grid](
            x, x if bias is None else bias, gradient.contiguous(), out, sums, rows, channels,
            HAS_BIAS=bias is not None, ROWS=height, CHANNELS=width,
        )  # fmt: skip
        return out, None if bias is None else sums.sum(0).to(bias.dtype)


def gated_gelu(x, bias) -> Tensor:
    return call(GatedGelu, x, bias)


class Mix(Function):
    """x + s (y + z + bias), or with blend (1 − s) x + s (y + z + bias); s = sigmoid(sign · factor), or 1."""

    @staticmethod
    def forward(ctx, x, y, z, bias, factor, sign, blend):
        x, y = x.contiguous(), y.contiguous()
        z = z if z is None else z.contiguous()
        channels = x.shape[-1]
        rows = x.numel() // channels
        out = torch.empty_like(x)
        width = min(64, power_of_two(channels))
        height = TILE // 2 // width
        options = {"HAS_Z": z is not None, "HAS_BIAS": bias is not None, "HAS_FACTOR": factor is not None}
        options |= {"SIGN": sign, "BLEND": blend, "ROWS": height, "CHANNELS": width}
        grid = (blocks(rows, height), blocks(channels, width))
        given = (x, y, *(x if one is None else one for one in (z, bias, factor)))
        kernels.mix[grid](*given, out, rows, channels, **options)
        if ctx is not None:
            if factor is not None:
                ctx.save_for_backward(*(x, y) if blend else (y, y), z, bias, factor)
            ctx.z, ctx.bias, ctx.factor, ctx.grid, ctx.options = z is not None, bias, factor, grid, options
        return out

    @staticmethod
    def backward(ctx, gradient):
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
            kernels_backward.mix_gradient[ctx.grid](
                *given, gradient, of_x, of_y, sums, rows, channels, sums[0].numel(), **ctx.options
            )
            s = 1.0
            if ctx.factor is not None:
                s = torch.sigmoid(ctx.options["SIGN"] * ctx.factor.float())
                of_factor = (ctx.options["SIGN"] * s * (1 - s) * sums[1].sum()).to(ctx.factor.dtype)
            of_bias = None if ctx.bias is None else (s * sums[0].sum(0)).to(ctx.bias.dtype)
        return of_x, of_y, of_y if ctx.z else None, of_bias, of_factor, None, None


def mix(x, y, z, bias, factor, sign, blend) -> Tensor:
    return call(Mix, x, y, z, bias, factor, sign, blend)


class AttendOverFrames(Function):
    @staticmethod
    def forward(ctx, query, key, value, heads):
        query, key, value = query.contiguous(), key.contiguous(), value.contiguous()
        batch, frames, positions, channels = query.shape
        head, size = channels // heads, max(16, power_of_two(frames))
        out = torch.empty_like(query)
        grid, options = (batch * positions, heads), {"FRAMES": size, "HEAD": head, "num_warps": max(1, size // 16)}
        numbers = (positions, frames, channels, head**-0.5)
        kernels.attend_over_frames[grid](query, key, value, out, *numbers, **options)
        if ctx is not None:
            ctx.save_for_backward(query, key, value)
            ctx.grid, ctx.options, ctx.numbers = grid, options, numbers
        return out

    @staticmethod
    def backward(ctx, gradient):
        query, key, value = ctx.saved_tensors
        gradients = [torch.empty_like(query) for _ in range(3)]
        kernels_backward.attend_over_frames_gradient[ctx.grid](
            query, key, value, gradient.contiguous(), *gradients, *ctx.numbers, **ctx.options
        )
        return *gradients, None


def attend_over_frames(query, key, value, heads) -> Tensor:
    return call(AttendOverFrames, query, key, value, heads)
