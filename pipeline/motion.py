"""A motion as the animator takes it: padded, and encoded where there is an adapter."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from ..flow_tools.convention import check_finite, check_motion, pad_to_multiple, resize_flow
from ..flow_tools.motion import Motion
from ..model_loaders.animator import Animator
from .encode import motion_maps
from .still import PAD, WIDER, Still, automatic_size


@dataclass(frozen=True)
class EncodedMotion:
    """What travels over a DRIFTFIELD_GUIDANCE socket."""

    motion: Motion
    maps: tuple[Tensor, ...] | None  # [1, N, C_i, h_i, w_i] of what is seen to move; None: no adapter, or not yet
    strength: float  # of the motion attention: 1 = as trained, 0 = off
    adapter: str | None  # the file whose encoder made the maps


def encode_motion(
    animator: Animator, motion: Motion, strength: float = 1.0, *, on_step: Callable | None = None
) -> EncodedMotion:
    """Of a field larger than the network is likely to see it the maps are left to `fit_motion`.

    ValueError for a field or a strength that is not finite, or that moves more than the diagonal a frame.
    """
    check_motion(motion.field)
    frames = motion.frames or 2
    if len(motion.field) == 1:
        frames = min(frames, animator.frames)  # as many as a segment has; a longer one encodes anew
    if motion.objects:
        check_motion(motion.flow(frames))
    check_finite("adapter_strength", strength)
    size = automatic_size(animator)
    if size and max(motion.field.shape[-2:]) > WIDER * size:
        return EncodedMotion(motion, None, strength, animator.adapter)
    return encoded(animator, motion, strength, frames=frames, on_step=on_step)


def encoded(
    animator: Animator,
    motion: Motion,
    strength: float,
    *,
    frames: int | None = None,
    still: Still | None = None,
    on_step: Callable | None = None,
) -> EncodedMotion:
    """frames: of the segment, where the motion has objects; None: those in which arrows reach their heads.

    still: what it is fitted to, as the network sees it; None: encoded at its own size.
    """
    seen = pad_to_multiple(motion.flow(frames, wide=True) if motion.objects else motion.field, PAD)[0]
    if still is not None:
        seen = still.shrunk_flow(seen)
    maps = motion_maps(animator, seen, on_step=on_step) if animator.has_adapter else None
    return EncodedMotion(motion, maps, strength, animator.adapter)


def fit_motion(
    given: EncodedMotion, animator: Animator, still: Still, frames: int, *, loop: bool = False
) -> EncodedMotion:
    """For `frames` frames of the still: its field resized, one or frames − 1 of them. loop: its objects sway.

    ValueError where there are too few, or they were encoded for another adapter.
    """
    if given.adapter != animator.adapter:
        raise ValueError(
            f"motion: encoded for the adapter {given.adapter}, but the animator has {animator.adapter}; "
            "connect the same animator to Encode Motion and Animate Image"
        )
    count = len(given.motion.field)
    if count != 1 and count < frames - 1:
        raise ValueError(
            f"motion: got flow for {count + 1} frames, allowed one for all frames, or for {frames} frames or more"
        )
    field, objects = given.motion.field[: frames - 1], given.motion.objects
    if loop:
        objects = tuple(thing.swaying() for thing in objects)
    motion = replace(given.motion, field=field, objects=objects)
    enough = not objects or given.maps is None or given.maps[0].shape[1] >= frames - 1
    missing = given.maps is None and animator.has_adapter
    resized = tuple(field.shape[-2:]) != still.size
    if resized:
        motion = replace(motion, field=resize_flow(field, *still.size))
    if resized or missing or still.shrinks or not enough or objects != given.motion.objects:
        return encoded(animator, motion, given.strength, frames=frames, still=still)
    return replace(
        given,
        motion=motion,
        maps=given.maps and tuple(level[:, : frames - 1] for level in given.maps),
    )
