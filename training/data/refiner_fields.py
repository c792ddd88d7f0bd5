"""What the refiner is trained on: frames of clips with the static field of each, and synthetic scenes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..loop.randomness import step_seed, uniform
from .flow import estimate_flows
from .prepared_set import list_names, load_fields, read, read_clip, to_unit
from .scenes import render_scenes

WINDOW = 8  # frames over which a clip's flow is averaged: the static field that arrows describe
BLOCK = 16  # steps whose scenes are rendered at once
SCENES_SEED = 7919  # added to the process's number: apart from the seeds of the steps themselves


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
    """Every stride-th frame of the clips with the mean flow over the WINDOW steps that follow."""
    images, fields, counts = [], [], []
    for clip, flow in zip(clips, estimate_flows(clips, raft), strict=True):
        starts = range(0, len(flow) - WINDOW + 1, stride)
        images += [clip[start] for start in starts]
        fields += [flow[start : start + WINDOW].mean(dim=0).half() for start in starts]
        counts.append(len(starts))
    count = torch.tensor([count for count in counts if count])
    return Fields(torch.stack(images), torch.stack(fields), count.cumsum(0) - count, count)


class Scenes:
    """`count` new synthetic scenes for every step, the same whenever a step is taken; each process has its own."""

    def __init__(
        self, stills: list[Tensor], count: int, size: int, device: torch.device, seed: int, *, process: int = 0
    ):
        self.stills, self.count, self.size = torch.stack(stills).to(device), count, size
        self.seed, self.process = seed, process
        self.block = None

    def of(self, step: int) -> tuple[Tensor, Tensor]:
        """Frames [count, 3, size, size] −1..1 and flow."""
        block, row = divmod(step, BLOCK)
        if block != self.block:
            device = self.stills.device
            generator = torch.Generator(device).manual_seed(step_seed(self.seed, block, SCENES_SEED + self.process))
            chosen = (uniform(BLOCK * self.count, generator=generator, device=device) * len(self.stills)).long()
            parts = [
                render_scenes(to_unit(self.stills[part]), frames=2, size=self.size, generator=generator)
                for part in chosen.split(64)
            ]
            self.images = torch.cat([video[:, 0] for video, _ in parts]).unflatten(0, (BLOCK, self.count))
            self.flow = torch.cat([flow[:, 0] for _, flow in parts]).unflatten(0, (BLOCK, self.count))
            self.block = block
        return self.images[row], self.flow[row]
