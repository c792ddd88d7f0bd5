"""Synthetic scenes: a still set in motion by a known field, rendered with its exact optical flow.

Everything is batched and runs on the stills' device. Lengths in px are meant at 256 px and scale with the frame.
A frame is the still sampled (bicubic, mirrored beyond its border) along a backward map, so content that a motion brings
in from outside the frame comes from the rest of the still.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...flow_tools.warp import accumulate_backward

# Fraction of each kind when `kind` is None.
KINDS = {"eulerian": 0.3, "oscillating": 0.1, "arrows": 0.25, "cutouts": 0.2, "still": 0.05, "camera": 0.1}
COARSE = 4  # fields are drawn on a grid this much coarser than the frame
STEEPEST = 0.35  # px per px; a steeper field would fold the picture within a few frames
MAX_ARROWS = 5
MAX_CUTOUTS = 3
SUPPORT = 0.05  # Gaussian weight at which an arrow's influence ends (eq. 7)

Draw = Callable[..., Tensor]  # draw(*shape, low=0, high=1): uniform numbers on the stills' device


@dataclass(frozen=True)
class View:
    """A random window of each still: frame pixel p shows still pixel offset + zoom * p."""

    stills: Tensor  # [B, 3, S, S] -1..1
    offset: Tensor  # [B, 2, 1, 1] still px
    zoom: Tensor  # [B, 1, 1, 1] still px per frame px

    def __getitem__(self, chosen: Tensor) -> View:
        return View(self.stills[chosen], self.offset[chosen], self.zoom[chosen])

    def sample(self, position: Tensor) -> Tensor:
        """The stills at frame positions [B, 2, H, W] px -> [B, 3, H, W]; mirrored beyond the still's border."""
        side = self.stills.shape[-1]
        grid = (2 * (self.offset + self.zoom * position) + 1) / side - 1
        picture = F.grid_sample(
            self.stills, grid.permute(0, 2, 3, 1), mode="bicubic", padding_mode="reflection", align_corners=False
        )
        return picture.clamp(-1, 1)


def render_scenes(
    stills: Tensor, *, frames: int, size: int = 256, generator: torch.Generator, kind: str | None = None
) -> tuple[Tensor, Tensor]:
    """stills [B, 3, S, S] -1..1, S >= size -> (video [B, L, 3, size, size] -1..1, flow [B, L-1, 2, size, size]).

    The flow is in px/frame at frame k's pixels: I_{k+1}(p + F_k(p)) = I_k(p) for every surface visible in both.
    `kind` is one of KINDS for the whole batch; None draws one for each scene. Raises ValueError for a wrong shape,
    fewer than 2 frames or an unknown kind.
    """
    if stills.ndim != 4 or stills.shape[1] != 3 or stills.shape[2] != stills.shape[3] or stills.shape[2] < size:
        raise ValueError(f"stills: got {list(stills.shape)}, allowed [B, 3, S, S] with S >= {size}")
    if frames < 2:
        raise ValueError(f"frames: got {frames}, allowed 2 or more")
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind: got {kind!r}, allowed {', '.join(KINDS)}")
    count, device = stills.shape[0], stills.device
    stills = stills.float()

    def draw(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return torch.rand(shape, generator=generator, device=generator.device).to(device) * (high - low) + low

    view = _random_view(stills, size, draw)
    order = draw(count).argsort()
    neighbours = _random_view(stills[order], size, draw)  # where cut-outs take their textures from
    if kind is None:
        cumulative = torch.tensor(list(KINDS.values()), device=device).cumsum(0)
        drawn = torch.bucketize(draw(count), cumulative / cumulative[-1]).clamp(max=len(KINDS) - 1)
    else:
        drawn = torch.full((count,), list(KINDS).index(kind), device=device)
    video = stills.new_empty(count, frames, 3, size, size)
    flow = stills.new_empty(count, frames - 1, 2, size, size)
    for number, name in enumerate(KINDS):
        chosen = (drawn == number).nonzero()[:, 0]
        if len(chosen):
            video[chosen], flow[chosen] = _render(name, view[chosen], neighbours[chosen], frames, size, draw)
    return video, flow


def _render(kind: str, view: View, neighbours: View, frames: int, size: int, draw: Draw) -> tuple[Tensor, Tensor]:
    count = len(view.zoom)
    if kind == "cutouts":
        return _cutouts(view, neighbours, frames, size, draw)
    if kind == "camera":
        return _camera(view, frames, size, draw, pan_px=2.5, zoom_rate=0.006, turn_rate=0.004)
    here = pixels(size, view.zoom.device)
    if kind == "still":
        picture = view.sample(here.expand(count, -1, -1, -1))
        return picture[:, None].expand(-1, frames, -1, -1, -1), picture.new_zeros(count, frames - 1, 2, size, size)
    if kind == "arrows":
        field = arrow_field(count, size, draw)[:, None]
    else:
        field = eulerian_field(view, size, draw)[:, None]
        if kind == "oscillating":
            step = torch.arange(frames - 1, device=view.zoom.device)
            period, phase = draw(count, 1, low=12, high=40), draw(count, 1, high=2 * math.pi)
            field = field * torch.cos(2 * math.pi * step / period + phase)[:, :, None, None, None]
    maps = accumulate_backward(field, frames)
    video = torch.stack([view.sample(here + back) for back in maps.unbind(1)], dim=1)
    return video, field.expand(-1, frames - 1, -1, -1, -1)


def eulerian_field(view: View, size: int, draw: Draw) -> Tensor:
    """A soft region of the picture moving in one of four ways: [B, 2, size, size] px/frame."""
    count, small, device = len(view.zoom), size // COARSE, view.zoom.device
    at = (pixels(small, device) + 0.5) / small - 0.5  # -0.5..0.5
    angle = draw(count, 1, 1, 1, high=2 * math.pi)
    direction = torch.cat([angle.cos(), angle.sin()], 1)
    uniform = direction.expand(-1, -1, small, small)

    potential = _smooth_noise(count, 1, small, draw, fine=0.1)
    swirl = torch.cat([_slope(potential, -2), -_slope(potential, -1)], 1)
    swirl = swirl / swirl.square().sum(1, True).mean((2, 3), True).sqrt()

    arm = at - draw(count, 2, 1, 1, low=-0.3, high=0.3)
    turn = torch.where(draw(count, 1, 1, 1) < 0.5, -2.5, 2.5)
    rotation = torch.cat([-arm[:, 1:], arm[:, :1]], 1) * turn
    opening = arm * turn.abs()  # smoke or water opening up

    which = draw(count, 1, 1, 1)
    field = torch.where(which < 0.6, uniform, torch.where(which < 0.8, swirl, rotation))
    field = torch.where(which > 0.95, opening, field)
    field = field + _smooth_noise(count, 2, small, draw) * draw(count, 1, 1, 1, high=0.25)
    field = field * _soft_region(view, size, draw) * speeds(draw(count, 1, 1, 1))
    return _enlarge(field, size)


def arrow_field(count: int, size: int, draw: Draw) -> Tensor:
    """1 to 5 random arrows, densified with Gaussian weights as a user's are (eq. 6): [B, 2, size, size] px/frame.

    Half are weighted sums, half weighted means that fade out where the largest weight approaches SUPPORT. A sixth of
    the arrows are pins.
    """
    small = size // COARSE
    here = pixels(small, draw(1).device)[:, None] * COARSE + (COARSE - 1) / 2
    tail = draw(count, MAX_ARROWS, 2, 1, 1, low=0.05, high=0.95) * size
    angle = draw(count, MAX_ARROWS, 1, 1, 1, high=2 * math.pi)
    pin = draw(count, MAX_ARROWS, 1, 1, 1) < 1 / 6
    velocity = torch.cat([angle.cos(), angle.sin()], 2) * speeds(draw(count, MAX_ARROWS, 1, 1, 1))
    velocity = velocity.masked_fill(pin, 0)
    present = torch.arange(MAX_ARROWS, device=tail.device) < 1 + (draw(count, 1) * MAX_ARROWS).floor()
    sigma = draw(count, 1, 1, 1, 1, low=20, high=90) * size / 256
    distance = (here - tail).square().sum(2, True)
    weight = torch.exp(-distance / sigma.square()) * present[:, :, None, None, None]
    total = (weight * velocity).sum(1)
    largest = weight.amax(1)
    fade = ((largest - SUPPORT) / (4 * SUPPORT)).clamp(0, 1)
    mean = total / weight.sum(1).clamp_min(1e-12) * fade.square() * (3 - 2 * fade)
    field = torch.where(draw(count, 1, 1, 1) < 0.5, total, mean)
    limit = 4 / field.norm(dim=1, keepdim=True).amax((2, 3), True).clamp_min(4)
    return _enlarge(field * limit, size)


def _camera(
    view: View, frames: int, size: int, draw: Draw, *, pan_px: float, zoom_rate: float, turn_rate: float
) -> tuple[Tensor, Tensor]:
    """One steady pan, zoom and turn of the whole picture: p -> M p each frame, M = centre + scaled turn + pan."""
    count = len(view.zoom)
    pan = draw(count, 2, 1, 1, low=-1, high=1) * pan_px * size / 256
    zoom, turn = draw(count, low=-zoom_rate, high=zoom_rate), draw(count, low=-turn_rate, high=turn_rate)
    here = pixels(size, pan.device).expand(count, -1, -1, -1)
    centre = (size - 1) / 2
    flow = _turned(here - centre, zoom, turn) + centre + pan - here
    source, pictures = here, []
    for _ in range(frames):
        pictures.append(view.sample(source))
        source = _turned(source - pan - centre, -zoom, -turn) + centre
    return torch.stack(pictures, 1), flow[:, None].expand(-1, frames - 1, -1, -1, -1)


def _cutouts(view: View, neighbours: View, frames: int, size: int, draw: Draw) -> tuple[Tensor, Tensor]:
    """1 to 3 blobs of another still that move, turn and grow over a picture at rest or slowly moving.

    The flow at a pixel is that of the topmost surface there.
    """
    count = len(view.zoom)
    moving = (draw(count, 1, 1, 1, 1) < 0.4).float()
    background, drift = _camera(view, frames, size, draw, pan_px=0.6, zoom_rate=0.002, turn_rate=0.001)
    video = torch.where(moving > 0, background, background[:, :1])
    flow = drift * moving
    here = pixels(size, flow.device)
    unit = size / 256
    for number in range(MAX_CUTOUTS):
        present = (draw(count, 1, 1, 1) < (1, 0.5, 0.25)[number]).float()
        centre = draw(count, 2, 1, 1, low=0.15, high=0.85) * size
        angle = draw(count, 1, 1, 1, high=2 * math.pi)
        velocity = torch.cat([angle.cos(), angle.sin()], 1) * speeds(draw(count, 1, 1, 1)) * unit
        zoom, turn = draw(count, low=-0.006, high=0.006), draw(count, low=-0.03, high=0.03)
        radius = draw(count, 1, 1, 1, low=24, high=80) * unit
        squash = draw(count, 2, 1, 1, low=0.6, high=1.0)
        outline = _smooth_noise(count, 1, size // COARSE, draw) * 0.2
        home = draw(count, 2, 1, 1, low=0.3, high=0.7) * size  # where on the neighbour its texture comes from
        softness = draw(count, 1, 1, 1, low=1.0, high=2.5) * unit
        for step in range(frames):
            local = _turned(here - centre - velocity * step, -zoom * step, -turn * step)  # on the blob, px of frame 0
            reach = (local / squash / radius).norm(dim=1, keepdim=True)
            wobble = F.grid_sample(
                outline,
                (local / (2 * radius)).permute(0, 2, 3, 1),
                mode="bicubic",
                padding_mode="border",
                align_corners=False,
            )
            opacity = torch.sigmoid((1 + wobble - reach) * radius / softness) * present
            video[:, step] = torch.lerp(video[:, step], neighbours.sample(home + local), opacity)
            if step < frames - 1:
                onward = _turned(local, zoom * (step + 1), turn * (step + 1)) + centre + velocity * (step + 1) - here
                flow[:, step] = torch.where(opacity > 0.5, onward, flow[:, step])
    return video, flow


def _random_view(stills: Tensor, size: int, draw: Draw) -> View:
    """A window of each still, flipped or not, at most as large as the still and at least 0.9 of its pixels' size."""
    count, side = stills.shape[0], stills.shape[-1]
    flipped = torch.where(draw(count, 1, 1, 1) < 0.5, stills, stills.flip(-1))
    zoom = draw(count, 1, 1, 1, low=0.9, high=min(1.1, side / size))
    offset = draw(count, 2, 1, 1) * (side - 1 - zoom * (size - 1)).clamp_min(0)
    return View(flipped, offset, zoom)


def _soft_region(view: View, size: int, draw: Draw) -> Tensor:
    """What moves, 0..1 [B, 1, size/4, size/4]: pixels of like colour, or a blob of smooth noise, or everything."""
    count, small = len(view.zoom), size // COARSE
    picture = view.sample(pixels(small, view.zoom.device) * COARSE + (COARSE - 1) / 2)
    picture = F.avg_pool2d(picture, 5, 1, 2, count_include_pad=False)
    seed = (draw(count) * small * small).long().clamp(max=small * small - 1)
    colour = picture.flatten(2).gather(2, seed[:, None, None].expand(-1, 3, 1))[..., None]
    likeness = -(picture - colour).square().sum(1, True).sqrt()
    likeness = likeness / likeness.std((2, 3), keepdim=True).clamp_min(1e-3)
    which = draw(count, 1, 1, 1)
    score = torch.where(which < 0.45, likeness, _smooth_noise(count, 1, small, draw))
    fraction = draw(count, low=0.15, high=0.75)
    ranked = score.flatten(1).sort(descending=True).values
    level = ranked.gather(1, (fraction * ranked.shape[1]).long()[:, None])[:, :, None, None]
    region = torch.sigmoid((score - level) * 6).masked_fill(which > 0.9, 1)
    for _ in range(2):
        region = F.avg_pool2d(F.pad(region, (2, 2, 2, 2), mode="replicate"), 5, 1)
    return region


def _smooth_noise(count: int, channels: int, size: int, draw: Draw, *, fine: float = 0.4) -> Tensor:
    """[B, C, size, size] with zero mean and unit deviation: broad shapes, finer ones with at most the weight `fine`."""
    noise = 0
    for cells, fraction in ((4, 1.0), (8, fine * draw(count, 1, 1, 1))):
        grid = draw(count, channels, cells, cells, low=-1)
        noise = noise + fraction * F.interpolate(grid, size=(size, size), mode="bicubic", align_corners=True)
    noise = noise - noise.mean((2, 3), True)
    return noise / noise.std((2, 3), keepdim=True).clamp_min(1e-6)


def _enlarge(field: Tensor, size: int) -> Tensor:
    """From the coarse grid to the frame, first slowed down where it is steeper than STEEPEST."""
    slopes = torch.cat([_slope(field, -1), _slope(field, -2)], 1).abs().amax((1, 2, 3), True) / COARSE
    field = field * (STEEPEST / slopes.clamp_min(STEEPEST)) * (size / 256)
    return F.interpolate(field, size=(size, size), mode="bicubic", align_corners=False)


def speeds(uniform: Tensor) -> Tensor:
    """0.3 to 4 px/frame from 0..1, nearly even on a log scale, median 1.4."""
    return 0.3 * (4 / 0.3) ** uniform**0.75


def _slope(field: Tensor, axis: int) -> Tensor:
    """Difference to the next pixel along an axis, the same size."""
    return torch.diff(field, dim=axis, append=field.narrow(axis, field.shape[axis] - 1, 1))


def _turned(vectors: Tensor, zoom: Tensor, turn: Tensor) -> Tensor:
    """Vectors [B, 2, H, W] grown by exp(zoom [B]) and turned by turn [B] radians, clockwise on the screen.

    Written out, because a matrix product may round to TF32, which at 256 px is a quarter of a pixel.
    """
    grow = zoom.exp()
    cosine, sine = ((grow * part)[:, None, None] for part in (turn.cos(), turn.sin()))
    x, y = vectors.unbind(1)
    return torch.stack([cosine * x - sine * y, sine * x + cosine * y], 1)


def pixels(size: int, device: torch.device) -> Tensor:
    """Pixel coordinates [1, 2, size, size], x then y."""
    line = torch.arange(size, device=device, dtype=torch.float32)
    return torch.stack(torch.meshgrid(line, line, indexing="xy"))[None]
