"""What may lie beyond a picture's border: its colours go on ever more evenly, with detail copied from inside it.

The detail is moved, never mirrored: each stretch of the border takes it from where the picture is most like there. It
is held to the strength that detail has at the border, so that no thing comes in twice.
"""

import math
from collections.abc import Iterator

import cv2
import numpy as np
import torch
from scipy.fft import dct, idct
from torch import Tensor

from .convention import crop_padding

Margin = tuple[int, int, int, int]  # px: top, bottom, left, right

STEPS = 8  # of a side: a margin is a whole number of them, so that little changes of the motion leave it as it is
STEADY = 1e-3  # px; what comes in by less comes in by rounding alone
WORK = 256  # px of the longer side at which sources are looked for; the lengths below are px there
FINE = 6.0  # detail is finer than this
ALONG = 0.4  # how fast coarse colours even out, over how fast Laplace's equation does it
DEPTH = 10  # of the strip inside the border whose detail is the measure
NEAREST = 20  # from the border to the nearest source: what is farther off is often another thing
STEP, ASIDE = 4, (-64, -32, -16, -8, 0, 8, 16, 32, 64)  # between sources, outwards and along the border
CONTEXT, AROUND = 6, 4  # px inwards, and to either side, that are compared
FEATHER = 2.5  # between two sources
MOST_GAIN = 3.0  # of detail, to be as strong as it is at the border
STRONGEST = 2.0  # detail, over the standard deviation of the border's
UNLIKE = 0.2  # what it costs that a source is not like the border, over what it costs that it does not fit at it
NOTHING = 20.0  # what no detail at all costs, over the variance of the border's
CHANGE = 0.4  # what another source costs than the neighbour's
FAR = 1e-4  # a px farther
FORBIDDEN = 1e3


def margin_of(displacement: Tensor) -> Margin:
    """How far beyond the picture p + displacement(p) [T, 2, H, W] px lies, in STEPS of a side, at most a whole one."""
    margins = []
    for at, size in _positions(displacement):
        for out in (-float(at.min()), float(at.max()) - (size - 1)):
            steps = min(math.ceil(max(out - STEADY, 0) * STEPS / size), STEPS)
            margins.append(math.ceil(steps * size / STEPS))
    return tuple(margins)


def looks_out(displacement: Tensor) -> Tensor:
    """bool [T, 1, H, W]: whether p + displacement(p) [T, 2, H, W] px lies beyond the picture."""
    rows, columns = (abs(at - (size - 1) / 2) > (size - 1) / 2 + STEADY for at, size in _positions(displacement))
    return (rows | columns)[:, None]


def _positions(displacement: Tensor) -> Iterator[tuple[Tensor, int]]:
    """(p + displacement(p) [T, H, W] px, how many px there are) downwards and to the right."""
    for axis, size in ((1, displacement.shape[-2]), (0, displacement.shape[-1])):
        at = torch.arange(size, device=displacement.device, dtype=torch.float32)
        yield displacement[:, axis].detach().float() + (at[:, None] if axis else at), size


def continued(picture: Tensor, margin: Margin, hole: Tensor | None = None) -> Tensor:
    """picture [1, C, H, W] with a margin round it → [1, C, H + top + bottom, W + left + right].

    hole [1, 1, H, W] bool: where there is nothing to copy. Flipped pictures are continued as flipped ones.
    """
    if not any(margin):
        return picture
    top, bottom, left, right = margin
    side = max(picture.shape[-2:])
    pixels = picture[0].detach().permute(1, 2, 0).float().numpy(force=True)
    empty = np.zeros(pixels.shape[:2], bool) if hole is None else hole[0, 0].numpy(force=True) > 0
    pixels, empty = _wider(pixels, empty, left, right, side)
    turned, _ = _wider(pixels.swapaxes(0, 1), empty.swapaxes(0, 1), top, bottom, side)
    made = torch.from_numpy(np.ascontiguousarray(turned.transpose(2, 1, 0)))[None].to(picture)
    crop_padding(made, margin).copy_(picture.detach())
    return made


def _wider(pixels: np.ndarray, empty: np.ndarray, left: int, right: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """pixels [h, w, C] and where they are empty [h, w], continued to the left and to the right."""
    if not left and not right:
        return pixels, empty
    coarse = _blurred(pixels, FINE * side / WORK)
    fine = np.where(empty[..., None], 0, pixels - coarse)
    before = _beyond(pixels[:, ::-1], coarse[:, ::-1], fine[:, ::-1], empty[:, ::-1], left, side)[:, ::-1]
    after = _beyond(pixels, coarse, fine, empty, right, side)
    return np.concatenate([before, pixels, after], 1), np.pad(empty, ((0, 0), (left, right)))


def _beyond(
    pixels: np.ndarray, coarse: np.ndarray, fine: np.ndarray, empty: np.ndarray, count: int, side: int
) -> np.ndarray:
    """[h, count, C]: the columns after the last one of pixels [h, w, C] = coarse + fine."""
    detail = _detail(coarse, fine, empty, count, side) if count else fine[:, :1]
    edge, even = pixels[:, -1], coarse[:, -1]
    made = detail[:, 1:] + _evening(even, count, ALONG) + _evening(edge - even - detail[:, 0], count, 1.0)
    return made.clip(pixels.min((0, 1)), pixels.max((0, 1)))


def _evening(edge: np.ndarray, count: int, speed: float) -> np.ndarray:
    """[h, count, C]: Laplace's equation beyond the border's values [h, C], which are at rest at both its ends."""
    waves = math.pi * speed * np.arange(len(edge), dtype=np.float32)[:, None] / len(edge)
    fading = np.exp(-waves * np.arange(1, count + 1, dtype=np.float32))
    spectrum = np.asarray(dct(edge, axis=0, norm="ortho"))
    return np.asarray(idct(fading[..., None] * spectrum[:, None], axis=0, norm="ortho"))


def _detail(coarse: np.ndarray, fine: np.ndarray, empty: np.ndarray, count: int, side: int) -> np.ndarray:
    """[h, 1 + count, C] for the last column of the picture, and those after it."""
    height, width = empty.shape
    scale = side / WORK
    made, square = np.zeros((height, 1 + count, fine.shape[-1]), np.float32), np.zeros((height, 1, 1), np.float32)
    chosen = _sources(coarse, fine, empty, count, side)
    for source in set(chosen):
        own = np.array([other == source for other in chosen], np.float32)[:, None]
        weight = cv2.resize(own, (1, height), interpolation=cv2.INTER_LINEAR)
        weight = _blurred(weight, FEATHER * scale, across=False)
        square += weight[:, :, None] ** 2
        if source is None:
            continue
        away, aside = source
        rows = np.flatnonzero(weight[:, 0] > 1e-4)
        away_px, from_rows = round(away * scale), (rows + round(aside * scale)).clip(0, height - 1)
        columns = width - 1 - away_px + np.concatenate([[0], 1 + np.arange(count) % away_px])
        made[rows] += weight[rows, :, None] * fine[from_rows[:, None], columns]
    made /= np.sqrt(np.maximum(square, 1e-6))
    usual, found = (
        np.sqrt(_blurred(np.square(x).mean(1), 3 * scale, across=False))[:, None] + 1e-6
        for x in (fine[:, -max(1, round(DEPTH * scale)) :], made)
    )
    made *= (usual / found).clip(1 / MOST_GAIN, MOST_GAIN)
    return made / np.sqrt(1 + np.square(made / (STRONGEST * usual)))


def _sources(
    coarse: np.ndarray, fine: np.ndarray, empty: np.ndarray, count: int, side: int
) -> list[tuple[int, int] | None]:
    """Of each row at WORK, how far inwards and how far down its detail is copied from; none in too small a picture.

    The cheapest ones, found by dynamic programming: another source than the neighbour's costs CHANGE.
    """
    shrink = WORK / side
    height, width = (max(1, round(length * shrink)) for length in empty.shape)
    aways = range(NEAREST, width - CONTEXT, STEP)
    if not aways:
        return []
    coarse, fine, hole = (
        cv2.resize(x, (width, height), interpolation=cv2.INTER_AREA).reshape(height, width, -1).astype(np.float64)
        for x in (coarse, fine, empty.astype(np.float32))
    )
    energy = np.square(fine).sum(-1)
    usual = energy[:, -DEPTH:].mean(1)[:, None]
    odd, strength, gaps = (
        np.pad(x.cumsum(1), ((0, 0), (1, 0)))
        for x in (np.square(coarse - coarse[:, -1:]).sum(-1), energy, hole[..., 0])
    )
    border = fine[:, -CONTEXT:].reshape(height, 1, -1)
    rows = (np.arange(height)[:, None] + ASIDE).clip(0, height - 1)
    costs = [NOTHING * usual]
    for away in aways:
        first = width - away
        last = first + min(away, max(NEAREST, round(count * shrink)))
        gap = fine[:, first - CONTEXT : first].reshape(height, -1)[rows] - border
        misfit = np.einsum("hsd,hsd->hs", gap, gap) / CONTEXT
        cost = cv2.blur(misfit, (1, 2 * AROUND + 1), borderType=cv2.BORDER_REPLICATE)
        odds, strengths, missing = ((x[:, last] - x[:, first])[rows] / (last - first) for x in (odd, strength, gaps))
        cost += UNLIKE * (odds + abs(strengths - usual)) + FORBIDDEN * missing + FAR * (away + abs(np.array(ASIDE)))
        costs.append(cost)
    sources = [None, *((away, aside) for away in aways for aside in ASIDE)]
    return [sources[number] for number in _cheapest(np.concatenate(costs, 1))]


def _cheapest(costs: np.ndarray) -> list[int]:
    """Of costs [h, n], the number in each of the h rows, with CHANGE added wherever it changes (Viterbi)."""
    total, best = costs[0], []
    for cost in costs[1:]:
        other = total.argmin()
        changes = total[other] + CHANGE < total
        best.append(np.where(changes, other, np.arange(len(total))))
        total = np.where(changes, total[other] + CHANGE, total) + cost
    chosen = [int(total.argmin())]
    for came_from in reversed(best):
        chosen.append(int(came_from[chosen[-1]]))
    return chosen[::-1]


def _blurred(values: np.ndarray, sigma: float, across: bool = True) -> np.ndarray:
    """Along the border, and across it."""
    size = 2 * math.ceil(3 * sigma) + 1
    blurred = cv2.GaussianBlur(values, (size if across else 1, size), sigma, borderType=cv2.BORDER_REFLECT)
    return blurred.reshape(values.shape)
