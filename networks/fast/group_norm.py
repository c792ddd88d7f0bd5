"""Group norm with SiLU, and instance norm with leaky ReLU: a group norm whose groups are the channels."""

import torch.nn.functional as F
from torch import Tensor, nn

from . import backend


def group_norm(x: Tensor, norm: nn.GroupNorm, *, shift: Tensor | None = None, silu: bool = False) -> Tensor:
    """GroupNorm(x + shift) of x [N, …, C], and SiLU of it; shift [M, C], N / M consecutive samples share a row."""
    kernels = backend.kernels_for(x)
    if kernels is not None:
        activation = "silu" if silu else "none"
        return kernels.group_norm.launch(x, norm.weight, norm.bias, shift, norm.num_groups, norm.eps, activation)
    if shift is not None:
        x = x + shift.repeat_interleave(len(x) // len(shift), 0).view(len(x), *[1] * (x.ndim - 2), -1)
    y = F.group_norm(x.movedim(-1, 1), norm.num_groups, norm.weight, norm.bias, norm.eps).movedim(1, -1)
    return F.silu(y, inplace=not y.requires_grad) if silu else y


def instance_norm_leaky_relu(x: Tensor, norm: nn.InstanceNorm2d, slope: float) -> Tensor:
    """LeakyReLU(InstanceNorm(x)) of x [N, …, C]."""
    kernels = backend.kernels_for(x)
    if kernels is not None:
        return kernels.group_norm.launch(x, norm.weight, norm.bias, None, x.shape[-1], norm.eps, "leaky relu", slope)
    y = F.instance_norm(x.movedim(-1, 1), weight=norm.weight, bias=norm.bias, eps=norm.eps).movedim(1, -1)
    return F.leaky_relu(y, slope, inplace=not y.requires_grad)
