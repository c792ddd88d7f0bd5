"""Classifier-free guidance with a scale of its own for every frame."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .conditioning import Conditioning
from .denoiser import make_denoiser
from .trajectory import Denoise


def guidance_scales(minimum: float, maximum: float, frames: int) -> Tensor:
    """[L] float32, even from minimum at the first frame to maximum at the last, as SVD does (1 to 3)."""
    return torch.linspace(minimum, maximum, frames)


def guided(conditional: Denoise, unconditional: Denoise, scale: Tensor) -> Denoise:
    """denoise = u + scale (c - u), scale [L] or [K, L] a number a frame; where every scale is 1, `conditional` itself.

    With the scale on x's device no step waits for a transfer.
    """
    if (scale == 1).all():
        return conditional
    scale = scale[..., None, None, None]

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        without = unconditional(x, sigma)
        return without + scale.to(x) * (conditional(x, sigma) - without)

    return denoise


def guided_in_one_pass(
    network: nn.Module, conditioning: Conditioning, scale: Tensor, *, count: Callable[[int], None] | None = None
) -> Denoise:
    """`guided` where the conditional and the unconditional half are one batch of the network's, twice as long."""
    conditional = make_denoiser(network, conditioning, count=count)
    if (scale == 1).all():
        return conditional
    scale = scale[..., None, None, None]
    prepared: dict[int, Denoise] = {}

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        segments = len(x)
        if segments not in prepared:
            prepared.clear()
            prepared[segments] = make_denoiser(network, conditioning.with_unconditional(segments), count=count)
        sigmas = sigma if sigma.ndim == 0 else torch.cat([sigma, sigma])
        with_image, without = prepared[segments](torch.cat([x, x]), sigmas).chunk(2)
        return without + scale.to(x) * (with_image - without)

    return denoise
