"""An animation, what of it needs no network, and the regions of its frames."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...flow_tools.convention import crop_padding
from ...flow_tools.motion import Motion
from ...flow_tools.warp import accumulate_backward
from ...model_loaders.animator import Animator
from ...pipeline.animate_still import animate_still
from ...pipeline.composition import Seen
from ...pipeline.frames import backward_warped_still, frames_of
from ...pipeline.plan import Plan
from ...pipeline.settings import Settings
from ...sampling.dual_clock import forward_warped_still

MOVES, RESTS, OBJECT, UNCOVERED, BEYOND = "area that moves", "what rests", "object", "uncovered", "beyond the border"


@dataclass(frozen=True)
class Made:
    """Frames [L, 3, H, W] -1..1, and where in them what is: bool [L, 1, H, W], disjoint, nowhere in frame 0."""

    final: Tensor  # as they are finished
    network: Tensor  # without the still's detail
    warp: Tensor  # the still moved along, no network
    regions: dict[str, Tensor]


def make(animator: Animator, image: Tensor, motion: Motion, settings: Settings) -> Made:
    """Of image [1, 3, H, W] -1..1."""
    animation = animate_still(animator, image, motion, settings)
    final, network = (torch.cat([*frames_of(animation, detail=detail)]).clamp(-1, 1) for detail in (1.0, 0.0))
    seen = moved(animation.plan)
    return Made(final, network, seen.pictures, regions(seen, animation.plan.motion.motion.field))


def moved(plan: Plan) -> Seen:
    """The plan's still moved along, without padding."""
    if plan.composition is not None:
        return plan.composition.segment().map(lambda x: crop_padding(x, plan.still.padding))
    pictures, field = backward_warped_still(plan), plan.motion.motion.field
    _, moving, uncovered = forward_warped_still(plan.still.image[:, :0], field, len(pictures))
    return Seen(pictures, torch.zeros_like(moving), moving, uncovered)


def regions(seen: Seen, field: Tensor) -> dict[str, Tensor]:
    """Where the frames show what, behind the objects along field [N, 2, H, W] px/frame."""
    things, moving, uncovered = (part > 0.5 for part in (seen.things, seen.moving, seen.uncovered))
    outside = beyond_the_border(field, len(things)) & ~things
    hidden = uncovered & ~things & ~outside
    moves = moving & ~things & ~outside & ~hidden
    found = {MOVES: moves, RESTS: ~(things | outside | hidden | moves)}
    found |= {OBJECT: things, UNCOVERED: hidden, BEYOND: outside}
    later = torch.arange(len(things)).view(-1, 1, 1, 1) > 0
    return {name: where & later for name, where in found.items()}


def beyond_the_border(field: Tensor, frames: int) -> Tensor:
    """bool [frames, 1, H, W]: what comes from outside the still."""
    back = accumulate_backward(field, frames)
    height, width = field.shape[-2:]
    x = torch.arange(width) + back[:, 0]
    y = torch.arange(height)[:, None] + back[:, 1]
    return ((x < -0.5) | (x > width - 0.5) | (y < -0.5) | (y > height - 0.5))[:, None]
