"""The animator's networks: built, loaded, joined and saved."""

import copy
import json
from pathlib import Path

import torch
from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler, UNetSpatioTemporalConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from ..model_loaders.adapter import FORMAT, load_adapter
from ..networks.animator import AdapterConfig, MotionAdapter, MotionUNet
from .data import to_unit
from .latents import LatentClips
from .svd import freeze_spatial_layers, load_svd


def build_unet(options) -> UNetSpatioTemporalConditionModel:
    widths = tuple(options.block_out_channels)
    levels = len(widths)
    return UNetSpatioTemporalConditionModel(
        sample_size=32,
        in_channels=2 * options.latent_channels,
        out_channels=options.latent_channels,
        down_block_types=("CrossAttnDownBlockSpatioTemporal",) * (levels - 1) + ("DownBlockSpatioTemporal",),
        up_block_types=("UpBlockSpatioTemporal",) + ("CrossAttnUpBlockSpatioTemporal",) * (levels - 1),
        block_out_channels=widths,
        layers_per_block=1,
        cross_attention_dim=options.cross_attention_dim,
        num_attention_heads=tuple(width // 32 for width in widths),
        num_frames=options.frames,
    )


def build_image_encoder(projection: int) -> CLIPVisionModelWithProjection:
    sizes = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4}
    return CLIPVisionModelWithProjection(CLIPVisionConfig(**sizes, patch_size=32, projection_dim=projection))


def build_models(options) -> tuple[MotionUNet, nn.Module, nn.Module]:
    """Animator, image encoder and VAE: SVD's with a new adapter, those of an earlier run, or new ones by the preset.

    Raises ValueError where the preset's model has to be named, or where animator and autoencoder do not fit together.
    """
    start, vae = options.start and options.start / "animator", None
    if options.model is not None:
        unet, vae, image_encoder = load_svd(options.model)
    if start is not None:
        unet = UNetSpatioTemporalConditionModel.from_pretrained(start / "unet").float()
        image_encoder = CLIPVisionModelWithProjection.from_pretrained(start / "image_encoder").float()
    if vae is None:
        folder = options.autoencoder or (start and start / "vae")
        if folder is None:
            raise ValueError("--autoencoder: missing, needed: its folder; or --model, or --start")
        vae = AutoencoderKLTemporalDecoder.from_pretrained(folder).float()
    options.latent_channels, options.scaling_factor = vae.config.latent_channels, vae.config.scaling_factor
    if start is None and options.model is None:
        if not hasattr(options, "block_out_channels"):
            raise ValueError(f"--model: missing, needed: the SVD that preset {options.preset} starts from; or --start")
        unet, image_encoder = build_unet(options), build_image_encoder(options.cross_attention_dim)
    if unet.config.out_channels != options.latent_channels:
        got, allowed = unet.config.out_channels, options.latent_channels
        raise ValueError(f"animator: made for {got} latent channels, but the autoencoder has {allowed}")
    if start is None:
        adapter = new_adapter(unet, options)
    else:
        adapter = load_adapter(options.start / "motion_adapter.safetensors")
    return join(unet, adapter, image_encoder, options), image_encoder, vae.eval().requires_grad_(False)


def new_adapter(unet: nn.Module, options) -> MotionAdapter:
    return MotionAdapter(
        AdapterConfig.for_unet(unet, base_channels=options.motion_channels, reference=options.reference)
    )


def join(unet: nn.Module, adapter: MotionAdapter, image_encoder: nn.Module, options) -> MotionUNet:
    """UNet and adapter as one; everything is trained, or what sees several frames alone: options.trained."""
    if options.trained not in ("all", "temporal"):
        raise ValueError(f"trained: got {options.trained!r}, allowed 'all' or 'temporal'")
    animator = MotionUNet(unet, adapter).train().requires_grad_(True)
    image_encoder.train().requires_grad_(True)
    if options.trained == "temporal":
        freeze_spatial_layers(unet)
        image_encoder.eval().requires_grad_(False)
    return animator


def build_scheduler(*, sigma_min: float, sigma_max: float) -> EulerDiscreteScheduler:
    """SVD's."""
    return EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_type="continuous",
        timestep_spacing="leading",
        steps_offset=1,
        use_karras_sigmas=True,
        sigma_min=sigma_min,
        sigma_max=sigma_max,
    )


@torch.no_grad()
def preview_factors(clips: LatentClips, scaling_factor: float) -> tuple[Tensor, Tensor]:
    """Least-squares map from scaled latents to colours: factors [c, 3] and bias [3], RGB in −1..1."""
    latents = scaling_factor * clips.latents[:, 0].float()
    colors = F.adaptive_avg_pool2d(to_unit(clips.images), latents.shape[-2:]).permute(0, 2, 3, 1).flatten(0, 2)
    inputs = latents.permute(0, 2, 3, 1).flatten(0, 2)
    inputs = torch.cat([inputs, torch.ones_like(inputs[:, :1])], dim=1)
    solution = torch.linalg.lstsq(inputs, colors).solution.cpu()
    return solution[:-1], solution[-1]


def save(out: Path, options, animator: MotionUNet, image_encoder, vae, processor, some: LatentClips) -> None:
    """The layout that StableVideoDiffusionPipeline.from_pretrained loads, and the adapter.

    An autoencoder with a training of its own (--autoencoder) is left out: its decoder may still be learning.
    """
    folder = out / "animator"
    if options.autoencoder is None:
        copy.deepcopy(vae).cpu().half().save_pretrained(folder / "vae")
    animator.unet.save_pretrained(folder / "unet", max_shard_size=options.shard_size)
    image_encoder.save_pretrained(folder / "image_encoder")
    encoder_config = folder / "image_encoder" / "config.json"  # transformers would run half weights in half
    values = json.loads(encoder_config.read_text(encoding="utf-8")) | {"dtype": "float32"}
    encoder_config.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    build_scheduler(sigma_min=options.sigma_min, sigma_max=options.sigma_max).save_pretrained(folder / "scheduler")
    processor.save_pretrained(folder / "feature_extractor")
    index = {
        "_class_name": "StableVideoDiffusionPipeline",
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "unet": ["diffusers", "UNetSpatioTemporalConditionModel"],
        "vae": ["diffusers", "AutoencoderKLTemporalDecoder"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    factors, bias = preview_factors(some, options.scaling_factor)
    facts = {"frames": options.frames, "size": some.images.shape[-1], "fps": options.fps}
    facts |= {"preview_factors": factors.tolist(), "preview_bias": bias.tolist()}
    (folder / "driftfield.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")
    metadata = {"format": FORMAT, "config": json.dumps(animator.adapter.config.to_dict())}
    tensors = {k: v.contiguous() for k, v in animator.adapter.state_dict().items()}
    save_file(tensors, out / "motion_adapter.safetensors", metadata=metadata)
