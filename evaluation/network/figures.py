"""Figures of an animation, and their means."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from ..metrics.change_power import SPEEDS, change_power, unexplained_change
from ..metrics.likeness import likeness
from ..metrics.psnr import decibels
from ..metrics.sharpness import sharpness
from .made import Made

FINAL, NETWORK, WARP, COPIED, CLIP = (
    "finished frames",
    "network alone",
    "plain warp",
    "frame 0 copied",
    "the clip itself",
)
UNEXPLAINED = "not explained by the flow"
LEAST = 1e-6  # of a power: nothing changes
Row = dict[str, float | None]


def of_still(made: Made) -> dict[str, Row]:
    """Finished frames and the network's against the plain warp, by region; None where there is none of a region."""
    return {name: in_region(made, where) for name, where in made.regions.items()}


def in_region(made: Made, where: Tensor) -> Row:
    pixels = int(where.sum())
    row: Row = {"pixels": pixels}
    for name, frames in ((FINAL, made.final), (NETWORK, made.network), (WARP, made.warp)):
        row[f"{name}: error"] = error_in(frames, made.warp, where)
        row[f"{name}: sharpness"] = sharpness(frames, where) if pixels else None
    return row


def of_clip(made: Made, clip: Tensor, flow: Tensor) -> dict[str, dict[str, Row]]:
    """Every method against the clip [L, 3, H, W] -1..1 with its flow [L - 1, 2, H, W] px/frame."""
    videos = {FINAL: made.final, NETWORK: made.network, WARP: made.warp, COPIED: clip[:1].expand_as(clip), CLIP: clip}
    whole = torch.ones_like(clip[0, :1], dtype=torch.bool)
    return {
        name: {
            "likeness": None if name == CLIP else likeness(video[1:], clip[1:]),
            "errors": {region: error_in(video, clip, where) for region, where in made.regions.items()},
            "change": {**change_power(video, whole), UNEXPLAINED: unexplained_change(video, flow, whole) ** 2},
        }
        for name, video in videos.items()
    }


def error_in(frames: Tensor, target: Tensor, where: Tensor) -> float | None:
    """Mean squared error of the pixels `where`, bool [L, 1, H, W]; None for none."""
    if not where.any():
        return None
    return float((frames - target).square().mean(dim=1)[where[:, 0]].mean())


def region_line(rows: Iterable[Row], all_pixels: int) -> tuple[float | None, ...]:
    """Of one region in all animations: share of the pixels, dB from the warp, sharpness over the warp's."""
    rows = [row for row in rows if row["pixels"]]
    pixels = sum(row["pixels"] for row in rows)
    if not pixels:
        return (0.0, None, None, None, None)

    def mean(key: str, power: int = 1) -> float:
        return sum(row[key] ** power * row["pixels"] for row in rows) / pixels

    warp = mean(f"{WARP}: sharpness", 2)
    return (
        pixels / all_pixels,
        *(decibels(mean(f"{name}: error")) for name in (FINAL, NETWORK)),
        *(math.sqrt(mean(f"{name}: sharpness", 2) / warp) for name in (FINAL, NETWORK)),
    )


def likeness_line(rows: list[dict], name: str, regions: Iterable[str]) -> tuple[float | None, ...]:
    """Of a method on clips: mean PSNR and SSIM, and mean PSNR by region of the clips that have it."""
    means = (sum(row[name]["likeness"][figure] for row in rows) / len(rows) for figure in ("psnr", "ssim"))
    errors = ([row[name]["errors"][region] for row in rows] for region in regions)
    own = ([decibels(error) for error in some if error is not None] for some in errors)
    return (*means, *(sum(some) / len(some) if some else None for some in own))


def change_line(rows: list[dict], name: str) -> tuple[float, ...]:
    """Of a method on clips: power of its change over that of the clip's own, geometric means."""

    def ratio(key: str) -> float:
        levels = [[max(row[which]["change"][key], LEAST) for which in (name, CLIP)] for row in rows]
        return math.exp(sum(math.log(own / true) for own, true in levels) / len(levels))

    return tuple(map(ratio, (*SPEEDS, UNEXPLAINED)))
