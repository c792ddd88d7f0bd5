"""Figure 7: no arrows, and the motion strength turned up. Does more move?"""

import statistics
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ...flow_tools.estimate import estimate_flow
from ...model_loaders import locations, memory
from ..inputs.held_out import held_out_stills
from ..metrics import learned
from ..metrics.dynamic_degree import dynamic_degree
from ..metrics.frame_change import frame_change
from ..metrics.mean_length import mean_length
from ..options import add_paper, at_least
from ..output.publish import device_name, publish
from ..output.results import Results, digest_without_lora
from ..shots import Models, Shot, load_models, measured, settings_of
from .means import columns, mean

PERCENTS = (0, 50, 100, 200, 300, 400)
GROWING = (100, 200, 400)
FIGURES = columns("degree", "change", "tem_cons")


def add_arguments(parser: ArgumentParser) -> None:
    add_paper(parser)
    parser.add_argument(
        "--stills", type=at_least(1), default=20, help="held-out stills, spread over all of them (default: 20)"
    )


def run(arguments: Namespace) -> None:
    models = load_models(arguments.model, arguments.adapter)
    networks, missing = learned.load(locations.metrics(), memory.device())
    settings = {**settings_of(arguments), "model": arguments.model, "adapter": arguments.adapter}
    results = Results(arguments.work / "figure7.json", settings)
    rows = measure(models, networks, PERCENTS, results, arguments)
    lines = [
        [str(percent), *(mean(row[figure] for row in some.values()) for figure in FIGURES)]
        for percent, some in rows.items()
    ]
    notes = [
        f"Means of {arguments.stills} held-out stills without arrows, {arguments.frames} frames, model "
        f"{arguments.model}, weights {digest_without_lora(locations.WEIGHTS)}, on {device_name()}.",
        *(line for line in missing if line.startswith("Tem-Cons")),
        f"Share of the stills that move more at 200 % than at 100 %, and at 400 % than at 200 %: "
        f"{fraction_growing(rows, 'degree'):.2f}.",
        "Dynamic degree: mean length of the measured flow, at 512 px.",
    ]
    title = "More motion strength (the paper's figure 7)"
    publish(arguments, "figure7", title, ["motion strength, %", *FIGURES.values()], lines, notes=notes, line=True)


def measure(
    models: Models,
    networks: learned.Learned,
    percents: Sequence[int],
    results: Results,
    arguments: Namespace,
    *,
    on_video: Callable[[str, Tensor, dict], None] = lambda key, video, row: None,
) -> dict[int, dict[str, dict]]:
    """{percent: {still: figures}}; "mean_px" is the mean length of the measured flow, px/frame.

    on_video("still, percent %", frames [L, 3, H, W] −1..1, figures) of every animation that is made.
    """
    stills = dict(held_out_stills(arguments, models.animator.size))
    shots = {key_of(name, percent): Shot(stills[name], None, float(percent)) for name in stills for percent in percents}

    def figures(key: str, video: Tensor) -> dict:
        motion, everywhere = estimate_flow(video), torch.ones(video.shape[-2:], dtype=torch.bool)
        row = {"mean_px": mean_length(motion, everywhere), "degree": dynamic_degree(motion)}
        row |= {"change": frame_change(video), "tem_cons": networks.figures(video, None)["tem_cons"]}
        on_video(key, video, row)
        return row

    def compute(keys: list[str]) -> Iterator[dict]:
        return measured(models, {key: shots[key] for key in keys}, figures, arguments)

    rows = results.fill(list(shots), compute, in_words)
    return {percent: {name: rows[key_of(name, percent)] for name in stills} for percent in percents}


def key_of(still: str, percent: int) -> str:
    return f"{still}, {percent} %"


def fraction_growing(rows: dict[int, dict[str, dict]], figure: str) -> float:
    """Of the stills whose figure grows with every step of GROWING."""
    series = zip(*([row[figure] for row in rows[percent].values()] for percent in GROWING), strict=True)
    return statistics.fmean(list(values) == sorted(set(values)) for values in series)


def in_words(row: dict) -> str:
    return f"{row['mean_px']:.2f} px/frame"
