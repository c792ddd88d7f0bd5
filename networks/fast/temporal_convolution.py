"""SVD's temporal convolutions as 2-d ones: the same sums, on faster kernels."""

import torch.nn.functional as F
from torch import Tensor, nn

from .replacement import convolution_arguments, replace_modules


class TemporalConvolution(nn.Conv3d):
    """A (3, 1, 1) convolution over [B, C, L, H, W], computed over [B, C, L, H·W] with a (3, 1) kernel."""

    def __init__(self, layer: nn.Conv3d):
        super().__init__(**convolution_arguments(layer))
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x: Tensor) -> Tensor:
        weight, padding = self.weight.squeeze(-1), self.padding[:2]
        return F.conv2d(x.flatten(3), weight, self.bias, padding=padding).unflatten(3, x.shape[3:])


def flatten_temporal_convolutions(network: nn.Module) -> nn.Module:
    """Makes every (n, 1, 1) convolution of stride 1 in `network` a TemporalConvolution, in place; returns `network`.

    Parameters and their names stay.
    """

    def flat(name: str, layer: nn.Module) -> nn.Module | None:
        if type(layer) is not nn.Conv3d or layer.kernel_size[1:] != (1, 1):
            return None
        return TemporalConvolution(layer) if layer.stride == layer.dilation == (1, 1, 1) else None

    return replace_modules(network, flat)
