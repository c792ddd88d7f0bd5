"""Does the picture go where the arrows point? Three arrow sets a still, the same negated, and no arrows.

One arrow moves a region that was painted around it, the other sets all that they reach.
"""

import statistics
from argparse import Namespace
from pathlib import Path

from torch import Tensor

from ...flow_tools.arrows import MotionArrows
from ...flow_tools.color import draw_arrows
from ...flow_tools.estimate import estimate_flow
from ...flow_tools.warp import reference_video
from ..inputs.arrow_sets import arrow_sets, negated, region_around
from ..inputs.held_out import evenly_chosen, held_out_stills
from ..metrics.arrow_obedience import control_figures
from ..metrics.colour_drift import colour_drift
from ..metrics.flow_cosine import RESTING_PX
from ..metrics.frame_change import frame_change
from ..output.console import table
from ..output.contact_sheet import shown_frames, write_large_sheet, write_sheet, write_strip
from ..output.results import Bar, Results
from ..shots import Shot, flow_of, load_models, measured, settings_of

ONE = "one"
NEGATED = "negated "
STILL = "no arrows"
LEAST_COSINE = 0.9
MOST_ERROR = 0.35  # relative, median
LEAST_TURNED = 1.0
MOST_MOTION_PX = 0.25  # px/frame, where nothing is meant to move
MOST_COLOUR = 2.0  # grey levels of 255 between any frame's mean colour and frame 0's, without arrows
MOST_CHANGE = 2.0  # grey levels of 255 from frame to frame, without arrows
LARGE = 8  # stills on the sheet of large pictures
HEADER = ("still, arrows", "cosine", "error", "ceiling", "error", "flow", "error", "outside", "pin", "change")


def run(arguments: Namespace) -> list[Bar]:
    """Prints the table, writes control.json and control.png, returns the bars."""
    models, frames = load_models(), arguments.frames
    results = Results(arguments.out / "control.json", settings_of(arguments))
    asked, blocks = {}, []
    for name, image in held_out_stills(arguments, models.animator.size):
        named = {f"{name}, {case}": (image, arrows) for case, arrows in cases(image, name).items()}
        blocks.append([arguments.out / "control" / f"{key}.png" for key in named])
        asked |= named

    def compute(keys: list[str]):
        regions = {key: region_of(key, *asked[key]) for key in keys}
        flows = {key: flow_of(models, *asked[key], frames=frames, region=regions[key]) for key in keys}
        shots = {key: Shot(asked[key][0], flow) for key, flow in flows.items()}

        def measure(key: str, video: Tensor) -> dict:
            strip = arguments.out / "control" / f"{key}.png"
            return one_case(shots[key], asked[key][1], regions[key], video, strip)

        return measured(models, shots, measure, arguments)

    rows = results.fill(list(asked), compute, in_words)
    write_sheet(arguments.out / "control.png", blocks)
    write_large_sheet(arguments.out / "control_large.png", [block[0] for block in evenly_chosen(blocks, LARGE)])
    figures = summary(rows)
    results.finish(figures, made := bars(figures))
    print(table(HEADER, [line(key, row) for key, row in rows.items()]))
    print("; ".join(f"{key} {value:.3f}" for key, value in figures.items()))
    return made


def cases(image: Tensor, name: str) -> dict[str, MotionArrows]:
    """Every arrow set of a still by name: as drawn, negated, and no arrows."""
    sets = arrow_sets(image, name)
    empty = MotionArrows((), image.shape[-1], image.shape[-2])
    return {**sets, **{NEGATED + case: negated(arrows) for case, arrows in sets.items()}, STILL: empty}


def region_of(key: str, image: Tensor, arrows: MotionArrows) -> Tensor | None:
    """The mask of the set with one arrow."""
    if key.rpartition(", ")[2].removeprefix(NEGATED) != ONE:
        return None
    return region_around(arrows.arrows[0], height=image.shape[-2], width=image.shape[-1])


def one_case(shot: Shot, arrows: MotionArrows, region: Tensor | None, video: Tensor, strip: Path) -> dict:
    """Figures of an animation; the strip shows arrows, frames of it, and the last of the warped reference."""
    image, flow, frames = shot.image, shot.flow, len(video)
    reference = reference_video(image, flow, frames)
    outside = flow[0].norm(dim=0) < RESTING_PX if region is None else region[0, 0] == 0
    row = {"change": frame_change(video), "colour": colour_drift(video), "ceiling colour": colour_drift(reference)}
    for what, motion in (("model", estimate_flow(video)), ("ceiling", estimate_flow(reference)), ("flow", flow)):
        row[what] = control_figures(motion, arrows, outside, frames=frames)
    drawn = draw_arrows((image + 1) / 2, arrows)
    label = f"{strip.stem[:70]}: {in_words(row)}"
    write_strip(strip, label, [drawn, *shown_frames(video), (reference[-1] + 1) / 2])
    return row


def summary(rows: dict[str, dict]) -> dict[str, float]:
    """Means over the sets as drawn; a set is turned round where it obeys as drawn and obeys negated."""
    cases_of = {key: key.rpartition(", ")[2] for key in rows}
    drawn = [key for key, case in cases_of.items() if case != STILL and not case.startswith(NEGATED)]
    still = [row for key, row in rows.items() if cases_of[key] == STILL]

    def opposite(key: str) -> dict:
        still_name, _, case = key.rpartition(", ")
        return rows[f"{still_name}, {NEGATED}{case}"]["model"]

    def figures(what: str, figure: str) -> list[float]:
        return [rows[key][what][figure] for key in drawn]

    return {
        "cosine": statistics.fmean(figures("model", "cosine")),
        "median error": statistics.median(figures("model", "error")),
        # A negated set's cosine is with its own command, the opposite of the original one.
        "negated cosine": -statistics.fmean(opposite(key)["cosine"] for key in drawn),
        "turned": statistics.fmean(rows[key]["model"]["cosine"] > 0 < opposite(key)["cosine"] for key in drawn),
        "outside px": statistics.fmean(rows[key]["model"]["outside_px"] for key in drawn if cases_of[key] == ONE),
        "still motion px": statistics.fmean(row["model"]["mean_px"] for row in still),
        "still drift px": statistics.fmean(row["model"]["drift_px"] for row in still),
        "still colour": max(row["colour"] for row in still),
        "colour": statistics.fmean(rows[key]["colour"] for key in drawn),
        "ceiling colour": statistics.fmean(rows[key]["ceiling colour"] for key in drawn),
        "still change": statistics.fmean(row["change"] for row in still),
        "ceiling cosine": statistics.fmean(figures("ceiling", "cosine")),
        "ceiling median error": statistics.median(figures("ceiling", "error")),
        "flow cosine": statistics.fmean(figures("flow", "cosine")),
        "flow median error": statistics.median(figures("flow", "error")),
    }


def bars(figures: dict[str, float]) -> list[Bar]:
    return [
        Bar("control: mean cosine under the arrows", figures["cosine"], LEAST_COSINE),
        Bar("control: median relative end-point error", figures["median error"], MOST_ERROR, at_least=False),
        Bar("control: share of sets that negated arrows turn round", figures["turned"], LEAST_TURNED),
        Bar("control: motion outside the mask, px/frame", figures["outside px"], MOST_MOTION_PX, at_least=False),
        Bar("control: motion without arrows, px/frame", figures["still motion px"], MOST_MOTION_PX, at_least=False),
        Bar("control: frame change without arrows, of 255", figures["still change"], MOST_CHANGE, at_least=False),
        Bar(
            "colour: mean RGB off frame 0's without arrows, of 255",
            figures["still colour"],
            MOST_COLOUR,
            at_least=False,
        ),
    ]


def line(key: str, row: dict) -> tuple:
    model = row["model"]
    levels = [row[what][figure] for what in ("model", "ceiling", "flow") for figure in ("cosine", "error")]
    return (key, *levels, model["outside_px"], model["pin_px"], row["change"])


def in_words(row: dict) -> str:
    model = row["model"]
    if model["cosine"] is None:
        return f"{model['mean_px']:.2f} px/frame, change {row['change']:.1f}"
    return f"cosine {model['cosine']:.2f}, error {model['error']:.2f} (ceiling {row['ceiling']['cosine']:.2f}, " + (
        f"{row['ceiling']['error']:.2f})"
    )
