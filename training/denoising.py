"""The denoising loss that the animator and the LoRA are trained with, and the batches that it takes."""

import functools
import itertools

import torch
from diffusers.models.resnet import SpatioTemporalResBlock
from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from ..networks.animator import MotionUNet
from ..networks.fast.blocks import FastResBlock, FastResidualBlock
from ..networks.fast.single_token import SingleTokenAttention
from ..networks.fast.transformer import FastTransformer
from ..networks.motion_encoder import ResidualBlock
from .data import to_unit
from .latent_files import StoredClips
from .latents import LatentClips

STILL_BUCKET = 127  # motion_bucket_id where the adapter's strength columns say how strong the motion is
# Shares of the batch, in this order: everything; no flow (strength alone); the bare UNet; the unconditional pass.
FULL, STRENGTH_ALONE, BARE, UNCONDITIONAL = range(4)
SHARES = (0.72, 0.10, 0.13, 0.05)
STILL_SHARE = 0.08  # of the batch: nothing moves, and nothing is to move


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


class DenoisingLoss(nn.Module):
    """EDM loss of SVD's v prediction on a batch whose clips differ in what they are conditioned on."""

    def __init__(self, animator: MotionUNet, image_encoder: CLIPVisionModelWithProjection, options):
        super().__init__()
        self.animator, self.image_encoder = animator, image_encoder
        for name, module in animator.unet.named_modules():
            if name.endswith(".attn2"):
                module.set_processor(SingleTokenAttention())
        self.warped = animator.adapter.config.reference == "warped"
        self.scaling_factor, self.fps = options.scaling_factor, options.fps

    def forward(self, latents: Tensor, warped: Tensor, flow: Tensor, pixels: Tensor, strength: Tensor, mode: Tensor,
                log_sigma: Tensor, noise: Tensor, augmentation: Tensor, reference_noise: Tensor) -> Tensor:  # fmt: skip
        """The loss of each clip [B], float32; the networks compute in the dtype of their weights.

        latents and warped (as encoded, unscaled), noise [B, L, c, h, w]; flow [B, L−1, 2, H, W] px/frame;
        pixels [B, 3, 224, 224]; strength (percent), mode, log_sigma and augmentation (deviation of the reference's
        noise) [B]; reference_noise [B, 1, c, h, w]: the same on every frame, as an encoded noisy still would have.
        """
        batch, frames = latents.shape[:2]
        dtype = self.animator.unet.dtype
        conditional = (mode != UNCONDITIONAL).float()
        with_motion = (mode == FULL).float()

        def per_clip(x: Tensor) -> Tensor:
            return x.view(-1, 1, 1, 1, 1)

        sigma = per_clip(log_sigma.exp())
        still = latents[:, :1].expand_as(latents)
        reference = torch.where(per_clip(mode == FULL), warped, still) if self.warped else still
        latents = self.scaling_factor * latents
        noisy = latents + sigma * noise
        reference = (reference + per_clip(augmentation) * reference_noise) * per_clip(conditional)
        embedding = self.image_encoder(pixels.to(dtype)).image_embeds * conditional[:, None].to(dtype)

        context, unet = self.animator.context, self.animator.unet
        maps = self.animator.adapter.encoder(flow.flatten(0, 1))
        maps = [m.unflatten(0, (batch, frames - 1)) * per_clip(with_motion).to(m.dtype) for m in maps]
        context.maps = tuple(torch.cat([m, m[:, -1:]], dim=1) for m in maps)
        context.scale = 1.0
        context.strength = unet.add_time_proj(strength) * (mode != BARE).float()[:, None]
        bucket = torch.where(mode == BARE, strength.clamp(max=255), torch.full_like(strength, STILL_BUCKET))
        ids = torch.stack([torch.full_like(strength, self.fps - 1), bucket, augmentation], dim=1)
        sample = torch.cat([noisy / (sigma**2 + 1).sqrt(), reference], dim=2).to(dtype)
        prediction = unet(sample, 0.25 * log_sigma, embedding[:, None], ids).sample
        # D = c_skip·x + c_out·v with c_out = −σ/√(σ²+1); the loss on v is the EDM-weighted loss on D.
        target = (noisy / (sigma**2 + 1) - latents) * (sigma**2 + 1).sqrt() / sigma
        return (prediction.float() - target).square().mean(dim=(1, 2, 3, 4))


def inputs(clips: LatentClips, processor: CLIPImageProcessor) -> dict[str, Tensor]:
    """What DenoisingLoss takes of clips as they are, on their device."""
    share = clips.images.shape[-1] // clips.flow.shape[-1]
    flow = F.interpolate(clips.flow.float().flatten(0, 1), scale_factor=share, mode="bilinear") * share
    return {
        "latents": clips.latents.float(),
        "warped": clips.warped.float(),
        "flow": flow.unflatten(0, clips.flow.shape[:2]),
        "pixels": clip_pixels(clips.images, processor),
        "strength": clips.strength_percent,
    }


def draw_batch(
    clips: LatentClips | StoredClips,
    options,
    generator: torch.Generator,
    processor: CLIPImageProcessor,
    *,
    shares: tuple[float, ...] = SHARES,
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
    still = uniform() < STILL_SHARE
    latents, warped = drawn["latents"], drawn["warped"]
    first = latents[:, :1].expand_as(latents)
    latents, warped = (torch.where(still.view(-1, 1, 1, 1, 1), first, x) for x in (latents, warped))
    shape = (total, *latents.shape[1:])
    limits = on_device(tuple(itertools.accumulate(shares[:-1])), device)
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


def checkpoint_blocks(module: nn.Module) -> None:
    """Gradient checkpointing: a block keeps its input alone for the backward pass, which computes the block again."""
    kinds = (TransformerSpatioTemporalModel, SpatioTemporalResBlock, ResidualBlock)
    kinds += (FastTransformer, FastResBlock, FastResidualBlock)
    for block in [child for child in module.modules() if isinstance(child, kinds)]:
        block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False, preserve_rng_state=False)
