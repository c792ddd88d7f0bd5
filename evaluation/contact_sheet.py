"""Pictures to judge by eye: one strip for each animation, and all strips on one sheet."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

THUMB_PX = 112
SHOWN = 5  # frames of an animation
LABEL_PX = 14
COLUMNS = 3


def write_strip(path: Path, label: str, pictures: Sequence[Tensor]) -> None:
    """Pictures [3, H, W] 0..1 side by side under a line of text."""
    thumbs = F.interpolate(torch.stack(list(pictures)), size=(THUMB_PX, THUMB_PX), mode="area")
    row = (torch.cat(thumbs.unbind(), dim=-1).clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    head = np.full((LABEL_PX, row.shape[1], 3), 255, np.uint8)
    cv2.putText(head, label, (2, LABEL_PX - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0, 0, 0), 1, cv2.LINE_AA)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, cv2.cvtColor(np.concatenate([head, row]), cv2.COLOR_RGB2BGR))


def shown_frames(frames: Tensor) -> list[Tensor]:
    """Of [L, 3, H, W] -1..1, evenly from the first to the last, as 0..1."""
    return [(frames[round(i * (len(frames) - 1) / (SHOWN - 1))] + 1) / 2 for i in range(SHOWN)]


def write_sheet(path: Path, blocks: Sequence[Sequence[Path]]) -> None:
    """Blocks of strips in columns, filled row by row; each block's strips one under the other."""
    stacked = [np.concatenate([cv2.imread(str(strip)) for strip in strips]) for strips in blocks]
    empty = np.full_like(stacked[0], 255)
    stacked += [empty] * (-len(stacked) % COLUMNS if len(stacked) > COLUMNS else 0)
    rows = [np.concatenate(stacked[i : i + COLUMNS], axis=1) for i in range(0, len(stacked), COLUMNS)]
    write_picture(path, np.concatenate(rows))


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """OSError where it cannot be written."""
    if not cv2.imwrite(str(path), pixels):
        raise OSError(f"{path}: could not be written")
