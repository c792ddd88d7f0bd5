"""What may lie behind a thing that moves away: the hole it leaves, closed by what the picture shows around it."""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor

from .exemplar import sources
from .poisson import solve

GROWN = 3 / 256  # of the longer side: the thing's own colours reach that far beyond its mask
RING_PX = 4  # about a hole: what is looked at to tell how rough the picture is there
EVEN, ROUGH = 2 / 127.5, 4 / 127.5  # of -1..1: changes from pixel to pixel
ALL_ROUGH = 0.2  # of a ring
SPREAD_PX = 2.0  # standard deviation: how far the change is averaged
EVENED, COPIED = 0.4, 0.6  # of the work at a large hole is done then
TEXTURE = 2.5  # how much it counts beside the colours when patches are compared


def grown(mask: Tensor) -> Tensor:
    """The hole [1, 1, H, W] bool that a mask [1, 1, H, W] leaves."""
    inside = (mask[0, 0] > 0.5).numpy(force=True).astype(np.uint8)
    reach = round(GROWN * max(inside.shape))
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return torch.from_numpy(cv2.dilate(inside, element) > 0)[None, None].to(mask.device)


def filled(picture: Tensor, hole: Tensor, report: Callable[[float], None] = lambda share: None) -> Tensor:
    """picture [1, 3, H, W] −1..1 with the hole [1, 1, H, W] bool filled with what the picture shows around it.

    Copied pixels (exemplar.py), whose gradients are kept and whose colours are fitted to the hole's border (Pérez,
    Gangnet & Blake, SIGGRAPH 2003). Where the picture is even about a hole, and where too little of it is known, by
    Laplace's equation: as even as the border allows. A picture that is all hole stays as it is.
    report: told often which share is done, 0..1; what it raises ends it.
    """
    inside = hole[0, 0].numpy(force=True)
    if not inside.any() or inside.all():
        return picture
    values = picture[0].double().numpy(force=True)
    change = _change(values, inside)
    even = _laplace(np.concatenate([values, change[None]]), inside, lambda share: report(share * EVENED))
    rough = _roughness(change, inside)
    result = even[:3]
    if rough.any():
        guess = np.concatenate([(even[:3] + 1) / 2, TEXTURE * even[3:] / 2])
        found = sources(
            guess.transpose(1, 2, 0).astype(np.float32),
            inside,
            lambda share: report(EVENED + share * (COPIED - EVENED)),
        )
        if found is not None:
            known = values[:, ~inside]
            textured = _laplace(values, inside, lambda share: report(COPIED + share * (1 - COPIED)), found)
            textured = textured.clip(known.min(1)[:, None, None], known.max(1)[:, None, None])
            result = result + rough * (textured - result)
    return torch.from_numpy(np.where(inside, result, values))[None].to(picture)


def _change(values: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """[H, W]: how much the picture [3, H, W] changes from pixel to pixel, averaged; of known pixels alone."""
    grey = values.mean(0)
    change = np.abs(np.diff(grey, axis=0, append=grey[-1:])) + np.abs(np.diff(grey, axis=1, append=grey[:, -1:]))
    known = 1.0 - cv2.dilate(hole.astype(np.uint8), np.ones((3, 3), np.uint8))
    mean, share = (cv2.GaussianBlur(x, (0, 0), SPREAD_PX) for x in (change * known, known))
    return mean / np.maximum(share, 1e-6)


def _roughness(change: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """[H, W] from 0, where the picture is even about a hole, to 1; the same all over each hole."""
    count, labels = cv2.connectedComponents(hole.astype(np.uint8))
    near = cv2.dilate(labels.astype(np.float32), np.ones((2 * RING_PX + 1, 2 * RING_PX + 1), np.uint8)).astype(int)
    ring = near[~hole]
    rough = ((change[~hole] - EVEN) / (ROUGH - EVEN)).clip(0, 1)
    share = np.bincount(ring, rough, minlength=count) / np.maximum(np.bincount(ring, minlength=count), 1)
    return (share / ALL_ROUGH).clip(0, 1)[labels.astype(int)] * hole


def _laplace(
    values: np.ndarray,
    hole: np.ndarray,
    report: Callable[[float], None],
    found: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """[C, H, W] float64 with the pixels in hole [H, W] the mean of their neighbours in the picture.

    found: sources of the hole's pixels; what each differs from its neighbours by is then as it is there, between two
    pixels of the hole as at the source of one and of the other on average.
    """
    height, width = hole.shape
    rows, columns = np.nonzero(hole)
    index = np.full(hole.shape, -1)
    index[rows, columns] = np.arange(len(rows))
    known = np.zeros((len(values), len(rows)))
    copies = None if found is None else values[:, found[0], found[1]]
    for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        report(0.0)
        y, x = rows + down, columns + right
        there = np.nonzero((y >= 0) & (y < height) & (x >= 0) & (x < width))[0]
        other = index[y[there], x[there]]
        unknown = other >= 0
        inner, border, other = there[unknown], there[~unknown], other[unknown]
        known[:, border] += values[:, y[border], x[border]]
        if found is not None and copies is not None:
            own = copies - values[:, found[0] + down, found[1] + right]
            others = values[:, found[0] - down, found[1] - right] - copies
            known[:, border] += own[:, border]
            known[:, inner] += (own[:, inner] + others[:, other]) / 2
    result = values.copy()
    result[:, rows, columns] = solve(hole, known, report)
    return result


def from_nearest(frame: Tensor, hole: Tensor) -> Tensor:
    """[C, H, W] with the pixels where `hole` [H, W] is not 0 taken from the nearest that is none."""
    empty = (hole > 0).numpy(force=True).astype(np.uint8)
    if not empty.any() or empty.all():
        return frame
    _, found = cv2.distanceTransformWithLabels(empty, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    labels = np.asarray(found, dtype=np.int64)
    nearest = np.zeros(labels.max() + 1, dtype=np.int64)  # label -> index of its pixel
    nearest[labels[empty == 0]] = np.flatnonzero(empty == 0)
    index = torch.from_numpy(nearest[labels].ravel()).to(frame.device)
    return frame.flatten(1)[:, index].view_as(frame)
