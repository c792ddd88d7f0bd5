"""Latents of any video model, frame by frame: what masks of pictures say of them, and the noise that segments share.

Two layouts: videos [B, C, T, h, w], of a VAE that takes frame 0 alone and then groups of frames; and pictures
[T, C, h, w], a latent for each frame. Other latents that have a time, audio's [B, C, T, ...], count as videos.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .dual_clock import MOVING_FRACTION
from .phased import share_noise


def latent_regions(moving: Tensor, resting: Tensor | None, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Masks [N, H, W] 0..1 -> (moves, rests), bool, disjoint, that spread over latents of `shape`.

    A latent moves where most of its pixels and frames do, and rests where all of them do.
    """
    moves = at_latents(moving, shape, "moving") > MOVING_FRACTION
    if resting is None:
        return moves, torch.zeros_like(moves)
    return moves, (at_latents(resting, shape, "resting") == 1) & ~moves


def at_latents(mask: Tensor, shape: Sequence[int], name: str) -> Tensor:
    """The share of a latent's pixels and frames that are above 0.5 in mask [N, H, W]: [1, 1, T, h, w] or [T, 1, h, w].

    One frame holds for all of them. ValueError, with the mask's name, where frames and latents do not fit.
    """
    video = len(shape) == 5
    count = shape[2] if video else shape[0]
    small = F.adaptive_avg_pool2d((mask > 0.5).float()[:, None], (shape[-2], shape[-1]))  # [N, 1, h, w]
    if len(mask) == 1:
        small = small.expand(count, -1, -1, -1)
    elif len(mask) != count:
        if not video or count == 1 or (len(mask) - 1) % (count - 1):
            allowed = "1"
            if count > 1:
                allowed += f" or 1 + a multiple of {count - 1}" if video else f" or {count}"
            raise ValueError(f"{name}: got {len(mask)} frames for {count} frames of latents, allowed {allowed}")
        groups = small[1:].unflatten(0, (count - 1, -1)).mean(1)
        small = torch.cat([small[:1], groups])
    return small.movedim(0, 1)[None] if video else small


def share_latent_noise(
    noise: Tensor, *, copies: int, omega: float, generator: torch.Generator, pictures: bool = False
) -> Tensor:
    """[copies, *noise.shape]: eq. 11 and 12 over the latent frames, those of each video of the batch among themselves.

    noise: [B, C, T, ...], or [T, C, h, w] of pictures.
    """
    if pictures:
        return share_noise(noise, copies=copies, omega=omega, generator=generator)
    shared = [
        share_noise(video.movedim(1, 0), copies=copies, omega=omega, generator=generator).movedim(1, 2)
        for video in noise
    ]
    return torch.stack(shared, dim=1)
