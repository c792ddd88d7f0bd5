"""A picture moved along its flow, for any video model: the frames, and where they move and rest."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..flow_tools.convention import check_motion, crop_padding, resize_flow
from ..flow_tools.motion import Motion
from ..model_loaders import memory
from ..sampling.dual_clock import forward_warped_still
from .composition import Composition, take_apart
from .still import prepare_still


@dataclass(frozen=True)
class Framed:
    """A picture that covers a video's frames, with its motion: they show its middle, as image-to-video nodes cut it."""

    image: Tensor  # [1, 3, H, W] −1..1
    motion: Motion  # field [1 or L − 1, 2, H, W] px/frame
    top: int  # px that are cut off
    left: int
    height: int  # of the frames
    width: int

    def cut(self, pictures: Tensor) -> Tensor:
        """[..., H, W], or more to the right and below → [..., height, width]."""
        return pictures[..., self.top : self.top + self.height, self.left : self.left + self.width]

    def taken_apart(self, frames: int, *, loop: bool = False) -> Composition | None:
        return take_apart(prepare_still(self.image), self.motion, frames=frames, loop=loop)


def framed(
    image: Tensor, motion: Motion, *, frames: int, width: int = 0, height: int = 0, loop: bool = False
) -> Framed:
    """For `frames` frames of width × height px, 0: those of image [1, 3, H, W]. loop: its objects sway.

    ValueError for sizes below 0, and for a flow with too few frames, or that moves more than the diagonal a frame.
    """
    if frames < 2:
        raise ValueError(f"frames: got {frames}, allowed 2 or more")
    for name, side in (("width", width), ("height", height)):
        if side < 0:
            raise ValueError(f"{name}: got {side}, allowed 0 (the image's) or more")
    count, (rows, columns) = len(motion.field), image.shape[-2:]
    if count != 1 and count < frames - 1:
        raise ValueError(f"flow: got {count + 1} frames, allowed one flow for all frames, or {frames} frames or more")
    check_motion(motion.field)
    height, width = height or rows, width or columns
    scale = max(height / rows, width / columns)
    whole = (max(round(rows * scale), height), max(round(columns * scale), width))
    if whole != (rows, columns):
        image = F.interpolate(image, size=whole, mode="bicubic", antialias=True).clamp(-1, 1)
    field = motion.field[: frames - 1]
    if tuple(field.shape[-2:]) != whole:
        field = resize_flow(field, *whole)
    objects = tuple(thing.swaying() for thing in motion.objects) if loop else motion.objects
    motion = replace(motion, field=field, objects=objects)
    return Framed(image, motion, (whole[0] - height) // 2, (whole[1] - width) // 2, height, width)


@torch.no_grad()
def warp_image(
    image: Tensor, motion: Motion, *, frames: int, width: int = 0, height: int = 0, loop: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """(video [frames, 3, height, width] −1..1, moving, resting [frames, 1, height, width] 0 or 1).

    Frame 0 is the image.

    moving: what is there has moved along. resting: nothing has come, and nothing has gone. Between them lies what was
    uncovered, where the picture can only be guessed.
    """
    view = framed(image, motion, frames=frames, width=width, height=height, loop=loop)
    composition = view.taken_apart(frames, loop=loop)
    if composition is None:
        still, field = view.image.to(memory.device()), view.motion.field.to(memory.device())
        video, moving, uncovered = (x.cpu() for x in forward_warped_still(still, field, frames, loop=loop))
    else:
        seen = composition.segment().map(lambda x: crop_padding(x, composition.still.padding))
        video, moving, uncovered = seen.pictures, seen.moving, seen.uncovered
    resting = (torch.maximum(moving, uncovered) == 0).float()
    return view.cut(video), view.cut(moving), view.cut(resting)
