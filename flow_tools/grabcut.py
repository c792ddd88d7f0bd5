"""The thing under a point of a still, without weights: the outline round the point, then GrabCut about it.

The outline is the closed line round the point, one radius at each angle, that crosses the largest steps of colour. It
sees a thing of several colours whole, as GrabCut (Rother, Kolmogorov & Blake 2004) does not. GrabCut begins from it,
and finds what sticks out.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from .arrows import Point

WORK = 192  # px of the longer side that a thing is looked for at
SHORTEST, FARTHEST = 4, 48  # px at WORK, from the point to the outline
LARGEST = 0.3  # of the longer side: the radius of a disc as large as the largest thing
FAINTEST = 7.0  # mean step of colour over the outline, in CIELAB; less is open sky
ANGLES = 192
ACROSS = 3  # px on either side of the outline that are compared
CLEAR = 20.0  # a step in CIELAB that no larger one outdoes
TURN = 0.5  # what one px of radius from an angle to the next costs, in CIELAB
SEED = 4.0  # px about a point or a pin that are surely inside or outside
INSIDE, OUTSIDE = 0.5, 1.5  # how deep in the outline a thing is sure, how far from it none is; radii of an equal disc
ROUNDS = 2


def object_at(image: Tensor, point: Point, pins: Sequence[Point] = ()) -> Tensor:
    """mask [1, 1, H, W] of 0 and 1: the thing, or the part of one, under `point` in image [1, 3, H, W] −1..1.

    Points in 0..1; what is at a pin is outside. The same each time. ValueError where nothing stands out, or what does
    is larger than a disc of radius LARGEST.
    """
    height, width = image.shape[-2:]
    scale = WORK / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    pixels = ((image[0].permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).byte().numpy(force=True)
    shrunk = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    at, *held = (np.array(place) * size for place in (point, *pins))
    outlined, step = _outline(shrunk, at, held)
    if step < FAINTEST:
        raise ValueError("nothing stands out here: paint it")
    found = _part_at(_cut_out(shrunk, outlined, at, held), at)
    if found.sum() > math.pi * (LARGEST * WORK) ** 2:
        raise ValueError("too much: paint it, or click on a smaller part")
    if not found.any():
        raise ValueError("nothing can be told apart here: paint it")
    mask = cv2.resize(found.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    return torch.from_numpy(mask).float()[None, None]


def _outline(pixels: np.ndarray, at: np.ndarray, held: Sequence[np.ndarray]) -> tuple[np.ndarray, float]:
    """What lies inside the outline round `at`, uint8 [h, w], and the mean step of colour across it."""
    angles = np.arange(ANGLES) * (2 * np.pi / ANGLES)
    radii = np.arange(SHORTEST, FARTHEST)
    steps = _steps(pixels, at, angles, radii)
    for pin in held:
        away, (x, y) = np.hypot(*(pin - at)), pin - at
        turn = np.abs((np.arctan2(y, x) - angles + np.pi) % (2 * np.pi) - np.pi)
        beside = turn <= max(np.arctan2(SEED, away), 2 * np.pi / ANGLES)
        steps[np.ix_(beside, radii >= max(away, SHORTEST + 1))] = -1e4
    half = ANGLES // 2
    middle = int(_best_path(steps)[half])  # far from both ends: there the path hardly knows that it was not closed
    path = np.roll(_best_path(np.roll(steps, -half, 0), middle), half)
    ends = at - 0.5 + radii[path, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    inside = np.zeros(pixels.shape[:2], np.uint8)
    cv2.fillPoly(inside, [(ends * 16).round().astype(np.int32)], 1, shift=4)
    return inside, float(steps[np.arange(ANGLES), path].mean())


def _steps(pixels: np.ndarray, at: np.ndarray, angles: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """[angles, radii]: how far apart the mean colours on both sides of each radius are, at most CLEAR."""
    colours = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    along = np.arange(radii[0] - ACROSS, radii[-1] + ACROSS) + 0.5
    x, y = (at[i] - 0.5 + np.outer(way(angles), along) for i, way in enumerate((np.cos, np.sin)))
    rays = cv2.remap(
        colours, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    sums = np.cumsum(np.pad(rays, ((0, 0), (1, 0), (0, 0))), axis=1, dtype=np.float64)
    means = (sums[:, ACROSS:] - sums[:, :-ACROSS]) / ACROSS
    return np.minimum(np.linalg.norm(means[:, ACROSS:] - means[:, :-ACROSS], axis=2), CLEAR)


def _best_path(gains: np.ndarray, start: int | None = None) -> np.ndarray:
    """The column in each row of gains [n, m] with the largest sum, neighbours at most 1 apart, each such step at TURN.

    With `start` it begins there, and ends beside it.
    """
    rows, columns = gains.shape
    total = gains[0].copy()
    if start is not None:
        total = np.where(np.arange(columns) == start, total, -np.inf)
    came = np.empty((rows, columns), np.int64)
    for row in range(1, rows):
        padded = np.pad(total, 1, constant_values=-np.inf)
        choices = np.stack([padded[:-2] - TURN, total, padded[2:] - TURN])
        choice = choices.argmax(axis=0)
        came[row] = np.arange(columns) + choice - 1
        total = choices.max(axis=0) + gains[row]
    if start is not None:
        total = np.where(np.abs(np.arange(columns) - start) <= 1, total, -np.inf)
    path = [int(total.argmax())]
    for row in range(rows - 1, 0, -1):
        path.append(came[row, path[-1]])
    return np.array(path[::-1])


def _cut_out(pixels: np.ndarray, inside: np.ndarray, at: np.ndarray, held: Sequence[np.ndarray]) -> np.ndarray:
    """GrabCut's thing, uint8 [h, w], sure of nothing near the outline."""
    radius = math.sqrt(inside.sum() / math.pi)
    depth = cv2.distanceTransform(cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_REPLICATE), cv2.DIST_L2, 5)
    away = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    seeds = np.where(inside, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    seeds[depth[1:-1, 1:-1] > INSIDE * radius] = cv2.GC_FGD
    seeds[away > OUTSIDE * radius] = cv2.GC_BGD
    y, x = np.mgrid[: inside.shape[0], : inside.shape[1]] + 0.5
    from_point = np.hypot(x - at[0], y - at[1])
    seeds[from_point < SEED] = cv2.GC_FGD
    if held:
        unpinned = np.ones_like(inside)
        for pin in held:
            unpinned[_pixel(pin, inside)] = 0
        from_pin = cv2.distanceTransform(unpinned, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        seeds[(from_pin < SEED) | ((from_pin < from_point) & (inside == 0))] = cv2.GC_BGD
    if not (np.isin(seeds, (cv2.GC_BGD, cv2.GC_PR_BGD)).any() and (seeds % 2).any()):
        return inside
    cv2.setRNGSeed(0)  # of this thread; GrabCut draws from it
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(np.ascontiguousarray(pixels[..., ::-1]), seeds, (0, 0, 0, 0), *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    return seeds % 2  # GC_FGD is 1, GC_PR_FGD 3


def _part_at(found: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The connected part of found, uint8 [h, w], at a point, without cracks; empty where there is none."""
    _, parts = cv2.connectedComponents(found)
    here = _pixel(at, found)
    part = (parts == parts[here]).astype(np.uint8) * found[here]
    return cv2.morphologyEx(part, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))


def _pixel(at: np.ndarray, picture: np.ndarray) -> tuple[int, int]:
    """Row and column of the pixel at (x, y) px, the last one for the far border."""
    height, width = picture.shape[:2]
    return min(int(at[1]), height - 1), min(int(at[0]), width - 1)
