"""Frames of an animation, of the still's size and with the still's detail."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ..flow_tools.convention import crop_padding, pad_to_multiple, resize_flow
from ..flow_tools.detail import restore_detail
from ..flow_tools.warp import reference_video
from . import memory
from .animation import Animation, Plan
from .conditioning import PAD
from .video_file import decoded

AT_ONCE = 8  # frames that get their detail together


def frames_of(animation: Animation, *, chunk_frames: int = 8, detail: float = 1.0, on_step=None) -> Iterator[Tensor]:
    """[n, 3, H, W], about −1..1, a segment at a time; see `decoded`. detail: the share of it that frames get back.

    An animation without a flow, or of one of the other methods for long videos, gets none.
    """
    timeline, length = animation.timeline, len(animation.latents)
    carried = None
    if detail > 0 and (timeline is not None or length <= animation.segment_frames):
        carried = carried_still(animation.plan)
        if carried is not None:  # a timeline's times of places lie on the latents' grid
            carried = pad_to_multiple(carried, PAD)[0]
    first = 0
    for part in decoded(
        animation.animator,
        animation.latents,
        segment_frames=animation.segment_frames,
        chunk_frames=chunk_frames,
        on_step=on_step,
    ):
        part = crop_padding(part, animation.padding)
        if carried is not None:
            for some in part.split(AT_ONCE):
                stop = first + len(some)
                own = carried[first:stop] if timeline is None else timeline.blend(carried, first, stop)
                some.copy_(restore_detail(some, crop_padding(own, animation.padding), detail))
                first = stop
        yield part


@torch.no_grad()
def carried_still(plan: Plan) -> Tensor | None:
    """The plan's still carried along its flow, [L, 3, H, W] −1..1 in main memory; None without a flow."""
    if plan.guidance is None:
        return None
    frames, image, place = len(plan.noise), plan.image, memory.device()
    flow = resize_flow(plan.guidance.flow[: frames - 1], *image.shape[-2:])
    return reference_video(image.to(place), flow.to(place), frames, loop=plan.settings.loop).cpu()
