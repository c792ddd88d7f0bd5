"""Figure 8: quality and time over gamma from 0 to 1."""

from argparse import ArgumentParser, Namespace

from ..output.publish import publish
from . import long_videos
from .long_videos import Measured

GAMMAS = [i / 10 for i in range(11)]


def add_arguments(parser: ArgumentParser) -> None:
    long_videos.add_arguments(parser)
    parser.add_argument("--joins", default="crossfade", help="as in Extend Animation (default: crossfade)")


def run(arguments: Namespace) -> None:
    labels = [f"{gamma:g}" for gamma in GAMMAS]
    write(arguments, long_videos.measure(arguments, "figure8", labels, option="joins"))


def write(arguments: Namespace, measured: Measured) -> None:
    header, rows = long_videos.table_of(measured, "γ", f"γ = {next(iter(measured.rows))}")
    notes = long_videos.notes_of(arguments, measured, f"joins: {arguments.joins}")
    stem = "figure8_stills" if measured.kind == "stills" else "figure8"
    title = f"Over γ, {measured.kind} (the paper's figure 8)"
    publish(arguments, stem, title, header, rows, notes=notes, line=True)
