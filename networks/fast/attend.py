"""Attention of an image's pixels to each other."""

import torch
import torch.nn.functional as F
from torch import Tensor

from . import backend

PIECE = 2**20  # scores at a time: a cache's worth


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax(query · keyᵀ / √C) · value, all [N, heads, pixels, C].

    In bf16 on a CPU from oneDNN's products, which PyTorch's own form does without.
    """
    if query.dtype != torch.bfloat16 or not backend.has_products(query):
        return F.scaled_dot_product_attention(query, key, value)
    out = torch.empty_like(query)
    rows = max(1, PIECE // key.shape[-2])
    scale = query.shape[-1] ** -0.5
    for sample in zip(query, key.mT, value, out, strict=True):
        for q, k, v, o in zip(*sample, strict=True):  # a head
            for some, to in zip(q.split(rows), o.split(rows), strict=True):
                to.copy_((some @ k).mul_(scale).softmax(-1) @ v)
    return out
