"""The network as a function `denoise(x, sigma) -> x0`: EDM preconditioning of SVD's v-prediction."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .conditioning import Conditioning
from .trajectory import Denoise


def make_denoiser(
    network: nn.Module, conditioning: Conditioning, *, count: Callable[[int], None] | None = None
) -> Denoise:
    """denoise(x [K, L, c, h, w] float32, sigma [] or [K]) -> x0 like x.

    `network` has MotionUNet.forward's signature and predicts v; the conditioning lies on its device. `count(K)` is
    called before every pass. Karras et al. 2022, table 1, with SVD's c_skip = 1/(s^2+1), c_out = -s/sqrt(s^2+1),
    c_in = 1/sqrt(s^2+1), c_noise = ln(s)/4.
    """

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
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
