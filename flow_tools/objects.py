"""A thing in the picture: its mask, the arrows that move it, and where they put it at a frame."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .arrows import STEADY, SWAY, Arrow, MotionArrows, along_path, path_length, path_px
from .timing import progress

SAME = 0.8  # intersection over union of two masks of one thing
INSIDE = 0.5  # a mask's value
RESIDUAL = 0.01  # of the longer side: what arrows that disagree may miss by, unsaid
STANDING = 1.0  # px: less is no motion
SCALES = (1 / 16, 16.0)


@dataclass(frozen=True)
class Object:
    mask: Tensor = field(compare=False)  # [1, 1, h, w] 0..1, to be stretched over the picture
    arrows: tuple[Arrow, ...]  # one or more; of one point: pins

    @property
    def timing(self) -> str:
        return next((arrow.timing for arrow in self.arrows if len(arrow.points) > 1), STEADY)

    def swaying(self) -> "Object":
        return replace(self, arrows=tuple(replace(arrow, timing=SWAY) for arrow in self.arrows))


def separate(arrows: MotionArrows, masks: Sequence[Tensor] = ()) -> tuple[MotionArrows, tuple[Object, ...], tuple]:
    """(the arrows that move areas, the objects with theirs, notes), bottom to top.

    masks: [1, 1, h, w] each, of more objects, for arrows that carry no number. As many as such arrows, pins apart: mask
    k is the k-th arrow's, and masks of one thing are one object. Else a mask belongs to the arrows that begin in it. A
    pin holds the object that it lies in.
    """
    notes = []
    if len(masks):
        painted = len(arrows.objects)
        arrows = numbered(arrows, masks)
        if not any((arrow.object or 0) > painted for arrow in arrows.arrows):
            notes.append(
                f"objects: no arrow begins in any of the {len(masks)} masks, so they move nothing: begin an arrow in "
                "one, or connect as many masks as arrows"
            )
    objects, longer = [], max(arrows.width, arrows.height)
    hidden = _hidden(arrows)
    for number, mask in enumerate(arrows.objects, start=1):
        own = tuple(arrow for arrow in arrows.arrows if arrow.object == number)
        if not own:
            continue
        if not (mask > INSIDE).any():
            notes.append(f"object {number} is empty, so its arrows move nothing: paint it, or release its arrows")
            continue
        if number in hidden:
            notes.append(f"object {number}: {hidden[number]}, so nothing is seen to move: paint it anew")
        thing = Object(mask, own)
        if len({arrow.timing for arrow in own if len(arrow.points) > 1}) > 1:
            notes.append(f"object {number}: its arrows have different timings, {thing.timing} is used")
        missed = residual(thing, width=arrows.width, height=arrows.height)
        if missed > RESIDUAL * longer:
            notes.append(
                f"object {number}: no moving, turning and scaling follows all of its arrows, they are missed by "
                f"{missed:.0f} px on average"
            )
        if _cannot_turn(thing, width=arrows.width, height=arrows.height):
            notes.append(
                f"object {number}: its arrow leads straight to or from its pin, so it cannot turn about it: draw the "
                "arrow across, or remove the pin"
            )
        objects.append(thing)
    areas = tuple(arrow for arrow in arrows.arrows if arrow.object is None)
    return replace(arrows, arrows=areas, objects=()), tuple(objects), tuple(notes)


def numbered(arrows: MotionArrows, masks: Sequence[Tensor]) -> MotionArrows:
    """The arrows with the masks as further objects, each arrow without a number with that of its mask."""
    kept: list[Tensor] = []
    numbers = []  # of each mask
    for mask in masks:
        same = next((i for i, other in enumerate(kept) if _overlap(mask, other) > SAME), len(kept))
        kept += [mask] if same == len(kept) else []
        numbers.append(len(arrows.objects) + same + 1)
    free = [arrow for arrow in arrows.arrows if arrow.object is None and len(arrow.points) > 1]
    next_one = iter(numbers if len(free) == len(masks) else ())
    upwards = [*zip(numbers, masks, strict=True)]

    def of(arrow: Arrow) -> int | None:
        if arrow.object is not None:
            return arrow.object
        lies_in = next((number for number, mask in reversed(upwards) if _holds(mask, arrow)), None)
        return next(next_one, lies_in) if len(arrow.points) > 1 else lies_in

    found = tuple(replace(arrow, object=of(arrow)) for arrow in arrows.arrows)
    return replace(arrows, arrows=found, objects=(*arrows.objects, *kept))


def fitted(mask: Tensor, picture: Tensor) -> Tensor:
    """[1, 1, h, w] of any size at the picture's own [..., H, W]."""
    size = picture.shape[-2:]
    if mask.shape[-2:] == size:
        return mask.to(picture)
    return F.interpolate(mask.to(picture), size=size, mode="bilinear", antialias=True)


def _hidden(arrows: MotionArrows) -> dict[int, str]:
    """The numbers of objects with arrows of which nothing is left on the picture, and why."""
    used = {arrow.object for arrow in arrows.arrows}
    picture = torch.empty(1, 1, arrows.height, arrows.width)
    covered, found = torch.zeros_like(picture, dtype=torch.bool), {}
    for number in sorted((number for number in used if number is not None), reverse=True):
        inside = fitted(arrows.objects[number - 1], picture) > INSIDE
        if not inside.any():
            found[number] = f"too thin for {arrows.width}×{arrows.height} px"
        elif not (inside & ~covered).any():
            found[number] = "others cover all of it"
        covered |= inside
    return found


def _cannot_turn(thing: Object, *, width: int, height: int) -> bool:
    """Whether it has one arrow and one pin, and the arrow does not lead round it."""
    paths, strengths, pins = _paths(thing, width, height)
    if not len(paths) == len(pins) == 1 or path_length(paths[0]) * strengths[0] < STANDING:
        return False
    placed = poses(thing, np.array([0.5, 1.0]), frames=2, width=width, height=height)
    return farthest(placed, width=width, height=height) < STANDING


def _holds(mask: Tensor, arrow: Arrow) -> bool:
    height, width = mask.shape[-2:]
    x, y = arrow.points[0]
    return bool(mask[0, 0, min(int(y * height), height - 1), min(int(x * width), width - 1)] > INSIDE)


def _overlap(mask: Tensor, other: Tensor) -> float:
    if mask.shape != other.shape:
        return 0.0
    a, b = mask > INSIDE, other > INSIDE
    return float((a & b).sum() / (a | b).sum().clamp(min=1))


def poses(thing: Object, times: np.ndarray, *, frames: int, width: int, height: int) -> np.ndarray:
    """[m, 2, 3] float64: what takes a px of the still to where it is at `times` [m], on a width x height grid.

    Pixel i spans i..i + 1. `times` are in frames from the first of a segment of `frames`, and need not be whole.
    - One arrow: along its path, by arc length, without turning.
    - One arrow and one pin: round the pin, by the angle that the arrow sweeps about it.
    - More: the similarity that takes the tails to the heads by least squares, pins standing; its scale's logarithm and
      its angle grow evenly, and the tails' mean runs along the arrows.
    """
    share = progress(thing.timing, np.asarray(times, dtype=np.float64), frames)
    paths, strengths, pins = _paths(thing, width, height)
    if not paths:
        return _similarities(np.ones_like(share), np.zeros_like(share), np.zeros(2), np.zeros((len(share), 2)))
    if len(paths) == len(pins) == 1:
        pin = pins[0]
        angle = _swept(paths[0] - pin) * strengths[0]
        return _similarities(np.ones_like(share), angle * share, pin, np.repeat(pin[None], len(share), axis=0))
    starts = np.array([*(path[0] for path in paths), *pins])
    scale, angle = _fit(starts, _reached(paths, strengths, pins, np.ones(1))[:, 0])
    middle = _reached(paths, strengths, pins, share).mean(axis=0)
    scales = np.exp((np.log(scale) * share).clip(*np.log(SCALES)))  # a segment may go on beyond the arrows' end
    return _similarities(scales, angle * share, starts.mean(axis=0), middle)


def residual(thing: Object, *, width: int, height: int) -> float:
    """Root mean square distance in px by which the whole pose misses the arrows' heads."""
    paths, strengths, pins = _paths(thing, width, height)
    if not paths or len(paths) == len(pins) == 1:
        return 0.0
    wanted = _reached(paths, strengths, pins, np.ones(1))[:, 0]
    starts = np.array([*(path[0] for path in paths), *pins])
    scale, angle = _fit(starts, wanted)
    pose = _similarities(np.array([scale]), np.array([angle]), starts.mean(axis=0), wanted.mean(axis=0)[None])[0]
    return float(np.sqrt(((starts @ pose[:, :2].T + pose[:, 2] - wanted) ** 2).sum(axis=1).mean()))


def _paths(thing: Object, width: int, height: int) -> tuple[list[np.ndarray], list[float], list[np.ndarray]]:
    """The paths of arrows that lead somewhere, their strengths, and the pins, in px."""
    paths, strengths, pins = [], [], []
    for arrow in thing.arrows:
        path = path_px(arrow.points, width=width, height=height)
        if len(path) == 1:
            pins.append(path[0])
        else:
            paths.append(path)
            strengths.append(arrow.strength)
    return paths, strengths, pins


def _reached(paths: list, strengths: list, pins: list, share: np.ndarray) -> np.ndarray:
    """[n, m, 2] px: where each arrow is at the shares [m] of its way, and the pins, which stay."""
    moving = [
        along_path(path, share * path_length(path) * strength)[0]
        for path, strength in zip(paths, strengths, strict=True)
    ]
    return np.array([*moving, *(np.repeat(pin[None], len(share), axis=0) for pin in pins)])


def _fit(starts: np.ndarray, ends: np.ndarray) -> tuple[float, float]:
    """(scale, angle) of the similarity from starts [n, 2] to ends [n, 2] by least squares; (1, 0) of a single point."""
    a, b = ((points - points.mean(axis=0)) @ (1, 1j) for points in (starts, ends))
    spread = (np.abs(a) ** 2).sum()
    if spread < 1e-9:
        return 1.0, 0.0
    turned = (a.conj() * b).sum() / spread
    return float(np.clip(abs(turned), *SCALES)), float(np.angle(turned)) if turned else 0.0


def _swept(path: np.ndarray) -> float:
    """The angle in radians that a path [n, 2] turns about the origin, several turns if it does."""
    points = path @ (1, 1j)
    points = points[np.abs(points) > 1e-9]
    return float(np.angle(points[1:] / points[:-1]).sum())


def _similarities(scale: np.ndarray, angle: np.ndarray, centre: np.ndarray, to: np.ndarray) -> np.ndarray:
    """[m, 2, 3]: scaled and turned about `centre` [2], which comes to lie at `to` [m, 2]."""
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    return np.concatenate([turn, (to - turn @ centre)[..., None]], axis=-1)


def whole(placed: np.ndarray) -> np.ndarray:
    """[m, 3, 3] of poses [m, 2, 3], to be multiplied and inverted."""
    return np.concatenate([placed, np.broadcast_to([[[0.0, 0.0, 1.0]]], (len(placed), 1, 3))], axis=1)


def steps(placed: np.ndarray) -> np.ndarray:
    """[m - 1, 2, 3] of poses [m, 2, 3]: what takes a px of a frame to where it is in the next."""
    every = whole(placed)
    return (every[1:] @ np.linalg.inv(every[:-1]))[:, :2]


def fastest(thing: Object, *, frames: int, width: int, height: int) -> float:
    """px that a corner of the box about the thing travels from one of `frames` frames to the next, at most."""
    placed = poses(thing, np.arange(frames), frames=frames, width=width, height=height)
    inside = (thing.mask[0, 0] > INSIDE).numpy(force=True)
    columns, rows = (np.flatnonzero(inside.any(axis)) for axis in (0, 1))
    x = np.array([columns[0], columns[-1] + 1]) * (width / inside.shape[1])
    y = np.array([rows[0], rows[-1] + 1]) * (height / inside.shape[0])
    return float(np.linalg.norm(np.diff(_corners(x, y, placed), axis=0), axis=-1).max())


def farthest(placed: np.ndarray, *, width: int, height: int) -> float:
    """px that a corner of the picture travels at most, by poses [m, 2, 3]."""
    x, y = np.array([0.0, width]), np.array([0.0, height])
    return float(np.linalg.norm(_corners(x, y, placed) - _corners(x, y, np.eye(2, 3)[None]), axis=-1).max())


def _corners(x: np.ndarray, y: np.ndarray, placed: np.ndarray) -> np.ndarray:
    """[m, 4, 2]: where poses [m, 2, 3] take the corners of the box from x[0], y[0] to x[1], y[1]."""
    corners = np.array([(a, b) for a in x for b in y])
    return corners @ placed[:, :, :2].transpose(0, 2, 1) + placed[:, None, :, 2]
