"""The padded still taken apart, and seen at any moment with its objects where they have moved to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..flow_tools.fill import grown
from ..flow_tools.layers import Layers, compose, fitted, split
from ..flow_tools.motion import with_objects
from ..flow_tools.objects import farthest
from ..flow_tools.warp import reference_video
from ..model_loaders import memory
from ..sampling.dual_clock import MOVING_PX, forward_warped_still
from ..sampling.joins import Timeline
from .motion import EncodedMotion
from .still import Still

AT_ONCE = 8  # frames put together at a time


@dataclass(frozen=True)
class Seen:
    """Frames of H' × W' px, and 0..1 [m, 1, H', W'] what each shows; in main memory."""

    pictures: Tensor  # [m, 3, H', W'] −1..1
    things: Tensor  # an object, or a part of one
    moving: Tensor  # what has moved along: an object, or what is behind them
    uncovered: Tensor  # what something has left, so that it can only be guessed

    def map(self, change: Callable[[Tensor], Tensor]) -> Seen:
        return Seen(*(change(getattr(self, field.name)) for field in fields(self)))


@dataclass(frozen=True)
class Composition:
    still: Still
    motion: EncodedMotion  # fitted
    layers: Layers  # of the padded still
    moves: tuple[bool, ...]  # of each object: whether it does
    left: Tensor  # [1, 1, H', W'] 0..1: where those are in the still that do
    frames: int  # L, of a segment
    loop: bool

    def poses(self, times: np.ndarray, numbers: np.ndarray) -> list[np.ndarray]:
        """[m, 2, 3] of each object in frames `numbers` [m], at `times` [m] of its clock, in px of the padded still."""
        height, width = self.still.size
        top, _, left, _ = self.still.padding
        placed = self.motion.motion.poses(times, width=width, height=height, numbers=numbers)
        return [within(own, left, top) for own in placed]

    def flow(self, timeline: Timeline, start: int, stop: int) -> Tensor:
        """[stop - start - 1, 2, H, W] px/frame from frame to frame of a long video, for the motion encoder."""
        height, width = self.still.size
        motion = self.motion.motion
        numbers = np.arange(start, stop)
        placed = motion.poses(timeline.clock[start:stop].numpy(), width=width, height=height, numbers=numbers)
        field = motion.field
        if len(field) > 1:
            field = timeline.mean(torch.cat([field, field[-1:]]), start, stop - 1)
        return with_objects(field, motion.objects, placed, wide=True)

    def background(self) -> Seen:
        """The segment's frames of what is behind the objects: the plate moved along its own flow."""
        device = memory.device()
        plate, field = self.layers.plate.to(device), self.motion.padded.to(device)
        if not field.any():
            nothing = torch.zeros_like(self.layers.plate[:, :1])
            return Seen(self.layers.plate, nothing, nothing, nothing).map(lambda x: x.expand(self.frames, -1, -1, -1))
        pictures = reference_video(plate, field, self.frames, loop=self.loop)
        _, moving, uncovered = forward_warped_still(plate[:, :0], field, self.frames, loop=self.loop)
        return Seen(pictures, torch.zeros_like(moving), moving, uncovered).map(Tensor.cpu)

    def segment(self) -> Seen:
        """The segment's frames; the first is the still itself."""
        return self.part(self.background(), None, 0, self.frames)

    def part(self, background: Seen, timeline: Timeline | None, start: int, stop: int) -> Seen:
        """Frames start..stop: the plates blended as the timeline says, the objects at their own clock.

        None: of the segment. Frame 0 is the still itself.
        """
        numbers = np.arange(start, stop)
        if timeline is None:
            return self.put_together(background.map(lambda x: x[start:stop]), numbers, numbers)
        blended = Seen(
            timeline.blend(background.pictures, start, stop),
            *(timeline.most(getattr(background, name), start, stop) for name in ("things", "moving", "uncovered")),
        )
        return self.put_together(blended, timeline.clock[start:stop].numpy(), numbers)

    def put_together(self, background: Seen, times: np.ndarray, numbers: np.ndarray) -> Seen:
        """background [m], the frames `numbers` [m], with the objects where they are at `times` [m] of their clock."""
        device = memory.device()
        layers = Layers(self.layers.plate, tuple(part.to(device) for part in self.layers.cutouts), self.layers.hole)
        placed, parts = self.poses(times, numbers), []
        for start in range(0, len(times), AT_ONCE):
            now = slice(start, start + AT_ONCE)
            pictures, each = compose(layers, background.pictures[now].to(device), [own[now] for own in placed])
            pictures, each = pictures.cpu(), each.cpu()
            things = each.sum(0)
            carried = torch.einsum("k,kmchw->mchw", torch.tensor(self.moves, dtype=each.dtype), each)
            moving = torch.where(things > 0.5, (carried > 0.5).to(each), background.moving[now])
            uncovered = torch.maximum(background.uncovered[now], self.left) * (things <= 0.5) * (moving == 0)
            parts.append(Seen(pictures, things, moving, uncovered))
        seen = Seen(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Seen)))
        if len(numbers) and numbers[0] == 0:
            seen.pictures[0] = self.still.padded[0]
        return seen


def take_apart(
    still: Still, motion: EncodedMotion, *, frames: int, loop: bool, clean_plate: Tensor | None = None
) -> Composition | None:
    """Of a still and its fitted motion; None where that has no objects.

    clean_plate [1, 3, H, W] −1..1: the picture without the objects, for what they uncover; None: it is filled in.
    """
    objects = motion.motion.objects
    if not objects:
        return None
    height, width = still.size
    top, bottom, left, right = still.padding
    masks = [F.pad(fitted(thing.mask, still.image), (left, right, top, bottom)) for thing in objects]
    placed = motion.motion.poses(np.arange(frames), width=width, height=height)
    moves = tuple(farthest(own, width=width, height=height) > MOVING_PX for own in placed)
    leaving = torch.stack([mask * moved for mask, moved in zip(masks, moves, strict=True)]).amax(0)
    plate = None if clean_plate is None else prepare_plate(clean_plate, still)
    return Composition(
        still=still,
        motion=motion,
        layers=split(still.padded, masks, plate),
        moves=moves,
        left=grown(leaving).float(),
        frames=frames,
        loop=loop,
    )


def prepare_plate(picture: Tensor, still: Still) -> Tensor:
    """picture [1, 3, H, W] padded as the still is. ValueError unless it is of the still's size."""
    if picture.shape != still.image.shape:
        got, allowed = ("×".join(map(str, reversed(x.shape[-2:]))) for x in (picture, still.image))
        raise ValueError(f"clean_plate: got {got} px, allowed the image's {allowed}")
    top, bottom, left, right = still.padding
    return F.pad(picture, (left, right, top, bottom), mode="replicate")


def within(placed: np.ndarray, left: float, top: float) -> np.ndarray:
    """Poses [m, 2, 3] of a picture that lies at (left, top) px in a larger one, as that one's."""
    corner = np.array([left, top], dtype=np.float64)
    return np.concatenate(
        [placed[:, :, :2], (placed[:, :, 2] + corner - placed[:, :, :2] @ corner)[..., None]], axis=-1
    )
