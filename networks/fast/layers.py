"""Layers over channels-last data, which leave their biases to the kernel that comes next where there is one."""

from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.resnet import AlphaBlender
from torch import Tensor, nn

from . import backend

Block = Any  # a block of diffusers' or of ours, whose layers have no types of their own


def tokens(image: Tensor) -> Tensor:
    """[N, C, H, W] → [N, H, W, C], a view where the image lies channels-last."""
    return image.permute(0, 2, 3, 1).contiguous()


def image(tokens: Tensor) -> Tensor:
    return tokens.permute(0, 3, 1, 2)


def convolve(x: Tensor, conv: nn.Conv2d) -> tuple[Tensor, Tensor | None]:
    """[N, H, W, C] → [N, H', W', C'], and the bias where it is left to the kernel that comes next."""
    left = backend.kernels_for(x) is not None
    bias = None if left or conv.bias is None else conv.bias.to(x.dtype)
    out = F.conv2d(image(x), conv.weight.to(x.dtype), bias, conv.stride, conv.padding)
    return tokens(out), conv.bias if left else None


def linear(x: Tensor, layer: nn.Linear) -> tuple[Tensor, Tensor | None]:
    """[N, …, C] → [N, …, C'], and the bias where it is left to the kernel that comes next."""
    if backend.kernels_for(x) is not None and type(layer) is nn.Linear:
        return F.linear(x, layer.weight), layer.bias
    return project(x, layer), None


def project(x: Tensor, layer: nn.Module) -> Tensor:
    """The linear layer of x [N, …, C], or what stands in its place."""
    if type(layer) is nn.Linear and backend.has_products(x):
        return torch.ops.mkldnn._linear_pointwise(x, layer.weight, layer.bias, "none", [], "")
    return layer(x)


def temporal_weight(mixer: AlphaBlender) -> dict[str, Any]:
    """Options of `mix` for the weight of the temporal branch, 1 − alpha."""
    return {"factor": mixer.mix_factor, "sign": 1 if mixer.switch_spatial_to_temporal_mix else -1}


def with_neighbors(kernel: Tensor) -> Tensor:
    """[…, …, 3, 3] → […, …, 4, 4]: the kernel convolved with 2 × 2 ones."""
    kernel = F.pad(kernel, (1, 1, 1, 1))
    kernel = kernel[:, :, 1:] + kernel[:, :, :-1]
    return kernel[..., 1:] + kernel[..., :-1]
