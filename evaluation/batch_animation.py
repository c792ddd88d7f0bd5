"""One process's share of `driftfield.evaluation.batch`."""

import sys
from argparse import Namespace
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from ..flow_tools.arrows import parse_arrows
from ..flow_tools.convention import tensor_to_image
from ..flow_tools.motion import Motion
from ..model_loaders.animator import Animator, load_animator
from ..pipeline.animate_still import animate_still, motion_of_arrows
from ..pipeline.frames import frames_of
from ..pipeline.settings import ExtendSettings, Settings
from ..pipeline.video_file import CRF, video_file
from ..training.data.prepared_set import read_still, to_unit


def run(arguments: Namespace, files: list[Path], which: str) -> int:
    """Animates these pictures; the number of those that could not be, each with its reason printed."""
    animator, failed = load_animator(arguments.model, arguments.adapter, "auto"), 0
    arguments.out.mkdir(parents=True, exist_ok=True)
    for file in files:
        target = arguments.out / f"{file.stem}.mp4"
        if target.is_file():
            continue
        try:
            animate_file(animator, file, target, arguments)
            print(f"[{which}] {target.name}", flush=True)
        except (ValueError, OSError) as error:
            print(f"[{which}] {file.name}: {error}", file=sys.stderr, flush=True)
            failed += 1
    return failed


def animate_file(animator: Animator, file: Path, target: Path, arguments: Namespace) -> None:
    """ValueError for a picture or arrows that cannot be read."""
    width, height = arguments.size or (animator.size, animator.size)
    image = filled(to_unit(read_still(file))[None], height, width)
    settings = Settings(seed=arguments.seed, steps=arguments.steps, frames=arguments.frames, cfg_max=arguments.cfg_max)
    extension = ExtendSettings(
        arguments.total_frames, gamma=arguments.gamma, seed=arguments.seed, joins=arguments.joins
    )
    motion = motion_of_file(file, arguments, height, width, arguments.frames or animator.frames)
    animation = animate_still(animator, image, motion, settings, extension)
    crf = CRF if arguments.crf is None else arguments.crf
    with video_file(target, fps=arguments.fps or animation.fps, width=width, height=height, crf=crf) as write:
        for part in frames_of(animation):
            write(tensor_to_image(part))


def motion_of_file(file: Path, arguments: Namespace, height: int, width: int, frames: int) -> Motion | None:
    """The flow of the picture's arrows, as the workflows have it; None without arrows."""
    own = file.with_suffix(".json")
    source = own if own.is_file() else arguments.arrows
    if source is None:
        return None
    arrows = parse_arrows(source.read_text(encoding="utf-8"), width=width, height=height)
    return motion_of_arrows(arrows, frames=frames, sigma_px=arguments.sigma)


def filled(image: Tensor, height: int, width: int) -> Tensor:
    """[1, 3, H, W] scaled until it covers height × width, and cropped around its middle."""
    scale = max(height / image.shape[-2], width / image.shape[-1])
    size = [max(least, round(side * scale)) for side, least in zip(image.shape[-2:], (height, width), strict=True)]
    image = F.interpolate(image, size=size, mode="bicubic", antialias=True).clamp(-1, 1)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return image[..., top : top + height, left : left + width]
