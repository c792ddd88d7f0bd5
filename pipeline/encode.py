"""What the networks make of a picture and of a flow. Pictures are [B, 3, H, W] −1..1, results fp32 in main memory."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..model_loaders import memory
from ..model_loaders.animator import CLIP_SIZE, Animator

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
ENCODE_FRAMES = 8  # encoded side by side, at most
ENCODE_BYTES = 4_000  # of activations per pixel that is encoded, in fp32


@torch.no_grad()
def encode_image(animator: Animator, image: Tensor, *, on_step: Callable | None = None) -> Tensor:
    """[B, 3, H, W] → the mode of the VAE's encoder, unscaled, [B, c, h, w].

    In fp32, for fp16 can overflow; on a CPU in the animator's format, which is never fp16.

    As many frames at once as fit; on_step(i, total) after each chunk.
    """
    from ..networks.fast import accelerate  # here: diffusers takes seconds to import

    on_cpu = memory.device().type == "cpu"
    kind = animator.dtype if on_cpu else torch.float32
    each = ENCODE_BYTES * image[0, 0].numel()
    wanted = min(ENCODE_FRAMES, len(image))

    def run(chunk_frames: int) -> Tensor:
        (vae,) = memory.load(animator.vae, memory_required=chunk_frames * each)
        if on_cpu:
            vae.encoder = accelerate(vae.encoder)
        chunks = image.split(memory.fitting_in_free_memory(chunk_frames, each))
        latents = []
        for i, chunk in enumerate(chunks):
            memory.check_cancel()
            latents.append(vae.encode(chunk.to(memory.device(), kind)).latent_dist.mode().cpu())
            if on_step is not None:
                on_step(i, len(chunks))
        return torch.cat(latents)

    latents = memory.once_smaller(run, wanted, 1, "frames encoded at once")
    if not latents.isfinite().all():
        raise ValueError(f"{animator.name}: NaN or infinity in the encoded image")
    return latents


@torch.no_grad()
def embed_image(animator: Animator, image: Tensor) -> Tensor:
    """[1, 3, H, W] → CLIP's image embedding [1, 1, D], prepared as diffusers does for SVD."""
    (encoder,) = memory.load(animator.image_encoder)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
    pixels = ((squash(image.float(), CLIP_SIZE) + 1) / 2 - mean) / std
    return encoder(pixels.to(memory.device(), animator.dtype)).image_embeds[:, None].float().cpu()


def squash(image: Tensor, size: int) -> Tensor:
    """Antialiased bicubic resize to size × size: a Gaussian of (ratio − 1)/2 px, then bicubic on aligned corners."""
    for dim in (2, 3):
        ratio = image.shape[dim] / size
        sigma = max((ratio - 1) / 2, 0.001)
        taps = int(max(4 * sigma, 3)) | 1
        offsets = torch.arange(taps, dtype=image.dtype) - taps // 2
        kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
        kernel = (kernel / kernel.sum()).view(1, 1, taps, 1).expand(image.shape[1], -1, -1, -1)
        kernel = kernel if dim == 2 else kernel.transpose(2, 3)
        before = taps // 2
        padding = (0, 0, before, before) if dim == 2 else (before, before, 0, 0)
        mode = "reflect" if before < image.shape[dim] else "replicate"  # a single pixel has nothing to reflect
        image = F.conv2d(F.pad(image, padding, mode=mode), kernel, groups=image.shape[1])
    return F.interpolate(image, size=(size, size), mode="bicubic", align_corners=True)


@torch.no_grad()
def motion_maps(animator: Animator, flow: Tensor, *, on_step: Callable | None = None) -> tuple[Tensor, ...]:
    """flow [N, 2, H, W] px/frame, H and W divisible by PAD → motion maps [1, N, C_i, h_i, w_i]; needs an adapter."""
    from ..networks.fast import accelerate

    def run(chunk: int) -> tuple[Tensor, ...]:
        (network,) = memory.load(animator.unet)
        accelerate(network)  # as for sampling: the same flow gives the same maps before it and after
        parts, levels = flow.split(chunk), []
        for i, part in enumerate(parts):
            memory.check_cancel()
            levels.append([m.float().cpu() for m in network.encode_motion(part.to(memory.device()))])
            if on_step is not None:
                on_step(i, len(parts))
        return tuple(torch.cat(maps, dim=1) for maps in zip(*levels, strict=True))

    return memory.once_smaller(run, ENCODE_FRAMES, 1, "flows encoded at once")
