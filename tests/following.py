"""What tests of the dual clock on ComfyUI's own models share."""

import torch

FRAMES = {"svd": 3}  # of the pictures; 13 for 4 latent frames of the others
STEPS = 20
FEWER = {"svd": 8}  # its UNet has many layers


def counting(calls):
    def run(apply, given):
        calls.append(float(given["timestep"][0]))
        return apply(given["input"], given["timestep"], **given["c"])

    return run


def masks(name, *, moving=0.5, resting=0.0):
    """The left share moves, the right share rests."""
    column = torch.arange(32).expand(FRAMES.get(name, 13), 32, 32)
    return (column < 32 * moving).float(), (column >= 32 * (1 - resting)).float()


def target_of(tiny, name):
    return torch.randn(tiny.KINDS[name].latent, generator=torch.Generator().manual_seed(7))


def video(latents):
    return latents.unbind()[0] if latents.is_nested else latents
