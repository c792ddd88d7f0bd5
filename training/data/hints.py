"""A few hints on a flow, placed as a person would, and the dense fields that they make."""

import torch
from torch import Tensor

from ...flow_tools.dense import THRESHOLD, default_sigma_px
from ..loop.randomness import uniform

MOST_HINTS = 6


def draw_pixels(flow: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Where a person would place a few hints on each flow [B, 2, H, W]: pixels [B, K] and which of them exist [B, K].

    Mostly where the flow moves; one in five stands anywhere: where nothing moves it is a pin.
    """
    magnitude = flow.norm(dim=1).flatten(1)
    weight = torch.where(magnitude > 0.5 * magnitude.amax(1, keepdim=True), 1.0, 1e-3)
    cumulative = weight.cumsum(1)

    def draw(*shape: int) -> Tensor:
        return uniform(len(flow), *shape, generator=generator, device=flow.device)

    most = magnitude.shape[1] - 1
    moving = torch.searchsorted(cumulative, draw(MOST_HINTS) * cumulative[:, -1:]).clamp(max=most)
    anywhere = (draw(MOST_HINTS) * (most + 1)).long().clamp(max=most)
    pixel = torch.where(draw(MOST_HINTS) < 0.2, anywhere, moving)
    present = torch.arange(MOST_HINTS, device=flow.device) < 1 + (draw(1) * MOST_HINTS).floor()
    repeated = (pixel[:, :, None] == pixel[:, None]).tril(-1).any(-1)
    return pixel, present & ~repeated


def hint_maps(flow: Tensor, pixel: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """The sparse flow [B, 2, H, W] that hints on a flow make, and their mask [B, 1, H, W]."""
    mask = torch.zeros_like(flow[:, :1]).flatten(1).scatter_add_(1, pixel, present.to(flow.dtype))
    mask = mask.view_as(flow[:, :1])
    return flow * mask, mask


def draw_hints(flow: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Hints on one flow [2, H, W]: sparse flow [1, 2, H, W] and mask [1, 1, H, W]."""
    return hint_maps(flow[None], *draw_pixels(flow[None], generator))


def gaussian_fields(
    flow: Tensor, pixel: Tensor, present: Tensor, sigma_px: Tensor, exact: Tensor | None = None
) -> Tensor:
    """`densify` (faded) of hints on each flow [B, 2, H, W], with its own sigma_px [B], on the flow's device.

    exact [B]: whether the hints' weights in the mean are divided by 1 + D², so that each has its own way at its place.
    """
    height, width = flow.shape[-2:]
    axes = zip((height, width), (pixel // width, pixel % width), strict=True)
    down, across = (
        torch.exp(-(((torch.arange(size, device=flow.device) - at[..., None]) / sigma_px[:, None, None]) ** 2))
        for size, at in axes
    )
    down = down * present[..., None]
    velocity = flow.flatten(2).gather(2, pixel[:, None].expand(-1, 2, -1))
    values = torch.cat([velocity, torch.ones_like(velocity[:, :1])], dim=1)
    weight = down[..., None] * across[:, :, None]
    largest = weight.amax(1, keepdim=True)
    if exact is not None:
        squares = -(weight.clamp_min(1e-30).log()) * sigma_px.square()[:, None, None, None]
        weight = torch.where(exact[:, None, None, None], weight / (1 + squares), weight)
    total = torch.einsum("bck,bkhw->bchw", values, weight)
    return torch.where(largest > THRESHOLD, total[:, :2] / total[:, 2:].clamp_min(1e-12) * largest, 0)


def draw_sigma(count: int, height: int, width: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """[count] px: half of them the default, half between it and its fifth: people set it to the size of what moves."""
    drawn = uniform(2, count, generator=generator, device=device)
    return default_sigma_px(height, width) * torch.where(drawn[0] < 0.5, 1.0, 5 ** -drawn[1])
