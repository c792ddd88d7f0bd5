"""Table 2: every method of long videos side by side."""

from argparse import ArgumentParser, Namespace

from ...pipeline.settings import DIRECT, ExtendSettings
from ..output.publish import publish
from . import long_videos
from .long_videos import ALL_METHODS, Measured


def add_arguments(parser: ArgumentParser) -> None:
    long_videos.add_arguments(parser)
    parser.add_argument(
        "--gamma", type=float, default=ExtendSettings.gamma, help="of ours (default: %(default)g, the paper's)"
    )


def run(arguments: Namespace) -> None:
    write(arguments, long_videos.measure(arguments, "table2", ALL_METHODS, option="gamma"))


def write(arguments: Namespace, measured: Measured) -> None:
    header, rows = long_videos.table_of(measured, "method", DIRECT)
    notes = [
        *long_videos.notes_of(arguments, measured, f"γ {arguments.gamma:g}"),
        "FreeNoise's windows are whole passes of the network here, which costs more than the original.",
        "The columns of the paper's user study are left out: nobody was asked.",
    ]
    stem = "table2_stills" if measured.kind == "stills" else "table2"
    publish(arguments, stem, f"Long videos by method, {measured.kind} (the paper's table 2)", header, rows, notes=notes)
