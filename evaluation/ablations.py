"""What each part of the method adds, on held-out clips that arrows drawn on their own flow set in motion (Table 1)."""

import statistics
import zlib
from argparse import Namespace

import torch
from torch import Tensor

from ..flow_tools.dense import densify
from ..flow_tools.estimate import estimate_flow
from ..flow_tools.strength import strength_percent
from ..pipeline.refine import refine
from ..training.data.hints import draw_hints
from .animations import Models, Shot, load_models, measured, settings_of
from .autoencoder import likeness
from .held_out import held_out_clips
from .metrics import end_point_error
from .reconstruction import flows_of
from .report import Bar, Results, table

FULL, NO_REFINER, NO_FIELDS, NO_STRENGTH = "full", "without refiner", "without motion fields", "without strength"
VARIANTS = (FULL, NO_REFINER, NO_FIELDS, NO_STRENGTH)
ORDER = ((FULL, NO_REFINER), (NO_REFINER, NO_FIELDS), (FULL, NO_STRENGTH), (NO_STRENGTH, NO_FIELDS))  # better, worse
FIGURES = {"psnr": 1, "ssim": 1, "error": -1}  # sign: whether more is better


def run(arguments: Namespace) -> list[Bar]:
    """Prints the table, writes ablations.json, returns the bars."""
    models = load_models()
    results = Results(arguments.out / "ablations.json", settings_of(arguments))
    clips = dict(held_out_clips(arguments, models.animator.size))
    flows = dict(zip(clips, flows_of(clips), strict=True))

    def measure(key: str, video: Tensor) -> dict[str, float]:
        name = key.rpartition(", ")[0]
        error = end_point_error(estimate_flow(video), flows[name])
        return {**likeness(video[1:], clips[name][1:]), "error": error}

    def compute(keys: list[str]):
        for variant in VARIANTS:  # one call each, for what its shots are told differs
            names = [name for name in clips if f"{name}, {variant}" in keys]
            shots = {f"{name}, {variant}": shot(models, variant, name, clips[name], flows[name]) for name in names}
            yield from measured(models, shots, measure, arguments)

    rows = results.fill([f"{name}, {variant}" for variant in VARIANTS for name in clips], compute, in_words)
    means = {
        variant: {key: statistics.fmean(rows[f"{name}, {variant}"][key] for name in clips) for key in FIGURES}
        for variant in VARIANTS
    }
    print(table(("mean of held-out clips", *FIGURES), [(variant, *row.values()) for variant, row in means.items()]))
    bars = [
        Bar(
            f"ablations: {figure}, {better} over {worse}",
            sign * (means[better][figure] - means[worse][figure]),
            0.0,
            strict=True,
        )
        for figure, sign in FIGURES.items()
        for better, worse in ORDER
    ]
    results.finish(means, bars)
    return bars


def shot(models: Models, variant: str, name: str, clip: Tensor, flow: Tensor) -> Shot:
    """Frame 0, and the field that a few hints on the clip's mean flow give; the name seeds their places."""
    mean = flow.mean(dim=0)
    hints = draw_hints(mean, torch.Generator().manual_seed(zlib.crc32(name.encode())))
    dense = densify(*hints)
    if variant == NO_REFINER:
        return Shot(clip[:1], dense)
    refined = refine(models.refiner, dense, clip[:1], hints=hints)
    if variant == NO_FIELDS:
        return Shot(clip[:1], None, strength_percent(refined))
    return Shot(clip[:1], refined, tells_strength=variant != NO_STRENGTH)


def in_words(row: dict[str, float]) -> str:
    return f"{row['psnr']:.1f} dB, SSIM {row['ssim']:.2f}, end-point error {row['error']:.2f} px/frame"
