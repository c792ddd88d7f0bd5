"""Animates a folder of pictures, on any number of GPUs and machines.

    python scripts/animate_folder.py PICTURES --out VIDEOS
    accelerate launch --num_processes 4 scripts/animate_folder.py PICTURES --out VIDEOS

Arrows of PICTURES/NAME.png are in PICTURES/NAME.json, in any form that Draw Motion Arrows reads; without that file,
those of --arrows; without both, the model moves the picture as it likes. Each process takes every n-th picture; but for
rounding, a video does not depend on how many there are. What is in VIDEOS already is left alone, so an interrupted run
goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from driftfield.evaluation import host
from driftfield.flow_tools.arrows import parse_arrows
from driftfield.flow_tools.convention import tensor_to_image
from driftfield.flow_tools.dense import sigma_in_px
from driftfield.flow_tools.motion import Motion
from driftfield.pipeline.settings import ExtendSettings, Settings
from driftfield.training.data.prepared_set import read_still, to_unit

if TYPE_CHECKING:
    from driftfield.model_loaders.animator import Animator

PROCESSES = (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}


def parse(words: list[str] | None) -> Namespace:
    about, _, epilog = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=about, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=Path, help="folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for NAME.mp4")
    parser.add_argument("--arrows", type=Path, help="file of arrows for pictures without their own")
    parser.add_argument("--model", default="built-in", help="as in Load Animation Model (default: built-in)")
    parser.add_argument("--adapter", default="auto", help="as in Load Animation Model (default: auto)")
    parser.add_argument("--size", type=int, nargs=2, metavar=("WIDTH", "HEIGHT"), help="default: the model's square")
    parser.add_argument("--total-frames", type=int, default=ExtendSettings.total_frames, help="default: %(default)s")
    parser.add_argument("--frames", type=int, default=Settings.frames, help="of a segment (default: as trained)")
    parser.add_argument(
        "--steps", type=int, default=Settings.steps, help="denoising steps (default: %(default)s; SVD: 25)"
    )
    parser.add_argument(
        "--cfg-max",
        type=float,
        default=Settings.cfg_max,
        help="guidance of the last frame (default: %(default)g; SVD: 3)",
    )
    parser.add_argument("--gamma", type=float, default=ExtendSettings.gamma)
    parser.add_argument("--joins", default=ExtendSettings.joins, help="as in Extend Animation (default: %(default)s)")
    parser.add_argument("--sigma", type=float, default=0.0, help="as in Densify Flow (default: automatic)")
    parser.add_argument("--fps", type=float, default=0.0, help="of the files (default: what the model is told)")
    parser.add_argument("--crf", type=int, help="of x264, 0 loses nothing (default: as Save Animation)")
    parser.add_argument("--seed", type=int, default=Settings.seed)
    arguments = parser.parse_args(words)
    if not arguments.pictures.is_dir():
        parser.error(f"PICTURES: got {arguments.pictures}, allowed a folder")
    arguments.files = sorted(file for file in arguments.pictures.iterdir() if file.suffix.lower() in SUFFIXES)
    if not arguments.files:
        parser.error(f"PICTURES: {arguments.pictures} holds no picture ({', '.join(sorted(SUFFIXES))})")
    stems = [file.stem for file in arguments.files]
    if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
        parser.error(f"PICTURES: {', '.join(twice)} there in two formats, allowed one, for both would be one .mp4")
    return arguments


def run(arguments: Namespace, files: list[Path], which: str) -> int:
    """Animates these pictures; the number of those that could not be, each with its reason printed."""
    from driftfield.model_loaders.animator import load_animator  # only now: ComfyUI has to be entered first

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
    from driftfield.pipeline.animate_still import animate_still
    from driftfield.pipeline.frames import frames_of
    from driftfield.pipeline.video_file import CRF, video_file

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
    from driftfield.pipeline.animate_still import motion_of_arrows

    own = file.with_suffix(".json")
    source = own if own.is_file() else arguments.arrows
    if source is None:
        return None
    arrows = parse_arrows(source.read_text(encoding="utf-8"), width=width, height=height)
    return motion_of_arrows(arrows, frames=frames, sigma_px=sigma_in_px(arguments.sigma, height, width))


def filled(image: Tensor, height: int, width: int) -> Tensor:
    """[1, 3, H, W] scaled until it covers height × width, and cropped around its middle."""
    scale = max(height / image.shape[-2], width / image.shape[-1])
    size = [max(least, round(side * scale)) for side, least in zip(image.shape[-2:], (height, width), strict=True)]
    image = F.interpolate(image, size=size, mode="bicubic", antialias=True).clamp(-1, 1)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return image[..., top : top + height, left : left + width]


def main(words: list[str] | None = None) -> int:
    arguments = parse(words)
    try:
        host.enter()
        # What accelerate launch and torchrun tell their processes, which have nothing to tell each other.
        rank, count, local = (int(os.environ.get(name, given)) for name, given in PROCESSES)
        if torch.cuda.is_available():
            torch.cuda.set_device(local)  # where ComfyUI then computes
        failed = run(arguments, arguments.files[rank::count], f"{rank + 1}/{count}")
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
