"""Tiny video models of ComfyUI's own classes with random weights, through its own detection and loader: no download.

Import it where ComfyUI's modules can be.
"""

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path

import comfy.nested_tensor
import comfy.ops
import comfy.sd
import comfy.supported_models
import torch

SPATIAL = 4


@dataclass(frozen=True)
class Kind:
    """What one of ComfyUI's video models takes."""

    latent: tuple  # shape of its latents
    embedding: int  # numbers of a token
    flow: bool  # whether its states are (1 - sigma) data + sigma noise
    audio: tuple | None = None  # shape of the latents that lie beside
    hosts: str = "comfy"  # a module that hosts with this model have


KINDS = {
    "wan": Kind((1, 16, 4, SPATIAL, SPATIAL), 4096, True),
    "wan 5B": Kind((1, 48, 4, SPATIAL, SPATIAL), 4096, True),
    "svd": Kind((3, 4, 8, 8), 32, False),
    "cogvideox": Kind((1, 16, 4, SPATIAL, SPATIAL), 32, False, hosts="comfy.ldm.cogvideo"),
    "ltx-2": Kind((1, 128, 4, SPATIAL, SPATIAL), 128, True, (1, 8, 6, 16), hosts="comfy.ldm.lightricks.av_model"),
}


def here(name: str) -> bool:
    """Whether the running ComfyUI has this model."""
    return importlib.util.find_spec(KINDS[name].hosts) is not None


def state_dict(name: str, *, seed: int = 0) -> tuple[dict, dict | None]:
    """(weights, metadata) as a file of that model has them."""
    network, metadata = BUILD[name]()
    return random_weights(network, seed), metadata


def random_weights(network: torch.nn.Module, seed: int = 0) -> dict[str, torch.Tensor]:
    """For all of its tensors, so that values neither grow nor vanish."""
    generator, weights = torch.Generator().manual_seed(seed), {}
    for key, value in network.state_dict().items():
        fan_in = math.prod(value.shape[1:]) if value.ndim > 1 else 1
        noise = torch.randn(value.shape, generator=generator)
        one = value.ndim == 1 and key.endswith("weight")  # of a norm
        weights[key] = 1 + 0.1 * noise if one else noise / fan_in**0.5 if value.ndim > 1 else 0.1 * noise
    return weights


def vae_weights() -> dict[str, torch.Tensor]:
    """Of a VAE that fits "wan"."""
    from comfy.ldm.wan.vae import WanVAE

    return random_weights(WanVAE(dim=8, z_dim=16, dim_mult=[1, 2, 4, 4], temperal_downsample=[False, True, True]))


def write(models: Path) -> None:
    """tiny_wan.safetensors where Load Diffusion Model looks for it, and a VAE that fits it."""
    from safetensors.torch import save_file

    for folder, weights in (("diffusion_models", state_dict("wan")[0]), ("vae", vae_weights())):
        (models / folder).mkdir(parents=True, exist_ok=True)
        save_file(weights, models / folder / "tiny_wan.safetensors")


def load(name: str, *, seed: int = 0):
    """A ModelPatcher, as Load Diffusion Model gives it."""
    weights, metadata = state_dict(name, seed=seed)
    if name == "svd":
        with small_svd():
            return comfy.sd.load_diffusion_model_state_dict(weights)
    # Older hosts do not take metadata.
    return comfy.sd.load_diffusion_model_state_dict(weights, **({"metadata": metadata} if metadata else {}))


def wan(channels: int, concat: int):
    from comfy.ldm.wan.model import WanModel

    return WanModel(
        in_dim=channels + concat,
        dim=128,
        ffn_dim=64,
        out_dim=channels,
        num_heads=1,
        num_layers=1,
        cross_attn_norm=True,
        device="cpu",
        dtype=torch.float32,
        operations=comfy.ops.disable_weight_init,
    ), None


def svd():
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

    return UNetModel(
        image_size=32,
        in_channels=8,
        model_channels=32,
        out_channels=4,
        num_res_blocks=[2, 2, 2, 2],
        channel_mult=(1, 1, 1, 1),
        num_head_channels=32,
        use_spatial_transformer=True,
        use_linear_in_transformer=True,
        transformer_depth=[1, 1, 1, 1, 1, 1, 0, 0],
        transformer_depth_middle=1,
        transformer_depth_output=[1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
        context_dim=32,
        num_classes="sequential",
        adm_in_channels=768,
        use_temporal_attention=True,
        use_temporal_resblock=True,
        extra_ff_mix_layer=True,
        video_kernel_size=[3, 1, 1],
        merge_strategy="learned_with_images",
        merge_factor=0.0,
        disable_temporal_crossattention=False,
        device="cpu",
        dtype=torch.float32,
        operations=comfy.ops.disable_weight_init,
    ), None


class small_svd:  # noqa: N801
    """While it lasts, ComfyUI knows a Stable Video Diffusion of 32 channels."""

    def __enter__(self):
        of_svd = comfy.supported_models.SVD_img2vid
        small = type("SmallSVD", (of_svd,), {})
        small.unet_config = of_svd.unet_config | {"model_channels": 32, "context_dim": 32}
        small.unet_extra_config = of_svd.unet_extra_config | {"num_head_channels": 32}
        comfy.supported_models.models.insert(0, small)

    def __exit__(self, *_):
        del comfy.supported_models.models[0]


def cogvideox():
    from comfy.ldm.cogvideo.model import CogVideoXTransformer3DModel

    return CogVideoXTransformer3DModel(
        num_attention_heads=1,
        in_channels=32,
        time_embed_dim=32,
        text_embed_dim=32,
        num_layers=1,
        use_rotary_positional_embeddings=True,
        device="cpu",
        dtype=torch.float32,
        operations=comfy.ops.disable_weight_init,
    ), None


def ltx():
    import json

    from comfy.ldm.lightricks.av_model import LTXAVModel

    config = {
        "cross_attention_dim": 64,
        "audio_cross_attention_dim": 64,
        "attention_head_dim": 16,
        "audio_attention_head_dim": 16,
        "num_attention_heads": 4,
        "audio_num_attention_heads": 4,
        "caption_channels": 64,
        "connector_attention_head_dim": 16,
        "connector_num_attention_heads": 4,
        "audio_connector_attention_head_dim": 16,
        "audio_connector_num_attention_heads": 4,
        "num_layers": 1,
    }
    network = LTXAVModel(**config, device="cpu", dtype=torch.float32, operations=comfy.ops.disable_weight_init)
    return network, {"config": json.dumps({"transformer": config})}


BUILD = {
    "wan": lambda: wan(16, 20),
    "wan 5B": lambda: wan(48, 0),
    "svd": svd,
    "cogvideox": cogvideox,
    "ltx-2": ltx,
}


def conditioning(name: str, *, seed: int = 0) -> list:
    """One token of random numbers, as a CONDITIONING."""
    tokens = torch.randn(1, 1, KINDS[name].embedding, generator=torch.Generator().manual_seed(seed))
    return [[tokens, {"frame_rate": 25}]]


def latents(name: str, *, seed: int | None = None):
    """Video latents of this kind's shape: random ones, or zeros; with audio's beside them where it has such."""
    kind = KINDS[name]
    parts = [shape for shape in (kind.latent, kind.audio) if shape is not None]
    generator = torch.Generator().manual_seed(seed or 0)
    drawn = [torch.zeros(shape) if seed is None else torch.randn(shape, generator=generator) for shape in parts]
    return drawn[0] if len(drawn) == 1 else comfy.nested_tensor.NestedTensor(drawn)
