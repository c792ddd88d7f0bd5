"""Put trained parts together as the built-in model: `python -m driftfield.training.assemble … --out weights`.

Writes the folder that `StableVideoDiffusionPipeline.from_pretrained` and the nodes load, the adapter, the refiner and
the LoRA beside it, `training.json` with the reports that the training commands wrote, and the model card made from
them. A part that is not named stays as it is; the report of a run that went on from earlier weights follows theirs.
"""

import argparse
import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from .loop.reports import flat

CARD = """# The built-in model

Small networks with the architecture of Stable Video Diffusion, trained from scratch with the commands of this
repository, so that every workflow and every test runs on a laptop's CPU. Their videos are far worse than those
of SVD's weights.

- `animator/`: UNet, video autoencoder, CLIP image encoder, schedule; `StableVideoDiffusionPipeline.from_pretrained`
  loads it. `driftfield.json` holds what that format cannot hold (preview colours, size and frame rate of training).
- `motion_adapter.safetensors`: motion encoder, motion attention (eq. 4), strength columns (eq. 8). Its reference is
  warped.
- `refiner.safetensors`: the flow refiner (pix2pix; T in the paper).
- `camera_lora.safetensors`: the static-camera LoRA, on the attention projections of the UNet's temporal layers.
- `training.json`: the numbers in the tables below.

All weights are stored in half precision and run in float32 on a CPU. Licence: GPL-3.0-or-later, like the pack.

## Data

`python -m driftfield.training.prepare mini`: animated previews and stills of ComfyUI's workflow templates (MIT
licence), split by clip. Those held out, never trained on, are named in `training/held_out.json`. Synthetic scenes with
exact flow come from `training/data/scenes.py`, those of things for the refiner from `training/data/things.py`.
{data}
## Training

{hours:.2f} GPU hours in all, on {devices}.

| part | seed | GPUs | minutes | steps | figures |
|---|---|---|---|---|---|
{rows}

The options of every run:

{options}
{evaluation}"""
PARTS = ("autoencoder", "decoder", "animator", "refiner", "camera_lora")
FIXED = {"steps", "minutes", "processes", "options", "part", "device"}  # of a report; the others are figures
PLACES = {"data", "out", "autoencoder", "animator", "start", "resume", "device", "raft", "model"}  # among the options


def install(part: str, run: Path, out: Path) -> None:
    """Copies what a part's training wrote to its place in the weights folder."""
    if part == "animator":
        for component in (run / "animator").iterdir():
            if component.is_dir():  # shards of larger weights must not stay beside these
                shutil.rmtree(out / "animator" / component.name, ignore_errors=True)
        shutil.copytree(run / "animator", out / "animator", dirs_exist_ok=True)
        shutil.copy(run / "motion_adapter.safetensors", out)
    elif part in ("autoencoder", "decoder"):  # the latter holds the encoder too, and comes last
        vae, name = out / "animator" / "vae", "diffusion_pytorch_model.safetensors"
        vae.mkdir(parents=True, exist_ok=True)
        shutil.copy(run / "config.json", vae)
        tensors = {key: value.half().contiguous() for key, value in load_file(run / name).items()}
        save_file(tensors, vae / name, metadata={"format": "pt"})
    else:
        shutil.copy(run / f"{part}.safetensors", out)


def continued(reports: list[dict], part: str, report: dict, device: str) -> list[dict]:
    """The reports with a new one of this part: after the part's earlier ones if it went on from them, else in place."""
    options = {key: value for key, value in report["options"].items() if key not in PLACES}
    kept = [r for r in reports if r["part"] != part or report["options"].get("start")]
    added = kept + [{"part": part, "device": device, "processes": 1} | report | {"options": options}]
    return sorted(added, key=lambda r: PARTS.index(r["part"]))


def figures(report: dict) -> str:
    values = flat({name: value for name, value in report.items() if name not in FIXED})
    return ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items())


def data_line(folder: Path) -> str:
    """How many clips and stills a prepared set has, and of what it is."""
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    packages = sorted({entry["package"] for kind in ("clips", "stills") for entry in index[kind]})
    kept = ", ".join(f"{count} {kind}" for kind, count in sorted(index["summary"]["kept"].items()))
    return f"\nThis set: {kept}; {index['summary']['frames']} frames of clips. From {', '.join(packages)}.\n"


def evaluation_section(folder: Path) -> str:
    """The bars that `python -m driftfield.evaluation builtin --out FOLDER` has measured."""
    rows = []
    for file in sorted(folder.glob("*.json")):
        for bar in json.loads(file.read_text(encoding="utf-8")).get("bars", ()):
            least, most = ("> <" if bar.get("strict") else "≥ ≤").split()
            limit = f"{least if bar['at_least'] else most} {bar['limit']:g}"
            met = "yes" if bar["met"] else "no"
            rows.append(f"| {file.stem} | {bar['what']} | {bar['value']:.3f} | {limit} | {met} |")
    if not rows:
        raise ValueError(f"--evaluation: {folder} holds no figures of a finished evaluation")
    return "\n## Evaluation\n\nOn what was held out, `python -m driftfield.evaluation builtin`:\n\n" + "\n".join(
        ["| | figure | value | bar | met |", "|---|---|---|---|---|", *rows, ""]
    )


def card(reports: list[dict], data: str, evaluation: str) -> str:
    rows = [
        f"| {r['part']} | {r['options'].get('seed', 0)} | {r['processes']} × {r['device']} | {r['minutes']:.1f} | "
        f"{r['steps']} | {figures(r)} |"
        for r in reports
    ]
    return CARD.format(
        data=data,
        hours=sum(r["minutes"] * r["processes"] for r in reports) / 60,
        devices=", ".join(sorted({r["device"] for r in reports})),
        rows="\n".join(rows),
        options="\n".join(f"- {r['part']}: `{json.dumps(r['options'])}`" for r in reports),
        evaluation=evaluation,
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for part in PARTS:
        parser.add_argument(f"--{part.replace('_', '-')}", type=Path, help=f"--out folder of the {part}'s training")
    parser.add_argument("--device-name", required=True, help="what it was trained on, for the model card")
    parser.add_argument("--data", type=Path, help="the prepared set, for the model card")
    parser.add_argument("--evaluation", type=Path, help="--out folder of driftfield.evaluation builtin, for the card")
    parser.add_argument("--out", type=Path, required=True, help="the pack's weights folder")
    options = parser.parse_args(arguments)

    data = data_line(options.data) if options.data else ""
    evaluation = evaluation_section(options.evaluation) if options.evaluation else ""
    options.out.mkdir(parents=True, exist_ok=True)
    history = options.out / "training.json"
    reports = json.loads(history.read_text(encoding="utf-8")) if history.is_file() else []
    for part in PARTS:
        if run := getattr(options, part):
            report = json.loads((run / "report.json").read_text(encoding="utf-8"))
            install(part, run, options.out)
            reports = continued(reports, part, report, options.device_name)
    for file in options.out.glob("animator/*/config.json"):  # diffusers notes there where a run's start lay
        values = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(
            json.dumps({k: v for k, v in values.items() if k != "_name_or_path"}, indent=2) + "\n", encoding="utf-8"
        )
    history.write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")
    (options.out / "README.md").write_text(card(reports, data, evaluation), encoding="utf-8")


if __name__ == "__main__":
    main()
