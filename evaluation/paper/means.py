"""From the figures of single videos to a cell of a table."""

import statistics
from collections.abc import Iterable

import torch

from ..metrics.fvd import frechet_distance

COLUMNS = {  # what is measured of a video -> its column
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
    "lpips": "LPIPS",
    "tem_cons": "Tem-Cons",
    "error": "end-point error, px/frame",
    "between": "the same between joins",
    "cosine": "cosine",
    "jump": "join jump",
    "largest": "largest jump",
    "sharpness": "sharpness in fades and turns",
    "repeated": "repetition, least",
    "degree": "dynamic degree, px/frame",
    "change": "frame change, of 255",
}


def columns(*figures: str) -> dict[str, str]:
    """Those of COLUMNS, in this order."""
    return {figure: COLUMNS[figure] for figure in figures}


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
