"""Tiny models of SVD's own classes with seeded random weights, for tests: no download, all runs in moments."""

import torch
from diffusers import (
    AutoencoderKLTemporalDecoder,
    EulerDiscreteScheduler,
    StableVideoDiffusionPipeline,
    UNetSpatioTemporalConditionModel,
)
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

FRAMES = 5
EMBEDDING = 16

# scheduler/scheduler_config.json of Stable Video Diffusion
SVD_SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "interpolation_type": "linear",
    "use_karras_sigmas": True,
    "sigma_min": 0.002,
    "sigma_max": 700.0,
    "timestep_spacing": "leading",
    "timestep_type": "continuous",
    "steps_offset": 1,
}


def seeded(build, seed):
    """build() with its random weights from `seed`, in evaluation mode; the global random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build().eval().requires_grad_(False)


def tiny_unet(*, latent_channels=4, frames=FRAMES, seed=0):
    """UNetSpatioTemporalConditionModel, two levels of 32 and 64 channels; latents of even height and width."""
    return seeded(
        lambda: UNetSpatioTemporalConditionModel(
            sample_size=8,
            in_channels=2 * latent_channels,
            out_channels=latent_channels,
            down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
            up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
            block_out_channels=(32, 64),
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=24,
            layers_per_block=1,
            cross_attention_dim=EMBEDDING,
            num_attention_heads=(2, 4),
            num_frames=frames,
        ),
        seed,
    )


def tiny_vae(*, latent_channels=4, seed=1):
    """AutoencoderKLTemporalDecoder, factor 8 like SVD's."""
    return seeded(
        lambda: AutoencoderKLTemporalDecoder(
            down_block_types=("DownEncoderBlock2D",) * 4,
            block_out_channels=(32, 32, 32, 32),
            layers_per_block=1,
            latent_channels=latent_channels,
            sample_size=64,
            scaling_factor=0.18215,
        ),
        seed,
    )


def tiny_image_encoder(*, seed=2):
    """CLIPVisionModelWithProjection for 224 px images, embedding of EMBEDDING numbers."""
    config = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=224,
        patch_size=32,
        projection_dim=EMBEDDING,
        hidden_act="gelu",
    )
    return seeded(lambda: CLIPVisionModelWithProjection(config), seed)


def svd_scheduler():
    return EulerDiscreteScheduler(**SVD_SCHEDULER)


def tiny_pipeline(*, latent_channels=4, frames=FRAMES):
    return StableVideoDiffusionPipeline(
        vae=tiny_vae(latent_channels=latent_channels),
        image_encoder=tiny_image_encoder(),
        unet=tiny_unet(latent_channels=latent_channels, frames=frames),
        scheduler=svd_scheduler(),
        feature_extractor=CLIPImageProcessor(),
    )


def tiny_pipeline_folder(path, *, latent_channels=4, frames=FRAMES):
    """Saves a whole StableVideoDiffusionPipeline folder (safetensors) at `path`, and returns the path."""
    tiny_pipeline(latent_channels=latent_channels, frames=frames).save_pretrained(path)
    return path
