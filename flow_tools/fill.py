"""What may lie behind a thing that moves away: the hole it leaves, closed by the picture around it."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import cg, splu
from torch import Tensor

GROWN = 3 / 256  # of the longer side: the thing's own colours reach that far beyond its mask
SOLVED_AT_ONCE = 60_000  # unknown pixels; more begin from the fill of the picture at half its size
TOLERANCE = 1e-3


def grown(mask: Tensor) -> Tensor:
    """The hole [1, 1, H, W] bool that a mask [1, 1, H, W] leaves."""
    inside = (mask[0, 0] > 0.5).numpy(force=True).astype(np.uint8)
    reach = round(GROWN * max(inside.shape))
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return torch.from_numpy(cv2.dilate(inside, element) > 0)[None, None].to(mask.device)


def filled(picture: Tensor, hole: Tensor) -> Tensor:
    """picture [1, 3, H, W] with the hole [1, 1, H, W] filled by Laplace's equation: as even as its border allows.

    A picture that is all hole stays as it is.
    """
    inside = hole[0, 0].numpy(force=True)
    if not inside.any() or inside.all():
        return picture
    values = picture[0].double().numpy(force=True)
    return torch.from_numpy(_laplace(values, inside))[None].to(picture)


def _laplace(values: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """[3, H, W] float64 with the pixels in hole [H, W] the mean of their neighbours in the picture."""
    height, width = hole.shape
    rows, columns = np.nonzero(hole)
    index = np.full(hole.shape, -1)
    index[rows, columns] = np.arange(len(rows))
    count, known = np.zeros(len(rows)), np.zeros((3, len(rows)))
    links = []
    for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        y, x = rows + down, columns + right
        there = np.nonzero((y >= 0) & (y < height) & (x >= 0) & (x < width))[0]
        count[there] += 1
        other = index[y[there], x[there]]
        unknown = other >= 0
        links.append(np.stack([there[unknown], other[unknown]]))
        border = there[~unknown]
        known[:, border] += values[:, y[border], x[border]]
    here, other = np.concatenate([*links, np.arange(len(rows))[None].repeat(2, 0)], axis=1)
    weights = np.concatenate([np.full(len(here) - len(rows), -1.0), count])
    matrix = coo_matrix((weights, (here, other))).tocsc()
    if len(rows) <= SOLVED_AT_ONCE:
        solved = splu(matrix).solve(known.T).T
    else:
        begun = _coarser(values, hole)[:, rows, columns]
        solved = np.stack([cg(matrix, k, x0=start, rtol=TOLERANCE)[0] for k, start in zip(known, begun, strict=True)])
    result = values.copy()
    result[:, rows, columns] = solved
    return result


def _coarser(values: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The picture [3, H, W] filled at half its size and enlarged."""
    size = ((hole.shape[0] + 1) // 2, (hole.shape[1] + 1) // 2)
    picture, known = torch.from_numpy(values)[None], torch.from_numpy(~hole).double()[None, None]
    share = F.interpolate(known, size=size, mode="area")
    small = F.interpolate(picture * known, size=size, mode="area") / share.clamp(min=1e-6)
    empty = (share[0, 0] == 0).numpy()
    closed = _laplace(small[0].numpy(), empty) if empty.any() else small[0].numpy()
    return F.interpolate(torch.from_numpy(closed)[None], size=hole.shape, mode="bilinear")[0].numpy()


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
