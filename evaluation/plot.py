"""Plots of a few numbers, drawn with OpenCV: one panel for each figure, bars or a line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

WIDTH, PANEL_PX, MARGIN = 720, 190, 46
INK, BLUE, GRID = (40, 40, 40), (190, 110, 40), (225, 225, 225)  # BGR
FLAT = 0.2
FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class Panel:
    """A figure over the same labels as the other panels; None and NaN are left out. line: joined, else bars from 0."""

    title: str
    values: Sequence[float | None]
    line: bool = False


def write_plot(path: Path, labels: Sequence[str], panels: Sequence[Panel]) -> None:
    """OSError where it cannot be written."""
    drawn = [draw(panel, labels) for panel in panels if any(known(panel))]
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), np.concatenate(drawn)):
        raise OSError(f"{path}: could not be written")


def known(panel: Panel) -> list[bool]:
    return [value is not None and math.isfinite(value) for value in panel.values]


def limits(values: Sequence[float]) -> tuple[float, float]:
    """Of a line's panel: theirs, but at least FLAT of the largest apart, so that what hardly changes looks flat."""
    low, high = min(values), max(values)
    missing = max(0.0, FLAT * max(map(abs, values)) - (high - low))
    return low - missing / 2, high + missing / 2


def draw(panel: Panel, labels: Sequence[str]) -> np.ndarray:
    canvas = np.full((PANEL_PX, WIDTH, 3), 255, np.uint8)
    there = [i for i, is_known in enumerate(known(panel)) if is_known]
    values = [panel.values[i] for i in there]
    low, high = limits(values) if panel.line else (min(0, *values), max(0, *values))
    high = high if high > low else low + 1
    top, bottom = 34, PANEL_PX - 26
    step = (WIDTH - 2 * MARGIN) / len(labels)

    def place(i: int, value: float) -> tuple[int, int]:
        return round(MARGIN + (i + 0.5) * step), round(bottom - (value - low) / (high - low) * (bottom - top))

    cv2.putText(canvas, panel.title, (MARGIN, 16), FONT, 0.42, INK, 1, cv2.LINE_AA)
    for edge in (top, bottom):
        cv2.line(canvas, (MARGIN, edge), (WIDTH - MARGIN, edge), GRID, 1)
    points = [place(i, value) for i, value in zip(there, values, strict=True)]
    if panel.line:
        cv2.polylines(canvas, [np.array(points, np.int32)], False, BLUE, 2, cv2.LINE_AA)
    for (x, y), value in zip(points, values, strict=True):
        if panel.line:
            cv2.circle(canvas, (x, y), 4, BLUE, -1, cv2.LINE_AA)
        else:
            cv2.rectangle(canvas, (x - round(step / 4), y), (x + round(step / 4), place(0, 0)[1]), BLUE, -1)
        cv2.putText(
            canvas, f"{value:.3g}", (x - 14, min(y, place(0, max(low, 0))[1]) - 6), FONT, 0.36, INK, 1, cv2.LINE_AA
        )
    for i, label in enumerate(labels):
        x = round(MARGIN + (i + 0.5) * step) - 3 * len(label)
        cv2.putText(canvas, label, (x, PANEL_PX - 10), FONT, 0.36, INK, 1, cv2.LINE_AA)
    return canvas
