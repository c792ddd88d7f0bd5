"""Options that several commands share, checked as they are read."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

from ..pipeline.settings import Settings

RESULTS = Path("docs/results")


def at_least(least: int) -> Callable[[str], int]:
    """Reads a whole number, `least` or more."""

    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise ArgumentTypeError(f"got {value}, allowed {least} or more")
        return value

    return number


def prepared(text: str) -> Path:
    """Reads the folder of a prepared set."""
    folder = Path(text)
    if not (folder / "index.json").is_file():
        raise ArgumentTypeError(f"{folder} holds no index.json; python -m driftfield.training.prepare makes it")
    return folder


def add_sampling(parser: ArgumentParser) -> None:
    """--data, --weights, and how every animation is sampled."""
    parser.add_argument("--data", type=prepared, required=True, help="folder written by driftfield.training.prepare")
    parser.add_argument("--weights", type=Path, help="folder like the pack's weights, measured in its place")
    parser.add_argument("--frames", type=at_least(2), default=25, help="frames of a segment (default: 25, as trained)")
    parser.add_argument(
        "--steps", type=at_least(1), default=Settings.steps, help="denoising steps (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=Settings.seed)


def add_clips(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--clips", type=at_least(1), default=30, help="held-out clips, spread over all of them (default: 30, all)"
    )


def add_out(parser: ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=RESULTS, help=f"folder of the page (default: {RESULTS})")


def add_work(parser: ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("runs/evaluation"),
        help=f"folder for {what}, from which an interrupted run goes on (default: runs/evaluation)",
    )


def add_paper(parser: ArgumentParser) -> None:
    """What tables and figures of the paper share."""
    add_sampling(parser)
    add_out(parser)
    add_work(parser, "the figures of every video")
    parser.add_argument("--model", default="built-in", help="as in Load Animation Model (default: built-in)")
    parser.add_argument("--adapter", default="auto", help="as in Load Animation Model (default: auto)")
