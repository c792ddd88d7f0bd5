"""Operations over channels-last data that networks repeat, each a single pass: Triton's kernels on a GPU, else torch's.

Data lies as [N, …, C]: N samples, C channels last and contiguous. All but attention keep sums in float32.
"""

import functools
import logging
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import composed

HALVES = (torch.float16, torch.bfloat16)


@functools.cache
def launchers() -> ModuleType | None:
    """The Triton kernels with their gradients, or None where they cannot be built: no Triton or no C compiler."""
    try:
        from . import launchers as module
    except ImportError:
        return None
    try:
        module.gated_gelu(torch.ones(16, 16, device="cuda"), None)
    except Exception as error:  # whatever stops the compiler: there are as many as there are systems
        logging.warning("Driftfield: Triton cannot build kernels here (%s); slower torch operations are used", error)
        return None
    return module


def fused(x: Tensor) -> ModuleType | None:
    """The kernels if they are for this tensor: on a CUDA GPU."""
    return launchers() if x.is_cuda else None


def leaves_bias(x: Tensor) -> bool:
    """Whether a linear layer leaves its bias to the next kernel: for gradients, which are summed up on the way."""
    return torch.is_grad_enabled() and fused(x) is not None


def group_norm(x: Tensor, norm: nn.GroupNorm, *, shift: Tensor | None = None, silu: bool = False) -> Tensor:
    """GroupNorm(x + shift) of x [N, …, C], and SiLU of it; shift [M, C], N / M consecutive samples share a row."""
    module = fused(x)
    if module is None:
        return composed.group_norm(x, norm.weight, norm.bias, shift, norm.num_groups, norm.eps, silu)
    activation = "silu" if silu else "none"
    return module.normalize(x, norm.weight, norm.bias, shift, norm.num_groups, norm.eps, activation)


def instance_norm_leaky_relu(x: Tensor, norm: nn.InstanceNorm2d, slope: float) -> Tensor:
    """LeakyReLU(InstanceNorm(x)) of x [N, …, C]: every channel is a group of its own."""
    module = fused(x)
    if module is None:
        return composed.instance_norm_leaky_relu(x, norm.weight, norm.bias, norm.eps, slope)
    return module.normalize(x, norm.weight, norm.bias, None, x.shape[-1], norm.eps, "leaky relu", slope)


def add_layer_norm(
    x: Tensor, norm: nn.LayerNorm, *, add: Tensor | None = None, before: Tensor | None = None,
    after: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(total, normalized): total = x + add + before, normalized = LayerNorm(total + after).

    x and add [N, …, C]; before and after [M, C], each row for N / M consecutive samples.
    """
    module = fused(x) or composed
    return module.add_layer_norm(x, norm.weight, norm.bias, norm.eps, add, before, after)


def gated_gelu(x: Tensor, bias: Tensor | None = None) -> Tensor:
    """[N, …, 2C] → of x + bias first half · GELU(second half), [N, …, C]; bias [2C]."""
    return (fused(x) or composed).gated_gelu(x, bias)


def mix(
    x: Tensor, y: Tensor, z: Tensor | None = None, *, bias: Tensor | None = None, factor: Tensor | None = None,
    sign: int = 1, blend: bool = False,
) -> Tensor:  # fmt: skip
    """x + s (y + z + bias), or with blend (1 − s) x + s (y + z + bias); s = sigmoid(sign · factor), without factor 1.

    x, y, z [N, …, C]; bias [C]; factor [1].
    """
    return (fused(x) or composed).mix(x, y, z, bias, factor, sign, blend)


def attend_over_frames(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Self-attention of the frames at every position; all [B, frames, positions, C]."""
    batch, frames, positions, channels = query.shape
    head = channels // heads
    module = fused(query)
    if module is not None and query.dtype in HALVES and head in (16, 32, 64, 128) and frames <= 128:
        return module.attend_over_frames(query, key, value, heads)

    def sequences(x: Tensor) -> Tensor:  # [B · positions, heads, frames, C / heads]
        return x.unflatten(-1, (heads, head)).permute(0, 2, 3, 1, 4).flatten(0, 1)

    out = F.scaled_dot_product_attention(*map(sequences, (query, key, value)))
    return out.unflatten(0, (batch, positions)).permute(0, 3, 1, 2, 4).flatten(3)
