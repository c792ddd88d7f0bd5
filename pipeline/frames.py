"""Frames of an animation, of the still's size and with the still's detail."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ..flow_tools.convention import crop_padding, pad_to_multiple
from ..flow_tools.detail import agreement, nearness, restore_detail
from ..flow_tools.warp import reference_video
from ..model_loaders import memory
from .animate import Animation
from .composition import padded
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
    knows_its_frames = animation.timeline is not None or len(animation.latents) <= animation.segment_frames
    shown = pictures_of_still(animation) if detail > 0 and knows_its_frames else None
    padding, first = animation.plan.still.padding, 0
    for part in decoded(
        animation.animator,
        animation.latents,
        segment_frames=animation.segment_frames,
        chunk_frames=chunk_frames,
        on_step=on_step,
    ):
        if animation.plan.still.shrinks:
            part = enlarged(animation, part, first, detail, shown)
        else:
            part = crop_padding(part, padding)
            if shown is not None:
                for i, some in zip(range(first, first + len(part), AT_ONCE), part.split(AT_ONCE), strict=True):
                    own, certain = (crop_padding(x, padding) for x in shown(i, i + len(some)))
                    some.copy_(restore_detail(some, own, detail, certain=certain))
        first += len(part)
        yield part


def enlarged(
    animation: Animation, sampled: Tensor, first: int, detail: float, shown: Callable[[int, int], tuple] | None
) -> Tensor:
    """Decoded frames [n, 3, h', w'] from `first` on, at the still's size [n, 3, H, W] and with its detail.

    A pixel becomes the still's own, of `shown`, as far as the latents are near to the still's or the pictures agree; in
    frame 0, which is the still, all of them do.
    """
    still = animation.plan.still
    frames = torch.empty(len(sampled), 3, *still.size)
    for start in range(0, len(sampled), AT_ONCE):
        memory.check_cancel()
        some = sampled[start : start + AT_ONCE]
        now = slice(first + start, first + start + len(some))
        large = F.interpolate(some, size=still.padded.shape[-2:], mode="bicubic")
        if shown is not None:
            own, certain = shown(now.start, now.stop)
            weight = agreement(some, still.shrunk(own))
            if animation.reference is not None:
                near = nearness(animation.latents[now], animation.reference[now])
                weight = torch.maximum(weight, F.interpolate(near, size=still.sampled, mode="bilinear"))
            weight = F.interpolate(weight, size=large.shape[-2:], mode="bilinear")
            weight = torch.maximum(weight, certain)
            weight[: max(1 - now.start, 0)] = 1
            large = torch.lerp(large, own, detail * weight)
        frames[start : start + len(some)] = crop_padding(large, still.padding)
    return frames


@torch.no_grad()
def pictures_of_still(animation: Animation) -> Callable[[int, int], tuple[Tensor, Tensor]] | None:
    """(start, stop) → the still's own pixels as these frames have them, and where that is certain; None without a flow.

    [n, 3, H', W'] −1..1, and [n or 1, 1, H', W'] 0..1.
    """
    plan, timeline, composition = animation.plan, animation.timeline, animation.plan.composition
    if composition is None:
        warped = backward_warped_still(plan)
        if warped is None:
            return None
        warped = pad_to_multiple(warped, PAD)[0]  # a timeline's time offsets lie on the latents' grid
        nowhere = torch.zeros_like(warped[:1, :1])
        return lambda start, stop: (
            timeline.blend(warped, start, stop) if timeline is not None else warped[start:stop],
            nowhere,
        )
    background = composition.background()
    # What the objects uncovered is the plate's, too, unless the network was free to paint there.
    left = padded(composition.left) * (plan.control.weak is None)

    def put_together(start: int, stop: int) -> tuple[Tensor, Tensor]:
        seen = composition.part(background, timeline, start, stop)
        return seen.pictures, torch.maximum((seen.things > 0).float(), left)

    return put_together


@torch.no_grad()
def backward_warped_still(plan: Plan) -> Tensor | None:
    """The plan's still warped along its flow, [L, 3, H, W] −1..1 in main memory; None without a flow."""
    if plan.motion is None:
        return None
    device = memory.device()
    image, field = plan.still.image.to(device), plan.motion.motion.field.to(device)
    return reference_video(image, field, len(plan.noise), loop=plan.settings.loop).cpu()
