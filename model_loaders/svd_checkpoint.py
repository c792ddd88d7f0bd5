"""Stable Video Diffusion in its original single file (svd.safetensors, svd_xt.safetensors) as diffusers' modules.

The file holds the UNet, the VAE's decoder, its encoder once or twice, and the CLIP image encoder. What it is, and how
wide and deep, is read from its header alone; only then are tensors read, one at a time, into modules that hold none.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .files import Network, load_strictly, open_file, read_metadata, read_shapes, shorten, usable

NEEDED = (
    "needed: Stable Video Diffusion's original file, svd.safetensors (14 frames) or svd_xt.safetensors (25), "
    "which holds UNet, VAE and image encoder"
)
UNET = "model.diffusion_model."
CLIP = "conditioner.embedders.0.open_clip.model.visual."
DECODER = "first_stage_model.decoder."
# Where the VAE's encoder and its quant_conv may lie, the better one first. The first stage has quant_conv merged into
# the encoder's last convolution.
ENCODERS = (
    (
        "conditioner.embedders.3.encoder.encoder.",
        ("conditioner.embedders.3.encoder.quant_conv.", "conditioner.embedders.3.encoder.encoder.quant_conv."),
    ),
    ("first_stage_model.encoder.", ("first_stage_model.quant_conv.",)),
)
SCHEDULE = {"sigma_min": 0.002, "sigma_max": 700.0, "rho": 7.0}  # rho: Karras et al.
FRAMES, FRAMES_XT = 14, 25
HEAD, CLIP_HEAD = 64, 80  # channels of an attention head
TIME_IDS = 3  # frame rate, motion bucket, noise augmentation
TIME_ID_CHANNELS = 256
OTHER_KINDS = (  # one of the file's keys fits → what it is; the first that fits counts
    (r"lora_(up|down|A|B)\b|\.lora\.", "a LoRA"),
    (r"motion_modules\.", "an AnimateDiff motion module"),
    (r"(^|\.)blocks\.0\.cross_attn\.", "a Wan video model"),
    (r"(^|\.)double_blocks\.0\.", "a Flux or Hunyuan Video model"),
    (r"(^|\.)joint_blocks\.0\.", "a Stable Diffusion 3 model"),
    (r"^control_model\.|input_hint_block|^controlnet_", "a ControlNet"),
    (r"^conditioner\.embedders\.[01]\.model\.", "a Stable Diffusion XL model, for still pictures"),
    (r"^cond_stage_model\.model\.", "a Stable Diffusion 2 model, for still pictures"),
    (r"^cond_stage_model\.transformer\.", "a Stable Diffusion 1 model, for still pictures"),
    (r"^(model\.diffusion_model\.)?input_blocks\.", "a Stable Diffusion UNet for still pictures"),
    (
        r"^((en|de)coder\.)?(down|up)_blocks\.|^vision_model\.",
        "one part of a diffusers folder (the whole folder belongs into models/diffusers)",
    ),
    (r"^(first_stage_model\.)?(en|de)coder\.", "a VAE"),
)

# diffusers' names → original ones, pattern by pattern.
RESNET = (
    (r"spatial_res_block\.", ""),
    (r"temporal_res_block\.", "time_stack."),
)
RESNET_PARTS = (
    (r"norm1\.", "in_layers.0."),
    (r"conv1\.", "in_layers.2."),
    (r"time_emb_proj\.", "emb_layers.1."),
    (r"norm2\.", "out_layers.0."),
    (r"conv2\.", "out_layers.3."),
    (r"conv_shortcut\.", "skip_connection."),
)
TRANSFORMER = (
    (r"temporal_transformer_blocks\.", "time_stack."),
    (r"time_pos_embed\.linear_1\.", "time_pos_embed.0."),
    (r"time_pos_embed\.linear_2\.", "time_pos_embed.2."),
)
UNET_ENDS = (
    (r"^time_embedding\.linear_1\.", "time_embed.0."),
    (r"^time_embedding\.linear_2\.", "time_embed.2."),
    (r"^add_embedding\.linear_1\.", "label_emb.0.0."),
    (r"^add_embedding\.linear_2\.", "label_emb.0.2."),
    (r"^conv_in\.", "input_blocks.0.0."),
    (r"^conv_norm_out\.", "out.0."),
    (r"^conv_out\.", "out.2."),
    (r"^mid_block\.resnets\.0\.", "middle_block.0."),
    (r"^mid_block\.attentions\.0\.", "middle_block.1."),
    (r"^mid_block\.resnets\.1\.", "middle_block.2."),
)
VAE = (
    (r"^mid_block\.resnets\.0\.", "mid.block_1."),
    (r"^mid_block\.resnets\.1\.", "mid.block_2."),
    (r"^mid_block\.attentions\.0\.group_norm\.", "mid.attn_1.norm."),
    (r"^mid_block\.attentions\.0\.to_([qkv])\.", r"mid.attn_1.\1."),
    (r"^mid_block\.attentions\.0\.to_out\.0\.", "mid.attn_1.proj_out."),
    (r"^down_blocks\.(\d+)\.resnets\.", r"down.\1.block."),
    (r"^down_blocks\.(\d+)\.downsamplers\.0\.", r"down.\1.downsample."),
    (r"^conv_norm_out\.", "norm_out."),
    (r"^time_conv_out\.", "conv_out.time_mix_conv."),
    (r"time_mixer\.mix_factor", "mix_factor"),
)
CLIP_NAMES = (
    (r"^vision_model\.embeddings\.class_embedding", "class_embedding"),
    (r"^vision_model\.embeddings\.patch_embedding\.", "conv1."),
    (r"^vision_model\.embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"^vision_model\.pre_layrnorm\.", "ln_pre."),
    (r"^vision_model\.post_layernorm\.", "ln_post."),
    (r"^visual_projection\.weight", "proj"),
    (r"^vision_model\.encoder\.layers\.", "transformer.resblocks."),
    (r"\.layer_norm([12])\.", r".ln_\1."),
    (r"\.mlp\.fc1\.", ".mlp.c_fc."),
    (r"\.mlp\.fc2\.", ".mlp.c_proj."),
    (r"\.self_attn\.[qkv]_proj\.(weight|bias)", r".attn.in_proj_\1"),
    (r"\.self_attn\.out_proj\.", ".attn.out_proj."),
)
Shapes = dict[str, tuple[int, ...]]


def load_checkpoint(path: Path, dtype: torch.dtype) -> tuple[Network, Network, Network]:
    """UNet, VAE and image encoder, in dtype but for the VAE's encoder, which stays fp32 (in fp16 it can overflow).

    Raises ValueError naming what the file is and what is needed (from the header alone), or the keys that do not fit.
    """
    shapes = read_shapes(path)
    check_kind(path, shapes)
    try:
        configs = unet_config(shapes, path.stem), vae_config(shapes), clip_config(shapes)
    except KeyError as error:
        raise ValueError(f"{path}: missing key {error}; the file is damaged or cut down; {NEEDED}") from error

    from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel  # slow to import
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    with torch.device("meta"):
        unet = UNetSpatioTemporalConditionModel(**configs[0])
        vae = AutoencoderKLTemporalDecoder(**configs[1])
        clip = CLIPVisionModelWithProjection(CLIPVisionConfig(**configs[2]))

    _fill(unet, unet_names(unet), path, shapes, lambda key: dtype)
    _fill(vae, vae_names(vae, shapes), path, shapes, lambda key: dtype if key.startswith("decoder.") else torch.float32)
    _fill(clip, clip_names(clip), path, shapes, lambda key: dtype)
    embeddings: Network = clip.vision_model.embeddings  # its positions are in no file
    embeddings.position_ids = torch.arange(embeddings.num_positions)[None]
    return unet, vae, clip


def check_kind(path: Path, shapes: Shapes) -> None:
    """ValueError saying what the file is, where it is not SVD's original single file, whole."""
    if found := _other_kind(path, shapes):
        raise ValueError(f"{path}: this is {found}; {NEEDED}")


def trained_frames(stem: str) -> int:
    """14 or 25 frames have the same tensors: 25 where the file's name has "xt" in it (svd_xt, img2vidXt), else 14."""
    return FRAMES_XT if "xt" in stem.lower() else FRAMES


def unet_config(shapes: Shapes, stem: str) -> dict:
    """UNetSpatioTemporalConditionModel's arguments; KeyError where the UNet lacks what they follow from."""
    blocks = len({key.removeprefix(UNET).split(".")[1] for key in shapes if key.startswith(UNET + "input_blocks.")})
    levels = 1 + sum(f"{UNET}input_blocks.{i}.0.op.weight" in shapes for i in range(blocks))
    stride = blocks // levels  # input blocks a level: its layers, and one that makes it smaller
    first = [1 + level * stride for level in range(levels)]
    widths = [shapes[f"{UNET}input_blocks.{i}.0.out_layers.3.weight"][0] for i in first]
    attended = [f"{UNET}input_blocks.{i}.1.norm.weight" in shapes for i in first]
    conditions = shapes[f"{UNET}label_emb.0.0.weight"][1]
    return {
        "sample_size": 96,
        "in_channels": shapes[f"{UNET}input_blocks.0.0.weight"][1],
        "out_channels": shapes[f"{UNET}out.2.weight"][0],
        "down_block_types": [f"{'CrossAttn' if a else ''}DownBlockSpatioTemporal" for a in attended],
        "up_block_types": [f"{'CrossAttn' if a else ''}UpBlockSpatioTemporal" for a in reversed(attended)],
        "block_out_channels": widths,
        "addition_time_embed_dim": conditions // TIME_IDS,
        "projection_class_embeddings_input_dim": conditions,
        "layers_per_block": stride - 1,
        "cross_attention_dim": shapes[f"{UNET}middle_block.1.transformer_blocks.0.attn2.to_k.weight"][1],
        "num_attention_heads": [width // HEAD for width in widths],
        "num_frames": trained_frames(stem),
    }


def vae_config(shapes: Shapes) -> dict:
    levels = _count(shapes, DECODER + "up.{}.block.0.conv1.weight")
    return {
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "block_out_channels": [shapes[f"{DECODER}up.{i}.block.0.conv1.weight"][0] for i in range(levels)],
        "layers_per_block": _count(shapes, DECODER + "up.0.block.{}.conv1.weight") - 1,
        "latent_channels": shapes[f"{DECODER}conv_in.weight"][1],
        "sample_size": 768,
        "scaling_factor": 0.18215,
    }


def clip_config(shapes: Shapes) -> dict:
    width, _, patch, _ = shapes[f"{CLIP}conv1.weight"]
    side = round((shapes[f"{CLIP}positional_embedding"][0] - 1) ** 0.5)
    return {
        "hidden_size": width,
        "intermediate_size": shapes[f"{CLIP}transformer.resblocks.0.mlp.c_fc.weight"][0],
        "num_hidden_layers": _count(shapes, CLIP + "transformer.resblocks.{}.ln_1.weight"),
        "num_attention_heads": width // CLIP_HEAD,
        "image_size": patch * side,
        "patch_size": patch,
        "projection_dim": shapes[f"{CLIP}proj"][1],
        "hidden_act": "gelu",
    }


def unet_names(unet: Network) -> dict[str, str]:
    """{diffusers' key: original key}, one to one."""
    stride = unet.config.layers_per_block + 1

    def name(key: str) -> str:
        found = re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.*)", key)
        if found is None:
            original = _rename(key, UNET_ENDS)
        else:
            side, block, part, layer, rest = found.groups()
            index = int(block) * stride + int(layer)
            if part == "downsamplers":
                return f"{UNET}input_blocks.{index + stride}.0.{rest.replace('conv.', 'op.', 1)}"
            if part == "upsamplers":
                spot = 2 if unet.config.up_block_types[int(block)].startswith("CrossAttn") else 1
                return f"{UNET}output_blocks.{index + stride - 1}.{spot}.{rest}"
            blocks = f"input_blocks.{index + 1}" if side == "down" else f"output_blocks.{index}"
            original = f"{blocks}.{int(part == 'attentions')}.{rest}"
        table = TRANSFORMER if ".attentions." in key else RESNET + RESNET_PARTS if ".resnets." in key else ()
        return UNET + _rename(original, table)

    return {key: name(key) for key in unet.state_dict()}


def vae_names(vae: Network, shapes: Shapes) -> dict[str, str | None]:
    """{diffusers' key: original key}; quant_conv has None where the file's encoder has it merged."""
    encoder, quant = _encoder_prefixes(shapes)
    levels = len(vae.config.block_out_channels)

    def name(key: str) -> str | None:
        part, rest = key.split(".", 1)
        if part == "quant_conv":
            return quant and quant + rest
        if part == "encoder":
            renamed = _rename(rest, (*VAE, (r"conv_shortcut\.", "nin_shortcut.")))
            return f"{encoder}{renamed}"
        if found := re.match(r"up_blocks\.(\d+)\.(resnets|upsamplers\.0)\.(.*)", rest):
            block = "block" if found[2] == "resnets" else "upsample"
            rest = f"up.{levels - 1 - int(found[1])}.{block}.{found[3]}"
        if "temporal_res_block." in rest:
            rest = _rename(rest, RESNET_PARTS)
        return DECODER + _rename(rest, (*RESNET, *VAE, (r"conv_shortcut\.", "nin_shortcut.")))

    return {key: name(key) for key in vae.state_dict()}


def clip_names(clip: nn.Module) -> dict[str, str]:
    """{transformers' key: original key}; q, k and v share one."""
    return {key: CLIP + _rename(key, CLIP_NAMES) for key in clip.state_dict()}


def _other_kind(path: Path, shapes: Shapes) -> str:
    if not any(key.startswith(UNET) and ".time_stack." in key for key in shapes):
        tag = read_metadata(path).get("format", "")
        if tag.startswith("driftfield."):
            return f"one of this pack's own files ({tag}), which goes with an animation model and is none"
        for pattern, kind in OTHER_KINDS:
            if any(re.search(pattern, key) for key in shapes):
                return kind
        return f"no model that this pack knows (it has {len(shapes)} tensors: {shorten(sorted(shapes)) or 'none'})"
    conditions = shapes.get(UNET + "label_emb.0.0.weight", (0, 0))[1]
    if conditions != TIME_IDS * TIME_ID_CHANNELS:
        return f"a relative of SVD, such as SV3D, with {conditions} numbers of conditioning instead of 768"
    if CLIP + "conv1.weight" not in shapes:
        return "SVD without its image encoder"
    if DECODER + "conv_in.weight" not in shapes or _encoder_prefixes(shapes)[0] is None:
        return "SVD without its VAE"
    if not any(key.startswith(DECODER) and ".time_stack." in key for key in shapes):
        return "SVD with the image decoder, which flickers and is another network than the video decoder"
    return ""


def _encoder_prefixes(shapes: Shapes) -> tuple[str | None, str | None]:
    """The encoder's and quant_conv's prefixes in this file; the latter None where it is merged into the former."""
    for encoder, quants in ENCODERS:
        if encoder + "conv_in.weight" in shapes:
            quant = next((prefix for prefix in quants if prefix + "weight" in shapes), None)
            if quant is not None or encoder.startswith("first_stage_model."):
                return encoder, quant
    return None, None


def _count(shapes: Shapes, key: str) -> int:
    count = 0
    while key.format(count) in shapes:
        count += 1
    if not count:
        raise KeyError(key.format(0))
    return count


def _rename(key: str, table: tuple[tuple[str, str], ...]) -> str:
    for pattern, original in table:
        key = re.sub(pattern, original, key, count=1)
    return key


def _fill(
    module: nn.Module,
    names: Mapping[str, str | None],
    path: Path,
    shapes: Shapes,
    dtype_of: Callable[[str], torch.dtype],
) -> None:
    used = set(filter(None, names.values()))
    if missing := sorted(used - shapes.keys()):
        raise ValueError(f"{path}: missing keys {shorten(missing)}")
    prefixes = tuple(prefix for prefix in (UNET, CLIP, DECODER) if any(name.startswith(prefix) for name in used))
    if unknown := sorted(key for key in shapes if key.startswith(prefixes) and key not in used):
        raise ValueError(f"{path}: unknown keys {shorten(unknown)}")
    wanted = {key: value.shape for key, value in module.state_dict().items()}
    with open_file(path) as file:
        tensors = {
            key: usable(_tensor(file, key, name, wanted[key]).to(dtype_of(key)), name or key, path)
            for key, name in names.items()
        }
    load_strictly(module.requires_grad_(False), tensors, path)


def _tensor(file: Any, key: str, name: str | None, shape: torch.Size) -> Tensor:
    """The tensor `name` as the module's `key` has it: q, k, v apart, the projection transposed, 1×1 kernels flat."""
    if name is None:  # a quant_conv that is merged: identity
        return torch.eye(shape[0]).reshape(shape) if len(shape) > 1 else torch.zeros(shape)
    tensor = file.get_tensor(name)
    if third := re.search(r"self_attn\.([qkv])_proj", key):
        return tensor.chunk(3)["qkv".index(third[1])].clone()
    if name == CLIP + "proj":
        return tensor.T.contiguous()
    return tensor[..., 0, 0] if tensor.shape == (*shape, 1, 1) else tensor
