"""The network as a function `denoise(x, sigma) -> x0`: EDM preconditioning of SVD's v-prediction."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .dual_clock import Hold


@dataclass(frozen=True)
class Conditioning:
    """What one video is conditioned on; all K segments of a batch share it.

    The tensors have the network's device and dtype, latents stay float32. `reference` is the mode of the VAE's
    encoder, unscaled: the still repeated L times, or warped along the flow.
    """

    image_embedding: Tensor  # [1, 1, D]
    reference: Tensor  # [L, c, h, w]
    added_time_ids: Tensor  # [1, 3] = fps - 1, motion_bucket_id, noise augmentation
    motion: tuple[Tensor, ...] | None = None  # what MotionUNet.encode_motion gives
    motion_scale: float = 1.0
    strength_percent: float | Tensor | None = None  # eq. 8, px/frame at 512 px, times 100; one number, or [K]
    hold: Hold | None = None  # what the estimate keeps to; `held` applies it

    def unconditional(self):
        """What guidance steers away from: no embedding, no reference, no motion; same time ids and strength."""
        return replace(
            self,
            image_embedding=torch.zeros_like(self.image_embedding),
            reference=torch.zeros_like(self.reference),
            motion=None,
        )


def make_denoiser(network, conditioning, *, count=None):
    """denoise(x [K, L, c, h, w] float32, sigma [] or [K]) -> x0 like x.

    `network` has MotionUNet.forward's signature and predicts v. `count(K)` is called before every pass.
    Karras et al. 2022, table 1, with SVD's c_skip = 1/(s^2+1), c_out = -s/sqrt(s^2+1), c_in = 1/sqrt(s^2+1),
    c_noise = ln(s)/4.
    """

    def denoise(x, sigma):
        segments = len(x)
        sigma = sigma.to(x).expand(segments)
        s = sigma.view(-1, 1, 1, 1, 1)
        variance = s**2 + 1
        reference = conditioning.reference.expand(segments, -1, -1, -1, -1)
        strength = conditioning.strength_percent
        if count is not None:
            count(segments)
        v = network(
            torch.cat([(x / variance.sqrt()).to(reference.dtype), reference], dim=2),
            0.25 * sigma.log(),
            conditioning.image_embedding.expand(segments, -1, -1),
            conditioning.added_time_ids.expand(segments, -1),
            motion=conditioning.motion,
            motion_scale=conditioning.motion_scale,
            strength_percent=None if strength is None else sigma.new_zeros(segments) + strength,
        )
        return x / variance - v * (s / variance.sqrt())

    return denoise
