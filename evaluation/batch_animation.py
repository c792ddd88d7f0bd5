"""One process's share of `driftfield.evaluation.batch`."""

import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from ..flow_tools.arrows import parse_arrows
from ..flow_tools.convention import tensor_to_image
from ..flow_tools.dense import default_sigma_px, densify
from ..flow_tools.sparse import sparse_flow
from ..model_loaders.animation import Settings, animate_planned
from ..model_loaders.animator import Animator, load_animator
from ..model_loaders.extension import extend_animation, plan_extension
from ..model_loaders.pictures import frames_of
from ..model_loaders.video_file import CRF, video_file
from ..training.data import read_still, to_unit
from .animations import THRESHOLD, Shot, planned


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
    flow = flow_of_file(file, arguments, height, width, arguments.frames or animator.frames)
    animation = animate_planned(animator, planned(animator, Shot(image, flow), settings))
    choices = {"seed": arguments.seed, "joins": arguments.joins}
    latents = extend_animation(animation, arguments.total_frames, gamma=arguments.gamma, **choices)
    timeline = plan_extension(animation, arguments.total_frames, **choices)
    animation = replace(animation, latents=latents, timeline=timeline)
    fps = arguments.fps or float(animation.conditioning.added_time_ids[0, 0]) + 1
    crf = CRF if arguments.crf is None else arguments.crf
    with video_file(target, fps=fps, width=width, height=height, crf=crf) as write:
        for part in frames_of(animation):
            write(tensor_to_image(part))


def flow_of_file(file: Path, arguments: Namespace, height: int, width: int, frames: int) -> Tensor | None:
    """The dense flow [1, 2, H, W] of the picture's arrows, as the workflows have it; None without arrows."""
    own = file.with_suffix(".json")
    source = own if own.is_file() else arguments.arrows
    if source is None:
        return None
    arrows = parse_arrows(source.read_text(encoding="utf-8"), width=width, height=height)
    sparse, hints = sparse_flow(arrows, height=height, width=width, frames=frames)
    sigma_px = default_sigma_px(height, width) if arguments.sigma is None else arguments.sigma
    return densify(sparse, hints, sigma_px=sigma_px, threshold=THRESHOLD)


def filled(image: Tensor, height: int, width: int) -> Tensor:
    """[1, 3, H, W] scaled until it covers height × width, and cropped around its middle."""
    scale = max(height / image.shape[-2], width / image.shape[-1])
    size = [max(least, round(side * scale)) for side, least in zip(image.shape[-2:], (height, width), strict=True)]
    image = F.interpolate(image, size=size, mode="bicubic", antialias=True).clamp(-1, 1)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return image[..., top : top + height, left : left + width]
