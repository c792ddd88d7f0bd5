"""The flow refiner alone: is its field nearer to the true flow of held-out clips than the dense one it is given?"""

import statistics
import zlib
from argparse import Namespace

import torch

from ...flow_tools.dense import densify
from ...pipeline.refine import refine
from ...training.data.hints import draw_hints
from ...training.data.refiner_fields import WINDOW
from ..inputs.held_out import flows_of, held_out_clips
from ..metrics.end_point_error import end_point_error
from ..output.console import table
from ..output.results import Bar, Results
from ..shots import load_models, settings_of

FIELDS = {"default": {"mode": "faded"}, "paper": {"mode": "sum"}}  # options of `densify`
MOST_OF_DENSE = 0.7
NOTHING = "no motion"


def run(arguments: Namespace) -> list[Bar]:
    """Prints the table, writes refiner.json, returns the bar."""
    models = load_models()
    results = Results(arguments.out / "refiner.json", settings_of(arguments))
    clips = dict(held_out_clips(arguments, models.animator.size))
    flows = dict(zip(clips, flows_of(clips), strict=True))

    def figures(name: str) -> dict[str, float]:
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        errors = {NOTHING: [], **{f"{what} {kind}": [] for kind in FIELDS for what in ("dense", "refined")}}
        for start in range(0, len(flows[name]) - WINDOW + 1, WINDOW):
            true = flows[name][start : start + WINDOW].mean(dim=0)
            hints = draw_hints(true, generator)
            errors[NOTHING].append(end_point_error(torch.zeros_like(true), true))
            for kind, options in FIELDS.items():
                dense = densify(*hints, **options)
                refined = refine(models.refiner, dense, clips[name][start : start + 1], hints=hints)
                for what, field in (("dense", dense), ("refined", refined)):
                    errors[f"{what} {kind}"].append(end_point_error(field, true))
        return {key: statistics.fmean(values) for key, values in errors.items()}

    rows = results.fill(list(clips), lambda names: map(figures, names), in_words)
    means = {key: statistics.fmean(row[key] for row in rows.values()) for key in next(iter(rows.values()))}
    print(table(("clip, end-point error px/frame", *means), [(name, *row.values()) for name, row in rows.items()]))
    print(table(("mean", *means), [("", *means.values())]))
    bars = [
        Bar(
            f"refiner: end-point error over the dense input's, {kind}",
            means[f"refined {kind}"] / means[f"dense {kind}"],
            MOST_OF_DENSE,
            at_least=False,
        )
        for kind in FIELDS
    ]
    results.finish(means, bars)
    return bars


def in_words(row: dict) -> str:
    return ", ".join(f"{key} {value:.2f}" for key, value in row.items()) + " px/frame"
