"""What the refiner is trained on, all of it drawn on the training's device: pictures, their fields, and hints."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..flow_tools.dense import default_sigma_px
from .data import estimate_flows, list_names, load_fields, read, read_clip, to_unit
from .run import step_seed
from .scenes import Draw, render_scenes

WINDOW = 8  # frames over which a clip's flow is averaged: the static field that arrows describe
THRESHOLD = 0.05  # of the dense field
MOST_HINTS = 6
LARGEST_TURN = 0.2  # radians
LARGEST_ZOOM = 1.7
LARGEST_SPEED = 2.0  # by which a field is multiplied, or divided
TURNED_SHARE = 0.5  # of the fields: they point elsewhere than the clip's own
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
        block, place = divmod(step, BLOCK)
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
        return self.images[place], self.flow[place]


def augment(images: Tensor, flow: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Another view of each picture [B, 3, H, W] −1..1, in other colours, with its flow [B, 2, H, W] px/frame.

    View: a part of it, enlarged, slightly turned, mirrored or not. Then some fields are turned and made faster or
    slower as a whole, the picture left as it is: what moves together, moves together wherever it is told to go.
    """
    count, _, height, width = flow.shape
    device = flow.device

    def draw(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return uniform(*shape, generator=generator, device=device) * (high - low) + low

    angle = draw(count, low=-LARGEST_TURN, high=LARGEST_TURN)
    reach = angle.cos() + angle.sin().abs() * max(height / width, width / height)  # a turned frame is as much larger
    extent = draw(count, low=1 / LARGEST_ZOOM) / reach  # of the view, as a share of the frame
    center = draw(count, 2, low=-1) * (1 - extent * reach)[:, None] * flow.new_tensor([width, height]) / 2
    mirror = torch.where(draw(count) < 0.5, -1.0, 1.0)
    view = rotation(angle) * extent[:, None, None]  # px of the view, from its middle → px of the frame, from its middle
    view = torch.stack([view[..., 0] * mirror[:, None], view[..., 1]], dim=-1)

    y, x = torch.meshgrid(
        *(torch.arange(side, device=device) - (side - 1) / 2 for side in (height, width)), indexing="ij"
    )
    place = torch.stack([x, y]).flatten(1)
    place = ((view[:, :, None] * place.T.view(1, 1, -1, 2)).sum(-1) + center[..., None]).view(count, 2, height, width)
    grid = (place / place.new_tensor([width / 2, height / 2]).view(1, 2, 1, 1)).permute(0, 2, 3, 1)
    seen = F.grid_sample(torch.cat([images, flow], 1), grid, padding_mode="border", align_corners=False)
    images, flow = seen[:, :3], seen[:, 3:]
    flow = transformed(flow, view.mT / extent.square()[:, None, None])  # the inverse: a turn but for its size

    turned = rotation(draw(count, high=2 * math.pi)) * (LARGEST_SPEED ** draw(count, low=-1))[:, None, None]
    own = torch.eye(2, device=device).expand_as(turned)
    flow = transformed(flow, torch.where(draw(count, 1, 1) < TURNED_SHARE, turned, own))

    return jittered(images, draw), flow


def jittered(images: Tensor, draw: Draw) -> Tensor:
    """Other saturation, tint, contrast and brightness."""
    count, grey = len(images), images.mean(1, keepdim=True)
    images = grey + (images - grey) * draw(count, 1, 1, 1, low=0.3, high=1.4)
    images = images * draw(count, 3, 1, 1, low=0.85, high=1.15) * draw(count, 1, 1, 1, low=0.6, high=1.3)
    return (images + draw(count, 1, 1, 1, low=-0.25, high=0.25)).clamp(-1, 1)


def rotation(angle: Tensor) -> Tensor:
    """[B] radians, clockwise on the screen → [B, 2, 2]."""
    return torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=-1).unflatten(-1, (2, 2))


def transformed(flow: Tensor, matrix: Tensor) -> Tensor:
    """Vectors [B, 2, H, W] by matrices [B, 2, 2]; written out, for a matrix product may round to TF32."""
    return (matrix[..., None, None] * flow[:, None]).sum(2)


def draw_places(flow: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Where a person would place a few hints on each flow [B, 2, H, W]: pixels [B, K] and which of them exist [B, K].

    Mostly where the flow moves; one in five stands anywhere: on a still place it is a pin.
    """
    magnitude = flow.norm(dim=1).flatten(1)
    weight = torch.where(magnitude > 0.5 * magnitude.amax(1, keepdim=True), 1.0, 1e-3)
    shares = weight.cumsum(1)

    def draw(*shape: int) -> Tensor:
        return uniform(len(flow), *shape, generator=generator, device=flow.device)

    most = magnitude.shape[1] - 1
    moving = torch.searchsorted(shares, draw(MOST_HINTS) * shares[:, -1:]).clamp(max=most)
    anywhere = (draw(MOST_HINTS) * (most + 1)).long().clamp(max=most)
    place = torch.where(draw(MOST_HINTS) < 0.2, anywhere, moving)
    present = torch.arange(MOST_HINTS, device=flow.device) < 1 + (draw(1) * MOST_HINTS).floor()
    repeated = (place[:, :, None] == place[:, None]).tril(-1).any(-1)
    return place, present & ~repeated


def hint_maps(flow: Tensor, place: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """The sparse flow [B, 2, H, W] that hints on a flow make, and their mask [B, 1, H, W]."""
    mask = torch.zeros_like(flow[:, :1]).flatten(1).scatter_add_(1, place, present.to(flow.dtype))
    mask = mask.view_as(flow[:, :1])
    return flow * mask, mask


def draw_hints(flow: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Hints on one flow [2, H, W]: sparse flow [1, 2, H, W] and mask [1, 1, H, W]."""
    return hint_maps(flow[None], *draw_places(flow[None], generator))


def gaussian_fields(flow: Tensor, place: Tensor, present: Tensor, sigma_px: Tensor) -> Tensor:
    """`densify` (faded) of hints on each flow [B, 2, H, W], with its own sigma_px [B], on the flow's device."""
    height, width = flow.shape[-2:]
    axes = zip((height, width), (place // width, place % width), strict=True)
    down, across = (
        torch.exp(-(((torch.arange(size, device=flow.device) - at[..., None]) / sigma_px[:, None, None]) ** 2))
        for size, at in axes
    )
    down = down * present[..., None]
    velocity = flow.flatten(2).gather(2, place[:, None].expand(-1, 2, -1))
    values = torch.cat([velocity, torch.ones_like(velocity[:, :1])], dim=1)
    total = torch.einsum("bckh,bkw->bchw", values[..., None] * down[:, None], across)
    largest = (down[..., None] * across[:, :, None]).amax(1, keepdim=True)
    return torch.where(largest > THRESHOLD, total[:, :2] / total[:, 2:].clamp_min(1e-12) * largest, 0)


def draw_sigma(count: int, height: int, width: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """[count] px: half of them the default, half between it and its fifth: people set it to the size of what moves."""
    drawn = uniform(2, count, generator=generator, device=device)
    return default_sigma_px(height, width) * torch.where(drawn[0] < 0.5, 1.0, 5 ** -drawn[1])


def uniform(*shape: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """0..1, drawn where the generator is."""
    return torch.rand(shape, generator=generator, device=generator.device).to(device)
