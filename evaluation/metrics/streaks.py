"""Streaks where motion comes in over the border: flat along the way in, beside a border with texture."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...flow_tools.beyond import looks_out
from .frame_change import LEVELS

DEPTH = 16 / 256  # of the side, across the border: where the still's texture is looked at
WINDOW_PX = 7  # the side of the square over which what came in is averaged
DETAIL_PX = 13  # what a square of this side evens out is detail
FLAT = 0.15  # of the texture that the border has
LEAST = 1.0  # grey levels of 255, by which a step differs from the next; less is an even border, which goes on evenly


@dataclass(frozen=True)
class CameIn:
    """What motion brought in over the border; shares of the whole frame, texture in grey levels of 255 per px."""

    share: float
    streaks: Tensor  # bool [1, 1, H, W]: what of it is a streak
    texture: float  # its mean step over the border's, where the border has texture; NaN where it has none
    mirrored: float  # correlation of its detail with that of the still mirrored at the border


def came_in(frame: Tensor, still: Tensor, back: Tensor) -> CameIn:
    """Of frame [1, 3, H, W] -1..1 that shows the still at p + back(p), [1, 2, H, W] px.

    Steps are central differences, which miss a part of oblique streaks one px wide.
    """
    height, width = still.shape[-2:]
    outside = looks_out(back)[0, 0]
    x = torch.arange(width) + back[0, 0]
    y = torch.arange(height)[:, None] + back[0, 1]
    over = (torch.maximum(-x, x - (width - 1)), torch.maximum(-y, y - (height - 1)))
    sideways = over[0] >= over[1]  # through the left or right border
    # The way in: where the source goes straight outwards. J w = n, of which |J^-1 n| px show one px of the still.
    (x_down, x_right), (y_down, y_right) = torch.gradient(x), torch.gradient(y)
    determinant = x_right * y_down - x_down * y_right
    way_x, way_y = torch.where(sideways, y_down, -x_down), torch.where(sideways, -y_right, x_right)
    length = torch.hypot(way_x, way_y).clamp(min=1e-6)
    down, right = torch.gradient(frame[0] * LEVELS, dim=(1, 2))
    along = ((right * way_x + down * way_y) / length).abs().mean(0)
    inside = outside.float()
    found = mean_around(along * inside) / mean_around(inside).clamp(min=1e-6)
    step, bend = border_texture(still, x, y, sideways)
    scale = determinant.abs() / length
    expected = step * scale
    textured = outside & (bend > LEAST)
    streaks = textured & (found < FLAT * expected)
    texture = float(found[textured].mean() / expected[textured].mean())
    return CameIn(float(inside.mean()), streaks[None, None], texture, likeness(frame, mirror(still, x, y), outside))


def border_texture(still: Tensor, x: Tensor, y: Tensor, sideways: Tensor) -> tuple[Tensor, Tensor]:
    """(mean |step|, median |change of step|) [H, W] of the still, straight inwards of what is nearest to (x, y) px.

    In grey levels. The second is small where shading, or one thing's edge, is all there is.
    """
    height, width = still.shape[-2:]
    depth = max(3, round(DEPTH * max(height, width)))
    row, column = y.round().long().clamp(0, height - 1), x.round().long().clamp(0, width - 1)
    sides = [
        of_strip(strip)
        for picture in (still[0], still[0].mT)
        for strip in (picture[..., :depth], picture[..., -depth:])
    ]
    left, right, top, bottom = (side[:, at] for side, at in zip(sides, (row, row, column, column), strict=True))
    step, bend = torch.where(sideways, torch.where(x < 0, left, right), torch.where(y < 0, top, bottom))
    return step, bend


def of_strip(strip: Tensor) -> Tensor:
    """[2, h]: mean |step| and median |change of step| along the rows of [3, h, n] and of their neighbours."""
    near = WINDOW_PX // 2
    step, bend = (strip[..., 2:] - strip[..., :-2]) / 2, strip.diff(2, dim=-1)
    step, bend = (
        F.pad((values * LEVELS).abs().mean(0)[None, None], (0, 0, near, near), mode="replicate")[0, 0]
        for values in (step, bend)
    )
    step, bend = (values.unfold(0, WINDOW_PX, 1).flatten(1) for values in (step, bend))
    return torch.stack([step.mean(1), bend.median(1).values])


def mirror(still: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """[1, 3, H, W] of the still at (x, y) px [H, W], mirrored beyond its border."""
    height, width = still.shape[-2:]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)[None]
    return F.grid_sample(still, grid, padding_mode="reflection", align_corners=False)


def likeness(a: Tensor, b: Tensor, where: Tensor) -> float:
    """Correlation of the detail of a and b [1, 3, H, W] where [H, W] is true; NaN where either has none."""
    a, b = (
        (x - F.avg_pool2d(x, DETAIL_PX, 1, DETAIL_PX // 2, count_include_pad=False))[0, :, where].flatten()
        for x in (a, b)
    )
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


def mean_around(values: Tensor) -> Tensor:
    return F.avg_pool2d(values[None, None], WINDOW_PX, 1, WINDOW_PX // 2, count_include_pad=False)[0, 0]
