"""Convolutions over the frames of a clip."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import backend
from .layers import image, tokens
from .mix import mix


def convolve_frames(x: Tensor, conv: nn.Conv3d) -> tuple[Tensor, Tensor | None]:
    """[B, frames, pixels, C] → [B, frames, pixels, C'], and the bias where it is left to the kernel that comes next.

    conv's kernel is (n, 1, 1).
    """
    if (out := launched(x, conv)) is not None:
        return out, conv.bias
    left = backend.kernels_for(x) is not None
    weight = conv.weight.to(x.dtype).squeeze(-1)
    out = F.conv2d(image(x), weight, None if left else conv.bias, 1, (int(conv.padding[0]), 0))
    return tokens(out), conv.bias if left else None


def add_convolved_frames(onto: Tensor, x: Tensor, conv: nn.Conv3d, *, factor: Tensor, sign: int) -> Tensor:
    """onto + s (convolution of x), both [B, frames, pixels, C]; s = sigmoid(sign · factor), factor [1]."""
    if (out := launched(x, conv, conv.bias, onto, factor, sign)) is not None:
        return out
    h, bias = convolve_frames(x, conv)
    return mix(onto, h, bias=bias, factor=factor, sign=sign)


def launched(x: Tensor, conv: nn.Conv3d, *added: Any) -> Tensor | None:
    """By the kernel, where it takes them."""
    kernels = None if torch.is_grad_enabled() else backend.kernels_for(x)
    if kernels is None or not kernels.convolve_frames.fits(x, conv.weight):
        return None
    weight = conv.weight.to(x.dtype).flatten(2).mT  # [C', n, C]
    return kernels.convolve_frames.launch(x, weight, *added)
