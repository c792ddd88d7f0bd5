"""Pictures side by side, as TensorBoard shows them."""

import torch.nn.functional as F
from torch import Tensor

CELL = 128  # px


def grid(rows: Tensor) -> Tensor:
    """[R, C, 3, H, W] → one picture [3, R·cell, C·cell], cells CELL px wide at most."""
    scale = min(1.0, CELL / rows.shape[-1])
    cells = F.interpolate(rows.flatten(0, 1), scale_factor=scale, mode="area") if scale < 1 else rows.flatten(0, 1)
    cells = cells.unflatten(0, rows.shape[:2])
    return cells.permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2).cpu()
