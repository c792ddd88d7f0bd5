"""`python -m driftfield.evaluation.builtin [PART ...] --data DIR --out DIR`: the built-in model against its bars."""

import argparse
import importlib
import sys
from pathlib import Path

from . import host

PARTS = {
    "autoencoder": "PSNR and SSIM of clips and stills through the autoencoder, and flicker of stills",
    "control": "three arrow sets a still, as drawn and negated, and no arrows: does it move as told?",
    "without_adapter": "the same arrows with the adapter taken off: the dual clock alone",
    "reconstruction": "clips from frame 0 and their own flow, against copying and warping frame 0",
    "ablations": "the same clips from a few arrows on their flow: without refiner, motion fields, motion strength",
    "refiner": "end-point error of the refined flow against the dense one's",
    "strength_response": "stills without arrows at motion strength 100, 200 and 400 %",
    "camera": "moving-camera clips' first frames with the static-camera LoRA and without",
}


def parse(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m driftfield.evaluation.builtin",
        description="Measures the built-in model on held-out pictures. An interrupted run goes on where it stopped.",
        epilog="; ".join(f"{part}: {what}" for part, what in PARTS.items()),
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{' or '.join(PARTS)} (default: all)")
    parser.add_argument("--data", type=Path, required=True, help="folder written by driftfield.training.prepare")
    parser.add_argument("--out", type=Path, required=True, help="folder for figures (JSON) and contact sheets (PNG)")
    parser.add_argument(
        "--stills", type=int, default=60, help="held-out stills, spread over all of them (default: 60, all)"
    )
    parser.add_argument("--clips", type=int, default=30, help="held-out clips, likewise (default: 30, all)")
    parser.add_argument("--weights", type=Path, help="folder like the pack's weights, measured in its place")
    parser.add_argument("--frames", type=int, default=25, help="frames of each animation (default: 25, as trained)")
    parser.add_argument("--steps", type=int, default=6, help="denoising steps (default: 6)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--check", action="store_true", help="exit with 1 where a bar is not met")
    arguments = parser.parse_args(words)
    for name, least in (("stills", 1), ("clips", 1), ("frames", 2), ("steps", 1)):
        if getattr(arguments, name) < least:
            parser.error(f"--{name}: got {getattr(arguments, name)}, allowed {least} or more")
    for part in arguments.parts:
        if part not in PARTS:
            parser.error(f"got {part!r}, allowed {', '.join(PARTS)}")
    if not (arguments.data / "index.json").is_file():
        parser.error(f"--data: {arguments.data} holds no index.json; python -m driftfield.training.prepare makes it")
    return arguments


def main(words: list[str] | None = None) -> int:
    arguments = parse(words)
    bars, failed = [], False
    try:
        host.enter()
        if arguments.weights:
            importlib.import_module("..model_loaders.locations", __package__).WEIGHTS = arguments.weights
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    for part in arguments.parts or PARTS:
        try:
            # By name, and only now: the parts import the loaders, and those ComfyUI.
            bars += importlib.import_module(f".{part}", __package__).run(arguments)
        except (ValueError, OSError) as error:
            print(f"{part}: {error}", file=sys.stderr)
            failed = True
    print("\n".join(map(str, bars)))
    if failed:
        return 2
    return int(arguments.check and not all(bar.met for bar in bars))


if __name__ == "__main__":
    sys.exit(main())
