"""The built-in model as it lies in the repository."""

from pathlib import Path

import pytest
import torch

WEIGHTS = Path(__file__).parents[3] / "weights"


@pytest.fixture(scope="module")
def diffusers_pipeline():
    from diffusers import StableVideoDiffusionPipeline

    return StableVideoDiffusionPipeline.from_pretrained(WEIGHTS / "animator", local_files_only=True)


def test_it_is_a_stable_video_diffusion_pipeline(diffusers_pipeline):
    names = {name: type(part).__name__ for name, part in diffusers_pipeline.components.items()}
    assert names["unet"] == "UNetSpatioTemporalConditionModel"
    assert names["vae"] == "AutoencoderKLTemporalDecoder"
    assert names["image_encoder"] == "CLIPVisionModelWithProjection"
    assert names["scheduler"] == "EulerDiscreteScheduler"
    assert {diffusers_pipeline.unet.dtype, diffusers_pipeline.vae.dtype, diffusers_pipeline.image_encoder.dtype} == {
        torch.float32
    }


def test_the_loader_computes_what_the_pipeline_computes(diffusers_pipeline, loaders, pipeline):
    animator = loaders.animator.load_animator("built-in", "none", "fp32")
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latents = pipeline.encode.encode_image(animator, image)
    torch.testing.assert_close(latents, diffusers_pipeline.vae.encode(image).latent_dist.mode(), atol=1e-4, rtol=1e-4)
    shown = pipeline.decode.decode(animator, latents.expand(2, -1, -1, -1), segment_frames=2)
    expected = diffusers_pipeline.vae.decode(latents.expand(2, -1, -1, -1), num_frames=2).sample
    torch.testing.assert_close(shown, expected, atol=1e-4, rtol=1e-4)


def test_its_adapter_and_refiner_fit(loaders):
    animator = loaders.animator.load_animator("built-in", "auto", "fp32")
    assert animator.reference == "warped" and (animator.frames, animator.size) == (25, 256)
    assert loaders.refiner.load_refiner(WEIGHTS / "refiner.safetensors") is not None


def test_it_is_small():
    sizes = [file.stat().st_size for file in WEIGHTS.rglob("*") if file.is_file()]
    assert sum(sizes) < 48e6 and max(sizes) < 16e6
