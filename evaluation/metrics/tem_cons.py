"""Tem-Cons: how alike neighbouring frames are to CLIP."""

import torch.nn.functional as F
from torch import Tensor


def consistency(embeddings: Tensor) -> float:
    """Mean cosine of neighbouring frames' embeddings [N, D]."""
    return float(F.cosine_similarity(embeddings[:-1], embeddings[1:]).mean())
