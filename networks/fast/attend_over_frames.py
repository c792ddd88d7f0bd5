"""Self-attention of a clip's frames, at every position by itself."""

import torch
import torch.nn.functional as F
from torch import Tensor

from . import backend

HALVES = (torch.float16, torch.bfloat16)


def attend_over_frames(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Softmax(query · keyᵀ / √(C / heads)) · value over the frames, for each head; all [B, frames, positions, C]."""
    batch, frames, positions, channels = query.shape
    head = channels // heads
    kernels = backend.kernels_for(query)
    if kernels is not None and query.dtype in HALVES and head in (16, 32, 64, 128) and frames <= 128:
        return kernels.attend_over_frames.launch(query, key, value, heads)

    def sequences(x: Tensor) -> Tensor:  # [B · positions, heads, frames, C / heads]
        return x.unflatten(-1, (heads, head)).permute(0, 2, 3, 1, 4).flatten(0, 1)

    out = F.scaled_dot_product_attention(sequences(query), sequences(key), sequences(value))
    return out.unflatten(0, (batch, positions)).permute(0, 3, 1, 2, 4).flatten(3)
