"""Segments of any video model joined as pictures, after decoding: causal video latents cannot be strung together."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ..flow_tools.convention import crop_padding, pad_to_multiple
from ..flow_tools.fill import GROWN
from ..flow_tools.motion import Motion
from ..model_loaders import memory
from ..sampling.joins import JOINS, OFFSET_WINDOWS, Timeline, longest, plan_joins
from .composition import AT_ONCE, Composition
from .still import PAD
from .warped import framed

PICTURE_JOINS = [name for name in JOINS if name != OFFSET_WINDOWS]  # that one is a way to sample
GRID = 8  # px of a cell of the time offsets


@torch.no_grad()
def join_segments(
    pictures: Tensor,
    *,
    segments: int,
    total_frames: int,
    joins: str,
    image: Tensor | None = None,
    motion: Motion | None = None,
) -> Tensor:
    """pictures [K L, 3, H, W] −1..1 of K segments, one after the other → [total_frames, 3, H, W]; 0: all there are.

    image [1, 3, h, w] −1..1 and motion: what the segments were made of. Its objects are put on top then, at their own
    clock, for in a fade they would be seen twice. ValueError for counts that do not go together.
    """
    if joins not in PICTURE_JOINS:
        raise ValueError(f"joins: got {joins!r}, allowed {', '.join(PICTURE_JOINS)}")
    for name, number, least in (("segments", segments, 1), ("total_frames", total_frames, 0)):
        if number < least:
            raise ValueError(f"{name}: got {number}, allowed {least} or more")
    count, left = divmod(len(pictures), segments)
    if left or count < 2:
        raise ValueError(
            f"segments: got {segments} for {len(pictures)} images, allowed a number that divides them into segments of "
            "2 images or more"
        )
    if (image is None) != (motion is None):
        raise ValueError("image, flow: got one of them, allowed both or none: objects are cut out of the image")
    most = longest(joins, segment=count, passes=segments)
    if total_frames > most and not JOINS[joins].turns:
        raise ValueError(
            f"total_frames: got {total_frames}, allowed up to {most} with {segments} segments of {count} frames and "
            f"joins {joins}: make more segments"
        )
    height, width = pictures.shape[-2:]
    pictures, padding = pad_to_multiple(pictures, PAD)
    change = pictures[:count].diff(dim=0).abs().mean(dim=(0, 1))
    timeline = plan_joins(
        joins,
        segment=count,
        total_frames=total_frames or most,
        change=F.avg_pool2d(change[None], GRID)[0],
        generator=torch.Generator().manual_seed(0),
        passes=segments,
    )
    joined = torch.cat([crop_padding(part, padding) for part in played(pictures, timeline)])[: total_frames or most]
    if motion is None or image is None:
        return joined
    view = framed(image, motion, frames=count, width=width, height=height)
    composition = view.taken_apart(count)
    if composition is None:
        return joined
    first = 0
    for put, weight in things_on_top(composition, timeline):
        some = joined[first : first + len(put)]
        some.lerp_(view.cut(put)[: len(some)], view.cut(weight)[: len(some)])
        first += len(put)
    return joined


def played(pictures: Tensor, timeline: Timeline) -> Iterator[Tensor]:
    """The frames of the timeline from those of the segments, AT_ONCE at a time; V1's first ones as they are."""
    yield pictures[: timeline.kept]
    for start in range(timeline.kept, len(timeline), AT_ONCE):
        memory.check_cancel()
        yield timeline.blend(pictures, start, min(start + AT_ONCE, len(timeline)))


def things_on_top(composition: Composition, timeline: Timeline) -> Iterator[tuple[Tensor, Tensor]]:
    """Frames put together with the objects at their own clock, and the weight that each pixel has, AT_ONCE at a time.

    The weight is 1 where an object is, or was in the frames of the segments that are blended, and fades out about it.
    """
    padding, background = composition.still.padding, composition.background()
    own = composition.part(background, None, 0, composition.frames).things
    for start in range(0, len(timeline), AT_ONCE):
        stop = min(start + AT_ONCE, len(timeline))
        seen = composition.part(background, timeline, start, stop)
        there = torch.maximum(seen.things, timeline.most(own, start, stop))
        yield crop_padding(seen.pictures, padding), crop_padding(faded(there), padding)


def faded(things: Tensor) -> Tensor:
    """[m, 1, H, W] 0..1: 1 where an object is, and falling to 0 as far about it as its own colours may reach."""
    reach = max(round(GROWN * max(things.shape[-2:])), 1)
    grown = F.max_pool2d((things > 0).float(), 4 * reach + 1, stride=1, padding=2 * reach)
    return F.avg_pool2d(grown, 2 * reach + 1, stride=1, padding=reach, count_include_pad=False)
