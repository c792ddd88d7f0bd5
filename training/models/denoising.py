"""The denoising loss that the animator and the LoRA are trained with."""

import functools
from types import SimpleNamespace

import torch
from diffusers.models.resnet import SpatioTemporalResBlock
from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import CLIPVisionModelWithProjection

from ...networks.fast.blocks import FastResBlock, FastResidualBlock
from ...networks.fast.single_token import SingleTokenAttention
from ...networks.fast.transformer import FastTransformer
from ...networks.motion_encoder import ResidualBlock
from ...networks.motion_unet import MotionUNet
from ..data.batches import BARE, FULL, UNCONDITIONAL

STILL_BUCKET = 127  # motion_bucket_id where the adapter's strength columns say how strong the motion is


class DenoisingLoss(nn.Module):
    """EDM loss of SVD's v prediction on a batch whose clips differ in what they are conditioned on."""

    def __init__(self, network: MotionUNet, image_encoder: CLIPVisionModelWithProjection, options: SimpleNamespace):
        super().__init__()
        self.network, self.image_encoder = network, image_encoder
        for name, module in network.unet.named_modules():
            if name.endswith(".attn2"):
                module.set_processor(SingleTokenAttention())
        self.warped = network.adapter.config.reference == "warped"
        self.scaling_factor, self.fps = options.scaling_factor, options.fps

    def forward(self, latents: Tensor, warped: Tensor, flow: Tensor, pixels: Tensor, strength: Tensor, mode: Tensor,
                log_sigma: Tensor, noise: Tensor, augmentation: Tensor, reference_noise: Tensor) -> Tensor:  # fmt: skip
        """The loss of each clip [B], float32; the networks compute in the dtype of their weights.

        latents and warped (as encoded, unscaled), noise [B, L, c, h, w]; flow [B, L−1, 2, H, W] px/frame;
        pixels [B, 3, 224, 224]; strength (percent), mode, log_sigma and augmentation (deviation of the reference's
        noise) [B]; reference_noise [B, 1, c, h, w]: the same on every frame, as an encoded noisy still would have.
        """
        batch, frames = latents.shape[:2]
        dtype = self.network.unet.dtype
        conditional = (mode != UNCONDITIONAL).float()
        with_motion = (mode == FULL).float()

        def per_clip(x: Tensor) -> Tensor:
            return x.view(-1, 1, 1, 1, 1)

        sigma = per_clip(log_sigma.exp())
        still = latents[:, :1].expand_as(latents)
        reference = torch.where(per_clip(mode == FULL), warped, still) if self.warped else still
        latents = self.scaling_factor * latents
        noisy = latents + sigma * noise  # eq. 1, in EDM's scale: x_t = z_t / sqrt(alpha_t)
        reference = (reference + per_clip(augmentation) * reference_noise) * per_clip(conditional)
        embedding = self.image_encoder(pixels.to(dtype)).image_embeds * conditional[:, None].to(dtype)

        context, unet = self.network.context, self.network.unet
        maps = self.network.adapter.encoder(flow.flatten(0, 1))
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
        return (prediction.float() - target).square().mean(dim=(1, 2, 3, 4))  # eq. 2, on v


def checkpoint_blocks(module: nn.Module) -> None:
    """Gradient checkpointing: a block keeps its input alone for the backward pass, which computes the block again."""
    kinds = (TransformerSpatioTemporalModel, SpatioTemporalResBlock, ResidualBlock)
    kinds += (FastTransformer, FastResBlock, FastResidualBlock)
    for block in [child for child in module.modules() if isinstance(child, kinds)]:
        block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False, preserve_rng_state=False)
