"""Stable Video Diffusion as the start of training: a user's weights, or random ones of its size; what is trained."""

import re
from pathlib import Path

import torch
from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from ...model_loaders.svd_checkpoint import load_checkpoint

# The paper freezes the spatial layers: what sees one frame at a time. These see several, or the time.
TRAINED = re.compile(
    r"(^|\.)(temporal_res_block|temporal_transformer_blocks|time_pos_embed|time_mixer|time_embedding|add_embedding)\."
)
CLIP_H = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "patch_size": 14,
    "projection_dim": 1024,
    "hidden_act": "gelu",
}


def load_svd(path: Path) -> tuple[nn.Module, nn.Module, nn.Module]:
    """UNet, VAE and image encoder of a diffusers folder or of SVD's original single file; fp32, in main memory.

    Raises ValueError where the path is neither.
    """
    if path.is_file():
        return load_checkpoint(path, torch.float32)
    classes = {
        "unet": UNetSpatioTemporalConditionModel,
        "vae": AutoencoderKLTemporalDecoder,
        "image_encoder": CLIPVisionModelWithProjection,
    }
    if missing := [name for name in classes if not (path / name / "config.json").is_file()]:
        raise ValueError(f"{path}: no {', '.join(missing)}, needed: a diffusers folder of SVD, or its single file")
    return tuple(_load_part(kind, path / name) for name, kind in classes.items())


def _load_part(kind: type, folder: Path) -> nn.Module:
    names = [file.name for file in folder.glob("*.safetensors")]
    variant = "fp16" if names and all(".fp16." in name for name in names) else None
    return kind.from_pretrained(folder, variant=variant, use_safetensors=True).float()


def random_svd(device: torch.device) -> tuple[nn.Module, nn.Module]:
    """UNet and image encoder of SVD's size with random weights, bf16 on a GPU: for trying what fits, and how fast."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if device.type == "cuda" else before)
    try:
        with device:
            return UNetSpatioTemporalConditionModel(), CLIPVisionModelWithProjection(CLIPVisionConfig(**CLIP_H))
    finally:
        torch.set_default_dtype(before)


def freeze_spatial_layers(unet: nn.Module) -> None:
    """Leaves the temporal layers and the embeddings of time to be trained."""
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_(TRAINED.search(name) is not None)
