"""Plots of a few numbers: one panel for each figure, bars or a line."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH_PX, PANEL_PX, DPI = 720, 190, 100
LEFT_PX, ABOVE_PX, BELOW_PX = 60, 30, 38  # of a panel, beside what is drawn
BLUE = "#286ebe"
FLAT = 0.2
LABEL_LETTERS = 15  # in a line of a label


@dataclass(frozen=True)
class Panel:
    """A figure over the same labels as the other panels; None and NaN are left out. line: joined, else bars from 0."""

    title: str
    values: Sequence[float | None]
    line: bool = False


def write_plot(path: Path, labels: Sequence[str], panels: Sequence[Panel]) -> None:
    """OSError where it cannot be written."""
    shown = [panel for panel in panels if any(known(panel))]
    height_px, between_px = len(shown) * PANEL_PX, ABOVE_PX + BELOW_PX
    figure = Figure(figsize=(WIDTH_PX / DPI, height_px / DPI), dpi=DPI)
    room = {"left": LEFT_PX / WIDTH_PX, "right": 0.99, "bottom": BELOW_PX / height_px, "top": 1 - ABOVE_PX / height_px}
    grid = room | {"hspace": between_px / (PANEL_PX - between_px)}
    for axes, panel in zip(figure.subplots(len(shown), squeeze=False, gridspec_kw=grid)[:, 0], shown, strict=True):
        draw(axes, panel, labels)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def known(panel: Panel) -> list[bool]:
    return [value is not None and math.isfinite(value) for value in panel.values]


def limits(values: Sequence[float]) -> tuple[float, float]:
    """Of a line's panel: theirs, but at least FLAT of the largest apart, so that what hardly changes looks flat."""
    low, high = min(values), max(values)
    missing = max(0.0, FLAT * max(map(abs, values)) - (high - low))
    return low - missing / 2, high + missing / 2


def draw(axes: Axes, panel: Panel, labels: Sequence[str]) -> None:
    there = [i for i, is_known in enumerate(known(panel)) if is_known]
    values = [panel.values[i] for i in there]
    if panel.line:
        axes.plot(there, values, "o-", color=BLUE, clip_on=False)
        low, high = limits(values)
        axes.set_ylim(low, high if high > low else low + 1)
        for point in zip(there, values, strict=True):
            axes.annotate(f"{point[1]:.3g}", point, (0, 4), textcoords="offset points", ha="center", fontsize=7)
    else:
        axes.bar_label(axes.bar(there, values, width=0.5, color=BLUE), fmt="{:.3g}", padding=2, fontsize=7)
        axes.margins(y=0.15)
    axes.set_xticks(range(len(labels)), [textwrap.fill(label, LABEL_LETTERS) for label in labels], fontsize=7)
    axes.set_xlim(-0.5, len(labels) - 0.5)
    axes.tick_params(axis="y", labelsize=7)
    axes.set_title(panel.title, loc="left", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
