"""The operations of `fused`, composed of torch's: for CPUs, for gradients, and where no kernel can be built.

`compile_operations` makes single passes of them over the data, forwards and backwards: training's kernels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

SHAPES = 256  # that one operation is compiled for


def compile_operations() -> None:
    torch._dynamo.config.recompile_limit = torch._dynamo.config.accumulated_recompile_limit = SHAPES
    for operation in (group_norm, instance_norm_leaky_relu, add_layer_norm, gated_gelu, mix):
        globals()[operation.__name__] = torch.compile(operation, dynamic=False)


def group_norm(
    x: Tensor, weight: Tensor, bias: Tensor, shift: Tensor | None, groups: int, eps: float, silu: bool
) -> Tensor:
    if torch.compiler.is_compiling():
        y = normalized_by_sums(x, weight, bias, shift, groups, eps)
        return (F.silu(y) if silu else y).to(x.dtype)
    if shift is not None:
        x = x + shift.repeat_interleave(len(x) // len(shift), 0).view(len(x), *[1] * (x.ndim - 2), -1)
    y = F.group_norm(x.movedim(-1, 1), groups, weight, bias, eps).movedim(1, -1)
    return F.silu(y, inplace=not y.requires_grad) if silu else y


def instance_norm_leaky_relu(x: Tensor, weight: Tensor, bias: Tensor, eps: float, slope: float) -> Tensor:
    """x [N, …, C]: every channel is a group of its own."""
    if torch.compiler.is_compiling():
        y = normalized_by_sums(x, weight, bias, None, x.shape[-1], eps)
        return F.leaky_relu(y, slope).to(x.dtype)
    y = F.instance_norm(x.movedim(-1, 1), weight=weight, bias=bias, eps=eps).movedim(1, -1)
    return F.leaky_relu(y, slope, inplace=not y.requires_grad)


def normalized_by_sums(
    x: Tensor, weight: Tensor, bias: Tensor, shift: Tensor | None, groups: int, eps: float
) -> Tensor:
    """GroupNorm(x + shift), float32, from each channel's sums: reductions that read channels-last data in order."""
    samples, channels = len(x), x.shape[-1]
    values = x.reshape(samples, -1, channels).float()
    if shift is not None:
        values = (values.view(len(shift), -1, channels) + shift.float()[:, None]).view(samples, -1, channels)
    count = values.shape[1] * channels // groups
    mean, square = (
        sums.sum(1).view(samples, groups, -1).sum(-1, keepdim=True) / count for sums in (values, values.square())
    )
    scale = weight.float().view(groups, -1) * (square - mean.square()).clamp(min=0).add(eps).rsqrt()
    offset = bias.float().view(groups, -1) - mean * scale
    return (values * scale.view(samples, 1, channels) + offset.view(samples, 1, channels)).view(x.shape)


def add_layer_norm(
    x: Tensor, weight: Tensor, bias: Tensor, eps: float, add: Tensor | None, before: Tensor | None,
    after: Tensor | None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    def spread(vectors: Tensor) -> Tensor:
        return vectors[:, None].expand(-1, x.numel() // vectors.numel(), -1).reshape(x.shape)

    total = x if add is None else x + add
    total = total if before is None else total + spread(before)
    return total, F.layer_norm(total if after is None else total + spread(after), x.shape[-1:], weight, bias, eps)


def gated_gelu(x: Tensor) -> Tensor:
    value, gate = x.chunk(2, dim=-1)
    return value * F.gelu(gate)


def mix(
    x: Tensor, y: Tensor, z: Tensor | None, bias: Tensor | None, factor: Tensor | None, sign: int, blend: bool
) -> Tensor:
    y = y if z is None else y + z
    y = y if bias is None else y + bias
    if factor is None:
        return x + y
    s = torch.sigmoid(sign * factor.float()).to(x.dtype)
    return torch.lerp(x, y, s) if blend else torch.addcmul(x, y, s)
