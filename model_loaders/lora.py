"""LoRA files on the animator's UNet, through ComfyUI's patches, so that the base weights come back bit by bit."""

import json
from dataclasses import replace
from pathlib import Path

import comfy.lora
from comfy.weight_adapter import LoRAAdapter

from .animator import Animator
from .files import read_metadata, read_tensors, shorten

PREFIX = "module.unet."  # of the UNet's parameters in the animator's ModelPatcher


def apply_lora(animator: Animator, path: Path, weight: float) -> Animator:
    """A copy of the animator whose UNet is patched with weight × LoRA when it is loaded; the original is unchanged.

    Raises ValueError naming the file and the keys that fit no layer of this UNet, or fit it in another shape.
    """
    tensors = read_tensors([path], lambda key, tensor: tensor.dtype)
    shapes = {key: tuple(value.shape) for key, value in animator.unet.model.state_dict().items()}
    patches = comfy.lora.load_lora(tensors, key_map(list(shapes)), log_missing=False)
    used = {key for patch in patches.values() for key in getattr(patch, "loaded_keys", ())}
    if unmatched := [key for key in tensors if key not in used]:
        raise ValueError(f"{path}: keys that fit no layer of {animator.name}: {shorten(unmatched)}")
    scale = peft_scale(path)
    for key, patch in patches.items():
        if not isinstance(patch, LoRAAdapter):
            raise ValueError(f"{path}: {key.removeprefix(PREFIX)}: not a LoRA (two matrices), allowed: LoRA alone")
        up, down = patch.weights[:2]
        fits = (shapes[key][0], *shapes[key][1:]) == (up.shape[0], *down.shape[1:]) and up.shape[1] == down.shape[0]
        if not fits:
            allowed = f"[{shapes[key][0]}, r] and [r, {', '.join(map(str, shapes[key][1:]))}]"
            name = key.removeprefix(PREFIX)
            raise ValueError(f"{path}: {name}: got {list(up.shape)} and {list(down.shape)}, allowed {allowed}")
    patched = animator.unet.clone()
    patched.add_patches(patches, weight * scale)
    return replace(animator, unet=patched, name=f"{animator.name} + {path.stem} × {weight:g}")


def key_map(parameters: list[str]) -> dict[str, str]:
    """LoRA names (peft's, diffusers', kohya's) → the UNet's parameter names."""
    names = {}
    for parameter in parameters:
        if parameter.startswith(PREFIX) and parameter.endswith(".weight"):
            layer = parameter.removeprefix(PREFIX).removesuffix(".weight")
            for prefix in ("", "unet.", "base_model.model.", "base_model.model.unet.", "unet.base_model.model."):
                names[prefix + layer] = parameter
            names["lora_unet_" + layer.replace(".", "_")] = parameter
    return names


def peft_scale(path: Path) -> float:
    """lora_alpha / r as peft writes it, into adapter_config.json beside the file or into the file's metadata; else 1.

    kohya's files carry alpha as tensors, which ComfyUI applies by itself.
    """
    config = json.loads(read_metadata(path).get("lora_adapter_metadata", "{}"))
    config = {key.removeprefix("unet."): value for key, value in config.items()}
    beside = path.with_name("adapter_config.json")
    if not config and beside.is_file():
        config = json.loads(beside.read_text(encoding="utf-8"))
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not rank or not alpha:
        return 1.0
    return alpha / (rank**0.5 if config.get("use_rslora") else rank)
