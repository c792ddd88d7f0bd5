"""What comes in over the border: held-out stills with arrows that point inwards, the border repeated and continued."""

import statistics
from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch
from torch import Tensor

from ..flow_tools.arrows import Arrow, MotionArrows
from ..flow_tools.warp import accumulate_backward, mask_video, reference_video
from ..pipeline.animate_still import motion_of_arrows
from ..training.data.prepared_set import load
from .inputs.held_out import evenly_chosen, held_out_stills, resized
from .metrics.streaks import CameIn, came_in
from .options import add_out, add_work, at_least, prepared
from .output.contact_sheet import write_sheet, write_strip
from .output.markdown import table
from .output.publish import command_of, write_page

SIZE, FRAMES = 256, 25
TAIL, LENGTH = 0.08, 0.10  # of the side: from the border to an arrow's tail, and the arrow
BAR = 0.003  # of the last frame
SHOWN = 12  # on the sheet
REPEATED, CONTINUED = "border repeated", "still continued"
INWARDS = (((TAIL, 0.5), (1, 0)), ((0.5, TAIL), (0, 1)), ((1 - TAIL, 0.5), (-1, 0)), ((0.5, 1 - TAIL), (0, -1)))
HEADER = (
    "still",
    f"streaks, % of the last frame: {REPEATED}",
    CONTINUED,
    f"texture over the border's: {REPEATED}",
    CONTINUED,
    f"likeness to a mirror image: {REPEATED}",
    CONTINUED,
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("--data", type=prepared, required=True, help="folder written by driftfield.training.prepare")
    parser.add_argument(
        "--stills", type=at_least(1), default=60, help="held-out stills, spread over all (default: %(default)s, all)"
    )
    add_out(parser)
    add_work(parser, "strips")


def run(arguments: Namespace) -> None:
    rows, strips = [], []
    for number, (name, still) in enumerate(held_out_stills(arguments, SIZE)):
        shown, found = seen(still, number)
        rows.append((name, *figures(found)))
        strips.append(strip(arguments.work / "border" / f"{name}.png", name, still, shown, found))
    unseen = sorted(zip(*load(arguments.data, "stills", "train"), strict=True), key=lambda pair: pair[0])
    others = [
        (name, *figures(seen(resized(still[None], SIZE), number)[1]))
        for number, (name, still) in enumerate(evenly_chosen(unseen, len(rows)))
    ]
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_sheet(arguments.out / "border.jpg", [[path] for path in evenly_chosen(strips, SHOWN)])
    lines = [
        "# Beyond the border",
        "",
        "```",
        command_of(arguments),
        "```",
        "",
        table(HEADER, [*rows, *totals(rows, ""), *totals(others, f" of {len(others)} others")]),
    ]
    lines += ["", *(f"- {note}" for note in notes(rows)), "", "![Beyond the border](border.jpg)"]
    write_page(arguments, "border", "\n".join(lines))


def seen(still: Tensor, number: int) -> tuple[list[Tensor], list[CameIn]]:
    """The last frame of a still with the border repeated and with the still continued, and what came in in each."""
    field = inward_field(number)
    back = accumulate_backward(field, FRAMES)[-1:]
    # As a mask is moved, so were stills before they were continued.
    shown = [mask_video(still, field, FRAMES)[-1:], reference_video(still, field, FRAMES)[-1:]]
    return shown, [came_in(frame, still, back) for frame in shown]


def inward_field(number: int) -> Tensor:
    """[1, 2, SIZE, SIZE] px/frame of one arrow; one after the other they come in from the left, top, right, bottom."""
    (x, y), (right, down) = INWARDS[number % len(INWARDS)]
    arrow = Arrow("in", ((x, y), (x + LENGTH * right, y + LENGTH * down)))
    return motion_of_arrows(MotionArrows((arrow,), SIZE, SIZE), frames=FRAMES).field


def figures(found: list[CameIn]) -> list[float | None]:
    shares = [100 * float(each.streaks.float().mean()) for each in found]
    values = [*shares, *(each.texture for each in found), *(each.mirrored for each in found)]
    return [None if value != value else value for value in values]


def totals(rows: list[tuple], which: str) -> list[tuple]:
    columns = [
        [value for value in column if value is not None] for column in zip(*(row[1:] for row in rows), strict=True)
    ]
    return [
        (name + which, *(over(column) if column else None for column in columns))
        for name, over in (("mean", statistics.fmean), ("median", statistics.median), ("most", max))
    ]


def strip(path: Path, name: str, still: Tensor, shown: list[Tensor], found: list[CameIn]) -> Path:
    """Still, last frame with the border repeated and with the still continued, and both with their streaks in red."""
    red = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
    pictures = [(picture[0] + 1) / 2 for picture in (still, *shown)]
    marked = [torch.where(each.streaks[0], red, picture) for each, picture in zip(found, pictures[1:], strict=True)]
    repeated, continued = (100 * float(each.streaks.float().mean()) for each in found)
    write_strip(path, f"{name[:40]}: {repeated:.2f} %, {continued:.2f} %", [*pictures, *marked])
    return path


def notes(rows: list[tuple]) -> list[str]:
    over = sum(row[2] > 100 * BAR for row in rows)
    return [
        f"{len(rows)} held-out stills of {SIZE} px, an arrow of {LENGTH:g} of the side each, which begins {TAIL:g} "
        f"from the left, top, right or bottom border and points inwards; the last of {FRAMES} frames. Bar: at most "
        f"{100 * BAR:g} %; {over} stills are above it.",
        "A streak: what comes from beyond the still, is flat along the way in (its mean step below 0.15 of the "
        "border strip's), and lies beside a border with texture.",
        "The figure alone would reward noise, and a mirror image. So beside it stand the texture of what came in over "
        "the border's (1 is as it should be, much more is noise) and how much its detail is like the still mirrored "
        "at the border (1 is a mirror image).",
        "How a still goes on was chosen by looking at these. The others are of the training part: nothing was chosen "
        "on them, and no network is measured here.",
        "On the sheet, of some stills, evenly chosen: it; its last frame with the border repeated, as it was before; "
        "with the still continued; both with their streaks in red.",
    ]
