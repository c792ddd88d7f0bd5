"""The animation model: SVD's classes from a folder or a single file, with or without a motion adapter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from comfy.latent_formats import SD15
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from . import locations, memory
from .adapter import load_adapter
from .files import Network, load_strictly, read_json, read_tensors, weight_files
from .svd_checkpoint import SCHEDULE, load_checkpoint

if TYPE_CHECKING:
    from ..networks.motion_unet import MotionUNet

SVD_FPS = 7  # diffusers' default for SVD
RHO = 7.0  # Karras et al.; diffusers has no key for it
CLIP_SIZE = 224
OLD_CLIP_KEY = "vision_model.embeddings.position_ids"  # transformers < 4.31 saved it
SAMPLING = {"prediction_type": "v_prediction", "timestep_type": "continuous", "use_karras_sigmas": True}


@dataclass(frozen=True)
class Animator:
    """What travels over a DRIFTFIELD_ANIMATOR socket. The three networks lie in main memory until they are loaded."""

    unet: ModelPatcher  # of a MotionUNet
    vae: ModelPatcher  # of an AutoencoderKLTemporalDecoder whose encoder is fp32
    image_encoder: ModelPatcher  # of a CLIPVisionModelWithProjection
    sigma_min: float
    sigma_max: float
    rho: float
    latent_channels: int
    latent_factor: int  # pixels of a latent's side
    unit: int  # pixels that the sides of what the networks see divide by
    scaling_factor: float
    frames: int  # L, trained
    size: int  # px, trained
    fps: int
    reference: str  # "repeated" or "warped"
    adapter: str | None  # its file's name
    preview_factors: tuple[tuple[float, float, float], ...]  # [c][3]: scaled latents → RGB −1..1
    preview_bias: tuple[float, float, float]
    name: str
    dtype: torch.dtype  # of UNet, image encoder and VAE decoder

    @property
    def has_adapter(self) -> bool:
        return self.adapter is not None


def load_animator(model: str, adapter: str, dtype: str) -> Animator:
    """model, adapter: of `locations.animation_models()` and `locations.adapters()`; dtype: of `memory.DTYPES`.

    Raises ValueError naming file and keys where a file is missing or does not fit.
    """
    folder = locations.resolve("animator", model)  # or a single file
    kind = memory.compute_dtype(dtype)
    if folder.is_file():
        scheduler = SCHEDULE
        unet, vae, image_encoder = load_checkpoint(folder, kind)
    else:
        scheduler = read_scheduler(folder / "scheduler" / "scheduler_config.json")
        unet, vae = load_unet(folder / "unet", kind), load_vae(folder / "vae", kind)
        image_encoder = load_clip(folder, kind)
    if adapter == locations.AUTO:
        adapter = locations.BUILTIN if model == locations.BUILTIN else locations.NONE
    path = None if adapter == locations.NONE else locations.resolve("adapter", adapter)
    return put_together(unet, vae, image_encoder, scheduler, source=folder, name=model, dtype=dtype, adapter=path)


def put_together(
    unet: Network,
    vae: Network,
    image_encoder: Network,
    scheduler: dict[str, float],
    *,
    source: Path,
    name: str,
    dtype: str,
    adapter: Path | None = None,
) -> Animator:
    """The animator of networks that lie in main memory; source/driftfield.json, where there is one, adds facts."""
    channels = vae.config.latent_channels
    wanted = {
        "in_channels": 2 * channels,
        "out_channels": channels,
        "cross_attention_dim": image_encoder.config.projection_dim,
    }
    for key, allowed in wanted.items():
        if unet.config[key] != allowed:
            got = unet.config[key]
            raise ValueError(f"{source}: unet's {key} = {got}, allowed {allowed} beside this vae and image encoder")

    kind = memory.compute_dtype(dtype)
    if dtype == memory.FP8 and kind != torch.float32:
        from ..networks.fast.fp8 import store_fp8

        store_fp8(unet)
    network = join(unet, adapter, kind)
    facts_file = source / "driftfield.json"
    facts = read_json(facts_file) if facts_file.is_file() else {}
    factors, bias = preview_colors(facts, channels, facts_file)
    latent_factor = 2 ** (len(vae.config.block_out_channels) - 1)
    return Animator(
        unet=memory.managed(network),
        vae=memory.managed(vae),
        image_encoder=memory.managed(image_encoder),
        **scheduler,
        latent_channels=channels,
        latent_factor=latent_factor,
        unit=latent_factor * 2 ** (len(unet.config.block_out_channels) - 1),
        scaling_factor=vae.config.scaling_factor,
        frames=facts.get("frames", unet.config.num_frames),
        size=facts.get("size", unet.config.sample_size * latent_factor),
        fps=facts.get("fps", SVD_FPS),
        reference=network.adapter.config.reference if network.adapter is not None else "repeated",
        adapter=adapter.name if adapter else None,
        preview_factors=factors,
        preview_bias=bias,
        name=name,
        dtype=kind,
    )


def read_scheduler(path: Path) -> dict[str, float]:
    """sigma_min, sigma_max and rho of SVD's continuous EDM schedule; ValueError for any other kind of schedule."""
    config = read_json(path)
    for key, allowed in SAMPLING.items():
        if config.get(key) != allowed:
            raise ValueError(f"{path}: {key} = {config.get(key)!r}, allowed {allowed!r}")
    low, high = config.get("sigma_min"), config.get("sigma_max")
    if not (isinstance(low, int | float) and isinstance(high, int | float) and 0 < low < high):
        raise ValueError(f"{path}: sigma_min = {low!r}, sigma_max = {high!r}, allowed 0 < sigma_min < sigma_max")
    return {"sigma_min": float(low), "sigma_max": float(high), "rho": RHO}


def load_unet(folder: Path, dtype: torch.dtype) -> Network:
    from diffusers import UNetSpatioTemporalConditionModel  # here: diffusers takes seconds to import

    return _load(UNetSpatioTemporalConditionModel.from_config, folder, lambda key, tensor: dtype)


def load_vae(folder: Path, dtype: torch.dtype) -> Network:
    """The encoder stays fp32 whatever dtype is: in fp16 it can overflow."""
    from diffusers import AutoencoderKLTemporalDecoder

    def dtype_of(key: str, tensor: Tensor) -> torch.dtype:
        return dtype if key.startswith("decoder.") else torch.float32

    return _load(AutoencoderKLTemporalDecoder.from_config, folder, dtype_of)


def load_clip(folder: Path, dtype: torch.dtype) -> Network:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    folder = folder / "image_encoder"
    model = _load(
        lambda config: CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(config)),
        folder,
        lambda key, tensor: dtype,
        ignore=OLD_CLIP_KEY,
    )
    if model.config.image_size != CLIP_SIZE:
        raise ValueError(f"{folder}: image_size = {model.config.image_size}, allowed {CLIP_SIZE}")
    embeddings = model.vision_model.embeddings  # its positions are in no file
    embeddings.position_ids = torch.arange(embeddings.num_positions)[None]
    return model


def join(unet: Network, adapter: Path | None, dtype: torch.dtype) -> MotionUNet:
    from ..networks.motion_unet import MotionUNet

    if adapter is None:
        return MotionUNet(unet)
    try:
        return MotionUNet(unet, load_adapter(adapter).to(dtype))
    except ValueError as error:
        raise ValueError(f"{adapter}: {error}") from error


def preview_colors(facts: dict, channels: int, source: Path) -> tuple[tuple, tuple]:
    """Factors [c][3] and bias [3]: the model's own, else SD's for four channels, else the first three channels."""
    if "preview_factors" in facts:
        factors, bias = facts["preview_factors"], facts.get("preview_bias", [0.0, 0.0, 0.0])
        if len(factors) != channels or any(len(row) != 3 for row in (*factors, bias)):
            raise ValueError(f"{source}: preview_factors, preview_bias: allowed {channels} rows of 3, and 3 numbers")
    else:
        factors = SD15().latent_rgb_factors if channels == 4 else torch.eye(channels, 3).tolist()
        bias = [0.0, 0.0, 0.0]
    return tuple(map(tuple, factors)), tuple(bias)


def _load(
    build: Callable[[dict], Network],
    folder: Path,
    dtype_of: Callable[[str, Tensor], torch.dtype],
    *,
    ignore: str = "",
) -> Network:
    config = read_json(folder / "config.json")
    with torch.device("meta"):
        module = build(config).requires_grad_(False)
    return load_strictly(module, read_tensors(weight_files(folder), dtype_of), folder, ignore=ignore)
