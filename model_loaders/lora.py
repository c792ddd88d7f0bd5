"""LoRA files on the animator's UNet, through ComfyUI's patches, so that the base weights come back bit by bit."""

import json
from dataclasses import replace
from pathlib import Path

import comfy.lora
from comfy.weight_adapter import LoRAAdapter

from ..flow_tools.convention import check_finite
from .animator import Animator
from .files import Network, read_json, read_metadata, read_tensors, shorten
from .memory import unwrap
from .svd_checkpoint import UNET, unet_names

PREFIX = "module.unet."  # of the UNet's parameters in the animator's ModelPatcher


def apply_lora(animator: Animator, path: Path, weight: float) -> Animator:
    """A copy of the animator whose UNet is patched with weight × LoRA when it is loaded; the original is unchanged.

    Raises ValueError naming the file and the keys that fit no layer of this UNet, or fit it in another shape.
    """
    check_finite("weight", weight)
    tensors = read_tensors([path], lambda key, tensor: tensor.dtype)
    if not any(tensor.numel() for tensor in tensors.values()):
        raise ValueError(f"{path}: {len(tensors)} tensors with nothing in them, allowed: a LoRA for {animator.name}")
    shapes = {key: tuple(value.shape) for key, value in animator.unet.model.state_dict().items()}
    patches = comfy.lora.load_lora(tensors, key_map(unwrap(animator.unet).unet), log_missing=False)
    used = {key for patch in patches.values() for key in getattr(patch, "loaded_keys", ())}
    if unmatched := [key for key in tensors if key not in used]:
        raise ValueError(f"{path}: keys that fit no layer of {animator.name}: {shorten(unmatched)}")
    config, patched = peft_config(path), animator.unet.clone()
    for key, patch in patches.items():
        if not isinstance(patch, LoRAAdapter):
            raise ValueError(f"{path}: {key.removeprefix(PREFIX)}: not a LoRA (two matrices), allowed: LoRA alone")
        up, down = patch.weights[:2]
        fits = (shapes[key][0], *shapes[key][1:]) == (up.shape[0], *down.shape[1:]) and up.shape[1] == down.shape[0]
        if not fits:
            allowed = f"[{shapes[key][0]}, r] and [r, {', '.join(map(str, shapes[key][1:]))}]"
            name = key.removeprefix(PREFIX)
            raise ValueError(f"{path}: {name}: got {list(up.shape)} and {list(down.shape)}, allowed {allowed}")
        patched.add_patches({key: patch}, weight * peft_scale(config, down.shape[0]))
    return replace(animator, unet=patched, name=f"{animator.name} + {path.stem} × {weight:g}")


def key_map(unet: Network) -> dict[str, str]:
    """LoRA names of a UNet's layers → its parameters' names in the animator's ModelPatcher.

    A layer as diffusers calls it with the prefixes of peft and diffusers, and in diffusers' older form; as the original
    file calls it with ComfyUI's prefixes; and either with underscores, as kohya's scripts do.
    """
    names = {}
    for parameter, original in unet_names(unet).items():
        layer, _, kind = parameter.rpartition(".")
        if kind != "weight":
            continue
        original = original.removeprefix(UNET).removesuffix(".weight")
        attention, _, projection = layer.removesuffix(".0").rpartition(".")
        for prefix in ("", "unet.", "base_model.model.", "base_model.model.unet.", "unet.base_model.model."):
            names[prefix + layer] = PREFIX + parameter
            if projection.startswith("to_"):
                names[f"{prefix}{attention}.processor.{projection}"] = PREFIX + parameter
        for prefix in ("diffusion_model.", UNET):
            names[prefix + original] = PREFIX + parameter
        for form in (layer, original):
            names["lora_unet_" + form.replace(".", "_")] = PREFIX + parameter
    return names


def peft_config(path: Path) -> dict:
    """What peft writes into adapter_config.json beside the file, or diffusers into the file's metadata; else empty.

    Raises ValueError where that is not JSON, or gives layers an alpha of their own.
    """
    written, beside = read_metadata(path).get("lora_adapter_metadata"), path.with_name("adapter_config.json")
    if written is not None:
        try:
            config = {key.removeprefix("unet."): value for key, value in json.loads(written).items()}
        except (ValueError, AttributeError) as error:
            raise ValueError(f"{path}: lora_adapter_metadata is no JSON object ({error})") from error
    else:
        config = read_json(beside) if beside.is_file() else {}
    if config.get("alpha_pattern"):
        raise ValueError(f"{path}: alpha_pattern = {config['alpha_pattern']}, allowed: one lora_alpha for all layers")
    return config


def peft_scale(config: dict, rank: int) -> float:
    """lora_alpha / r, or / sqrt(r) where use_rslora is set; else 1. kohya stores alpha as tensors, ComfyUI's own."""
    alpha = config.get("lora_alpha")
    if not alpha:
        return 1.0
    return alpha / (rank**0.5 if config.get("use_rslora") else rank)
