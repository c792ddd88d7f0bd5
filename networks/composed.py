"""The operations of `fused`, composed of torch's: for CPUs, and where no kernel can be built."""

import torch
import torch.nn.functional as F
from torch import Tensor


def group_norm(
    x: Tensor, weight: Tensor, bias: Tensor, shift: Tensor | None, groups: int, eps: float, silu: bool
) -> Tensor:
    if shift is not None:
        x = x + shift.repeat_interleave(len(x) // len(shift), 0).view(len(x), *[1] * (x.ndim - 2), -1)
    y = F.group_norm(x.movedim(-1, 1), groups, weight, bias, eps).movedim(1, -1)
    return F.silu(y, inplace=not y.requires_grad) if silu else y


def instance_norm_leaky_relu(x: Tensor, weight: Tensor, bias: Tensor, eps: float, slope: float) -> Tensor:
    """x [N, …, C]: every channel is a group of its own."""
    y = F.instance_norm(x.movedim(-1, 1), weight=weight, bias=bias, eps=eps).movedim(1, -1)
    return F.leaky_relu(y, slope, inplace=not y.requires_grad)


def add_layer_norm(
    x: Tensor, weight: Tensor, bias: Tensor, eps: float, add: Tensor | None, before: Tensor | None,
    after: Tensor | None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    def spread(vectors: Tensor) -> Tensor:
        return vectors[:, None].expand(-1, x.numel() // vectors.numel(), -1).reshape(x.shape)

    total = x if add is None else x + add
    total = total if before is None else total + spread(before)
    return total, F.layer_norm(total if after is None else total + spread(after), x.shape[-1:], weight, bias, eps)


def gated_gelu(x: Tensor, bias: Tensor | None) -> Tensor:
    value, gate = (x if bias is None else x + bias).chunk(2, dim=-1)
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
