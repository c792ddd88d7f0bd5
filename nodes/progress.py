"""Progress bars that stop at Cancel and show what the latents look like so far."""

from collections.abc import Callable

import torch
from comfy.cli_args import LatentPreviewMethod, args
from comfy.utils import ProgressBar
from PIL import Image
from torch import Tensor

from ..model_loaders import memory
from ..model_loaders.animator import Animator
from ..pipeline.still import Still

PREVIEW_SIZE = 512  # px of the longer side


def progress() -> Callable[[int, int], None]:
    """on_step(i, total) for loops without latents. Raises ComfyUI's InterruptProcessingException after a Cancel."""
    bar = ProgressBar(1)

    def on_step(i: int, total: int) -> None:
        memory.check_cancel()
        bar.update_absolute(i + 1, total)

    return on_step


def latent_progress(animator: Animator, still: Still) -> Callable[[int, int, Tensor], None]:
    """on_step(i, total, denoised [N, c, h, w]): as above, with a picture of the middle frame of the first segment, of
    the still's shape.

    Without a picture where ComfyUI's preview method, which a prompt may set, is none.
    """
    bar = ProgressBar(1)

    def on_step(i: int, total: int, denoised: Tensor) -> None:
        memory.check_cancel()
        preview = None
        if args.preview_method != LatentPreviewMethod.NoPreviews:
            middle = denoised[min(len(denoised), animator.frames) // 2]
            preview = ("JPEG", shaped(latent_picture(animator, middle), still), PREVIEW_SIZE)
        bar.update_absolute(i + 1, total, preview)

    return on_step


def latent_picture(animator: Animator, latent: Tensor) -> Image.Image:
    """Scaled latent [c, h, w] → RGB picture of h × w pixels, by the animator's linear map."""
    factors, bias = torch.tensor(animator.preview_factors), torch.tensor(animator.preview_bias)
    color = latent.float().cpu().permute(1, 2, 0) @ factors + bias
    return Image.fromarray(((color + 1) * 127.5).round().clamp(0, 255).byte().numpy())


def shaped(picture: Image.Image, still: Still) -> Image.Image:
    """The picture of what the network sees, as wide as the still is for its height."""
    height, width = still.padded.shape[-2:]
    return picture.resize((max(round(picture.height * width / height), 1), picture.height))
