"""How much of each pixel at a thing's edge is the thing, and the thing's own colour there."""

import cv2
import numpy as np
import torch
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import spsolve
from torch import Tensor

from .fill import GROWN, from_nearest

LEAST_REACH = 3  # px
MIDDLE = 0.8  # of the way from its edge to the middle of a part thinner than the band: what is nearer to that is known
SMOOTH = 1e-6 / 9  # epsilon over the window's size, of Levin et al.
SLACK = 0.1  # alpha outside a mask beyond what the plate says
BOUND = 100.0  # how strongly known pixels keep their alpha
WINDOW = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]


def matte(picture: Tensor, mask: Tensor) -> Tensor:
    """alpha [1, 1, H, W] of the thing that mask [1, 1, H, W] says roughly, on picture [1, 3, H, W] −1..1.

    Closed-form matting (Levin, Lischinski & Weiss, PAMI 2008) in a band about the mask's edge, ±3 px up to 256 px.
    In parts and in holes thinner than the band the middle is known, too: else nothing would say what they are. Where
    nothing is surely inside, the mask stays.
    """
    inside = (mask[0, 0] > 0.5).numpy(force=True).astype(np.uint8)
    reach = max(LEAST_REACH, round(GROWN * max(inside.shape)))
    surely, never = _well_inside(inside, reach), _well_inside(1 - inside, reach)
    band = ~surely & ~never
    alpha = inside.astype(np.float64)
    if surely.any() and band.any():
        rows, columns = (np.nonzero(band.any(axis))[0] for axis in (1, 0))
        cut = np.s_[max(rows[0] - 4, 0) : rows[-1] + 5, max(columns[0] - 4, 0) : columns[-1] + 5]
        colours = (picture[0].permute(1, 2, 0).double().numpy(force=True) + 1) / 2
        alpha[cut] = np.where(band[cut], _solved(colours[cut], surely[cut], band[cut]), alpha[cut])
    return torch.from_numpy(alpha)[None, None].to(mask)


def _well_inside(inside: np.ndarray, reach: int) -> np.ndarray:
    """bool [H, W]: reach px and more from what is not inside, or about the middle of a part thinner than that."""
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return (inside > 0) & (depth >= np.minimum(reach, MIDDLE * cv2.dilate(depth, element)))


def within_plate(alpha: Tensor, mask: Tensor, picture: Tensor, plate: Tensor) -> Tensor:
    """alpha [1, 1, H, W] without the glow of a loose mask.

    Outside the mask [1, 1, H, W] nothing is more of the thing than the picture [1, 3, H, W] differs from the plate
    [1, 3, H, W] towards the thing's own colour.
    """
    whole = alpha[0, 0] > 0.95
    if not whole.any():
        return alpha
    towards = from_nearest(picture[0], ~whole)[None] - plate
    share = ((picture - plate) * towards).sum(1, keepdim=True) / towards.square().sum(1, keepdim=True).clamp(min=1e-4)
    return torch.where(mask > 0.5, alpha, torch.minimum(alpha, (share + SLACK).clamp(0, 1)))


def _solved(colours: np.ndarray, surely: np.ndarray, band: np.ndarray) -> np.ndarray:
    """alpha [h, w] of colours [h, w, 3] 0..1, known outside the band."""
    height, width = band.shape
    near = cv2.dilate(band.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    near[[0, -1]] = near[:, [0, -1]] = False  # windows lie whole in the picture
    rows, columns = np.nonzero(near)
    index = np.stack([(rows + down) * width + columns + right for down, right in WINDOW], axis=1)  # [n, 9]
    differences = colours.reshape(-1, 3)[index]
    differences = differences - differences.mean(axis=1, keepdims=True)
    covariance = np.einsum("nki,nkj->nij", differences, differences) / 9 + np.eye(3) * SMOOTH
    likeness = np.einsum("nki,nij,nlj->nkl", differences, np.linalg.inv(covariance), differences)
    weights = np.eye(9) - (1 + likeness) / 9  # Levin et al. 2008, eq. 12; coo_matrix adds up the windows
    here, other = np.repeat(index[:, :, None], 9, 2).ravel(), np.repeat(index[:, None, :], 9, 1).ravel()
    laplacian = coo_matrix((weights.ravel(), (here, other)), shape=(height * width,) * 2).tocsr()
    known = (~band).ravel() * BOUND
    alpha = np.asarray(spsolve((laplacian + diags(known + 1e-9)).tocsc(), known * surely.ravel()))
    return np.clip(alpha.reshape(height, width), 0, 1)


def own_colours(picture: Tensor, alpha: Tensor, plate: Tensor) -> Tensor:
    """[1, 3, H, W] −1..1: the thing's colour where a pixel is alpha of it and the rest the plate's.

    I = alpha F + (1 − alpha) B solved for F; where alpha is small, the colour of the nearest pixel that is all thing.
    """
    whole = alpha > 0.95
    if not whole.any():
        return picture
    nearest = from_nearest(picture[0], ~whole[0, 0])[None]
    solved = ((picture - (1 - alpha) * plate) / alpha.clamp(min=1e-3)).clamp(-1, 1)
    trusted = ((alpha - 0.3) / 0.5).clamp(0, 1)
    return torch.where(whole, picture, torch.lerp(nearest, solved, trusted))
