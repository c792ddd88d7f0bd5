"""Hashes of what the workflows compute, to be compared before and after a change that should change nothing.

    python scripts/fingerprint.py > before.txt
    python scripts/fingerprint.py | diff before.txt -

A line each: what was run, the hash of its latents, the hash of its frames. The three workflows, then the long one with
every way to join segments and with every other method, all with the built-in model on the CPU. The hashes hold on one
machine with one PyTorch. Needs COMFYUI_DIR; --small runs sizes that take a minute instead of ten.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from api_form import to_api_form
from comfy_client import PACK_ROOT, ComfyClient, ComfyError, ComfyServer, workflow_media
from PIL import Image
from safetensors.numpy import load_file

LONG = "arrows_to_long_animation"
WORKFLOWS = ["short_animation", "motion_from_video", LONG]
SIDE_SMALL, STEPS_SMALL = 128, 2
FRAMES, FRAMES_SMALL = 70, 40
DECODE, EXTEND = "DriftfieldDecodeAnimation", "DriftfieldExtendAnimation"


def of_kind(prompt: dict, kind: str) -> str:
    return next(name for name, node in prompt.items() if node["class_type"] == kind)


def with_hashed_outputs(prompt: dict) -> dict:
    """The prompt without its video file, its latents and frames saved instead."""
    kept = {name: node for name, node in prompt.items() if node["class_type"] not in ("CreateVideo", "SaveVideo")}
    decode = of_kind(kept, DECODE)
    kept["latents"] = {"class_type": "SaveLatent", "inputs": {"samples": [decode, 1], "filename_prefix": "hashed"}}
    kept["frames"] = {"class_type": "SaveImage", "inputs": {"images": [decode, 0], "filename_prefix": "hashed"}}
    return kept


def made_small(prompt: dict) -> None:
    for node in prompt.values():
        if node["class_type"] == "ImageScale":
            node["inputs"] |= {"width": SIDE_SMALL, "height": SIDE_SMALL}
        if node["class_type"] == "DriftfieldAnimateImage":
            node["inputs"] |= {"steps": STEPS_SMALL}


def prompts(object_info: dict, *, small: bool):
    """(name, prompt) of everything that is hashed."""
    loaded = {}
    for name in WORKFLOWS:
        workflow = json.loads((PACK_ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))
        loaded[name] = with_hashed_outputs(to_api_form(workflow, object_info))
        if small:
            made_small(loaded[name])
        yield name, loaded[name]
    long = loaded[LONG]
    extend, frames = of_kind(long, EXTEND), FRAMES_SMALL if small else FRAMES
    required = {**object_info[EXTEND]["input"]["required"], **object_info[EXTEND]["input"]["optional"]}
    for joins in options(required["joins"]):
        inputs = {**long[extend]["inputs"], "joins": joins, "total_frames": frames, "gamma": 0.5}
        yield f"joins {joins}", {**long, extend: {**long[extend], "inputs": inputs}}
    other = "DriftfieldExtendAnimationOtherMethods"
    for method in options(object_info[other]["input"]["required"]["method"]):
        inputs = {"animation": long[extend]["inputs"]["animation"], "total_frames": frames, "seed": 3}
        inputs |= {"method": method, "overlap": 0}
        yield f"method {method}", {**long, extend: {"class_type": other, "inputs": inputs}}


def options(declared: list) -> list[str]:
    """The options of a combo, as either generation of ComfyUI declares them."""
    return declared[1]["options"] if declared[0] == "COMBO" else declared[0]


def digest(*arrays: np.ndarray) -> str:
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="small pictures, few steps")
    arguments = parser.parse_args()
    if "COMFYUI_DIR" not in os.environ:
        parser.error("COMFYUI_DIR: not set, needs the folder of a ComfyUI")
    with tempfile.TemporaryDirectory() as folder:
        with ComfyServer(Path(folder), log=Path(folder) / "log") as server, ComfyClient(server.url) as client:
            for file in workflow_media():
                client.upload(file)
            for name, prompt in prompts(client.object_info(), small=arguments.small):
                result = client.run(prompt)
                (latent,) = [server.file(entry) for entry in result.outputs["latents"]["latents"]]
                frames = [np.asarray(Image.open(server.file(entry))) for entry in result.files("frames")]
                if not frames:
                    raise ComfyError(f"{name}: no frames in {result.outputs}")
                print(f"{name:26} {digest(load_file(latent)['latent_tensor'])} {digest(*frames)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
