"""What a training run says of itself when it has ended: figures for `assemble`, and a model card of its own."""

import json
from types import SimpleNamespace

import torch


def write_report(options: SimpleNamespace, **figures) -> None:
    """report.json, which `assemble` reads, and README.md, the card, in options.out: data, settings, figures, time."""
    values = {name: value for name, value in vars(options).items() if name != "part"}
    report = json.dumps({**figures, "options": values}, indent=1, default=str)
    (options.out / "report.json").write_text(report + "\n", encoding="utf-8")
    index = json.loads((options.data / "index.json").read_text(encoding="utf-8"))
    kept = {
        f"{kind} {split}": sum(entry["split"] == split for entry in index[kind])
        for kind in ("clips", "stills")
        for split in ("train", "held_out")
    }
    device = torch.cuda.get_device_name() if torch.cuda.is_available() and options.device != "cpu" else "CPU"
    rows = {name: values[name] for name in ("model", "animator", "autoencoder", "start") if values.get(name)}
    rows |= {"data": ", ".join(f"{count} {what}" for what, count in kept.items() if count), "device": device}
    lines = [f"# {options.part}", "", f"Trained by `python -m driftfield.training.{options.part}`.", ""]
    lines += ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in {**rows, **flat(figures)}.items())]
    lines += ["", "All options:", "", "```json", json.dumps(values, indent=1, default=str), "```", ""]
    (options.out / "README.md").write_text("\n".join(lines), encoding="utf-8")


def flat(figures: dict) -> dict:
    """Figures that hold several of their own, each by both names."""
    found = {}
    for name, value in figures.items():
        found |= {f"{name} {k}": v for k, v in value.items()} if isinstance(value, dict) else {name: value}
    return found
