"""Control without training: what the flow moves is anchored to the warped still while the noise is strong.

Dual-clock denoising (Singer et al., Time-to-Move, 2025): the still is forward-warped along the flow, sampling starts
from it at the noise level `weak`, and inside the mask of what moves the latents keep to it, with the same noise, down
to the level `strong`. Ours, beyond the paper: a third clock, `still`, for what the flow asks to stand still.

The estimate x0 is anchored, not the state: from x = z + sigma e, an estimate of z leads every sampler that is
exact for a constant estimate (Euler, Heun, DPM++ and others, their history included) to z + sigma' e, which is what the
paper puts there after each step.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..flow_tools.beyond import looks_out
from ..flow_tools.fill import from_nearest
from ..flow_tools.warp import accumulate_backward, accumulate_forward, forward_splat, mask_video, reference_video
from .trajectory import Denoise

MOVING_PX = 2.0  # what travels less in the whole segment, a quarter of SVD's latent, stands still
MOVING_FRACTION = 0.5  # fraction of a latent's pixels that must move for the latent to move
FREE = float("inf")  # a level: never anchored


@dataclass(frozen=True)
class Anchor:
    """Latents that the estimate keeps to while the noise is above a level: [L, c, h, w] scaled, and [L, 1, h, w]."""

    target: Tensor
    level: Tensor

    def to(self, device: torch.device) -> "Anchor":
        return Anchor(self.target.to(device), self.level.to(device))


def anchored(denoise: Denoise, anchor: Anchor | None) -> Denoise:
    """denoise(x [K, L, c, h, w], sigma [] or [K]) -> x0, the anchor's target where sigma is above its level."""
    if anchor is None:
        return denoise

    def run(x: Tensor, sigma: Tensor) -> Tensor:
        above = sigma.to(x).expand(len(x)).view(-1, 1, 1, 1, 1) > anchor.level
        return torch.where(above, anchor.target, denoise(x, sigma))

    return run


def forward_warped_still(
    image: Tensor, flow: Tensor, frames: int, *, loop: bool = False, still: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """`image` [1, C, H, W] forward-warped along `flow` [N, 2, H, W] px/frame ->
    (video [frames, C, H, W], moving, uncovered).

    What comes in over the border is the continued still, as `reference_video` has it; other holes get the nearest
    pixel. moving [frames, 1, H, W] is 1 where what is there has moved along, uncovered where something has gone or come
    in, and the picture can only be guessed. With `loop` as in `reference_video`, without holes. An image without
    channels gives the regions alone. still: the image's own `reference_video`, where it is there already.
    """
    displacement = accumulate_forward(flow, frames)
    source = (displacement.norm(dim=1, keepdim=True).amax(0, keepdim=True) > MOVING_PX).float()  # [1, 1, H, W]
    if still is None:
        still = reference_video(image, flow, frames, loop=loop) if image.shape[1] else image.expand(frames, -1, -1, -1)
    if loop:
        video, moved = still.to(image), mask_video(source, flow, frames, loop=True)
        holes = torch.zeros_like(moved)
    else:
        video, holes = forward_splat(torch.cat([image, source], dim=1), displacement)
        video = torch.stack([from_nearest(frame, hole[0]) for frame, hole in zip(video, holes, strict=True)])
        video, moved = video[:, :-1], video[:, -1:]
        if image.shape[1]:
            came_in = (holes > 0) & looks_out(accumulate_backward(flow, frames))
            video = torch.where(came_in, still.to(image), video)
    moving = (moved > 0.5) & (holes == 0)
    uncovered = ((source > 0) | (holes > 0)) & ~moving
    return video, moving.float(), uncovered.float()


def regions(moving: Tensor, uncovered: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """`forward_warped_still`'s [L, 1, H, W] -> (moves, rests), bool [L, 1, H / factor, W / factor], disjoint.

    A latent moves where most of its pixels have moved along, and rests where nothing came and nothing went.
    """
    moves = F.avg_pool2d(moving, factor) > MOVING_FRACTION
    rests = F.max_pool2d(torch.maximum(moving, uncovered), factor) == 0
    return moves, rests
