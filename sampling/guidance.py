"""Classifier-free guidance with a scale of its own for every frame."""

from dataclasses import replace

import torch

from .denoiser import make_denoiser


def guidance_scales(minimum, maximum, frames):
    """[L] float32, even from minimum at the first frame to maximum at the last, as SVD does (1 to 3)."""
    return torch.linspace(minimum, maximum, frames)


def guided(conditional, unconditional, scale):
    """denoise = u + scale (c - u), scale [L] or [K, L] a number a frame; where every scale is 1, `conditional` itself.

    With the scale on x's device no step waits for a transfer.
    """
    if (scale == 1).all():
        return conditional
    scale = scale[..., None, None, None]

    def denoise(x, sigma):
        without = unconditional(x, sigma)
        return without + scale.to(x) * (conditional(x, sigma) - without)

    return denoise


def with_unconditional(conditioning, segments):
    """The conditioning of a batch [2 K, ...]: K segments as they are, then the same K unconditional."""
    without = conditioning.unconditional()

    def both(name):
        halves = [getattr(told, name) for told in (conditioning, without)]
        rows = [half if half.ndim == batched[name] else half[None] for half in halves]
        return torch.cat([row.expand(segments, *row.shape[1:]) for row in rows])

    batched = {"image_embedding": 3, "reference": 5, "added_time_ids": 2}
    motion = conditioning.motion  # without motion a layer adds W_o W_V 0 = 0
    if motion is not None:
        motion = tuple(torch.cat([m, torch.zeros_like(m)]) for m in (m.expand(segments, *m.shape[1:]) for m in motion))
    return replace(conditioning, **{name: both(name) for name in batched}, motion=motion)


def guided_in_one_pass(network, conditioning, scale, *, count=None):
    """`guided` where the conditional and the unconditional half are one batch of the network's, twice as long."""
    conditional = make_denoiser(network, conditioning, count=count)
    if (scale == 1).all():
        return conditional
    scale = scale[..., None, None, None]
    prepared = {}

    def denoise(x, sigma):
        segments = len(x)
        if segments not in prepared:
            prepared.clear()
            prepared[segments] = make_denoiser(network, with_unconditional(conditioning, segments), count=count)
        sigmas = sigma if sigma.ndim == 0 else torch.cat([sigma, sigma])
        with_image, without = prepared[segments](torch.cat([x, x]), sigmas).chunk(2)
        return without + scale.to(x) * (with_image - without)

    return denoise
