"""Does what should live look alive? Water, clouds and grass of held-out pictures, beside clips of real ones."""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ...flow_tools.flowing import mean_around
from ...pipeline.animate_still import animate_still
from ...pipeline.composition import moved_still
from ...pipeline.frames import frames_of
from ...training.data.prepared_set import read, to_unit
from ..metrics.liveliness import liveliness
from ..metrics.psnr import psnr_in
from ..options import add_out, add_sampling, add_work
from ..output import markdown
from ..output.contact_sheet import write_large_sheet, write_strip
from ..output.publish import command_of, device_name, write_page
from ..shots import load_models, settings_of
from .scenes import REAL, SCENES, Scene, region_of, small

FIGURES = ("seeds dB", "outside", "detail", "join")
SHOWN = (0, 6, 12, 18, 24)
SHRUNK = 0.6  # frames on the sheet
FINE = 5 / 256  # of the side: the window that fine detail is smaller than


def add_arguments(parser: ArgumentParser) -> None:
    parser.description = __doc__
    add_sampling(parser)
    add_out(parser)
    add_work(parser, "strips")
    parser.add_argument("--network", action="store_true", help="finished frames instead of what the network is shown")


@torch.no_grad()
def run(arguments: Namespace) -> None:
    animator = load_models().animator if arguments.network else None
    rows, strips = [], []
    for name, scene in SCENES.items():
        still = scene.still(arguments.data)
        one, other = (frames_with(scene, still, seed, arguments, animator) for seed in (1, 2))
        plain = moved_still(still, replace(scene.motion(still, 1, arguments.frames), living=()))
        region = scene.region(still) > 0.5
        figures = {**bars(one, other, still, region), **asdict(liveliness(one, region))}
        warped = {**bars(plain, plain, still, region), **asdict(liveliness(plain, region))}
        rows.append((name, scene.kind, *figures.values()))
        if scene.speed != (0, 0):
            rows.append((f"{name}, plain warp", "", *warped.values()))
        strips.append(strip(name, one, region, arguments))
        print(f"{name}: " + ", ".join(f"{key} {value:.2f}" for key, value in figures.items()), flush=True)
    for name, (clip, box) in REAL.items():
        frames = small(to_unit(read(arguments.data, "clips", [clip])[0][: arguments.frames]))
        region = region_of((box,), frames) > 0.5
        rows.append((f"real: {name}", "real", *[None] * len(FIGURES), *asdict(liveliness(frames, region)).values()))
        strips.append(strip(f"real: {name}", frames, region, arguments))
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_large_sheet(arguments.out / f"{stem(arguments)}.jpg", strips)
    write_page(arguments, stem(arguments), page(arguments, rows))


def stem(arguments: Namespace) -> str:
    return "living_finished" if arguments.network else "living"


def frames_with(scene: Scene, still: Tensor, seed: int, arguments: Namespace, animator) -> Tensor:
    motion = scene.motion(still, seed, arguments.frames)
    if animator is None:
        return moved_still(still, motion)
    animation = animate_still(animator, still, motion, settings_of(arguments))
    return torch.cat(list(frames_of(animation))).clamp(-1, 1)


def bars(one: Tensor, other: Tensor, still: Tensor, region: Tensor) -> dict[str, float]:
    """Two seeds' frames [L, 3, H, W] −1..1, of a still [1, 3, H, W] that lives in region bool [1, 1, H, W]."""
    outside = (one - other).abs() * ~region
    steps = torch.cat([one, one[:1]]).diff(dim=0).abs().mul(region).mean((1, 2, 3))

    def detail(frames: Tensor) -> Tensor:
        return (frames - mean_around(frames, FINE)).square().mul(region).mean((1, 2, 3)).sqrt()

    values = (
        psnr_in(one[1:], other[1:], region),
        float(outside.max()) * 127.5,
        float((detail(one) / detail(still)).mean()),
        float(steps[-1] / steps[:-1].mean().clamp(min=1e-9)),
    )
    return dict(zip(FIGURES, values, strict=True))


def strip(name: str, frames: Tensor, region: Tensor, arguments: Namespace) -> Path:
    """Frames, and what a line through the region's middle shows over time, twice."""
    middle = int(region[0, 0].any(1).nonzero().float().mean())
    line = torch.cat([frames[:, :, middle]] * 2).permute(1, 0, 2)[None]  # [1, 3, time, W]
    slices = F.interpolate(line, size=frames.shape[-2:], mode="nearest")[0]
    shown = torch.stack([*(frames[min(number, len(frames) - 1)] for number in SHOWN), slices])
    path = arguments.work / stem(arguments) / f"{name.replace(' ', '_').replace(':', '')}.png"
    label = f"{name}: frames {', '.join(map(str, SHOWN))}; a row over time, twice"
    write_strip(path, label, [(x + 1) / 2 for x in F.interpolate(shown, scale_factor=SHRUNK, mode="area")])
    return path


def page(arguments: Namespace, rows: list[tuple]) -> str:
    header = (
        "scene",
        "kind",
        "two seeds, dB",
        "outside",
        "fine detail",
        "join",
        "fluctuation",
        "length",
        "memory",
        "unexplained",
        "persistence",
    )
    return "\n".join(
        [
            "# Regions that live",
            "",
            "```",
            command_of(arguments),
            "```",
            "",
            markdown.table(header, rows, numbers=True),
            "",
            *(f"- {note}" for note in notes(arguments)),
            "",
            f"![Regions that live]({stem(arguments)}.jpg)",
        ]
    )


def notes(arguments: Namespace) -> list[str]:
    what = "Finished frames" if arguments.network else "What the network is shown and held to, before it"
    return [
        f"{what}: {arguments.frames} frames at 256 px. On {device_name()}.",
        "Two seeds: PSNR of their frames in the region; bar ≤ 30 where a fluid has contrast. Outside: the largest "
        "difference there in grey levels; bar 0.",
        "Fine detail: contrast finer than 5 px over the still's; bar ≥ 0.88. Join: the step from the last frame to the "
        "first over the mean step; bar ≤ 1.1.",
        "Fluctuation: flow other than its mean over time and over the region, px/frame at 256; length: px until it is "
        "half alike; memory: frames; unexplained: share of the change that the flow does not explain; persistence: "
        "correlation with what was there 8 frames before, followed. The flow is DIS, of the made and the real ones "
        "alike. The real clips are few, and harder than what is made here: a breaking wave, spray, a wave and a "
        "surfer; the camera moves.",
    ]
