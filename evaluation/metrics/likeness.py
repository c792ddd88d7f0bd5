"""How like its target a video is, computed on the model's device."""

from torch import Tensor

from ...model_loaders import memory
from .psnr import psnr
from .ssim import ssim


def likeness(video: Tensor, target: Tensor) -> dict[str, float]:
    """PSNR and SSIM, computed on the model's device."""
    video, target = video.to(memory.device()), target.to(memory.device())
    return {"psnr": psnr(video, target), "ssim": ssim(video, target)}
