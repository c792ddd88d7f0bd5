"""Weights kept in 8 bits: half the memory of half precision, widened one layer at a time as they are used.

diffusers' layerwise casting does the same with hooks, which also round the biases and never see a forward pass that
reads a layer's weight by itself, as those of this package do.
"""

import re
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from .replacement import convolution_arguments, replace_modules

E4M3 = torch.float8_e4m3fn
LARGEST = torch.finfo(E4M3).max
# Small, and all depends on them.
KEPT = re.compile(r"^(conv_in|conv_out|time_embedding|add_embedding)\b|time_pos_embed")


def rounded(weight: Tensor) -> nn.Parameter:
    return nn.Parameter(weight.detach().to(E4M3), requires_grad=weight.requires_grad)


class LinearFP8(nn.Linear):
    def __init__(self, layer: nn.Linear):
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
        self.weight, self.bias = rounded(layer.weight), layer.bias

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype), self.bias)


class ConvolutionFP8(_ConvNd):
    def __init__(self, layer: nn.Conv2d | nn.Conv3d):
        super().__init__(**convolution_arguments(layer))
        self.weight, self.bias = rounded(layer.weight), layer.bias

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight.to(x.dtype), self.bias)


class Conv2dFP8(ConvolutionFP8, nn.Conv2d):
    pass


class Conv3dFP8(ConvolutionFP8, nn.Conv3d):
    pass


STORED = {nn.Linear: LinearFP8, nn.Conv2d: Conv2dFP8, nn.Conv3d: Conv3dFP8}


@torch.no_grad()
def store_fp8(unet: nn.Module) -> nn.Module:
    """Rounds the weights of a UNetSpatioTemporalConditionModel's layers to float8_e4m3fn, in place, and returns it.

    Biases, norms, the first and last layer and the embeddings stay as they are, and so does a layer with a weight
    beyond 448, the largest that float8_e4m3fn has.
    """

    def stored(name: str, layer: Any) -> nn.Module | None:
        kind = STORED.get(type(layer))
        return kind(layer) if kind and not KEPT.search(name) and layer.weight.abs().max() <= LARGEST else None

    return replace_modules(unet, stored)
