"""Residual sums, and mixes of a spatial and a temporal branch."""

import torch
from torch import Tensor

from . import backend


def mix(
    x: Tensor, y: Tensor, z: Tensor | None = None, *, bias: Tensor | None = None, factor: Tensor | None = None,
    sign: int = 1, blend: bool = False,
) -> Tensor:  # fmt: skip
    """x + s (y + z + bias), or with blend (1 − s) x + s (y + z + bias); s = sigmoid(sign · factor), without factor 1.

    x, y, z [N, …, C]; bias [C]; factor [1].
    """
    kernels = backend.kernels_for(x)
    if kernels is not None:
        return kernels.mix.launch(x, y, z, bias, factor, sign, blend)
    y = y if z is None else y + z
    y = y if bias is None else y + bias
    if factor is None:
        return x + y
    s = torch.sigmoid(sign * factor.float()).to(x.dtype)
    return torch.lerp(x, y, s) if blend else torch.addcmul(x, y, s)
