"""Sparse flow -> dense flow: Gaussian interpolation of the hints (eq. 6, 7)."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy import fft
from scipy.fftpack import next_fast_len
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from .convention import REFERENCE_SIZE, check_flow
from .sparse import Way

FOLLOWED, FADED = "followed", "faded"
MODES = (FOLLOWED, FADED, "normalized", "sum")
THRESHOLD = 0.05  # R: of a weight, or in px/frame
NO_WEIGHT = 1e-18  # smaller factors count as zero: their products would be denormal floats, slow and without effect
TAIL = 0.25  # of a pin's weight: that of an arrow's tail, where its way begins, too
SMALLEST_CORE_PX = 0.5  # as ways are sampled
NO_SHARE = 1e-6  # of an arrow's speed: less counts as zero, and would be the Fourier transform's rounding


def sigma_in_px(sigma: float, height: int, width: int) -> float:
    """What *Densify Flow* is given: below 1 a share of the longer side, from 1 on px; 0 is the paper's.

    ValueError for less than 0, NaN or infinity.
    """
    if not 0 <= sigma < math.inf:
        raise ValueError(f"sigma: got {sigma}, allowed 0 (automatic) or more")
    if sigma == 0:
        return default_sigma_px(height, width)
    return sigma * max(height, width) if sigma < 1 else sigma


def default_sigma_px(height: int, width: int) -> float:
    """The paper's sigma, 170 px at 512 px, scaled with the longer side."""
    return 170 * max(height, width) / REFERENCE_SIZE


def densify(
    sparse: Tensor,
    hints: Tensor,
    *,
    sigma_px: float | None = None,
    threshold: float = THRESHOLD,
    mode: str = FOLLOWED,
    region: Tensor | None = None,
    ways: Sequence[Way] = (),
) -> Tensor:
    """Dense flow [N, 2, H, W] px/frame from sparse flow [N, 2, H, W] and its hint mask [1, 1, H, W] (eq. 6, 7).

    The weight of a hint at distance D is exp(-(D / sigma_px)^2), times its value in `hints`, which is 1 but for the
    pixels of a curved arrow (see `sparse_flow`).
    - "sum", as the paper prints it: the weighted sum, zero where its length is <= threshold px/frame.
    - "normalized" (Mahapatra & Kulkarni, CVPR 2022): the weighted mean, zero where the nearest hint's
      exp(...), the largest of all, is <= threshold.
    - "faded" (ours): that mean times that largest weight, so that motion ends without an edge. A lone hint has the
      field of "sum"; several do not add up.
    - "followed" (ours): see `_followed`. The field has every hint as it is, and along `ways` what they say. With ways
      only the tails of arrows and what no way goes over are hints, and a tail that is none takes its way along.
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
    if mode == FOLLOWED:
        dense = _followed(sparse, hints, ways, sigma_px, threshold)
        return dense if region is None else dense * region

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


def restore_hints(
    flow: Tensor, sparse: Tensor, hints: Tensor, *, sigma_px: float, ways: Sequence[Way] | None = None
) -> Tensor:
    """A dense flow [N, 2, H, W] px/frame that has the hints as they were given (ours).

    What it lacks at the hints, and along `ways`, is added around them as `densify` spreads it. ways: None for its mode
    "faded", with which hints nearer to each other than sigma_px get the mean of what they lack. Raises as `densify`.
    """
    missing = (sparse - flow).where(hints > 0, 0)
    if ways is None:
        return flow + densify(missing, hints, sigma_px=sigma_px, threshold=0.0, mode=FADED)
    values = flow.flatten(2).numpy(force=True)
    lacking = [replace(way, flow=way.flow - values[..., way.pixels]) for way in ways]
    return flow + densify(missing, hints, sigma_px=sigma_px, threshold=0.0, ways=lacking)


def _followed(sparse: Tensor, hints: Tensor, ways: Sequence[Way], sigma_px: float, threshold: float) -> Tensor:
    """Shepard's mean (1968) of the fields g(D) v that hints and points of ways would have alone, [N, 2, H, W].

    g is eq. 6's Gaussian, let down by the threshold to end in 0 without a step: (exp(-(D / sigma_px)^2) - R) / (1 - R).
    The weight of a hint is g / D^2, without bound: there the field is the hint's own. A point of a way has
    g / (D^2 + C^2), C px the most that an arrow moves in a frame: where ways cross, the field changes over no less than
    it moves, so that it can be traced back. The sums are convolutions, in float64: time and memory are the same for any
    number of hints.
    """
    height, width = sparse.shape[-2:]
    if threshold >= 1:
        return torch.zeros_like(sparse)
    known = hints[0, 0].numpy(force=True).astype(np.float64)
    values = sparse.numpy(force=True).astype(np.float64)
    at_hints = known > 0
    ways = [way for way in ways if at_hints.flat[way.pixels[0]]]
    for way in ways:
        at_hints.flat[way.pixels] = False
    weights, line = np.where(at_hints, known, 0), np.zeros_like(known)
    flow, along = values * at_hints, np.zeros_like(values)
    for way in ways:
        np.add.at(line.reshape(-1), way.pixels, way.weights)
        for i in np.ndindex(values.shape[:2]):
            np.add.at(along[i].reshape(-1), way.pixels, way.flow[i] * way.weights)
    for way in ways:
        weights.flat[way.pixels[0]] = TAIL if len(way.pixels) > 1 else 1
        flow.reshape(*values.shape[:2], -1)[..., way.pixels[0]] = way.flow[..., 0]
    at_hints = weights > 0

    reach = sigma_px * math.sqrt(-math.log(threshold)) if threshold else math.inf
    size = [next_fast_len(n + int(min(n - 1, reach))) for n in (height, width)]
    lags = [np.minimum(np.arange(n), n - np.arange(n)).astype(np.float64) ** 2 for n in size]
    squared = lags[0][:, None] + lags[1]
    share = _share(squared, sigma_px, threshold)
    squared[0, 0] = np.inf  # a hint's own pixel has the hint
    core = max((way.fastest for way in ways), default=0.0)
    kernels = [share / squared]
    if line.any():
        squared[0, 0] = 0
        kernels.append(share / (squared + max(core, SMALLEST_CORE_PX) ** 2))

    def summed(parts: Sequence[np.ndarray], spectra: Sequence[np.ndarray]) -> np.ndarray:
        spectrum = _spectrum(parts[0], size) * spectra[0]
        for part, one in zip(parts[1:], spectra[1:], strict=False):
            spectrum += _spectrum(part, size) * one
        return np.asarray(fft.irfft2(spectrum, size))[:height, :width]

    total = summed((weights, line), [_spectrum(kernel, size) for kernel in kernels])
    spectra = [_spectrum(kernel * share, size) for kernel in kernels]
    nearest = np.asarray(distance_transform_edt(~(at_hints | (line > 0))))
    keep = (_share(nearest**2, sigma_px, threshold) > NO_SHARE) & (total > 0)
    dense = np.empty_like(values)
    for i in np.ndindex(values.shape[:2]):
        mean = np.divide(summed((flow[i] * weights, along[i]), spectra), total, out=np.zeros_like(total), where=keep)
        dense[i] = np.where(at_hints, flow[i], mean)
    return torch.from_numpy(dense).to(sparse)


def _spectrum(values: np.ndarray, size: Sequence[int]) -> np.ndarray:
    return np.asarray(fft.rfft2(values, size))


def _share(squared: np.ndarray, sigma_px: float, threshold: float) -> np.ndarray:
    """What is left of a hint's motion at the squared distances, px^2: 1 at it, 0 where `threshold` is reached."""
    return np.maximum(np.exp(-squared / sigma_px**2) - threshold, 0) / (1 - threshold)


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
