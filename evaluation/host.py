"""The ComfyUI that the loaders run in, outside its server."""

import importlib
import os
import sys
from pathlib import Path

import torch

PACK = Path(__file__).absolute().parents[1]


def find_comfyui() -> Path:
    """The folder in COMFYUI_DIR, or the ComfyUI in whose custom_nodes/ the pack lies. FileNotFoundError for neither."""
    named = os.environ.get("COMFYUI_DIR")
    if named:
        if not (Path(named) / "main.py").is_file():
            raise FileNotFoundError(f"COMFYUI_DIR: got {named}, which holds no main.py, allowed: ComfyUI's own folder")
        return Path(named).absolute()
    if PACK.parent.name == "custom_nodes" and (PACK.parents[1] / "main.py").is_file():
        return PACK.parents[1]
    raise FileNotFoundError(
        f"no ComfyUI: {PACK} does not lie in the custom_nodes folder of one, and COMFYUI_DIR is not set; "
        "set COMFYUI_DIR to ComfyUI's own folder (the one with main.py)"
    )


def enter() -> Path:
    """Makes ComfyUI's modules importable, on the CPU where there is no GPU; before anything of model_loaders."""
    folder = find_comfyui()
    sys.path.append(str(folder))
    # By name: ComfyUI reads its --cpu flag once, so it is set here, although only the loaders use ComfyUI's modules.
    importlib.import_module("comfy.cli_args").args.cpu = not torch.cuda.is_available()
    return folder
