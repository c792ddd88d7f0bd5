"""Contact sheets of what a model in training makes, for TensorBoard."""

from types import SimpleNamespace

import torch
from diffusers import AutoencoderKLTemporalDecoder
from torch import Tensor, nn
from transformers import CLIPImageProcessor

from ...networks.motion_unet import MotionUNet
from ...sampling.conditioning import Conditioning
from ...sampling.denoiser import make_denoiser
from ...sampling.schedule import init_noise_scale, karras_sigmas
from ...sampling.trajectory import euler
from ..data.batches import inputs
from ..data.latents import LatentClips
from .denoising import STILL_BUCKET
from .grid import grid

STEPS = 12  # of Euler's method
COLUMNS = 6  # frames shown of a clip
SHEET_CLIPS = 4  # shown of a set


@torch.no_grad()
def animate(
    network: MotionUNet,
    image_encoder: nn.Module,
    batch: dict[str, Tensor],
    options: SimpleNamespace,
    *,
    with_flow: bool,
) -> Tensor:
    """Latents [B, L, c, h, w], as encoded, that the network makes of clips as `inputs` gives them; noise is seeded."""
    device, dtype = batch["latents"].device, network.unet.dtype
    sigmas = karras_sigmas(STEPS, sigma_min=options.sigma_min, sigma_max=options.sigma_max).to(device)
    embedding = image_encoder(batch["pixels"].to(image_encoder.dtype)).image_embeds.to(dtype)
    generator = torch.Generator(device).manual_seed(0)
    network.context.maps = network.context.strength = None  # a training step leaves its own
    warped = with_flow and network.adapter.config.reference == "warped"
    made = []
    for i, latents in enumerate(batch["latents"]):
        reference = batch["warped"][i] if warped else latents[:1].expand_as(latents)
        conditioning = Conditioning(
            image_embedding=embedding[i][None, None],
            reference=reference.to(dtype),
            added_time_ids=sigmas.new_tensor([[options.fps - 1, STILL_BUCKET, 0.0]]),
            motion=network.encode_motion(batch["flow"][i].to(dtype)) if with_flow else None,
            strength_percent=batch["strength"][i].item(),
        )
        noise = torch.randn((1, *latents.shape), generator=generator, device=device)
        start = noise * init_noise_scale(options.sigma_max)
        made.append(euler(make_denoiser(network, conditioning), start, sigmas)[0])
    return torch.stack(made) / options.scaling_factor


@torch.no_grad()
def decode(vae: AutoencoderKLTemporalDecoder, latents: Tensor) -> Tensor:
    """[B, L, c, h, w], as encoded → pictures [B, COLUMNS, 3, H, W] of evenly spaced frames, 0..1."""
    chosen = torch.linspace(0, latents.shape[1] - 1, COLUMNS).round().long()
    clips = [vae.decode(clip.to(vae.device, vae.dtype), num_frames=len(clip)).sample[chosen] for clip in latents]
    return ((torch.stack(clips).float() + 1) / 2).clamp(0, 1)


def sheet(
    network: MotionUNet,
    image_encoder: nn.Module,
    vae: AutoencoderKLTemporalDecoder,
    clips: LatentClips,
    processor: CLIPImageProcessor,
    options: SimpleNamespace,
    *,
    with_flow: bool = True,
) -> Tensor:
    """For each clip a row of what the network makes of its first frame and flow, over a row of the clip itself."""
    batch = inputs(clips, processor)
    made = decode(vae, animate(network, image_encoder, batch, options, with_flow=with_flow))
    return grid(torch.stack([made, decode(vae, batch["latents"])], dim=1).flatten(0, 1))
