"""The figures of one scene."""

import math
from collections.abc import Callable

import numpy as np
import torch.nn.functional as F
from torch import Generator, Tensor

from ...flow_tools.fill import grown
from ...flow_tools.grabcut import object_at
from ...sampling.joins import CROSSFADE, Timeline, plan_joins
from ..metrics.drag import drag
from ..metrics.overlap import iou
from ..metrics.psnr import psnr_in
from ..metrics.sightings import sightings, template_of
from ..metrics.texture_energy import texture_energy
from ..metrics.thing_shape import reach, shape_of
from ..metrics.uncovered import uncovered_gain
from .carried import Carried
from .scenes import SIDE, TURNING, Scene

BESIDE = 0.1  # of the side: how far from a thing the background is looked at
SHOWN, GONE = 0.5, 0.02  # of an alpha: what is a thing, and what is none
LONG = 125  # frames
EVERY = 2  # of those are looked at
CHECKED = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a segment: how the thing may look
CELL = 8  # px that a latent covers, along a side
COARSE_PX = 4  # standard deviation: what is left of a picture when its texture is not looked at

Carry = Callable[..., Carried]


def scene_figures(scene: Scene, carried: Carried) -> dict[str, float | None]:
    """Of what a scene became, against what it should have become; None for what does not apply."""
    frames = len(carried.frames)
    still = scene.still()
    true_frames, true_alpha = scene.frames(np.array([0.0, 1.0]))
    start, end, wanted = (shape_of(alpha) for alpha in (carried.alpha[0], carried.alpha[-1], true_alpha[1]))
    true_start = shape_of(true_alpha[0])
    vector = wanted.middle - true_start.middle
    speed = mean_speed(scene, frames)
    return {
        "reach": reach(start, end, vector) if scene.kind != TURNING else None,
        "axis ratio": end.axis_ratio / start.axis_ratio,
        "area": end.area_px / start.area_px,
        "drag": drag(carried.field[:1], true_alpha[0], distance_px=BESIDE * SIDE, speed_px=speed),
        "iou": iou(carried.alpha[-1], true_alpha[1]),
        "on it": psnr_in(carried.frames[-1:], true_frames[1:], true_alpha[1] > 0.9),
        **uncovered(scene, carried, still, true_alpha),
        "frame 0": float((carried.frames[:1] - still).abs().max()) * 127.5,
    }


def mean_speed(scene: Scene, frames: int) -> float:
    """px/frame of the tail of the last thing's arrow."""
    path = scene.mover.path
    return float(np.hypot(*np.diff(path, axis=0).T).sum()) / (frames - 1)


def uncovered(scene: Scene, carried: Carried, still: Tensor, true_alpha: Tensor) -> dict[str, float | None]:
    """dB over nearest-pixel filling, the same of coarse pictures, and the texture's energy over the background's.

    None where another thing shows, or nothing is uncovered.
    """
    frame, behind = carried.frames[-1:], scene.background
    hole = grown((true_alpha[:1] > SHOWN).float())[0]
    where = (true_alpha[0] > GONE) & (true_alpha[1] < GONE)
    if len(scene.movers) > 1 or not where.any():
        return dict.fromkeys(("uncovered", "uncovered, coarse", "texture"))
    found = {
        "uncovered": uncovered_gain(frame, still, behind, hole, where),
        "uncovered, coarse": uncovered_gain(frame, still, behind, hole, where, sigma_px=COARSE_PX),
        "texture": texture_energy(frame, behind, where),
    }
    return {key: None if math.isnan(value) else value for key, value in found.items()}


def iou_of_click(scene: Scene, carry: Carry, frames: int) -> float:
    """As "iou", with the masks that a click on each arrow's tail finds; 0 where it finds none."""
    still, masks = scene.still(), []
    for mover, mask in zip(scene.movers, scene.masks(), strict=True):
        if mover.path is None:
            masks.append(mask)
            continue
        x, y = mover.path[0] / SIDE
        try:
            masks.append(object_at(still, (float(x), float(y)), scene.pins))
        except ValueError:
            return 0.0
    return iou(carry(scene, frames, masks).alpha[-1], scene.frames(np.ones(1))[1][0])


def twice(scene: Scene, carried: Carried, seed: int) -> float | None:
    """Share of the frames of a LONG video that show the thing twice and more.

    None where the segment as it should be does: a background that looks like the thing.
    """
    moments = [round(share * (len(carried.frames) - 1)) for share in CHECKED]
    templates = [
        template_of(carried.frames[moment], carried.alpha[moment])
        for moment in moments
        if (carried.alpha[moment] > SHOWN).any()
    ]
    truth = scene.frames(np.array(CHECKED))[0]
    if any(sightings(frame, templates) != 1 for frame in truth):
        return None
    long = carried.along(crossfade(carried.frames, seed))
    seen = [sightings(frame, templates) > 1 for frame in long[::EVERY]]
    return sum(seen) / len(seen)


def crossfade(frames: Tensor, seed: int) -> Timeline:
    """How the default join makes a segment [L, 3, H, W] LONG."""
    cells = F.avg_pool2d(frames, CELL)
    return plan_joins(
        CROSSFADE,
        segment=len(frames),
        total_frames=LONG,
        change=cells.diff(dim=0).abs().mean(dim=(0, 1)),
        generator=Generator().manual_seed(seed),
    )
