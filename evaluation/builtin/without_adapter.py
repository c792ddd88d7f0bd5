"""The built-in model with its adapter taken off: does the dual clock alone move what the arrows say, and no more?

The flow is the arrows' own, spread over a painted region: the refiner has a measurement of its own.
"""

import statistics
from argparse import Namespace
from pathlib import Path

import torch
from torch import Tensor

from ...flow_tools.arrows import MotionArrows
from ...flow_tools.dense import FADED
from ...flow_tools.estimate import estimate_flow
from ...model_loaders import locations
from ...pipeline.animate_still import motion_of_arrows
from ..inputs.arrow_sets import arrow_sets, region_around
from ..inputs.held_out import held_out_stills
from ..metrics.arrow_obedience import control_figures
from ..output.console import table
from ..output.contact_sheet import shown_frames, write_sheet, write_strip
from ..output.results import Bar, Results
from ..shots import Shot, load_models, measured, settings_of

LEAST_COSINE = 0.8
MOST_MOTION_PX = 0.25  # px/frame, outside of the painted region


def run(arguments: Namespace) -> list[Bar]:
    """Prints the table, writes without_adapter.json and without_adapter.png, returns the bars."""
    models, frames = load_models(adapter=locations.NONE), arguments.frames
    results = Results(arguments.out / "without_adapter.json", settings_of(arguments))

    def strip(key: str) -> Path:
        return arguments.out / "without_adapter" / f"{key}.png"

    asked, blocks = {}, []
    for name, image in held_out_stills(arguments, models.animator.size):
        named = {f"{name}, {case}": (image, arrows) for case, arrows in arrow_sets(image, name).items()}
        blocks.append([strip(key) for key in named])
        asked |= named

    def compute(keys: list[str]):
        regions = {key: painted(*asked[key]) for key in keys}
        shots = {key: Shot(asked[key][0], painted_flow(*asked[key], regions[key], frames)) for key in keys}

        def measure(key: str, video: Tensor) -> dict:
            row = control_figures(estimate_flow(video), asked[key][1], regions[key][0, 0] == 0, frames=frames)
            write_strip(strip(key), f"{key}: {in_words(row)}", shown_frames(video))
            return row

        return measured(models, shots, measure, arguments)

    rows = results.fill(list(asked), compute, in_words)
    write_sheet(arguments.out / "without_adapter.png", blocks)
    names = ("cosine", "error", "outside_px")
    print(table(("still, arrows", *names), [(key, *map(row.get, names)) for key, row in rows.items()]))
    means = {name: statistics.fmean(row[name] for row in rows.values()) for name in names}
    bars = [
        Bar("without adapter: mean cosine under the arrows", means["cosine"], LEAST_COSINE),
        Bar("without adapter: motion outside, px/frame", means["outside_px"], MOST_MOTION_PX, at_least=False),
    ]
    results.finish(means, bars)
    return bars


def painted(image: Tensor, arrows: MotionArrows) -> Tensor:
    """The mask [1, 1, H, W] that somebody paints around all arrows but the pins."""
    height, width = image.shape[-2:]
    drawn = [arrow for arrow in arrows.arrows if len(arrow.points) > 1]
    return torch.stack([region_around(arrow, height=height, width=width) for arrow in drawn]).amax(0)


def painted_flow(image: Tensor, arrows: MotionArrows, region: Tensor, frames: int) -> Tensor:
    return motion_of_arrows(arrows, frames=frames, mode=FADED, region=region).field


def in_words(row: dict) -> str:
    return f"cosine {row['cosine']:.2f}, error {row['error']:.2f}, outside {row['outside_px']:.2f} px/frame"
