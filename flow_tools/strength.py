"""Motion strength of a flow (eq. 8)."""

from torch import Tensor

from .convention import REFERENCE_SIZE, check_flow


def motion_strength(flow: Tensor) -> float:
    """Mean |F| over frames, channels and pixels of [N, 2, H, W] px/frame, in px/frame at max(H, W) = 512 (eq. 8)."""
    check_flow(flow)
    return float(flow.abs().mean()) * REFERENCE_SIZE / max(flow.shape[-2:])  # eq. 8


def strength_percent(flow: Tensor) -> float:
    """`motion_strength` x 100: the number that the user sees (100..400 in the paper's figure 7)."""
    return 100 * motion_strength(flow)
