"""The still as a background plate with things cut out of it, put together again with the things where they move to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .fill import filled, grown
from .matte import matte, own_colours, within_plate
from .objects import INSIDE, fitted, steps, whole

REACH = 28 / 256  # of the longer side: how far about a thing the motion encoder is told that it moves


@dataclass(frozen=True)
class Layers:
    """Of a picture of H × W px, −1..1."""

    plate: Tensor  # [1, 3, H, W] the background, filled behind the things
    cutouts: tuple[Tensor, ...]  # [1, 4, H, W] each, bottom to top: colours times alpha, alpha
    hole: Tensor  # [1, 1, H, W] bool: where the plate is filled


def split(
    picture: Tensor,
    masks: Sequence[Tensor],
    clean_plate: Tensor | None = None,
    report: Callable[[float], None] = lambda share: None,
) -> Layers:
    """Of picture [1, 3, H, W] −1..1 and masks [1, 1, h, w] 0..1, bottom to top.

    clean_plate [1, 3, H, W]: the picture without the things, instead of the fill. report: see `filled`.
    """
    if not masks:
        return Layers(picture, (), torch.zeros_like(picture[:, :1], dtype=torch.bool))
    masks = apart([fitted(mask, picture) for mask in masks])
    hole = grown(torch.stack(masks).amax(0))
    plate = filled(picture, hole, report) if clean_plate is None else torch.where(hole, clean_plate, picture)
    cutouts = []
    for mask in masks:
        alpha = within_plate(matte(picture, mask), mask, picture, plate)
        cutouts.append(torch.cat([own_colours(picture, alpha, plate) * alpha, alpha], dim=1))
    return Layers(plate, tuple(cutouts), hole)


def apart(masks: Sequence[Tensor]) -> list[Tensor]:
    """Masks [1, 1, H, W] without what those above them, the later ones, cover."""
    free, found = torch.ones_like(masks[0]), []
    for mask in reversed(masks):
        found.append(mask * free)
        free = free * (mask <= INSIDE)
    return found[::-1]


def moved(picture: Tensor, placed: np.ndarray) -> Tensor:
    """picture [1, C, H, W] at the poses [m, 2, 3] (see objects.py) → [m, C, H, W], bilinear, zero outside."""
    height, width = picture.shape[-2:]
    back = torch.from_numpy(np.linalg.inv(whole(placed))[:, :2]).float().to(picture.device)
    size = back.new_tensor([width, height])
    # grid_sample counts from -1 to 1 over the picture: px = (grid + 1) / 2 · size, both for what is read and written.
    turn = back[:, :, :2] * size / size[:, None]
    shift = 2 * back[:, :, 2] / size + turn.sum(-1) - 1
    grid = F.affine_grid(torch.cat([turn, shift[..., None]], -1), [len(placed), 1, height, width], align_corners=False)
    source = picture.float().expand(len(placed), -1, -1, -1)
    return F.grid_sample(source, grid, padding_mode="zeros", align_corners=False)


def compose(layers: Layers, plates: Tensor, placed: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Frames [m, 3, H, W] of plates [m, 3, H, W] and each thing's poses [m, 2, 3], and what they show of each thing.

    That is [K, m, 1, H, W] from 0 to 1, bottom to top: what lies above is taken off.
    """
    frames, seen = plates, []
    for cutout, own in zip(layers.cutouts, placed, strict=True):
        there = moved(cutout, own).to(plates)
        alpha = there[:, 3:]
        frames = frames * (1 - alpha) + there[:, :3]
        seen = [below * (1 - alpha) for below in seen] + [alpha]
    return frames, torch.stack(seen) if seen else frames.new_zeros(0, len(frames), 1, *frames.shape[-2:])


def exact_field(background: Tensor, masks: Sequence[Tensor], placed: Sequence[np.ndarray]) -> Tensor:
    """[m - 1, 2, H, W] px/frame: the topmost thing's step in its moved mask, the background's elsewhere.

    background: [1 or m - 1, 2, H, W]; masks [1, 1, H, W] and poses [m, 2, 3] of each thing, bottom to top.
    """
    count = len(placed[0]) - 1
    field = background.expand(count, -1, -1, -1)
    for mask, own in zip(masks, placed, strict=True):
        inside = moved(mask, own[:-1]) > INSIDE
        field = torch.where(inside.to(field.device), _step_field(own, field), field)
    return field


def wide_field(background: Tensor, masks: Sequence[Tensor], placed: Sequence[np.ndarray]) -> Tensor:
    """As `exact_field`, but each thing's step fades out about its mask as exp(−(d / REACH)²), d the distance from it.

    That is what the motion encoder gets: with the exact field the network dissolves what moves. Where several reach,
    theirs are averaged by these weights.
    """
    count, reach = len(placed[0]) - 1, REACH * max(background.shape[-2:])
    field = background.expand(count, -1, -1, -1)
    total, weight = torch.zeros_like(field), torch.zeros_like(field[:, :1])
    largest = torch.zeros_like(weight)
    for mask, own in zip(masks, placed, strict=True):
        near = torch.stack([torch.exp(-_distance_squared(one[0]) / reach**2) for one in moved(mask, own[:-1])])
        near = near[:, None].to(field)
        above = near == 1  # the topmost thing's own motion
        total = torch.where(above, 0, total) + near * _step_field(own, field)
        weight = torch.where(above, 0, weight) + near
        largest = torch.maximum(largest, near)
    mean = total / weight.where(weight > 0, 1)
    return field * (1 - largest) + mean * largest


def _distance_squared(mask: Tensor) -> Tensor:
    """[H, W] px^2 to the nearest pixel inside the mask [H, W]; infinite where it is empty."""
    outside = (mask <= INSIDE).numpy(force=True).astype(np.uint8)
    if outside.all():
        return torch.full(mask.shape, float("inf"))
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Whole numbers: the last bits of their roots depend on where in memory OpenCV's operands lie.
    return torch.from_numpy(np.rint(np.square(distance, dtype=np.float64))).float()


def _step_field(placed: np.ndarray, like: Tensor) -> Tensor:
    """[m - 1, 2, H, W]: where poses [m, 2, 3] take each pixel from one frame to the next, minus where it is."""
    height, width = like.shape[-2:]
    by = torch.from_numpy(steps(placed) - np.eye(2, 3)).to(like)
    x = torch.arange(width, dtype=by.dtype, device=by.device) + 0.5
    y = (torch.arange(height, dtype=by.dtype, device=by.device) + 0.5)[:, None]
    return by[:, :, 0, None, None] * x + (by[:, :, 1, None, None] * y + by[:, :, 2, None, None])
