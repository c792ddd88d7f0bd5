"""Sparse flow -> dense flow: Gaussian interpolation of the hints (eq. 6, 7)."""

import math

import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from .convention import REFERENCE_SIZE, check_flow

MODES = ("faded", "normalized", "sum")
THRESHOLD = 0.05  # R: of a weight, or in px/frame
NO_WEIGHT = 1e-18  # smaller factors count as zero: their products would be denormal floats, slow and without effect


def default_sigma_px(height: int, width: int) -> float:
    """The paper's sigma, 170 px at 512 px, scaled with the longer side."""
    return 170 * max(height, width) / REFERENCE_SIZE


def densify(
    sparse: Tensor,
    hints: Tensor,
    *,
    sigma_px: float | None = None,
    threshold: float = THRESHOLD,
    mode: str = "faded",
    region: Tensor | None = None,
) -> Tensor:
    """Dense flow [N, 2, H, W] px/frame from sparse flow [N, 2, H, W] and its hint mask [1, 1, H, W] (eq. 6, 7).

    The weight of a hint at distance D is exp(-(D / sigma_px)^2), times its value in `hints`, which is 1 but for the
    pixels of a curved arrow (see `sparse_flow`).
    - "sum", as the paper prints it: the weighted sum, zero where its length is <= threshold px/frame.
    - "normalized" (Mahapatra & Kulkarni, CVPR 2022): the weighted mean, zero where the nearest hint's
      exp(...), the largest of all, is <= threshold.
    - "faded" (ours): that mean times that largest weight, so that motion ends without an edge. A lone hint has the
      field of "sum"; several do not add up.
    sigma_px: None for the paper's. `region` [1, 1, H, W] 0..1 multiplies the result, last. No hints give an exact zero
    field.
    Raises ValueError for wrong shapes, non-finite flow, sigma_px <= 0, threshold < 0 or an unknown mode.
    """
    height, width = sparse.shape[-2:]
    sigma_px = default_sigma_px(height, width) if sigma_px is None else sigma_px
    _check(sparse, hints, sigma_px, threshold, mode, region)
    hinted = hints[0, 0] > 0
    rows, columns = hinted.any(1).nonzero()[:, 0], hinted.any(0).nonzero()[:, 0]
    if not len(rows):
        return torch.zeros_like(sparse)

    # A Gaussian is separable: exp(-(dx^2 + dy^2) / s^2) is a product, so the sum over all hints is two matrix products
    # over the rows and columns that hold any. Memory stays at a few HxW arrays however many hints there are. They are
    # in float64: in float32 the last bits depend on where in memory the operands lie, and so differ from run to run.
    values = torch.cat([sparse, torch.ones_like(sparse[:, :1])], dim=1) * hints.where(hinted, 0)
    values = values[:, :, rows][..., columns].double()  # [N, 3, R, C]: fx, fy, 1, each times the hint's own weight
    across = _gaussian(columns, width, sigma_px)  # [C, W]
    down = _gaussian(rows, height, sigma_px).T  # [H, R]
    total = (down @ (values @ across)).to(sparse.dtype)  # [N, 3, H, W], eq. 6
    flow, weight = total[:, :2], total[:, 2:]

    if mode == "sum":
        keep = flow.norm(dim=1, keepdim=True) > threshold  # eq. 7
    else:
        largest = _largest_weight(hinted, sigma_px)
        keep = (largest > threshold) & (weight > 0)
        flow = flow / weight.where(weight > 0, 1) * (largest if mode == "faded" else 1)
    dense = flow.where(keep, 0)
    return dense if region is None else dense * region


def restore_hints(flow: Tensor, sparse: Tensor, hints: Tensor, *, sigma_px: float) -> Tensor:
    """A dense flow [N, 2, H, W] px/frame that has the hints as they were given (ours).

    What it lacks at the hints is added around them as `densify` spreads it: of hints nearer to each other than sigma_px
    the mean of what they lack. Raises as `densify`.
    """
    missing = (sparse - flow).where(hints > 0, 0)
    return flow + densify(missing, hints, sigma_px=sigma_px, threshold=0.0)


def _gaussian(centers: Tensor, size: int, sigma_px: float) -> Tensor:
    distance = torch.arange(size, device=centers.device) - centers[:, None]
    weights = torch.exp(-((distance.double() / sigma_px) ** 2))
    return weights.where(weights > NO_WEIGHT, 0)


def _largest_weight(hinted: Tensor, sigma_px: float) -> Tensor:
    """[H, W]: the weight of the nearest hint, through an exact distance transform."""
    distance = torch.from_numpy(distance_transform_edt(~hinted.numpy(force=True)))
    return torch.exp(-((distance / sigma_px) ** 2)).to(hinted.device, torch.float32)


def _check(sparse: Tensor, hints: Tensor, sigma_px: float, threshold: float, mode: str, region: Tensor | None) -> None:
    check_flow(sparse, "sparse flow")
    expected = (1, 1, *sparse.shape[-2:])
    for name, mask in (("hints", hints), ("region", region)):
        if mask is not None and tuple(mask.shape) != expected:
            raise ValueError(f"{name}: got {list(mask.shape)}, allowed {list(expected)} as the sparse flow has it")
    if not (math.isfinite(sigma_px) and sigma_px > 0):
        raise ValueError(f"sigma_px: got {sigma_px}, allowed a number > 0")
    if not (math.isfinite(threshold) and threshold >= 0):
        raise ValueError(f"threshold: got {threshold}, allowed a number >= 0")
    if mode not in MODES:
        raise ValueError(f"mode: got {mode!r}, allowed {' or '.join(map(repr, MODES))}")
