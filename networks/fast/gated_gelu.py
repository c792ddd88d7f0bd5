"""Gated GELU of a feed-forward layer."""

import torch.nn.functional as F
from torch import Tensor

from . import backend


def gated_gelu(x: Tensor, bias: Tensor | None = None) -> Tensor:
    """[N, …, 2C] → of x + bias first half · GELU(second half), [N, …, C]; bias [2C]."""
    kernels = backend.kernels_for(x)
    if kernels is not None:
        return kernels.gated_gelu.launch(x, bias)
    value, gate = (x if bias is None else x + bias).chunk(2, dim=-1)
    return value * F.gelu(gate)
