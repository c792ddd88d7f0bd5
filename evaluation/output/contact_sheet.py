"""Pictures to judge by eye: one strip for each animation, and all strips on one sheet."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ..inputs.held_out import evenly_chosen

SHOWN = 5  # frames of an animation
LABEL_FRACTION, LABEL_WIDTH = 8, 48  # a label is 1/8 as high as the pictures under it, or 1/48 of their width, if more
STRIP_PX = 126  # a strip's height on a sheet of many
COLUMNS = 3  # of such a sheet
MOST_BLOCKS = 24  # on it; 60 stills of 7 strips would make a PNG of 75 MB


def write_strip(path: Path, label: str, pictures: Sequence[Tensor]) -> None:
    """Pictures [3, H, W] 0..1 side by side under a line of text."""
    row = (torch.cat(list(pictures), dim=-1).clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    size = max(row.shape[0] // LABEL_FRACTION, row.shape[1] // LABEL_WIDTH)
    head = np.full((size, row.shape[1], 3), 255, np.uint8)
    look = (cv2.FONT_HERSHEY_SIMPLEX, size / 39, (0, 0, 0), max(1, size // 19), cv2.LINE_AA)
    cv2.putText(head, label, (size // 6, size - round(size / 3.5)), *look)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, cv2.cvtColor(np.concatenate([head, row]), cv2.COLOR_RGB2BGR))


def shown_frames(frames: Tensor) -> list[Tensor]:
    """Of [L, 3, H, W] -1..1, evenly from the first to the last, as 0..1."""
    return [(frames[round(i * (len(frames) - 1) / (SHOWN - 1))] + 1) / 2 for i in range(SHOWN)]


def write_sheet(path: Path, blocks: Sequence[Sequence[Path]]) -> None:
    """Blocks of strips, made small, in columns, filled row by row; each block's strips one under the other.

    Of more than MOST_BLOCKS those that `evenly_chosen` chooses.
    """
    chosen = evenly_chosen(blocks, MOST_BLOCKS)
    stacked = [np.concatenate([small(cv2.imread(str(strip))) for strip in strips]) for strips in chosen]
    empty = np.full_like(stacked[0], 255)
    stacked += [empty] * (-len(stacked) % COLUMNS if len(stacked) > COLUMNS else 0)
    rows = [np.concatenate(stacked[i : i + COLUMNS], axis=1) for i in range(0, len(stacked), COLUMNS)]
    write_picture(path, np.concatenate(rows))


def write_large_sheet(path: Path, strips: Sequence[Path]) -> None:
    """Strips one under the other, wider ones made as narrow as the narrowest."""
    rows = [cv2.imread(str(strip)) for strip in strips]
    width = min(row.shape[1] for row in rows)
    sizes = [(width, round(len(row) * width / row.shape[1])) for row in rows]
    rows = [
        row if row.shape[1] == width else cv2.resize(row, size, interpolation=cv2.INTER_AREA)
        for row, size in zip(rows, sizes, strict=True)
    ]
    write_picture(path, np.concatenate(rows))


def small(strip: np.ndarray) -> np.ndarray:
    return cv2.resize(strip, (round(strip.shape[1] * STRIP_PX / len(strip)), STRIP_PX), interpolation=cv2.INTER_AREA)


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """OSError where it cannot be written."""
    if not cv2.imwrite(str(path), pixels):
        raise OSError(f"{path}: could not be written")
