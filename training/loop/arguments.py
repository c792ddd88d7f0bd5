"""The command line that the training commands share, and their presets."""

import argparse
import json
import math
from pathlib import Path
from types import SimpleNamespace

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

PRESETS = Path(__file__).parents[1] / "presets"


def parse_arguments(
    section: str,
    description: str,
    arguments: list[str] | None = None,
    *,
    preset: str = "mini",
    data: bool = True,
) -> SimpleNamespace:
    """Command line of a training command: `--preset NAME|FILE --data DIR --out DIR --minutes M --set key=value`.

    Returns the preset's section with the overrides, its name as `part`, plus everything else on the command line.
    `arguments` stands for the process's own; `data` says whether --data and --out must be given.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--preset", default=preset, help=f"name in training/presets, or TOML file (default: {preset})")
    parser.add_argument("--data", type=Path, required=data, help="folder written by driftfield.training.prepare")
    parser.add_argument("--out", type=Path, required=data, help="folder for weights, samples and logs")
    parser.add_argument("--autoencoder", type=Path, help="folder of the trained autoencoder (animator, autoencoder)")
    parser.add_argument("--animator", type=Path, help="folder of the trained animator (camera_lora)")
    parser.add_argument("--model", type=Path, help="SVD to start from: a diffusers folder or its single file (svd-xt)")
    parser.add_argument("--start", type=Path, metavar="DIR", help="start from the weights that a run wrote to DIR")
    parser.add_argument(
        "--resume", type=Path, metavar="DIR", help="go on with the run that wrote DIR, where it stopped"
    )
    parser.add_argument("--raft", type=Path, metavar="FILE", help="flow by RAFT with these raft_large weights, not DIS")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="end the run after so long, if that comes first; encoding apart"
    )
    parser.add_argument("--checkpoint-minutes", type=float, default=2, help="write weights and state this often")
    parser.add_argument(
        "--sample-minutes", type=float, default=10, help="draw a contact sheet for TensorBoard this often"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", help="cuda:1, cpu, … (default: what accelerate chooses)")
    parser.add_argument("--compile", action="store_true", help="torch.compile the networks (autoencoder)")
    parser.add_argument(
        "--set", nargs="*", action="extend", default=[], metavar="KEY=VALUE", help="override preset values, as JSON"
    )
    arguments = parser.parse_args(arguments)
    file = Path(arguments.preset) if arguments.preset.endswith(".toml") else PRESETS / f"{arguments.preset}.toml"
    try:
        sections = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        names = ", ".join(sorted(preset.stem for preset in PRESETS.glob("*.toml")))
        parser.error(f"--preset: got {arguments.preset} ({error}), allowed {names} or a TOML file")
    if section not in sections:
        parser.error(f"--preset {arguments.preset}: it has no section [{section}], only {sorted(sections)}")
    values = sections[section]
    for item in arguments.set:
        key, _, value = item.partition("=")
        if key not in values:
            parser.error(f"--set {key}: not in section [{section}] of {file.name}, which has {sorted(values)}")
        try:
            values[key] = json.loads(value)
        except json.JSONDecodeError:
            parser.error(f"--set {key}: got {value}, allowed a JSON value, like {json.dumps(values[key])}")
    if arguments.minutes <= 0:
        parser.error(f"--minutes: got {arguments.minutes:g}, allowed more than 0")
    return SimpleNamespace(part=section, **values, **{k: v for k, v in vars(arguments).items() if k != "set"})
