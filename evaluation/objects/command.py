"""Do things move as things? Made scenes with known masks, motions and backgrounds; photographs through the network."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
from torch import Tensor

from ...training.data.prepared_set import load
from ..inputs.held_out import evenly_chosen
from ..options import add_out, add_sampling, add_work, at_least
from ..output.contact_sheet import write_sheet, write_strip
from ..output.results import Results
from ..shots import load_models, settings_of
from . import photographs
from .carried import Carried, as_areas, as_objects, motion_of_areas, motion_of_objects
from .figures import iou_of_click, scene_figures, twice
from .page import FILES, column, write
from .scenes import KINDS, SMALL, Scene, make_scenes
from .things import Thing, material

AREAS, OBJECTS = "areas", "objects"
SHOWN = (6, 12, 18, 24)  # frames of a strip
LABELLED = ("iou", "on it", "uncovered")  # figures on it


def add_arguments(parser: ArgumentParser) -> None:
    parser.description = __doc__
    add_sampling(parser)
    add_out(parser)
    add_work(parser, "strips and the network's figures")
    total = sum(KINDS.values())
    parser.add_argument("--scenes", type=at_least(1), default=total, help=f"of the {total} made scenes (default: all)")
    parser.add_argument(
        "--seeds", type=int, default=3, help="of each photograph through the network; 0: none (default: %(default)s)"
    )
    parser.add_argument(
        "--as-areas",
        action="store_const",
        dest="mode",
        const=AREAS,
        default=OBJECTS,
        help="ignore the masks: arrows move what is around them, as before there were objects",
    )


def run(arguments: Namespace) -> None:
    things, stills, backgrounds = pictures(arguments.data)
    scenes = evenly_chosen(make_scenes(list(things.values()), stills, backgrounds), arguments.scenes)
    rows = measured(scenes, arguments)
    network = through_network(photographs.photographs(things, stills), arguments) if arguments.seeds else {}
    write(arguments, column(rows, network), scenes=len(scenes))


def pictures(folder: Path) -> tuple[dict[str, Thing], dict[str, np.ndarray], list[str]]:
    """(things by name, stills [h, w, 3] 0..1 by name, names of backgrounds). ValueError where stills are missing."""
    things, backgrounds = material()
    names, loaded = load(folder, "stills", "held_out")
    stills = {
        name: still.permute(1, 2, 0).numpy().astype(np.float32) / 255 for name, still in zip(names, loaded, strict=True)
    }
    missing = sorted({*backgrounds, *(thing.still for thing in things.values())} - stills.keys())
    if missing:
        raise ValueError(f"--data: {folder} lacks {len(missing)} held-out stills, {missing[0]} first; prepare mini")
    return things, stills, backgrounds


def measured(scenes: list[Scene], arguments: Namespace) -> dict[str, dict]:
    """The figures of every scene, its strip, and a sheet of them."""
    carry = as_areas if arguments.mode == AREAS else as_objects
    rows, strips = {}, []
    for scene in scenes:
        carried = carry(scene, arguments.frames)
        row = {"kind": scene.kind, **scene_figures(scene, carried)}
        if arguments.mode == OBJECTS:
            row["click"] = iou_of_click(scene, carry, arguments.frames)
        if scene.kind == SMALL:
            row["twice"] = twice(scene, carried, arguments.seed)
        rows[scene.name] = row
        strips.append(strip(scene, carried, row, arguments))
        print(f"{scene.name}: {words(row)}", flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_sheet(arguments.out / f"{FILES[arguments.mode]}.jpg", [[path] for path in strips])
    return rows


def strip(scene: Scene, carried: Carried, row: dict, arguments: Namespace) -> Path:
    """Still, mask, frames of what became of it, and what the last should be."""
    last = len(carried.frames) - 1
    shown = [carried.frames[min(number, last)] for number in SHOWN]
    truth = scene.frames(np.ones(1))[0][0]
    mask = scene.masks()[-1][0].expand(3, -1, -1)
    path = arguments.work / FILES[arguments.mode] / f"{scene.name}.png"
    label = f"{scene.name}: {words({key: row[key] for key in LABELLED})}"
    write_strip(path, label, [unit(scene.still()[0]), mask, *map(unit, shown), unit(truth)])
    return path


def unit(picture: Tensor) -> Tensor:
    """-1..1 to 0..1."""
    return (picture + 1) / 2


def through_network(scenes: dict[str, Scene], arguments: Namespace) -> dict[str, dict]:
    animator = load_models().animator
    motion_of = motion_of_areas if arguments.mode == AREAS else motion_of_objects
    results = Results(arguments.work / f"{FILES[arguments.mode]}.json", settings_of(arguments))
    keys = [f"{name}, seed {arguments.seed + number}" for name in scenes for number in range(arguments.seeds)]

    def compute(missing: list[str]):
        return photographs.figures(animator, scenes, motion_of, missing, arguments)

    rows = results.fill(keys, compute, photographs.words)
    strips = [photographs.strip_file(arguments, key) for key in keys if key.endswith(f"seed {arguments.seed}")]
    write_sheet(arguments.out / f"{FILES[arguments.mode]}_photographs.jpg", [[path] for path in strips])
    return rows


def words(row: dict) -> str:
    return ", ".join(f"{key} {value:.2f}" for key, value in row.items() if isinstance(value, float))
