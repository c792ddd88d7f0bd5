"""Sampling near the trained size whatever the picture's, beside sampling at the picture's own: time, memory, sharpness.

Held-out pictures as large as they were published, each with one of three motions: two arrows, an arrow in a painted
region, a thing that moves as a whole. Every animation has a process of its own.
"""

import json
import math
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...flow_tools.arrows import MotionArrows
from ...flow_tools.grabcut import object_at
from ...flow_tools.motion import Motion
from ...model_loaders import locations
from ...model_loaders.animator import load_animator
from ...pipeline.animate_still import animate_still, motion_of_arrows
from ...pipeline.frames import frames_of
from ...pipeline.settings import AUTOMATIC, WHOLE, ExtendSettings, Settings
from ...training.data.prepared_set import to_unit
from ...training.prepare import LISTS, open_picture, wheel_pictures
from ..inputs.arrow_sets import arrow_sets, region_around
from ..metrics.sharpness import sharpness
from ..network.made import BEYOND, MOVES, OBJECT, UNCOVERED, moved, regions
from ..options import add_out, add_work, at_least
from ..output import markdown
from ..output.contact_sheet import write_large_sheet, write_strip
from ..output.publish import command_of, device_name, write_page
from ..output.results import Bar, Results, digest_without_lora
from .alone import alone, largest_memory

SIZES = ((576, 1024), (512, 512))  # px, height and width; a picture is cut to the first that it covers
TWO, REGION, THING = "two arrows", "arrow in a region", "thing"
KINDS = (TWO, REGION, THING)
FULL, NEAR, LONG = "at the picture's size", "near the trained size", "near the trained size, long"
SAMPLING = {FULL: WHOLE, NEAR: int(AUTOMATIC), LONG: int(AUTOMATIC)}
LONG_FRAMES = 125
WHOLE_FRAME = "whole frame"
SHOWN = (WHOLE_FRAME, MOVES, OBJECT, UNCOVERED, BEYOND)
CLOSE = 128  # px of a picture that a strip shows large
STRIP = 320  # px, a strip's height
MOST_SECONDS, MOST_GB, LEAST_SHARPNESS = 2.0, 3.0, 0.97
FILE = "size"


@dataclass(frozen=True)
class Case:
    """A held-out picture, and how it moves."""

    name: str
    wheel: str
    entry: str
    size: tuple[int, int]
    kind: str

    def image(self) -> Tensor:
        """[1, 3, H, W] −1..1: the middle of it."""
        pixels = np.asarray(open_picture(self.wheel, self.entry).convert("RGB"))
        top, left = ((have - want) // 2 for have, want in zip(pixels.shape[:2], self.size, strict=True))
        cut = pixels[top : top + self.size[0], left : left + self.size[1]]
        return to_unit(torch.from_numpy(cut.copy()).permute(2, 0, 1)[None])

    def motion(self, image: Tensor, frames: int) -> Motion:
        height, width = self.size
        if self.kind == TWO:
            return motion_of_arrows(arrow_sets(image, self.name)["two"], frames=frames)
        if self.kind == REGION:
            arrows = arrow_sets(image, self.name)["one"]
            region = region_around(arrows.arrows[0], height=height, width=width)
            return motion_of_arrows(arrows, frames=frames, region=region)
        return motion_of_arrows(thing_of(image, self.name), frames=frames)


def thing_of(image: Tensor, name: str) -> MotionArrows:
    """One arrow that moves the first thing that stands out under an arrow's tail."""
    for number in range(100):
        arrows = arrow_sets(image, f"{name} {number}")["one"]
        try:
            mask = object_at(image, arrows.arrows[0].points[0])
        except ValueError:
            continue
        return replace(arrows, arrows=(replace(arrows.arrows[0], object=1),), objects=(mask,))
    raise ValueError(f"picture {name}: no thing stands out")


def cases(packages: Path) -> list[Case]:
    """Of the held-out stills that are large enough; the small ones first."""
    held_out = set(json.loads(LISTS.read_text(encoding="utf-8"))["stills"])
    found = []
    for name, _, wheel, entry in wheel_pictures(packages):
        if name in held_out:
            width, height = open_picture(wheel, entry).size
            fitting = [size for size in SIZES if size[0] <= height and size[1] <= width]
            found += [(SIZES.index(size), name, wheel, entry) for size in fitting[:1]]
    found = sorted(found)
    made = [
        Case(name, wheel, entry, SIZES[which], KINDS[number % len(KINDS)])
        for number, (which, name, wheel, entry) in enumerate(found)
    ]
    return sorted(made, key=lambda case: math.prod(case.size))


def add_arguments(parser: ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument(
        "--packages", type=Path, required=True, help="folder with the wheels that driftfield.training.prepare reads"
    )
    parser.add_argument("--frames", type=at_least(2), default=25, help="frames of a segment (default: 25, as trained)")
    parser.add_argument("--steps", type=at_least(1), default=Settings.steps, help="sampling steps (default: 6)")
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument(
        "--full",
        type=at_least(0),
        help="sample so many pictures at their own size, too, small ones first (default: all)",
    )
    add_out(parser)
    add_work(parser, "figures and frames")


def run(arguments: Namespace) -> int:
    given = {name: getattr(arguments, name) for name in ("frames", "steps", "seed")}
    results = Results(arguments.work / f"{FILE}.json", {**given, "weights": digest_without_lora(locations.WEIGHTS)})
    found = cases(arguments.packages)
    both = found[: arguments.full]
    largest = max(found, key=lambda case: math.prod(case.size))
    jobs = [(case, NEAR) for case in found] + [(largest, LONG)] + [(case, FULL) for case in both]
    keys = {f"{case.name}, {way}": (case, way) for case, way in jobs}

    def compute(missing: list[str]) -> Iterator[dict]:
        for key in missing:
            case, way = keys[key]
            yield alone(measure, case, way, frames_file(arguments.work, case, way), given)

    rows = results.fill([*keys], compute, lambda row: f"{row['seconds']:.2f} s a frame, {row['GB']:.2f} GB")
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_large_sheet(arguments.out / f"{FILE}.jpg", [strip(arguments.work, case, case in both) for case in found])
    held = bars(rows, both)
    results.finish({}, held)
    write_page(arguments, FILE, page(arguments, found, rows, held))
    return 0 if all(bar.met for bar in held) else 1


@torch.no_grad()
def measure(case: Case, way: str, file: Path, given: dict) -> dict:
    """From picture and arrows to frames. The frames of a short one are kept in `file`."""
    torch.set_num_threads(1)
    animator = load_animator(locations.BUILTIN, locations.AUTO, "auto")
    image = case.image()
    motion = case.motion(image, given["frames"])
    extension = ExtendSettings(total_frames=LONG_FRAMES) if way == LONG else None
    begun = time.process_time()
    animation = animate_still(animator, image, motion, Settings(sampling_size=SAMPLING[way], **given), extension)
    kept, count = [], 0
    for part in frames_of(animation):
        count += len(part)
        if way != LONG:
            kept.append(part.clamp(-1, 1))
    row = {"seconds": (time.process_time() - begun) / count, "GB": largest_memory() / 1e9}
    if way == LONG:
        return row
    frames = torch.cat(kept)
    seen = regions(moved(animation.plan), animation.plan.motion.motion.field)
    seen[WHOLE_FRAME] = torch.ones_like(seen[MOVES])
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(((frames + 1) * 127.5).round().byte(), file)
    still = sharpness(image, seen[WHOLE_FRAME][:1])
    return row | {
        "pixels": {name: int(where.sum()) for name, where in seen.items()},
        "sharpness": {name: sharpness(frames, where) / still for name, where in seen.items() if where.any()},
    }


def frames_file(work: Path, case: Case, way: str) -> Path:
    return work / FILE / f"{case.name} {list(SAMPLING).index(way)}.pt"


def strip(work: Path, case: Case, full: bool) -> Path:
    """The still, the last frame of both ways, and a part of both enlarged; without `full` that way is grey."""
    still = case.image()[0]
    near, other = (
        to_unit(torch.load(frames_file(work, case, way))[-1]) if way == NEAR or full else torch.zeros_like(still)
        for way in (NEAR, FULL)
    )
    top, left = busiest((near - (other if full else still)).abs().mean(0))
    close = [frame[:, top : top + CLOSE, left : left + CLOSE] for frame in (other, near)]
    path = work / FILE / f"{case.name}.png"
    label = f"{case.name}, {case.kind}: still; last frame {FULL}, {NEAR}; a part of both"
    write_strip(path, label, [as_high_as_a_strip(picture) for picture in (still, other, near, *close)])
    return path


def busiest(values: Tensor) -> tuple[int, int]:
    """(top, left) of the square of CLOSE px in [H, W] that holds most."""
    sums = F.avg_pool2d(values[None, None], CLOSE, stride=CLOSE // 4)[0, 0]
    row, column = divmod(int(sums.argmax()), sums.shape[1])
    return row * CLOSE // 4, column * CLOSE // 4


def as_high_as_a_strip(picture: Tensor) -> Tensor:
    """[3, H, W] −1..1 → [3, STRIP, W'] 0..1."""
    size = (STRIP, round(picture.shape[-1] * STRIP / picture.shape[-2]))
    return (F.interpolate(picture[None], size=size, mode="bilinear", antialias=True)[0] + 1) / 2


def bars(rows: dict[str, dict], both: Sequence[Case]) -> list[Bar]:
    near = [row for key, row in rows.items() if not key.endswith(FULL)]
    found = [
        Bar("CPU seconds a frame, the most", max(row["seconds"] for row in near), MOST_SECONDS, at_least=False),
        Bar("GB, the most", max(row["GB"] for row in near), MOST_GB, at_least=False),
    ]
    for case in both:
        small, large = (rows[f"{case.name}, {way}"]["sharpness"][WHOLE_FRAME] for way in (NEAR, FULL))
        found.append(Bar(f"sharpness over that at the picture's size, {case.name}", small / large, LEAST_SHARPNESS))
    return found


def page(arguments: Namespace, found: Sequence[Case], rows: dict[str, dict], held: Sequence[Bar]) -> str:
    header = ("picture", "motion", "sampled", "CPU s a frame", "GB", *(f"sharpness: {name}" for name in SHOWN))
    table = []
    for case in found:
        for way in SAMPLING:
            row = rows.get(f"{case.name}, {way}")
            if row is not None:
                sharp = row.get("sharpness", {})
                name = f"{case.name}, {case.size[1]}×{case.size[0]}"
                figures = (sharp.get(each, math.nan) for each in SHOWN)
                table.append((name, case.kind, way, row["seconds"], row["GB"], *figures))
    text = ["# Sampling near the trained size", "", "```", command_of(arguments), "```", ""]
    text += [markdown.table(header, table), "", "```", *map(str, held), "```", ""]
    return "\n".join([*text, *(f"- {note}" for note in notes(arguments)), "", f"![frames]({FILE}.jpg)"])


def notes(arguments: Namespace) -> list[str]:
    found = [
        f"Held-out pictures, {arguments.frames} frames, the long one {LONG_FRAMES}; one thread of {device_name()}. "
        "Seconds are the processor's, from picture and arrows to finished frames; GB are the most that the process "
        "held, with the model and all that it imports.",
        "Sharpness: root mean square of the gradient of the finished frames, over that of the whole still. Uncovered: "
        "where something has left; beyond the border: what came in.",
        "The threshold between what is the still's and what the network painted was chosen on the templates' pictures, "
        "which are none of these.",
        "On the sheet: the still, the last frame of each way, and of both a part enlarged where they differ most.",
    ]
    if arguments.full is not None:
        found.append(
            "Grey: not sampled at the picture's size; the part is where the last frame differs most from the still."
        )
    return found
