"""FVD: the Frechet distance of two sets of videos' features."""

import torch
from torch import Tensor


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Of two sets of features [n, D]: |mean difference|^2 + tr(A + B - 2 sqrt(A B)) with their covariances A, B.

    ValueError for fewer than two in a set.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(f"Frechet distance: got {len(a)} and {len(b)} videos, allowed 2 or more each")
    a, b = a.double(), b.double()
    cov_a, cov_b = torch.cov(a.T).view(a.shape[1], -1), torch.cov(b.T).view(b.shape[1], -1)
    # tr sqrt(A B) from the singular values of the centred features: no square root of a singular matrix.
    centred = [(x - x.mean(0)) / (len(x) - 1) ** 0.5 for x in (a, b)]
    cross = torch.linalg.svdvals(centred[0] @ centred[1].T).sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross)
