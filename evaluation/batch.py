"""Animates a folder of pictures, on any number of GPUs and machines.

    python -m driftfield.evaluation.batch PICTURES --out VIDEOS
    accelerate launch --num_processes 4 -m driftfield.evaluation.batch PICTURES --out VIDEOS

Arrows of PICTURES/NAME.png are in PICTURES/NAME.json, in any form that Draw Motion Arrows reads; without that file,
those of --arrows; without both, the model moves the picture as it likes. Each process takes every n-th picture; but for
rounding, a video does not depend on how many there are. What is in VIDEOS already is left alone, so an interrupted run
goes on.
"""

import argparse
import importlib
import os
import sys
from pathlib import Path

import torch

from . import host

PROCESSES = (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}


def parse(words: list[str] | None) -> argparse.Namespace:
    about, _, epilog = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m driftfield.evaluation.batch",
        description=about,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pictures", type=Path, help="folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for NAME.mp4")
    parser.add_argument("--arrows", type=Path, help="file of arrows for pictures without their own")
    parser.add_argument("--model", default="built-in", help="as in Load Animation Model (default: built-in)")
    parser.add_argument("--adapter", default="auto", help="as in Load Animation Model (default: auto)")
    parser.add_argument("--size", type=int, nargs=2, metavar=("WIDTH", "HEIGHT"), help="default: the model's square")
    parser.add_argument("--total-frames", type=int, default=125, help="default: 125")
    parser.add_argument("--frames", type=int, default=0, help="of a segment (default: as trained)")
    parser.add_argument("--steps", type=int, default=6, help="denoising steps (default: 6; SVD: 25)")
    parser.add_argument("--cfg-max", type=float, default=1.0, help="guidance of the last frame (default: 1; SVD: 3)")
    parser.add_argument("--gamma", type=float, default=0.8)
    parser.add_argument("--joins", default="crossfade", help="as in Extend Animation (default: crossfade)")
    parser.add_argument("--sigma", type=float, help="as in Densify Flow, in pixels (default: the paper's)")
    parser.add_argument("--fps", type=float, default=0.0, help="of the files (default: what the model is told)")
    parser.add_argument("--crf", type=int, help="of x264, 0 loses nothing (default: as Save Animation)")
    parser.add_argument("--seed", type=int, default=0)
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


def main(words: list[str] | None = None) -> int:
    arguments = parse(words)
    try:
        host.enter()
        # What accelerate launch and torchrun tell their processes, which have nothing to tell each other.
        rank, count, local = (int(os.environ.get(name, given)) for name, given in PROCESSES)
        if torch.cuda.is_available():
            torch.cuda.set_device(local)  # where ComfyUI then computes
        # By name, and only now: it imports the loaders, and those ComfyUI.
        animated = importlib.import_module(".batch_animation", __package__)
        failed = animated.run(arguments, arguments.files[rank::count], f"{rank + 1}/{count}")
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
