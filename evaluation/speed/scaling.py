"""How the built-in model's time and memory grow.

With the length of the video, the size of the picture, the number of objects and of arrows. Every case is a process of
its own, measured in processor time, so that other work on the machine counts less.
"""

import math
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure

from ...flow_tools.arrows import Arrow, MotionArrows
from ...model_loaders.animator import load_animator
from ...pipeline.animate import animate
from ...pipeline.animate_still import motion_of_arrows
from ...pipeline.extend import extend_animation
from ...pipeline.frames import frames_of
from ...pipeline.motion import encode_motion
from ...pipeline.plan import plan
from ...pipeline.settings import AUTOMATIC, ExtendSettings, Settings
from ..options import add_out
from ..output import markdown
from ..output.publish import command_of, device_name, write_page
from .alone import alone, largest_memory

STAGES = ("arrows", "still and motion", "sampling", "frames")
MIB = 2**20


@dataclass(frozen=True)
class Case:
    frames: int = 25
    side: int = 128  # px
    objects: int = 0
    arrows: int = 1


GROWTH = {  # what changes -> its values; the first is no part of a slope
    "frames": (25, 50, 100, 200, 400, 1000),
    "side": (128, 256, 512, 1024),
    "objects": (0, 1, 2, 4, 8, 16, 32),
    "arrows": (1, 4, 16, 64, 256, 1024, 4096),
}


@dataclass(frozen=True)
class Cost:
    seconds: tuple[float, ...]  # of each stage
    peak: float  # MiB of main memory, all that the process needs included; NaN where the system does not say

    @property
    def whole(self) -> float:
        return sum(self.seconds)


def arrows_of(case: Case) -> MotionArrows:
    """A grid of arrows to the right, a twentieth of the picture long; the first lie on objects, discs between them."""
    many = max(case.arrows, case.objects)
    columns = math.ceil(math.sqrt(many))
    places = [((i % columns + 0.5) / columns, (i // columns + 0.5) / columns) for i in range(many)]
    arrows = tuple(
        Arrow(f"a{i}", ((x, y), (min(x + 0.05, 1.0), y)), **({"object": i + 1} if i < case.objects else {}))
        for i, (x, y) in enumerate(places)
    )
    rows, cols = (torch.arange(case.side) + 0.5).div(case.side)[:, None], (torch.arange(case.side) + 0.5).div(case.side)
    discs = [
        ((cols - x).square() + (rows - y).square() < (0.3 / columns) ** 2).float()[None, None]
        for x, y in places[: case.objects]
    ]
    return MotionArrows(arrows, case.side, case.side, objects=tuple(discs))


def measure(case: Case) -> Cost:
    """The case from arrows to frames, which are let go as they come: a file gets them."""
    animator = load_animator("built-in", "auto", "auto")
    colours = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    image = F.interpolate(colours, size=(case.side, case.side), mode="bilinear")
    times = [time.process_time()]
    motion = motion_of_arrows(arrows_of(case), frames=animator.frames)
    times.append(time.process_time())
    planned = plan(animator, image, encode_motion(animator, motion), Settings(sampling_size=AUTOMATIC))
    times.append(time.process_time())
    animation = animate(animator, planned)
    if case.frames > animator.frames:
        animation = extend_animation(animation, ExtendSettings(total_frames=case.frames))
    times.append(time.process_time())
    for _ in frames_of(animation):
        pass
    times.append(time.process_time())
    return Cost(tuple(later - earlier for earlier, later in pairwise(times)), largest_memory() / MIB)


def slope(values: Sequence[int], costs: Sequence[float]) -> float:
    """The power of `values` with which `costs` grow between the last two."""
    return math.log(costs[-1] / costs[-2]) / math.log(values[-1] / values[-2])


def slopes(measured: list[tuple[int, Cost]]) -> list[float]:
    """Of each stage, of all, and of the peak."""
    values, costs = [value for value, _ in measured], [cost for _, cost in measured]
    series = [*zip(*[cost.seconds for cost in costs], strict=True), [cost.whole for cost in costs]]
    return [slope(values, one) for one in series] + [slope(values, [cost.peak for cost in costs])]


def report(found: dict[str, list[tuple[int, Cost]]], command: str) -> str:
    text = f"""# How time and memory grow

```
{command}
```

On {device_name()}, torch {torch.__version__}: the built-in model, {Settings().steps} steps,
{Case.frames} frames of {Case.side}², one arrow, but for what changes. Seconds of the processor. The peak is of the
whole process, Python, torch and weights included. A slope of 1 is growth in proportion, of 2 as the square, between the
last two lines; of the side, 2 is in proportion to the picture's pixels.

![time and memory](scaling.png)
"""
    for name, measured in found.items():
        lines = [
            (value, *(f"{seconds:.2f}" for seconds in cost.seconds), f"{cost.whole:.2f}", f"{cost.peak:.0f}")
            for value, cost in measured
        ]
        if len(measured) > 1:
            lines.append(("**slope**", *(f"{power:.2f}" for power in slopes(measured))))
        text += f"\n## {name}\n\n{markdown.table((name, *STAGES, 'all, s', 'peak, MiB'), lines)}\n"
    return text.rstrip()


def draw(path: Path, found: dict[str, list[tuple[int, Cost]]]) -> None:
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    panels = figure.subplots(2, len(found), squeeze=False)
    for (name, measured), (above, below) in zip(found.items(), panels.T, strict=True):
        values = [value for value, _ in measured]
        for number, stage in enumerate(STAGES):
            above.plot(values, [cost.seconds[number] for _, cost in measured], "o-", markersize=3, label=stage)
        below.plot(values, [cost.peak for _, cost in measured], "o-", markersize=3, color="black")
        above.set_yscale("log")
        below.set_ylim(0, 1.1 * max(cost.peak for _, cost in measured))
        for axes in (above, below):
            axes.set_xscale("symlog" if 0 in values else "log", base=2)
            axes.set_xticks(values, values)
            axes.minorticks_off()
            axes.set_xlabel(name, fontsize=8)
            axes.tick_params(labelsize=7)
    for axes, label in zip(panels[:, 0], ("processor seconds", "peak, MiB"), strict=True):
        axes.set_ylabel(label, fontsize=8)
    panels[0, 0].legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def add_arguments(parser: ArgumentParser) -> None:
    parser.description = __doc__
    add_out(parser)
    for name, values in GROWTH.items():
        shown = " ".join(map(str, values))
        parser.add_argument(f"--{name}", type=int, nargs="*", default=values, help=f"default: {shown}")


def run(arguments: Namespace) -> None:
    found: dict[str, list[tuple[int, Cost]]] = {}
    for name in GROWTH:
        for value in getattr(arguments, name):
            case = replace(Case(), **{name: value})
            cost = alone(measure, case)
            found.setdefault(name, []).append((value, cost))
            print(case, cost, flush=True)
    draw(arguments.out / "scaling.png", found)
    write_page(arguments, "scaling", report(found, command_of(arguments)))
