"""Frames of an animation, of the still's size and with the still's detail."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..flow_tools.convention import crop_padding, pad_to_multiple
from ..flow_tools.detail import restore_detail
from ..flow_tools.warp import reference_video
from ..model_loaders import memory
from .animate import Animation
from .decode import decoded
from .plan import Plan
from .still import PAD

AT_ONCE = 8  # frames that get their detail together


def frames_of(
    animation: Animation, *, chunk_frames: int = 8, detail: float = 1.0, on_step: Callable | None = None
) -> Iterator[Tensor]:
    """[n, 3, H, W], about −1..1, a segment at a time; see `decoded`. detail: how much of it frames get back.

    An animation without a flow, or of one of the other methods for long videos, gets none.
    """
    timeline, padding = animation.timeline, animation.plan.still.padding
    warped = None
    if detail > 0 and (timeline is not None or len(animation.latents) <= animation.segment_frames):
        warped = backward_warped_still(animation.plan)
        if warped is not None:  # a timeline's time offsets lie on the latents' grid
            warped = pad_to_multiple(warped, PAD)[0]
    first = 0
    for part in decoded(
        animation.animator,
        animation.latents,
        segment_frames=animation.segment_frames,
        chunk_frames=chunk_frames,
        on_step=on_step,
    ):
        part = crop_padding(part, padding)
        if warped is not None:
            for some in part.split(AT_ONCE):
                stop = first + len(some)
                own = warped[first:stop] if timeline is None else timeline.blend(warped, first, stop)
                some.copy_(restore_detail(some, crop_padding(own, padding), detail))
                first = stop
        yield part


@torch.no_grad()
def backward_warped_still(plan: Plan) -> Tensor | None:
    """The plan's still warped along its flow, [L, 3, H, W] −1..1 in main memory; None without a flow."""
    if plan.motion is None:
        return None
    device = memory.device()
    image, field = plan.still.image.to(device), plan.motion.motion.field.to(device)
    return reference_video(image, field, len(plan.noise), loop=plan.settings.loop).cpu()
