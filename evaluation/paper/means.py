"""From the figures of single videos to a cell of a table."""

import statistics
from collections.abc import Iterable

import torch

from ..metrics.fvd import frechet_distance


def mean(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return statistics.fmean(found) if found else None


def fvd(rows: list[dict]) -> float | None:
    """NaN for fewer than two clips; None without the network, or without clips."""
    if rows[0].get("i3d of the clip") is None:
        return None
    if len(rows) < 2:
        return float("nan")
    made, real = (torch.tensor([row[key] for row in rows]) for key in ("i3d", "i3d of the clip"))
    return frechet_distance(made, real)
