"""What the commands for tables and figures share: their options, and CSV, Markdown and plot in docs/results."""

import argparse
import csv
import importlib
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from . import host
from .plot import Panel, write_plot


def options(name: str, about: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m driftfield.evaluation.{name}", description=about)
    parser.set_defaults(name=name)
    parser.add_argument("--data", type=Path, required=True, help="folder written by driftfield.training.prepare")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="default: docs/results")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("runs/evaluation"),
        help="folder for the figures of every video, from which an interrupted run goes on (default: runs/evaluation)",
    )
    parser.add_argument("--weights", type=Path, help="folder like the pack's weights, measured in its place")
    parser.add_argument("--model", default="built-in", help="as in Load Animation Model (default: built-in)")
    parser.add_argument("--adapter", default="auto", help="as in Load Animation Model (default: auto)")
    parser.add_argument("--frames", type=int, default=25, help="frames of a segment (default: 25, as trained)")
    parser.add_argument("--steps", type=int, default=6, help="denoising steps (default: 6)")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def main(parser: argparse.ArgumentParser, run_name: str, words: list[str] | None) -> int:
    """Parses, checks, and `enter_and_run`."""
    arguments = parser.parse_args(words)
    arguments.words = sys.argv[1:] if words is None else words
    for name in ("frames", "steps", "clips", "total_frames"):
        least = 2 if "frames" in name else 1
        if getattr(arguments, name, least) < least:
            parser.error(f"--{name.replace('_', '-')}: got {getattr(arguments, name)}, allowed {least} or more")
    if not (arguments.data / "index.json").is_file():
        parser.error(f"--data: {arguments.data} holds no index.json; python -m driftfield.training.prepare makes it")
    return enter_and_run(arguments, run_name)


def enter_and_run(arguments: argparse.Namespace, run_name: str) -> int:
    """Enters ComfyUI, and calls `run` of the module of this package called run_name; 2 for what is wrong."""
    try:
        host.enter()
        if arguments.weights:
            importlib.import_module("..model_loaders.locations", __package__).WEIGHTS = arguments.weights
        # By name, and only now: it imports the loaders, and those ComfyUI.
        importlib.import_module(f".{run_name}", __package__).run(arguments)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def command_of(arguments: argparse.Namespace) -> str:
    """What was typed, folders by their last names."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in arguments.words]
    return " ".join(["python -m driftfield.evaluation." + arguments.name, *words])


def publish(
    arguments: argparse.Namespace,
    stem: str,
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence],
    *,
    notes: Sequence[str],
    line: bool = False,
) -> None:
    """STEM.csv, STEM.md and STEM.png of rows (label, number or None, ...), the command on top of the first two."""
    command, out = command_of(arguments), arguments.out
    out.mkdir(parents=True, exist_ok=True)
    with (out / f"{stem}.csv").open("w", newline="", encoding="utf-8") as file:
        file.write(f"# {command}\n")
        csv.writer(file).writerows([header, *rows])
    columns = list(zip(*[row[1:] for row in rows], strict=True))
    panels = [Panel(name, column, line) for name, column in zip(header[1:], columns, strict=True)]
    write_plot(out / f"{stem}.png", [str(row[0]) for row in rows], panels)
    lines = [f"# {title}", "", "```", command, "```", "", row_of(header), row_of(["---"] * len(header))]
    lines += [row_of(map(cell, row)) for row in rows]
    lines += ["", *(f"- {note}" for note in notes), "", f"![{title}]({stem}.png)", ""]
    (out / f"{stem}.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


def row_of(cells) -> str:
    return "| " + " | ".join(cells) + " |"


def cell(value) -> str:
    if value is None:
        return "missing"
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"
    return str(value)
