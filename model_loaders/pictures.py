"""Frames of an animation, of the still's size and with the still's detail."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ..flow_tools.convention import crop_padding, pad_to_multiple, resize_flow
from ..flow_tools.detail import carried_detail, restore_detail
from . import memory
from .animation import Animation, Plan
from .animator import Animator, decode, encode_image
from .conditioning import PAD
from .video_file import decoded

AT_ONCE = 8  # frames that get their detail together


def frames_of(animation: Animation, *, chunk_frames: int = 8, detail: float = 1.0, on_step=None) -> Iterator[Tensor]:
    """[n, 3, H, W], about −1..1, a segment at a time; see `decoded`. detail: share of `lost_detail` that is added.

    An animation without a flow, or of one of the other methods for long videos, gets none.
    """
    timeline, length = animation.timeline, len(animation.latents)
    carried = None
    if detail > 0 and (timeline is not None or length <= animation.segment_frames):
        carried = lost_detail(animation.animator, animation.plan)
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
                some.copy_(restore_detail(some, own, detail))
                first = stop
        yield part


@torch.no_grad()
def lost_detail(animator: Animator, plan: Plan, decoded_still: Tensor | None = None) -> Tensor | None:
    """`carried_detail` [L, 6, H, W] of the plan's still along its flow, in main memory; None without a flow.

    decoded_still: what `through_autoencoder` makes of plan.image, where it has been computed.
    """
    if plan.guidance is None:
        return None
    frames, image = len(plan.noise), plan.image
    if decoded_still is None:
        decoded_still = through_autoencoder(animator, image)
    flow = resize_flow(plan.guidance.flow[: frames - 1], *image.shape[-2:])
    place = memory.device()
    still, decoded_still, flow = (x.to(place) for x in (image, decoded_still, flow))
    return carried_detail(still, decoded_still, flow, frames, loop=plan.settings.loop).cpu()


def through_autoencoder(animator: Animator, image: Tensor) -> Tensor:
    """image [1, 3, H, W] −1..1 encoded and decoded, as it looks amid other frames; in main memory."""
    padded, padding = pad_to_multiple(image, PAD)
    latents = (encode_image(animator, padded) * animator.scaling_factor).expand(3, -1, -1, -1)
    return crop_padding(decode(animator, latents, segment_frames=3), padding)[1:2]
