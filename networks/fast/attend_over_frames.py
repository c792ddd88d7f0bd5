"""Self-attention of a clip's frames, at every position by itself."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from . import backend

HALVES = (torch.float16, torch.bfloat16)


def attend_over_frames(query: Tensor, key: Tensor, values: Sequence[Tensor], heads: int) -> list[Tensor]:
    """Softmax(query · keyᵀ / √(C / heads)) · value over the frames, for each head and each of `values`.

    All [B, frames, positions, C].
    """
    batch, frames, positions, channels = query.shape
    head = channels // heads
    kernels = backend.kernels_for(query)
    if kernels is not None and query.dtype in HALVES and head in (16, 32, 64, 128) and frames <= 128:
        return [kernels.attend_over_frames.launch(query, key, value, heads) for value in values]

    def sequences(x: Tensor) -> Tensor:  # [B · positions, heads, frames, C / heads]
        return x.unflatten(-1, (heads, head)).permute(0, 2, 3, 1, 4).flatten(0, 1)

    def clips(out: Tensor) -> Tensor:
        return out.unflatten(0, (batch, positions)).permute(0, 3, 1, 2, 4).flatten(3)

    query, key, values = sequences(query), sequences(key), [sequences(value) for value in values]
    if backend.on_cpu(query):  # tiny products: the softmax is what takes time, so it is taken once
        score = (query @ key.transpose(-1, -2)).mul_(head**-0.5).softmax(-1)
        return [clips(score @ value) for value in values]
    return [clips(F.scaled_dot_product_attention(query, key, value)) for value in values]
