"""How far what is under an arrow's tail gets along it, by the dense field alone: no network, no picture."""

import math
from argparse import ArgumentParser, Namespace
from dataclasses import replace

import numpy as np
from torch import Tensor

from ..flow_tools.arrows import EASE, Arrow, MotionArrows, along_path, path_length, path_px
from ..flow_tools.dense import MODES, sigma_in_px
from ..flow_tools.motion import dense_motion, sparse_motion
from ..flow_tools.warp import accumulate_forward
from .options import add_out
from .output import markdown
from .output.publish import command_of, write_page

FRAMES = 25
SIDE, SIDES = 256, (256, 512, 1024)  # px
TAIL = (0.4, 0.5)
LENGTHS = (0.05, 0.1, 0.15, 0.2, 0.3)  # of the side
PINNED, PINS_AWAY = 0.1, 0.1
WORKFLOWS_SIGMA = 0.28  # of the shipped workflows


def add_arguments(parser: ArgumentParser) -> None:
    add_out(parser)


def run(arguments: Namespace) -> None:
    alone = [(f"{name}, {length:.2f}", arrow) for name, arrows in KINDS.items() for length, arrow in arrows.items()]
    alone += [(f"{name}, 0.20, ease", replace(arrows[0.2], timing=EASE)) for name, arrows in KINDS.items()]
    lengths = [[label, *(reach(arrow, (), mode=mode) for mode in MODES)] for label, arrow in alone]
    pinned = [
        [f"{name}, pins {where}", *(reach(arrows[PINNED], pins(degrees), mode=mode) for mode in MODES)]
        for name, arrows in KINDS.items()
        for where, degrees in (("beside, above, below", 0), ("at the corners", 45))
    ]
    sizes = [
        [
            f"{side} × {side}",
            *(
                reach(KINDS["straight"][0.2], (), mode=mode, side=side, sigma_px=sigma_in_px(sigma, side, side))
                for mode in ("faded", "followed")
                for sigma in (WORKFLOWS_SIGMA * SIDE, WORKFLOWS_SIGMA)
            ),
        ]
        for side in SIDES
    ]
    px = f"{WORKFLOWS_SIGMA * SIDE:.0f} px"
    columns = [f"{mode}, {sigma}" for mode in ("faded", "followed") for sigma in (px, WORKFLOWS_SIGMA)]
    text = [
        "# What is under an arrow reaches its head",
        "",
        f"Made by `{command_of(arguments)}`: arrows on an empty picture, their field by each mode of",
        f"*Densify Flow*, and what is at an arrow's tail carried along it for {FRAMES} frames. 1 is the arrow's head;",
        "what it is missed by is taken off, as a share of the arrow. Lengths are shares of the side.",
        "",
        f"One arrow on {SIDE} × {SIDE} px, sigma automatic. A curve turns by a right angle, evenly or in one corner.",
        "",
        markdown.table(["arrow", *MODES], lengths),
        "",
        f"An arrow of {PINNED:.2f} with four pins at {PINS_AWAY:.2f} of its tail.",
        "",
        markdown.table(["arrow", *MODES], pinned),
        "",
        "The straight arrow of 0.20 on pictures of other sizes, with sigma in pixels and as a share of the side.",
        "",
        markdown.table(["picture", *columns], sizes),
    ]
    write_page(arguments, "field", "\n".join(text))


def straight(length: float) -> Arrow:
    angle = math.radians(20)
    return Arrow("a", (TAIL, (TAIL[0] + length * math.cos(angle), TAIL[1] + length * math.sin(angle))))


def curve(length: float, corners: int) -> Arrow:
    """Turning right by a quarter, in so many corners."""
    angles = math.pi / 2 * np.arange(corners + 1) / corners
    steps = np.stack([np.cos(angles), np.sin(angles)], axis=1) * length / (corners + 1)
    return Arrow("a", (TAIL, *map(tuple, TAIL + np.cumsum(steps, axis=0))))


KINDS = {
    "straight": {length: straight(length) for length in LENGTHS},
    "curved": {length: curve(length, 20) for length in LENGTHS},
    "with a corner": {length: curve(length, 1) for length in LENGTHS},
}


def pins(degrees: float) -> list[Arrow]:
    """Four, the first in this direction from the tail."""
    angles = np.radians(degrees + 90 * np.arange(4))
    places = TAIL + PINS_AWAY * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return [Arrow(f"p{i}", (tuple(place),)) for i, place in enumerate(places)]


def reach(arrow: Arrow, others: list[Arrow] | tuple, *, mode: str, side: int = SIDE, **options: float) -> float:
    """1 where what is under the arrow's tail ends at its head; less what it misses it by, as a share of the arrow."""
    drawn = MotionArrows((arrow, *others), side, side)
    field = dense_motion(*sparse_motion(drawn, height=side, width=side, frames=FRAMES), mode=mode, **options).field
    path = path_px(arrow.points, width=side, height=side)
    length = path_length(path)
    missed = moved_px(field, path[0]) - (along_path(path, np.array([length]))[0][0] - path[0])
    return 1 - float(np.hypot(*missed)) / length


def moved_px(field: Tensor, at: np.ndarray) -> np.ndarray:
    """[2] px that the pixel at `at` [2] px moves along a field in all frames."""
    column, row = np.floor(at + 1e-6).astype(int)
    return accumulate_forward(field, FRAMES)[-1, :, row, column].double().numpy()
