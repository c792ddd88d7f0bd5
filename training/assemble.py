"""Put trained parts together as the built-in model: `python -m driftfield.training.assemble … --out weights`.

Writes the folder that `StableVideoDiffusionPipeline.from_pretrained` and the nodes load, the adapter and the refiner
beside it, and the model card from the reports that the training commands wrote.
"""

import argparse
import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

CARD = """# The built-in model

Small networks of exactly Stable Video Diffusion's classes, trained from nothing with this repository's own commands, so
that every graph runs on a laptop's CPU and every test runs on the real thing. They are no match for SVD's weights.

- `animator/`: UNet, video autoencoder, CLIP image encoder, schedule; `StableVideoDiffusionPipeline.from_pretrained`
  loads it. `driftfield.json` holds what that layout has no place for (preview colours, trained size and rate).
- `motion_adapter.safetensors`: motion encoder, motion attention (eq. 4), strength columns (eq. 8); reference: warped.
- `refiner.safetensors`: the pix2pix flow refiner T.

All weights are stored in half precision and run in float32 on a CPU. Licence: GPL-3.0-or-later, like the pack.

## Data

`python -m driftfield.training.prepare mini`: animated previews and stills of ComfyUI's workflow templates (MIT
licence), split by clip; the names never trained on are in `training/held_out.json`. Synthetic scenes with exact flow
come from `training/scenes.py`.

## Training

| part | command | device | minutes | steps | figures |
|---|---|---|---|---|---|
{rows}

The options of every run, as they were:

{options}
"""


def figures(report: dict) -> str:
    plain = {"steps", "minutes", "processes", "options"}
    values = {}
    for name, value in report.items():
        if name not in plain:
            values |= {f"{name} {k}": v for k, v in value.items()} if isinstance(value, dict) else {name: value}
    return ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for part in ("autoencoder", "decoder", "animator", "refiner"):
        parser.add_argument(f"--{part}", type=Path, required=True, help=f"--out folder of the {part}'s training")
    parser.add_argument("--device-name", required=True, help="what it was trained on, for the model card")
    parser.add_argument("--out", type=Path, required=True, help="the pack's weights folder")
    options = parser.parse_args()

    shutil.copytree(options.animator / "animator", options.out / "animator", dirs_exist_ok=True)
    vae = options.out / "animator" / "vae"
    vae.mkdir(exist_ok=True)
    shutil.copy(options.decoder / "config.json", vae)
    name = "diffusion_pytorch_model.safetensors"
    tensors = {key: value.half().contiguous() for key, value in load_file(options.decoder / name).items()}
    save_file(tensors, vae / name, metadata={"format": "pt"})
    shutil.copy(options.animator / "motion_adapter.safetensors", options.out)
    shutil.copy(options.refiner / "refiner.safetensors", options.out)

    rows, used = [], []
    for part in ("autoencoder", "decoder", "animator", "refiner"):
        report = json.loads((getattr(options, part) / "report.json").read_text())
        command = "autoencoder --autoencoder" if part == "decoder" else part
        device = f"{report.get('processes', 1)} × {options.device_name}"
        rows.append(
            f"| {part} | `{command}` | {device} | {report['minutes']:.1f} | {report['steps']} | {figures(report)} |"
        )
        folders = {"data", "out", "autoencoder", "resume", "device"}
        chosen = {key: value for key, value in report["options"].items() if key not in folders}
        used.append(f"- {part}: `{json.dumps(chosen)}`")
    card = CARD.format(rows="\n".join(rows), options="\n".join(used))
    (options.out / "README.md").write_text(card)


if __name__ == "__main__":
    main()
