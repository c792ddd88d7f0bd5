"""Pages of results: a table as CSV, as Markdown and as a plot, the command that makes them on top."""

import csv
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import torch

from . import markdown
from .plot import Panel, write_plot

PROGRAM = "python -m driftfield.evaluation"


def command_of(arguments: Namespace) -> str:
    """What was typed, folders by their last names."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in arguments.words]
    return " ".join([PROGRAM, *words])


def device_name() -> str:
    """What a page's figures are measured on."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "a CPU"


def publish(
    arguments: Namespace,
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
    lines = [f"# {title}", "", "```", command, "```", "", markdown.table(header, rows)]
    lines += ["", *(f"- {note}" for note in notes), "", f"![{title}]({stem}.png)"]
    write_page(arguments, stem, "\n".join(lines))


def write_page(arguments: Namespace, stem: str, text: str) -> None:
    """STEM.md, which is printed as well."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / f"{stem}.md").write_text(text + "\n", encoding="utf-8")
    print(text)
