"""The batches that the animator and the LoRA are trained on: encoded clips, their conditioning, and noise."""

import functools
import itertools
from types import SimpleNamespace

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPImageProcessor

from .latent_files import StoredClips
from .latents import LatentClips
from .prepared_set import to_unit

# Fractions of the batch, in this order: everything; no flow (strength alone); the bare UNet; the unconditional pass.
FULL, STRENGTH_ALONE, BARE, UNCONDITIONAL = range(4)
MODE_FRACTIONS = (0.72, 0.10, 0.13, 0.05)
STILL_FRACTION = 0.08  # of the batch: nothing moves, and nothing is to move


@functools.cache
def on_device(values: tuple[float, ...], device: torch.device) -> Tensor:
    """[n]; made once, for every transfer has the host wait until the GPU has caught up with it."""
    return torch.tensor(values, device=device)


def clip_pixels(images: Tensor, processor: CLIPImageProcessor) -> Tensor:
    """uint8 [B, 3, H, W] → what the image encoder sees: antialiased bicubic 224², CLIP's mean and deviation."""
    small = F.interpolate(to_unit(images), size=(224, 224), mode="bicubic", antialias=True)
    mean, std = (
        on_device(tuple(values), images.device).view(3, 1, 1) for values in (processor.image_mean, processor.image_std)
    )
    return ((small + 1) / 2 - mean) / std


def inputs(clips: LatentClips, processor: CLIPImageProcessor) -> dict[str, Tensor]:
    """What DenoisingLoss takes of clips as they are, on their device."""
    factor = clips.images.shape[-1] // clips.flow.shape[-1]
    flow = F.interpolate(clips.flow.float().flatten(0, 1), scale_factor=factor, mode="bilinear") * factor
    return {
        "latents": clips.latents.float(),
        "warped": clips.warped.float(),
        "flow": flow.unflatten(0, clips.flow.shape[:2]),
        "pixels": clip_pixels(clips.images, processor),
        "strength": clips.strength_percent,
    }


def draw_batch(
    clips: LatentClips | StoredClips,
    options: SimpleNamespace,
    generator: torch.Generator,
    processor: CLIPImageProcessor,
    *,
    mode_fractions: tuple[float, ...] = MODE_FRACTIONS,
    process: int = 0,
    processes: int = 1,
) -> dict[str, Tensor]:
    """What DenoisingLoss takes, on the generator's device; all of the loss's random numbers are drawn here.

    Every process draws for all of them and keeps its own rows: from generators of one seed and from the same clips,
    several processes have the batch that one of their total size has.
    """
    device = generator.device
    own = slice(process * options.batch, (process + 1) * options.batch)
    total = options.batch * processes

    def uniform() -> Tensor:
        return torch.rand(total, generator=generator, device=device)[own]

    index = torch.randint(len(clips), (total,), generator=generator, device=device)[own]
    drawn = inputs(clips.take(index, device), processor)
    still = uniform() < STILL_FRACTION
    latents, warped = drawn["latents"], drawn["warped"]
    first = latents[:, :1].expand_as(latents)
    latents, warped = (torch.where(still.view(-1, 1, 1, 1, 1), first, x) for x in (latents, warped))
    shape = (total, *latents.shape[1:])
    limits = on_device(tuple(itertools.accumulate(mode_fractions[:-1])), device)
    normal = torch.randn(total, generator=generator, device=device)[own]
    return {
        "latents": latents,
        "warped": warped,
        "flow": drawn["flow"] * ~still.view(-1, 1, 1, 1, 1),
        "pixels": drawn["pixels"],
        "strength": drawn["strength"] * ~still,
        "mode": torch.bucketize(uniform(), limits, right=True),
        "log_sigma": options.log_sigma_mean + options.log_sigma_std * normal,
        "noise": torch.randn(shape, generator=generator, device=device)[own],
        "reference_noise": torch.randn(total, 1, *shape[2:], generator=generator, device=device)[own],
        "augmentation": (uniform() - 0.5).clamp(min=0) * 0.2,
    }
