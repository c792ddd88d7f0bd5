"""Sums of what a transformer's block has at hand, and the layer norm of them."""

import torch.nn.functional as F
from torch import Tensor, nn

from . import backend


def add_layer_norm(
    x: Tensor, norm: nn.LayerNorm, *, add: Tensor | None = None, before: Tensor | None = None,
    after: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(total, normalized): total = x + add + before, normalized = LayerNorm(total + after).

    x and add [N, …, C]; before and after [M, C], each row for N / M consecutive samples.
    """
    kernels = backend.kernels_for(x)
    if kernels is not None:
        return kernels.add_layer_norm.launch(x, norm.weight, norm.bias, norm.eps, add, before, after)

    def per_row(vectors: Tensor) -> Tensor:
        return vectors[:, None].expand(-1, x.numel() // vectors.numel(), -1).reshape(x.shape)

    total = x if add is None else x + add
    total = total if before is None else total + per_row(before)
    seen = total if after is None else total + per_row(after)
    return total, F.layer_norm(seen, x.shape[-1:], norm.weight, norm.bias, norm.eps)
