"""What the refiner is trained on: frames of clips with the static field of what moves in each, and made scenes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..loop.randomness import step_seed, uniform
from .camera import without_camera
from .flow import estimate_flows
from .prepared_set import list_names, load_fields, read, read_clip, to_unit
from .scenes import render_scenes
from .things import find_things, render_things

WINDOW = 8  # frames over which a clip's flow is averaged: the static field that arrows describe
BLOCK = 16  # steps whose scenes are rendered at once
AREAS = 0.3  # fraction of the scenes that are areas set in motion; the others are things
PART = 64  # scenes rendered in one go
SCENES_SEED = 7919  # added to the process's number: apart from the seeds of the steps themselves

Render = Callable[[int, torch.Generator], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Fields:
    """Frames with the true flow of each, grouped by clip."""

    images: Tensor  # uint8 [S, 3, H, W]
    flow: Tensor  # [S, 2, H, W] px/frame, half
    first: Tensor  # [C], where each clip begins among the S
    count: Tensor  # [C]

    def to(self, device: torch.device) -> Fields:
        return Fields(*(tensor.to(device) for tensor in (self.images, self.flow, self.first, self.count)))

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Frames [count, 3, H, W] −1..1 and flow of clips, each as likely as the others."""
        device = self.flow.device
        clip = (uniform(count, generator=generator, device=device) * len(self.first)).long()
        index = self.first[clip] + (uniform(count, generator=generator, device=device) * self.count[clip]).long()
        return to_unit(self.images[index]), self.flow[index].float()


def load_pairs(folder: Path, split: str, raft: nn.Module | None = None, *, stride: int = WINDOW) -> Fields:
    """The clips of a prepared set with their annotated flow, or else the estimated: see `clip_fields`."""
    names = list_names(folder, "clips", split)
    if not names:
        raise ValueError(f"{folder}: no {split} clips, needed: one or more")
    if not (folder / "fields").is_dir():
        return clip_fields(read(folder, "clips", names), raft, stride=stride)
    images = torch.cat([read_clip(folder / "clips" / f"{name}.mp4", frames=1) for name in names])
    return Fields(
        images, torch.cat(load_fields(folder, names)).half(), torch.arange(len(names)), torch.ones(len(names))
    )


def clip_fields(clips: list[Tensor], raft: nn.Module | None = None, *, stride: int = WINDOW) -> Fields:
    """Every stride-th frame of the clips with the mean flow over the WINDOW steps that follow, less the camera's."""
    images, fields, counts = [], [], []
    for clip, flow in zip(clips, estimate_flows(clips, raft), strict=True):
        starts = range(0, len(flow) - WINDOW + 1, stride)
        images += [clip[start] for start in starts]
        fields += [static_field(flow, start).half() for start in starts]
        counts.append(len(starts))
    count = torch.tensor([count for count in counts if count])
    return Fields(torch.stack(images), torch.stack(fields), count.cumsum(0) - count, count)


def static_field(flow: Tensor, start: int) -> Tensor:
    """[2, H, W] px/frame: what moves by itself in the WINDOW steps of flow [F, 2, H, W] from start on."""
    return without_camera(flow[start : start + WINDOW].mean(dim=0))


class Scenes:
    """`count` new scenes for every step, the same whenever a step is taken; each process has its own."""

    def __init__(
        self, stills: list[Tensor], count: int, size: int, device: torch.device, seed: int, *, process: int = 0
    ):
        self.things, self.count, self.size = find_things(stills).to(device), count, size
        self.areas = round(AREAS * count) if len(self.things.still) else count
        self.seed, self.process = seed, process
        self.block = None

    def of(self, step: int) -> tuple[Tensor, Tensor]:
        """Pictures [count, 3, size, size] −1..1 and flow."""
        block, row = divmod(step, BLOCK)
        if block != self.block:
            device = self.things.stills.device
            generator = torch.Generator(device).manual_seed(step_seed(self.seed, block, SCENES_SEED + self.process))
            both = [(self._areas, self.areas), (self._things, self.count - self.areas)]
            made = [_in_parts(render, BLOCK * count, generator) for render, count in both if count]
            by_step = [[part.unflatten(0, (BLOCK, -1)) for part in pair] for pair in made]
            self.images, self.flow = (torch.cat(parts, dim=1) for parts in zip(*by_step, strict=True))
            self.block = block
        return self.images[row], self.flow[row]

    def _areas(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        stills = self.things.stills
        chosen = (uniform(count, generator=generator, device=stills.device) * len(stills)).long()
        settings = {"frames": 2, "size": self.size, "kind": "eulerian"}
        video, flow = render_scenes(to_unit(stills[chosen]), **settings, generator=generator)
        return video[:, 0], flow[:, 0]

    def _things(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return render_things(self.things, count, self.size, generator)


def _in_parts(render: Render, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    parts = [render(min(PART, count - start), generator) for start in range(0, count, PART)]
    images, flows = zip(*parts, strict=True)
    return torch.cat(images), torch.cat(flows)
