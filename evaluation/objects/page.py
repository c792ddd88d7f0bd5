"""The page of `objects`: one column with the arrows moving areas, one with the things as objects."""

import csv
import statistics
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..output import markdown
from ..output.publish import command_of, device_name, write_page
from .scenes import STRAIGHT

FILES = {"areas": "objects_as_areas", "objects": "objects"}  # the file that each mode writes


@dataclass(frozen=True)
class Figure:
    """A row of the table."""

    name: str
    key: str  # of the scenes' figures
    over: Callable[[Sequence[float]], float]
    bar: str = ""
    only: str | None = None  # a kind of scenes


def changed(values: Sequence[float]) -> float:
    """Median factor, those below 1 turned over."""
    return statistics.median(max(value, 1 / value) for value in values)


def farthest(values: Sequence[float]) -> float:
    """Largest distance from 1."""
    return max(abs(value - 1) for value in values)


mean, median = statistics.fmean, statistics.median
FIGURES = (
    Figure("end of a 0.30 arrow: distance reached, mean", "reach", mean, "1.00 ± 0.03", STRAIGHT),
    Figure("the same, farthest from 1", "reach", farthest, "≤ 0.03", STRAIGHT),
    Figure("its axis ratio against the still's, median factor", "axis ratio", changed, "", STRAIGHT),
    Figure("the same, farthest from 1", "axis ratio", farthest, "≤ 0.03", STRAIGHT),
    Figure("its area against the still's, mean", "area", mean, "", STRAIGHT),
    Figure("the same, farthest from 1", "area", farthest, "≤ 0.03", STRAIGHT),
    Figure("background 0.1 of the side away, share of its speed, mean", "drag", mean, "≤ 0.05", STRAIGHT),
    Figure("IoU of where it is in the last frame and where it should be, true mask, mean", "iou", mean, "≥ 0.95"),
    Figure("the same, median", "iou", median),
    Figure("the same, least", "iou", min),
    Figure("the same with a click's mask, mean", "click", mean),
    Figure("the same, median", "click", median),
    Figure("last frame on the thing against the truth, dB, mean", "on it", mean),
    Figure("uncovered background over nearest-pixel filling, dB, mean", "uncovered", mean, "≥ 2"),
    Figure("the same, median", "uncovered", median, "≥ 1.5"),
    Figure("the same of both blurred by 4 px, mean", "uncovered, coarse", mean),
    Figure("the same, median", "uncovered, coarse", median),
    Figure("its texture's energy over the background's, median", "texture", median, "1"),
    Figure("frame 0 against the still, largest difference in grey levels", "frame 0", max, "0"),
    Figure("frames of 125 that show the thing twice, share", "twice", mean, "0"),
)
NETWORK = {"final": "finished frames", "network": "the same without the still's detail", "autoencoder": "autoencoder"}


def column(rows: dict[str, dict], network: dict[str, dict]) -> list[tuple[str, str, float | None]]:
    """(figure, bar, value) of all scenes, and of the photographs; None for what was not measured."""
    lines = []
    for figure in FIGURES:
        chosen = [row.get(figure.key) for row in rows.values() if figure.only in (None, row["kind"])]
        values = [value for value in chosen if value is not None]
        lines.append((figure.name, figure.bar, figure.over(values) if values else None))
    for photograph in dict.fromkeys(key.partition(",")[0] for key in network):
        own = [row for key, row in network.items() if key.partition(",")[0] == photograph]
        for key, name in NETWORK.items():
            lines.append((f"{photograph}, on it, dB: {name}", "", mean(row[key] for row in own)))
        over = [row["final"] - row["autoencoder"] for row in own]
        lines.append(
            (f"{photograph}: finished frames over the autoencoder, worst of {len(own)} seeds", "≥ −1", min(over))
        )
    return lines


def write(arguments: Namespace, lines: Sequence[tuple[str, str, float | None]], *, scenes: int) -> None:
    """This mode's figures as CSV, and the page with those of the other, where they lie beside it."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (arguments.out / f"{FILES[arguments.mode]}.csv").open("w", newline="", encoding="utf-8") as file:
        file.write(f"# {command_of(arguments)}\n")
        csv.writer(file).writerows([("figure", "bar", arguments.mode), *lines])
    columns = {mode: read(arguments.out / f"{name}.csv") for mode, name in FILES.items()}
    commands = [command for command, _ in columns.values() if command]
    numbers = {mode: dict(enumerate(values)) for mode, (_, values) in columns.items()}
    longest = max((values for _, values in columns.values()), key=len)
    table = [(name, *(number(numbers[mode].get(i)) for mode in FILES), bar) for i, (name, bar, _) in enumerate(longest)]
    text = ["# Things that move as things", "", "```", *commands, "```", ""]
    text += [markdown.table(("figure", "arrows move areas", "things as objects", "bar"), table), ""]
    text += [f"- {note}" for note in notes(scenes)]
    for mode, name in FILES.items():
        pictures = (f"{name}.jpg", f"{name}_photographs.jpg")
        text += ["", *(f"![{mode}]({picture})" for picture in pictures if (arguments.out / picture).is_file())]
    write_page(arguments, "objects", "\n".join(text))


def read(file: Path) -> tuple[str, list[tuple[str, str, str]]]:
    """(the command, rows) of a CSV of figures; empty where there is none."""
    if not file.is_file():
        return "", []
    first, *rest = file.read_text(encoding="utf-8").splitlines()
    return first.removeprefix("# "), [(row[0], row[1], row[2]) for row in csv.reader(rest[1:])]


def number(row: tuple[str, str, str] | None) -> float | None:
    return float(row[2]) if row and row[2] else None


def notes(scenes: int) -> list[str]:
    return [
        f"{scenes} made scenes of 256 px: a thing cut out of one held-out still, with a soft alpha, over another; "
        "straight arrows of 0.30 of the side, half of them with two pins beside the way, curved ones, things that "
        f"turn round a pin, things that pass over another, and small ones over even ground. On {device_name()}.",
        "Where a thing is: as an object, the alpha of its cut-out at its pose, as it is put over the plate; where "
        "arrows move areas, its true alpha carried by the warp that carries the still. Reach, axis ratio and area are "
        "moments of it, of straight arrows; so is the next figure.",
        "Background: the mean length of the field on a ring about the mask, in the first step.",
        "Uncovered: what the last frame shows where the thing was, against the background that the scene is made with. "
        "It rewards a blur: texture that is right in kind and wrong in place costs more than none. So beside it the "
        "same of coarse pictures, and the energy of three bands (finer than 1, 2 and 4 px), geometric mean.",
        "Shown twice: every second frame of a long video as pictures, without the network, with the default join; the "
        "small things alone, matched with what five frames of the segment show, correlation 0.6 and more.",
        "Arrows move areas: `--as-areas`. The column is of 345518f, the last version without objects, with this "
        "command laid over it; what has been added to it since is missing in it.",
        "On it: PSNR where the thing, moved as a whole, has an alpha over 0.9; of photographs all frames but frame 0.",
    ]
