"""Gated GELU of a feed-forward layer."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import backend
from .layers import linear


def gated_gelu(x: Tensor, bias: Tensor | None = None) -> Tensor:
    """[N, …, 2C] → of x + bias first half · GELU(second half), [N, …, C]; bias [2C]."""
    kernels = backend.kernels_for(x)
    if kernels is not None:
        return kernels.gated_gelu.launch(x, bias)
    value, gate = (x if bias is None else x + bias).chunk(2, dim=-1)
    return value * F.gelu(gate)


def gated_linear(x: Tensor, layer: nn.Linear) -> Tensor:
    """Gated GELU of a linear layer's result."""
    if type(layer) is nn.Linear and layer.bias is not None and backend.has_products(x):
        (value, gate), (shift, gate_shift) = layer.weight.chunk(2), layer.bias.chunk(2)
        product = torch.ops.mkldnn._linear_pointwise
        return product.binary(x, product(x, gate, gate_shift, "gelu", [], "none"), value, shift, "mul")
    return gated_gelu(*linear(x, layer))
