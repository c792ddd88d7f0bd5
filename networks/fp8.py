"""Weights kept in 8 bits: half the memory of half precision, widened one layer at a time as they are used.

diffusers' layerwise casting does the same with hooks, which also round the biases and never see a forward pass that
reads a layer's weight by itself, as those of `fast` do.
"""

import re

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FP8 = torch.float8_e4m3fn
LARGEST = torch.finfo(FP8).max
KEPT = re.compile(
    r"^(conv_in|conv_out|time_embedding|add_embedding)\b|time_pos_embed"
)  # small, and all depends on them


class LinearFP8(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype), self.bias)


class Conv2dFP8(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight.to(x.dtype), self.bias)


class Conv3dFP8(nn.Conv3d):
    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight.to(x.dtype), self.bias)


STORED = {nn.Linear: LinearFP8, nn.Conv2d: Conv2dFP8, nn.Conv3d: Conv3dFP8}


@torch.no_grad()
def store_fp8(unet: nn.Module) -> nn.Module:
    """Rounds the weights of a UNetSpatioTemporalConditionModel's layers to float8_e4m3fn, in place, and returns it.

    Biases, norms, the first and last layer and the embeddings stay as they are, and so does a layer with a weight
    beyond 448, the largest that float8_e4m3fn has.
    """
    for name, layer in unet.named_modules():
        stored = STORED.get(type(layer))
        if stored is not None and not KEPT.search(name) and layer.weight.abs().max() <= LARGEST:
            layer.weight.data = layer.weight.data.to(FP8)
            layer.__class__ = stored
    return unet
