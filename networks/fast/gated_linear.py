"""A linear layer and the gated GELU of its result."""

import torch
from torch import Tensor, nn

from . import backend
from .gated_gelu import gated_gelu
from .layers import linear


def gated_linear(x: Tensor, layer: nn.Linear) -> Tensor:
    """[N, …, C] → [N, …, C'], of layer(x) first half · GELU(second half)."""
    if type(layer) is nn.Linear and layer.bias is not None:
        kernels = None if torch.is_grad_enabled() else backend.kernels_for(x)
        if kernels is not None and kernels.gated_linear.fits(x, layer.weight):
            return kernels.gated_linear.launch(x, layer.weight, layer.bias)
        if backend.has_products(x):
            (value, gate), (shift, gate_shift) = layer.weight.chunk(2), layer.bias.chunk(2)
            product = torch.ops.mkldnn._linear_pointwise
            return product.binary(x, product(x, gate, gate_shift, "gelu", [], "none"), value, shift, "mul")
    return gated_gelu(*linear(x, layer))
