"""What about a motion was hardly meant, with what to do about it: the warnings of Animate Image's report."""

import torch.nn.functional as F
from torch import Tensor

from ..flow_tools.motion import Motion
from .motion import EncodedMotion

AREA = 3  # px, a side of the smallest square that counts as one
MOST_NOTES = 5


def doubts(encoded: EncodedMotion | None, frames: int) -> tuple[str, ...]:
    """Warnings for a segment of `frames` frames; the motion as it came from Encode Motion."""
    if encoded is None:
        return ("no motion is connected, so the model chooses what moves: connect motion from Encode Motion",)
    return doubts_of_motion(encoded.motion, frames)


def doubts_of_motion(motion: Motion, frames: int) -> tuple[str, ...]:
    found = list(motion.notes[:MOST_NOTES])
    if len(motion.notes) > MOST_NOTES:
        found.append(f"and {len(motion.notes) - MOST_NOTES} more notes like these, shown on Draw Motion Arrows")
    if motion.frames not in (None, frames):
        found.append(
            f"the arrows reach their heads in {motion.frames} frames, this segment has {frames}: set frames in "
            f"Arrows to Sparse Flow to {frames}"
        )
    moves = motion.field.any() or not (motion.objects or motion.living)
    return (*found, *(doubts_of_flow(motion.field) if moves else ()))


def doubts_of_flow(flow: Tensor) -> tuple[str, ...]:
    """Warnings for a flow [N, 2, H, W] where nothing moves, or only what an arrow stamps."""
    moving = flow.any(dim=1, keepdim=True).float()
    if not moving.any():
        return (
            "the flow is 0 everywhere, so nothing will move: draw an arrow, and make sure that the region is white "
            "around it",
        )
    # Single pixels and thin lines are what Arrows to Sparse Flow stamps; a field for a whole picture has areas.
    if min(moving.shape[-2:]) >= AREA and not (F.max_pool2d(-moving, AREA, stride=1) == -1).any():
        return (
            f"only {moving.mean():.2%} of the flow's pixels move, each by itself, as in a sparse flow: "
            "put Densify Flow between Arrows to Sparse Flow and Encode Motion",
        )
    return ()
