"""Scenes of things: what GrabCut finds in stills, set in motion where it is or over other stills, with the true flow.

A scene is one picture and the flow at it: enough for the refiner, which sees no second one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...flow_tools.grabcut import object_at
from ..loop.randomness import uniform
from .augmentation import rotation, transformed
from .prepared_set import to_unit
from .scenes import Draw, pixels, speeds

CLICKS = 5  # along a side: the grid of places that things are looked for at
SMALLEST, LARGEST = 0.003, 0.2  # of the still's area
EDGE_PX = 5  # the side of what is compared along a thing's outline
STEP = 12.0  # of colour in it, in CIELAB
CLEAR = 0.8  # of the outline, at least, has such a step
SAME = 0.7  # intersection over union: two clicks found one thing
SOFT_PX = 0.8  # standard deviation of a thing's edge
PRESENT = (1.0, 0.6, 0.4)  # fraction of the scenes that have a first, second, third thing
AT_REST = 0.4  # fraction of the second and third things that do not move
IN_PLACE = 0.3  # fraction of the scenes whose first thing is where it was photographed
TURNING = 0.2  # fraction of the things that turn about a point of theirs
SIZES = (0.08, 0.45)  # of the side: the longer side of a thing over another still
PARTLY = 0.75  # of the still's side: the least that a scene shows of it


@dataclass(frozen=True)
class Things:
    """What was found in some stills, with the stills."""

    stills: Tensor  # uint8 [S, 3, H, H]
    masks: Tensor  # uint8 [M, H, H], soft edges
    still: Tensor  # [M]: the number of the still
    middle: Tensor  # [M, 2] px, of its extent
    extent: Tensor  # [M] px, its longer side

    def to(self, device: torch.device) -> Things:
        return Things(*(part.to(device) for part in vars(self).values()))


def find_things(stills: Sequence[Tensor]) -> Things:
    """Those under a grid of clicks on each of the stills, uint8 [3, H, H] of one size; the same each time."""
    with ThreadPoolExecutor() as pool:
        found = [(number, mask) for number, masks in enumerate(pool.map(_masks, stills)) for mask in masks]
    ends = [[(at.min(), at.max() + 1) for at in mask.nonzero()[::-1]] for _, mask in found]
    ends = torch.tensor(np.array(ends, np.float32).reshape(-1, 2, 2))
    soft = [_soft(mask) for _, mask in found]
    return Things(
        stills=torch.stack(list(stills)),
        masks=torch.from_numpy(np.array(soft, np.uint8)),
        still=torch.tensor([number for number, _ in found], dtype=torch.long),
        middle=ends.mean(2),
        extent=ends.diff(dim=2).amax((1, 2)),
    )


def _masks(still: Tensor) -> list[np.ndarray]:
    """bool [H, W] each: things of a fitting size, each once."""
    image, found = to_unit(still)[None], []
    lab = cv2.cvtColor(still.permute(1, 2, 0).numpy().astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    steps = cv2.morphologyEx(lab, cv2.MORPH_GRADIENT, np.ones((EDGE_PX, EDGE_PX), np.uint8)).max(axis=2)
    for y in range(CLICKS):
        for x in range(CLICKS):
            try:
                mask = object_at(image, ((x + 0.5) / CLICKS, (y + 0.5) / CLICKS))[0, 0].numpy() > 0
            except ValueError:  # nothing stands out there
                continue
            if (
                SMALLEST < mask.mean() < LARGEST
                and _stands_out(mask, steps)
                and all((mask & m).sum() < SAME * (mask | m).sum() for m in found)
            ):
                found.append(mask)
    return found


def _stands_out(mask: np.ndarray, steps: np.ndarray) -> bool:
    """Whether a mask [H, W] lies inside the still and has a step of colour [H, W] along most of its outline."""
    whole = np.zeros_like(mask)
    whole[1:-1, 1:-1] = mask[1:-1, 1:-1]
    outline = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    return bool((whole == mask).all() and (steps[outline] > STEP).mean() > CLEAR)


def _soft(mask: np.ndarray) -> np.ndarray:
    inner = cv2.erode(mask.astype(np.uint8) * 255, np.ones((3, 3), np.uint8))
    return cv2.GaussianBlur(inner, (0, 0), SOFT_PX)


def render_things(things: Things, count: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """count scenes: pictures [count, 3, size, size] −1..1 and their flow [count, 2, size, size] px/frame."""
    device, side = things.stills.device, things.stills.shape[-1]

    def draw(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return uniform(*shape, generator=generator, device=device) * (high - low) + low

    def mirrored(scale: Tensor) -> Tensor:
        """[B] → matrices [B, 2, 2], half of them mirrored."""
        sign = torch.where(draw(count) < 0.5, -scale, scale)
        return torch.diag_embed(torch.stack([sign, scale], dim=1))

    chosen = (draw(count, len(PRESENT)) * len(things.still)).long()
    in_place = draw(count) < IN_PLACE
    behind = torch.where(in_place, things.still[chosen[:, 0]], (draw(count) * len(things.stills)).long())
    zoom = draw(count, low=PARTLY) * side / size  # px of the still per px of the frame
    view, middle = mirrored(zoom), side / 2 + draw(count, 2, low=-1) * (side - zoom * size)[:, None] / 2
    here = pixels(size, device) + 0.5
    frame = here.new_full((count, 2), size / 2)
    image = _sampled(to_unit(things.stills[behind]), view, here, frame, middle, padding_mode="border")
    flow = torch.zeros_like(image[:, :2])
    for number, present in enumerate(PRESENT):
        thing = chosen[:, number]
        extent = draw(count, low=SIZES[0], high=SIZES[1]) * size
        matrix = mirrored(things.extent[thing] / extent) @ rotation(draw(count, low=-0.4, high=0.4))
        place = draw(count, 2, low=0.1, high=0.9) * size
        if number == 0:
            matrix = torch.where(in_place[:, None, None], view, matrix)
            own = (things.middle[thing] - middle) / view.diagonal(dim1=1, dim2=2) + size / 2
            place = torch.where(in_place[:, None], own, place)
            extent = torch.where(in_place, things.extent[thing] / zoom, extent)
        drawn = torch.cat([to_unit(things.stills[things.still[thing]]), things.masks[thing, None] / 255], dim=1)
        drawn = _sampled(drawn, matrix, here, place, things.middle[thing], padding_mode="zeros")
        alpha = drawn[:, 3:] * (draw(count, 1, 1, 1) < present)
        image = torch.lerp(image, drawn[:, :3], alpha)
        velocity = _velocity(here, place, extent, size, draw)
        if number > 0:
            velocity = velocity * (draw(count, 1, 1, 1) >= AT_REST)
        flow = torch.where(alpha > 0.5, velocity, flow)
    return image, flow


def _sampled(
    pictures: Tensor, matrix: Tensor, here: Tensor, place: Tensor, middle: Tensor, *, padding_mode: str
) -> Tensor:
    """Pictures [B, C, H, H] at matrix [B, 2, 2] · (here [1, 2, h, w] − place [B, 2]) + middle [B, 2], in px."""
    at = transformed(here - place[..., None, None], matrix) + middle[..., None, None]
    grid = (2 * at / pictures.shape[-1] - 1).permute(0, 2, 3, 1)
    return F.grid_sample(pictures, grid, padding_mode=padding_mode, align_corners=False)


def _velocity(here: Tensor, place: Tensor, extent: Tensor, size: int, draw: Draw) -> Tensor:
    """[B, 2, h, w] px/frame of things at place [B, 2] with these extents [B] px: they travel, or turn about a point."""
    count = len(place)
    speed, angle = speeds(draw(count)) * size / 256, draw(count, high=2 * math.pi)
    travelling = torch.stack([angle.cos(), angle.sin()], dim=1) * speed[:, None]
    about = place + draw(count, 2, low=-0.4, high=0.4) * extent[:, None]
    arm = here - about[..., None, None]
    turn = torch.where(angle < math.pi, speed, -speed) / extent
    turning = torch.stack([-arm[:, 1], arm[:, 0]], dim=1) * turn[:, None, None, None]
    return torch.where(draw(count, 1, 1, 1) < TURNING, turning, travelling[..., None, None])
