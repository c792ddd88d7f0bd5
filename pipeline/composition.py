"""The still taken apart, and seen at any moment with its objects where they have moved to."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import compress

import numpy as np
import torch
from torch import Tensor

from ..flow_tools.convention import crop_padding, pad_to_multiple, resize_flow
from ..flow_tools.fill import grown
from ..flow_tools.layers import Layers, compose, split
from ..flow_tools.living import Living, plates
from ..flow_tools.motion import Motion, with_objects
from ..flow_tools.objects import farthest, fitted
from ..flow_tools.warp import reference_video
from ..model_loaders import memory
from ..sampling.dual_clock import MOVING_PX, forward_warped_still
from ..sampling.joins import Timeline
from .still import PAD, Still, prepare_still

AT_ONCE = 8  # frames put together at a time
STANDS = 0.1 / 256  # of the longer side: what travels less stands
FLOWS = 0.02 / 256  # of the longer side a frame: where it flows as fast, all of the still is gone
SEEN = 0.5 / 255  # of an object: less is not to be seen
_last_alive: dict[str, tuple[Tensor, Tensor]] = {}  # of the last picture alone: at 1024 × 576, 25 frames, 180 MB


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
    motion: Motion  # fitted to the still and its frames
    layers: Layers  # of the still, without padding
    moves: tuple[bool, ...]  # of each object: whether it does
    left: Tensor  # [1, 1, H, W] 0..1: where those are in the still that do
    stands: tuple[bool, ...]  # of each object: whether it is where it is in the still, always
    held: Tensor | None  # [1, 3, H, W]: what those lack of the still where no other was; less where it lives or flows
    alive: Tensor  # [L, 3, H, W]: what living regions show, times how much of what is seen there they are
    lives: Tensor  # [1, 1, H, W] 0..1: that
    frames: int  # L, of a segment
    loop: bool

    def poses(self, times: np.ndarray, numbers: np.ndarray) -> list[np.ndarray]:
        """[m, 2, 3] of each object in the frames `numbers` [m], at `times` [m] of its clock."""
        height, width = self.still.size
        return self.motion.poses(times, width=width, height=height, numbers=numbers)

    def flow(self, timeline: Timeline, start: int, stop: int) -> Tensor:
        """[stop - start - 1, 2, H, W] px/frame from frame to frame of a long video, for the motion encoder."""
        field = self.motion.field
        if len(field) > 1:
            field = padded(torch.cat([field, field[-1:]]))  # a timeline's time offsets lie on the latents' grid
            field = crop_padding(timeline.mean(field, start, stop - 1), self.still.padding)
        placed = self.poses(timeline.clock[start:stop].numpy(), np.arange(start, stop))
        return with_objects(field.to(memory.device()), self.motion.objects, placed, wide=True)

    def background(self) -> Seen:
        """The segment's frames of what is behind the objects: the plate moved along its own flow."""
        device = memory.device()
        plate, field = self.layers.plate.to(device), self.motion.field.to(device)
        if not field.any():
            nothing = torch.zeros_like(plate[:, :1])
            seen = Seen(plate, nothing, nothing, nothing).map(padded)
            return seen.map(lambda x: x.cpu().expand(self.frames, -1, -1, -1))
        pictures = reference_video(plate, field, self.frames, loop=self.loop, hole=self.layers.hole)
        _, moving, uncovered = forward_warped_still(plate[:, :0], field, self.frames, loop=self.loop)
        return Seen(pictures, torch.zeros_like(moving), moving, uncovered).map(padded).map(Tensor.cpu)

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
        layers = replace(self.layers, cutouts=tuple(cutout.to(device) for cutout in self.layers.cutouts))
        moves, stands = (torch.tensor(own).float().view(-1, 1, 1, 1, 1) for own in (self.moves, self.stands))
        placed, parts = self.poses(times, numbers), []
        for start in range(0, len(times), AT_ONCE):
            memory.check_cancel()
            now = slice(start, start + AT_ONCE)
            behind = background.map(lambda x, now=now: crop_padding(x[now], self.still.padding))
            ground = behind.pictures * (1 - self.lives) + self.alive[numbers[now] % self.frames]
            pictures, each = compose(layers, ground.to(device), [own[now] for own in placed])
            pictures, each = pictures.cpu(), each.cpu()
            things, carried = each.sum(0), (each * moves).sum(0)
            moving = torch.where(things > 0.5, (carried > 0.5).float(), behind.moving.where(self.lives == 0, 1))
            uncovered = torch.maximum(behind.uncovered, self.left) * (things <= 0.5) * (moving == 0)
            if self.held is not None:
                pictures = (pictures + self.held * (1 - (each * (1 - stands)).sum(0))).clamp(-1, 1)
            parts.append(Seen(pictures, things, moving, uncovered).map(padded))
        seen = Seen(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Seen)))
        if len(numbers) and numbers[0] == 0:
            seen.pictures[0] = self.still.padded[0]
        return seen


def padded(x: Tensor) -> Tensor:
    """[..., H, W] as a still's own pixels are padded."""
    return pad_to_multiple(x, PAD)[0]


def take_apart(
    still: Still, motion: Motion, *, frames: int, loop: bool, clean_plate: Tensor | None = None
) -> Composition | None:
    """Of a still and the motion fitted to it; None where that has no objects, and nothing in it lives.

    clean_plate [1, 3, H, W] −1..1: the picture without the objects, for what they uncover; None: it is filled in.
    ValueError for one of another size.
    """
    if not motion.objects and not motion.living:
        return None
    if clean_plate is not None and clean_plate.shape != still.image.shape:
        got, allowed = ("×".join(map(str, reversed(x.shape[-2:]))) for x in (clean_plate, still.image))
        raise ValueError(f"clean_plate: got {got} px, allowed the image's {allowed}")
    height, width = still.size
    masks = [fitted(thing.mask, still.image) for thing in motion.objects]
    placed = motion.poses(np.arange(frames), width=width, height=height)
    ways = [farthest(own, width=width, height=height) for own in placed]
    moves = tuple(way > MOVING_PX for way in ways)
    stands = tuple(way <= STANDS * max(still.size) for way in ways)
    layers = split(still.image, masks, clean_plate, memory.progress())
    alive, lives = alive_once(layers.plate, motion.living, motion.field, frames)
    speed = motion.field.abs().amax((0, 1), keepdim=True) / max(still.size)
    rests = (1 - speed / FLOWS).clamp(min=0) * (1 - lives)
    return Composition(
        still=still,
        motion=motion,
        layers=layers,
        moves=moves,
        left=hole_of(still.image, compress(masks, moves)).float(),
        stands=stands,
        held=lacking(still.image, layers, masks, stands) * rests if any(stands) else None,
        alive=alive,
        lives=lives,
        frames=frames,
        loop=loop,
    )


def hole_of(image: Tensor, masks: Iterable[Tensor]) -> Tensor:
    """[1, 1, H, W] bool: that of all these masks in the image together."""
    return grown(torch.stack([torch.zeros_like(image[:, :1]), *masks]).amax(0))


def lacking(image: Tensor, layers: Layers, masks: Sequence[Tensor], stands: Sequence[bool]) -> Tensor:
    """[1, 3, H, W]: what things that stand, over the plate, lack of the image [1, 3, H, W]; 0 where another one is."""
    standing = replace(layers, cutouts=tuple(compress(layers.cutouts, stands)))
    plain, _ = compose(standing, layers.plate, [np.eye(2, 3)[None]] * len(standing.cutouts))
    others = [not each for each in stands]
    alphas = (cutout[:, 3:] > SEEN for cutout in compress(layers.cutouts, others))
    return torch.where(torch.stack([hole_of(image, compress(masks, others)), *alphas]).any(0), 0, image - plain)


@torch.no_grad()
def alive_once(still: Tensor, living: Sequence[Living], field: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """`plates`, which the preview and the animation of a picture share; not to be written into.

    Forgotten with what lives, which ComfyUI holds with a node's results until it frees them.
    """
    if not living:
        return plates(still, living, field, frames)
    digest = hashlib.blake2b(repr((living, frames, still.device)).encode())
    for part in (still, field, *(each.region for each in living)):
        digest.update(str(part.shape).encode())
        digest.update(part.contiguous().numpy(force=True).data)
    key = digest.hexdigest()
    found = _last_alive.get(key)
    if found is None:
        _last_alive.clear()
        found = _last_alive[key] = plates(still, living, field, frames, memory.check_cancel)
        weakref.finalize(living[-1], _last_alive.pop, key, None)
    return found


@torch.no_grad()
def moved_still(image: Tensor, motion: Motion) -> Tensor:
    """image [1, 3, H, W] −1..1 moved as the model is shown it, [motion.length, 3, H, W]."""
    still = prepare_still(image)
    frames = motion.length
    field = motion.field if tuple(motion.field.shape[-2:]) == still.size else resize_flow(motion.field, *still.size)
    composition = take_apart(still, replace(motion, field=field), frames=frames, loop=False)
    if composition is None:
        return reference_video(image, field, frames)
    return crop_padding(composition.segment().pictures, still.padding)
