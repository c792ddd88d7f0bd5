"""End-point error of a flow."""

from torch import Tensor


def end_point_error(flow: Tensor, true: Tensor) -> float:
    """Mean distance of [..., 2, H, W] from the true flow, px/frame (Barron et al., IJCV 1994)."""
    return float((flow - true).norm(dim=-3).mean())
