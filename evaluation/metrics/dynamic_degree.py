"""How much moves at all."""

from torch import Tensor

from ...flow_tools.convention import REFERENCE_SIZE


def dynamic_degree(flow: Tensor) -> float:
    """Mean length of the flow, px/frame at 512 px: how much moves at all."""
    return float(flow.norm(dim=1).mean()) * REFERENCE_SIZE / max(flow.shape[-2:])
