"""Operations over channels-last data that networks repeat, each a single pass: Triton's kernels on a GPU, else torch's.

Data lies as [N, …, C]: N samples, C channels last and contiguous. All but attention keep sums in float32.
"""

import functools
import logging

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import composed

TILE = 8192  # numbers that one program of a kernel holds
HALVES = (torch.float16, torch.bfloat16)


@functools.cache
def kernels():
    """The Triton kernels, or None where they cannot be built: Triton or its C compiler is not there."""
    try:
        from . import kernels as module
    except ImportError:
        return None
    try:
        x = torch.ones(16, 16, device="cuda")
        module.gated_gelu[(1, 1)](x, torch.empty_like(x[:, :8]), 16, 8, ROWS=16, CHANNELS=8)
    except Exception as error:  # whatever stops the compiler: there are as many as there are systems
        logging.warning("Driftfield: Triton cannot build kernels here (%s); slower torch operations are used", error)
        return None
    return module


def fused(x: Tensor):
    """The kernels if they are for this tensor: on a CUDA GPU, and where no gradients are wanted: they have none."""
    if not x.is_cuda or torch.is_grad_enabled():
        return None
    return kernels()


def blocks(count: int, size: int) -> int:
    return -(-count // size)


def power_of_two(count: int) -> int:
    return 1 << max(0, count - 1).bit_length()


def group_norm(x: Tensor, norm: nn.GroupNorm, *, shift: Tensor | None = None, silu: bool = False) -> Tensor:
    """GroupNorm(x + shift) of x [N, …, C], and SiLU of it; shift [M, C], N / M consecutive samples share a row."""
    module = fused(x)
    if module is None:
        return composed.group_norm(x, norm.weight, norm.bias, shift, norm.num_groups, norm.eps, silu)
    x = x.contiguous()
    samples, channels = len(x), x.shape[-1]
    rows, group = x.numel() // samples // channels, channels // norm.num_groups
    width = min(64, power_of_two(channels))
    height = TILE // width
    chunks = blocks(rows, height)
    means, squares = x.new_empty((2, samples, chunks, channels), dtype=torch.float32)
    scale, offset = x.new_empty((2, samples, channels), dtype=torch.float32)
    grid = (chunks, samples, blocks(channels, width))
    module.channel_moments[grid](x, means, squares, rows, channels, chunks, ROWS=height, CHANNELS=width)
    group_block = power_of_two(group)
    module.group_scale[(samples, norm.num_groups)](
        means, squares, x if shift is None else shift.contiguous(), norm.weight, norm.bias, scale, offset,
        rows, channels, group, chunks, 1 if shift is None else samples // len(shift), norm.eps,
        HAS_SHIFT=shift is not None, ROWS=height, GROUP_BLOCK=group_block, CHUNKS=2048 // group_block,
    )  # fmt: skip
    out = torch.empty_like(x)
    module.scale_and_offset[grid](x, scale, offset, out, rows, channels, SILU=silu, ROWS=height, CHANNELS=width)
    return out


def add_layer_norm(
    x: Tensor, norm: nn.LayerNorm, *, add: Tensor | None = None, before: Tensor | None = None,
    after: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(total, normalized): total = x + add + before, normalized = LayerNorm(total + after).

    x and add [N, …, C]; before and after [M, C], each row for a run of as many rows of x as there are rows to one.
    """
    module = fused(x)
    if module is None:
        return composed.add_layer_norm(x, norm.weight, norm.bias, norm.eps, add, before, after)
    x = x.contiguous()
    channels = x.shape[-1]
    rows = x.numel() // channels
    width = power_of_two(channels)
    height = max(1, TILE // 2 // width)
    changed = add is not None or before is not None
    total, out = torch.empty_like(x) if changed else x, torch.empty_like(x)
    module.add_and_normalize[(blocks(rows, height),)](
        x, x if add is None else add.contiguous(), x if before is None else before.contiguous(),
        x if after is None else after.contiguous(), norm.weight, norm.bias, total, out, rows, channels,
        1 if before is None else rows // len(before), 1 if after is None else rows // len(after), norm.eps,
        HAS_ADD=add is not None, HAS_BEFORE=before is not None, HAS_AFTER=after is not None, ROWS=height,
        CHANNELS=width,
    )  # fmt: skip
    return total, out


def gated_gelu(x: Tensor) -> Tensor:
    """[N, …, 2C] → first half · GELU(second half), [N, …, C]."""
    module = fused(x)
    if module is None:
        return composed.gated_gelu(x)
    x = x.contiguous()
    channels = x.shape[-1] // 2
    rows = x.numel() // x.shape[-1]
    out = x.new_empty((*x.shape[:-1], channels))
    width = min(256, power_of_two(channels))
    height = TILE // 4 // width
    module.gated_gelu[(blocks(rows, height), blocks(channels, width))](
        x, out, rows, channels, ROWS=height, CHANNELS=width
    )
    return out


def mix(
    x: Tensor, y: Tensor, z: Tensor | None = None, *, bias: Tensor | None = None, factor: Tensor | None = None,
    sign: int = 1, blend: bool = False,
) -> Tensor:  # fmt: skip
    """x + s (y + z + bias), or with blend (1 − s) x + s (y + z + bias); s = sigmoid(sign · factor), without factor 1.

    x, y, z [N, …, C]; bias [C]; factor [1].
    """
    module = fused(x)
    if module is None:
        return composed.mix(x, y, z, bias, factor, sign, blend)
    x, y = x.contiguous(), y.contiguous()
    channels = x.shape[-1]
    rows = x.numel() // channels
    out = torch.empty_like(x)
    width = min(64, power_of_two(channels))
    height = TILE // 2 // width
    module.mix[(blocks(rows, height), blocks(channels, width))](
        x, y, y if z is None else z.contiguous(), x if bias is None else bias, x if factor is None else factor, out,
        rows, channels, HAS_Z=z is not None, HAS_BIAS=bias is not None, HAS_FACTOR=factor is not None, SIGN=sign,
        BLEND=blend, ROWS=height, CHANNELS=width,
    )  # fmt: skip
    return out


def attend_over_frames(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Self-attention of the frames at every position; all [B, frames, positions, C]."""
    batch, frames, positions, channels = query.shape
    head = channels // heads
    module = fused(query)
    if module is None or query.dtype not in HALVES or head not in (16, 32, 64, 128) or frames > 128:

        def sequences(x: Tensor) -> Tensor:  # [B · positions, heads, frames, C / heads]
            return x.unflatten(-1, (heads, head)).permute(0, 2, 3, 1, 4).flatten(0, 1)

        out = F.scaled_dot_product_attention(*map(sequences, (query, key, value)))
        return out.unflatten(0, (batch, positions)).permute(0, 3, 1, 2, 4).flatten(3)
    query, key, value = query.contiguous(), key.contiguous(), value.contiguous()
    out = torch.empty_like(query)
    size = max(16, power_of_two(frames))
    module.attend_over_frames[(batch * positions, heads)](
        query, key, value, out, positions, frames, channels, head**-0.5, FRAMES=size, HEAD=head,
        num_warps=max(1, size // 16),
    )  # fmt: skip
    return out
