"""Classifier-free guidance with a scale of its own for every frame."""

import torch


def guidance_scales(minimum, maximum, frames):
    """[L] float32, even from minimum at the first frame to maximum at the last, as SVD does (1 to 3)."""
    return torch.linspace(minimum, maximum, frames)


def guided(conditional, unconditional, scale):
    """denoise = u + scale (c - u), scale [L] or [K, L] one number a frame; where every scale is 1, `conditional` itself.

    With the scale on x's device no step waits for a transfer.
    """
    if (scale == 1).all():
        return conditional
    scale = scale[..., None, None, None]

    def denoise(x, sigma):
        without = unconditional(x, sigma)
        return without + scale.to(x) * (conditional(x, sigma) - without)

    return denoise
