"""Tiny models of ComfyUI's own, that follow a flow."""

import pytest
import torch
from following import FEWER, STEPS, counting, masks, target_of


@pytest.fixture(scope="module")
def comfy(comfy_base):
    """comfy, with what is tried here imported."""
    import comfy.context_windows
    import comfy.sample
    import comfy.samplers
    import comfy.utils

    return comfy


@pytest.fixture(scope="module")
def tiny(comfy):
    import tiny_native

    torch.set_num_threads(1)
    return tiny_native


@pytest.fixture(scope="module")
def native(comfy):
    import driftfield.pipeline.native

    return driftfield.pipeline.native


@pytest.fixture(scope="module")
def load(tiny):
    """A model of that name, made once."""
    made = {}

    def run(name):
        if not tiny.here(name):
            pytest.skip(f"this ComfyUI has no {name}")
        if name not in made:
            made[name] = tiny.load(name)
        return made[name].clone()

    return run


@pytest.fixture(scope="module")
def sample(comfy, tiny):
    """Samples as KSampler does, with random noise and conditioning; also gives how often the network was asked."""

    @torch.inference_mode()
    def run(model, name, *, sampler="euler", steps=None, cfg=2.0, latent=None, calls=None, sigmas=None, **more):
        steps = steps or FEWER.get(name, STEPS)
        latent = tiny.latents(name) if latent is None else latent
        noise = more.pop("noise", None)
        noise = comfy.sample.prepare_noise(latent, 3) if noise is None else noise
        if calls is not None:
            model = model.clone()
            model.set_model_unet_function_wrapper(counting(calls))
        both = [tiny.conditioning(name, seed=seed) for seed in (0, 1)]
        more = {"disable_pbar": True, "seed": 3} | more
        if sigmas is None:
            return comfy.sample.sample(model, noise, steps, cfg, sampler, "simple", *both, latent, **more)
        sampler = comfy.samplers.sampler_object(sampler) if isinstance(sampler, str) else sampler
        return comfy.sample.sample_custom(model, noise, cfg, sampler, sigmas, *both, latent, **more)

    return run


@pytest.fixture(scope="module")
def followed(load, native, tiny):
    def run(name, *, moving=0.5, resting=None, model=None, **levels):
        target = target_of(tiny, name)
        both = masks(name, moving=moving, resting=resting or 0)
        model = load(name) if model is None else model
        patched, _ = native.follow_flow(
            model, {"samples": target}, both[0], None if resting is None else both[1], **levels
        )
        return patched, target

    return run
