"""The commands of `python -m driftfield.evaluation`, one entry each."""

import argparse
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..model_loaders import locations
from . import border, field
from .builtin import command as builtin
from .living import command as living
from .network import command as network
from .objects import click
from .objects import command as objects
from .output.publish import PROGRAM
from .paper import figure7, figure8, table1, table2
from .speed import cpu, devices, ladder, memory, scaling, size


@dataclass(frozen=True)
class Command:
    name: str
    help: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int | None]  # the exit status; None is 0


COMMANDS = (
    Command("builtin", "the built-in model against its bars, part by part", builtin.add_arguments, builtin.run),
    Command("table1", "the paper's table 1: what each part of the method adds", table1.add_arguments, table1.run),
    Command("table2", "the paper's table 2: every method of long videos", table2.add_arguments, table2.run),
    Command("figure7", "the paper's figure 7: motion over the motion strength", figure7.add_arguments, figure7.run),
    Command("figure8", "the paper's figure 8: quality and time over γ", figure8.add_arguments, figure8.run),
    Command("objects", "things that move as things, on made scenes", objects.add_arguments, objects.run),
    Command("border", "what comes in over the border", border.add_arguments, border.run),
    Command("network", "what the network adds to the still that is merely moved", network.add_arguments, network.run),
    Command("click", "one click on a thing, and corrections, on made scenes", click.add_arguments, click.run),
    Command("field", "how far arrows move what is under them, by the field alone", field.add_arguments, field.run),
    Command("living", "water, clouds and grass that live, beside filmed ones", living.add_arguments, living.run),
    Command("speed", "a long video by diffusers, a plain loop and the nodes", ladder.add_arguments, ladder.run),
    Command("cpu", "the built-in networks on a CPU, diffusers' form and ours", cpu.add_arguments, cpu.run),
    Command("scaling", "how time and memory grow", scaling.add_arguments, scaling.run),
    Command("size", "large pictures, sampled near the trained size and at their own", size.add_arguments, size.run),
    Command("devices", "the second phase on several GPUs", devices.add_arguments, devices.run),
    Command("memory", "memory and time of every number format", memory.add_arguments, memory.run),
)


def parse(words: Sequence[str] | None = None) -> Namespace:
    """The options of one command; `run`, the command itself; `words`, what was typed."""
    parser = ArgumentParser(prog=PROGRAM, description="Measures what a model does, and what it takes.")
    parsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        options = parsers.add_parser(
            command.name, help=command.help, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        options.description = f"{command.help[0].upper()}{command.help[1:]}."
        command.add_arguments(options)
        options.set_defaults(run=command.run)
    arguments = parser.parse_args(words)
    arguments.words = list(sys.argv[1:] if words is None else words)
    return arguments


def main(words: Sequence[str] | None = None) -> int:
    """The exit status: 2 for what is wrong with files or options, else the command's own."""
    arguments = parse(words)
    try:
        if getattr(arguments, "weights", None):
            locations.WEIGHTS = arguments.weights
        return arguments.run(arguments) or 0
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
