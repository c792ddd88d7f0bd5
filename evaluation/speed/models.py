"""Stable Video Diffusion with random weights, at full size or as a toy, and the FLOPs of its parts."""

import copy
import functools
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLTemporalDecoder,
    StableVideoDiffusionPipeline,
    UNetSpatioTemporalConditionModel,
)
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from ...model_loaders import memory
from ...model_loaders.animator import RHO, Animator, put_together
from ...sampling.conditioning import Conditioning
from ...training.models.save import build_scheduler
from ...training.models.svd import CLIP_H

FPS, BUCKET, AUGMENTATION = 7, 127, 0.02  # diffusers' defaults for SVD
SIGMAS = {"sigma_min": 0.002, "sigma_max": 700.0}


@dataclass(frozen=True)
class Size:
    """How large the networks and the video are."""

    unet: dict
    vae: dict
    clip: dict
    side: int  # px
    frames: int  # of a segment
    segments: int
    steps: int
    chunk_frames: int = 8


SIZES = {
    "full": Size(  # the defaults of diffusers' UNet are SVD-XT's
        unet={},
        vae={"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2},
        clip=CLIP_H,
        side=512,
        frames=25,
        segments=5,
        steps=25,
    ),
    "toy": Size(
        unet={
            "down_block_types": ("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
            "up_block_types": ("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
            "block_out_channels": (32, 64),
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 24,
            "layers_per_block": 1,
            "cross_attention_dim": 16,
            "num_attention_heads": (2, 4),
        },
        vae={"block_out_channels": (32, 32, 32, 32), "layers_per_block": 1},
        clip={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "patch_size": 32,
            "projection_dim": 16,
            "hidden_act": "gelu",
        },
        side=64,
        frames=5,
        segments=3,
        steps=5,
        chunk_frames=3,
    ),
}


class Models:
    """The networks on a device, in bf16 on a GPU and fp32 on a CPU, with seeded weights made there."""

    def __init__(self, size: Size, device: torch.device):
        self.size, self.device = size, device
        self.dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        before = torch.get_default_dtype()
        with torch.random.fork_rng(), device:
            torch.manual_seed(0)
            torch.set_default_dtype(self.dtype)
            try:
                unet = UNetSpatioTemporalConditionModel(**size.unet, num_frames=size.frames)
                vae = AutoencoderKLTemporalDecoder(
                    **size.vae, down_block_types=("DownEncoderBlock2D",) * 4, latent_channels=4
                )
                clip = CLIPVisionModelWithProjection(CLIPVisionConfig(**size.clip))
            finally:
                torch.set_default_dtype(before)
        self.unet, self.vae, self.clip = (
            module.to(device, self.dtype).eval().requires_grad_(False) for module in (unet, vae, clip)
        )

    @functools.cached_property
    def pipeline(self) -> StableVideoDiffusionPipeline:
        pipeline = StableVideoDiffusionPipeline(
            vae=self.vae,
            image_encoder=self.clip,
            unet=self.unet,
            scheduler=build_scheduler(**SIGMAS),
            feature_extractor=CLIPImageProcessor(),
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    @property
    def still(self) -> Image.Image:
        """A picture of side × side: smooth colours."""
        noise = torch.rand(8, 8, 3, generator=torch.Generator().manual_seed(1))
        return Image.fromarray((255 * noise).byte().numpy()).resize((self.size.side,) * 2)

    @torch.no_grad()
    def condition(self, still: Image.Image) -> Conditioning:
        """What diffusers' pipeline conditions its network on."""
        embedding = self.pipeline._encode_image(still, self.device, 1, False)
        pixels = self.pipeline.video_processor.preprocess(still, *still.size)
        latent = self.pipeline._encode_vae_image(pixels, self.device, 1, False)
        return Conditioning(
            image_embedding=embedding,
            reference=latent.expand(self.size.frames, -1, -1, -1),
            added_time_ids=torch.tensor([[FPS - 1.0, BUCKET, AUGMENTATION]], device=self.device),
        )


def as_animator(models: Models, dtype: str) -> Animator:
    """Copies of the networks in a number format of `memory.DTYPES`, as Load Animation Model gives them."""
    kind = memory.compute_dtype(dtype)
    unet, vae, clip = (copy.deepcopy(module).to("cpu", kind) for module in (models.unet, models.vae, models.clip))
    unet.register_to_config(sample_size=models.size.side // 8)
    vae.encoder.float(), vae.quant_conv.float()
    scheduler = {**SIGMAS, "rho": RHO}
    name = f"random weights, {models.size.side} px"
    return put_together(unet, vae, clip, scheduler, source=Path("random weights"), name=name, dtype=dtype)


@torch.no_grad()
def count_flops(models: Models, conditioning: Conditioning) -> tuple[float, float]:
    """FLOPs (2 for a multiply-add) of diffusers' UNet for one segment without guidance, and of decoding one segment."""
    size, reference = models.size, conditioning.reference
    sample = torch.cat([reference, reference], dim=1)[None]
    time = torch.zeros(1, device=models.device)
    with FlopCounterMode(display=False) as unet:
        models.unet(sample, time, conditioning.image_embedding, conditioning.added_time_ids)
    with FlopCounterMode(display=False) as decode:
        for chunk in reference.tensor_split(-(-size.frames // size.chunk_frames)):
            models.vae.decode(chunk, num_frames=len(chunk))
    return unet.get_total_flops(), decode.get_total_flops()
