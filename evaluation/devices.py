"""`python -m driftfield.evaluation.devices`: the second phase on several GPUs of this host, at SVD-XT's size."""

import argparse
import sys
from pathlib import Path

from .publish import enter_and_run


def parse(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m driftfield.evaluation.devices",
        description="Times the second phase on 1, 2, .. GPUs, with random weights of Stable Video Diffusion's size.",
    )
    parser.set_defaults(name="devices", weights=None)
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="default: docs/results")
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 2, 4], help="how many (default: 1 2 4)")
    parser.add_argument("--total-frames", type=int, nargs="+", default=[125, 250], help="default: 125 250")
    parser.add_argument("--joins", nargs="+", default=["restart", "crossfade"], help="default: restart crossfade")
    parser.add_argument("--size", choices=("full", "toy"), default="full")
    arguments = parser.parse_args(words)
    arguments.words = sys.argv[1:] if words is None else words
    return arguments


if __name__ == "__main__":
    sys.exit(enter_and_run(parse(None), "devices_timing"))
