"""The built-in model on held-out pictures, one part after the other, and whether it meets the bars."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..options import add_clips, add_sampling, at_least
from ..output.results import Bar
from . import ablations, autoencoder, camera, control, reconstruction, refiner, strength_response, without_adapter


@dataclass(frozen=True)
class Part:
    help: str
    run: Callable[[Namespace], list[Bar]]  # prints its table, writes its figures


PARTS = {
    "autoencoder": Part("clips and stills through the autoencoder: PSNR, SSIM, flicker of stills", autoencoder.run),
    "control": Part("three arrow sets a still, as drawn and negated, and none: does it move as drawn?", control.run),
    "without_adapter": Part("the same arrows with the adapter taken off: the dual clock alone", without_adapter.run),
    "reconstruction": Part("clips from frame 0 and their own flow, against frame 0 copied, warped", reconstruction.run),
    "ablations": Part("clips from a few arrows: without refiner, motion fields, motion strength", ablations.run),
    "refiner": Part("the refined flow against the best Gaussian: error on clips, overlap with things", refiner.run),
    "strength_response": Part("stills without arrows at motion strength 100, 200 and 400 %", strength_response.run),
    "camera": Part("moving-camera clips' first frames with the static-camera LoRA and without", camera.run),
}


def named(text: str) -> str:
    """Reads the name of a part."""
    if text not in PARTS:
        raise ArgumentTypeError(f"got {text!r}, allowed {', '.join(PARTS)}")
    return text


def add_arguments(parser: ArgumentParser) -> None:
    parser.epilog = "parts:\n" + "\n".join(f"  {name:18} {part.help}" for name, part in PARTS.items())
    parser.description += " An interrupted run goes on where it stopped."
    parser.add_argument("parts", nargs="*", type=named, metavar="PART", help="as below (default: all)")
    parser.add_argument("--out", type=Path, required=True, help="folder for figures (JSON) and contact sheets (PNG)")
    add_sampling(parser)
    add_clips(parser)
    parser.add_argument(
        "--stills", type=at_least(1), default=60, help="held-out stills, spread over all of them (default: 60, all)"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 where a bar is not met")


def run(arguments: Namespace) -> int:
    bars, failed = [], False
    for name in arguments.parts or PARTS:
        try:
            bars += PARTS[name].run(arguments)
        except (ValueError, OSError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = True
    print("\n".join(map(str, bars)))
    if failed:
        return 2
    return int(arguments.check and not all(bar.met for bar in bars))
