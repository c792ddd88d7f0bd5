"""The animator's weights on disk: a diffusers folder, and the adapter beside it."""

import copy
import json
from pathlib import Path
from types import SimpleNamespace

import torch
from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPImageProcessor

from ...model_loaders.adapter import FORMAT
from ...networks.motion_unet import MotionUNet
from ..data.latents import LatentClips
from ..data.prepared_set import to_unit


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


def save_animator(
    out: Path,
    options: SimpleNamespace,
    network: MotionUNet,
    image_encoder: nn.Module,
    vae: AutoencoderKLTemporalDecoder,
    processor: CLIPImageProcessor,
    some: LatentClips,
) -> None:
    """The layout that StableVideoDiffusionPipeline.from_pretrained loads, and the adapter.

    An autoencoder with a training of its own (--autoencoder) is left out: its decoder may still be learning.
    """
    folder = out / "animator"
    if options.autoencoder is None:
        copy.deepcopy(vae).cpu().half().save_pretrained(folder / "vae")
    network.unet.save_pretrained(folder / "unet", max_shard_size=options.shard_size)
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
    metadata = {"format": FORMAT, "config": json.dumps(network.adapter.config.to_dict())}
    tensors = {k: v.contiguous() for k, v in network.adapter.state_dict().items()}
    save_file(tensors, out / "motion_adapter.safetensors", metadata=metadata)
