"""Other views, colours and directions of a picture and its flow."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..loop.randomness import uniform
from .scenes import Draw

LARGEST_TURN = 0.2  # radians
LARGEST_ZOOM = 1.7
LARGEST_SPEED = 2.0  # by which a field is multiplied, or divided
TURNED_FRACTION = 0.5  # of the fields: they point elsewhere than the clip's own


def augment(images: Tensor, flow: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Another view of each picture [B, 3, H, W] −1..1, in other colours, with its flow [B, 2, H, W] px/frame.

    View: a part of it, enlarged, slightly turned, mirrored or not. Then some fields are turned and made faster or
    slower as a whole, the picture left as it is: what moves together, moves together wherever it goes.
    """
    count, _, height, width = flow.shape
    device = flow.device

    def draw(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return uniform(*shape, generator=generator, device=device) * (high - low) + low

    angle = draw(count, low=-LARGEST_TURN, high=LARGEST_TURN)
    reach = angle.cos() + angle.sin().abs() * max(height / width, width / height)  # a turned frame is as much larger
    extent = draw(count, low=1 / LARGEST_ZOOM) / reach  # of the view, as a fraction of the frame
    center = draw(count, 2, low=-1) * (1 - extent * reach)[:, None] * flow.new_tensor([width, height]) / 2
    mirror = torch.where(draw(count) < 0.5, -1.0, 1.0)
    view = rotation(angle) * extent[:, None, None]  # px of the view, from its middle → px of the frame, from its middle
    view = torch.stack([view[..., 0] * mirror[:, None], view[..., 1]], dim=-1)

    y, x = torch.meshgrid(
        *(torch.arange(side, device=device) - (side - 1) / 2 for side in (height, width)), indexing="ij"
    )
    points = torch.stack([x, y]).flatten(1)
    points = ((view[:, :, None] * points.T.view(1, 1, -1, 2)).sum(-1) + center[..., None]).view(count, 2, height, width)
    grid = (points / points.new_tensor([width / 2, height / 2]).view(1, 2, 1, 1)).permute(0, 2, 3, 1)
    seen = F.grid_sample(torch.cat([images, flow], 1), grid, padding_mode="border", align_corners=False)
    images, flow = seen[:, :3], seen[:, 3:]
    flow = transformed(flow, view.mT / extent.square()[:, None, None])  # the inverse: a turn but for its size

    turned = rotation(draw(count, high=2 * math.pi)) * (LARGEST_SPEED ** draw(count, low=-1))[:, None, None]
    own = torch.eye(2, device=device).expand_as(turned)
    flow = transformed(flow, torch.where(draw(count, 1, 1) < TURNED_FRACTION, turned, own))

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
