"""ComfyUI's SAMPLER objects as samplers of this pack."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from comfy.model_sampling import V_PREDICTION, ModelSamplingContinuousEDM
from torch import Tensor

from ..pipeline.native_phased import own_levels
from ..sampling.trajectory import euler
from .types import LARGEST_SEED

POST_CFG = "sampler_post_cfg_function"


class VideoSampling(ModelSamplingContinuousEDM, V_PREDICTION):
    """What ComfyUI's samplers ask a model about its noise schedule: SVD's."""


class DenoiseModel:
    """denoise(x, sigma) in the shape that ComfyUI's k-diffusion samplers expect of a model."""

    def __init__(self, denoise: Callable, schedule: VideoSampling):
        self.denoise = denoise
        patcher = SimpleNamespace(get_model_object={"model_sampling": schedule}.__getitem__)
        model = SimpleNamespace(model_sampling=schedule)
        self.inner_model = SimpleNamespace(inner_model=model, model_patcher=patcher)

    def __call__(self, x: Tensor, sigma: Tensor, model_options: dict | None = None, **_: object) -> Tensor:
        if model_options and POST_CFG in model_options:
            raise ValueError("sampler: got one of the CFG++ family, allowed: samplers without CFG++")
        return self.denoise(x, sigma)


def wrap_sampler(sampler: Any, *, sigma_min: float, sigma_max: float, seed: int) -> Callable:
    """A SAMPLER, or None for Euler → sampler(denoise, x, sigmas, callback). The global random state stays untouched.

    Raises ValueError for a SAMPLER that is not a function over sigmas, or that chooses levels of its own.
    """
    if sampler is None:
        return euler
    function, options = getattr(sampler, "sampler_function", None), getattr(sampler, "extra_options", {})
    name = own_levels(sampler)
    if name:
        raise ValueError(f"sampler: got {name}, which chooses noise levels of its own, allowed: others")
    if function is None:
        raise ValueError(f"sampler: got {type(sampler).__name__}, allowed: one from KSamplerSelect")
    schedule = VideoSampling()
    schedule.set_parameters(sigma_min, sigma_max, 1.0)

    def run(denoise: Callable, x: Tensor, sigmas: Tensor, callback: Callable | None = None) -> Tensor:
        model = DenoiseModel(denoise, schedule.to(x.device))
        devices = range(torch.cuda.device_count()) if x.is_cuda else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            extra = {"seed": seed % LARGEST_SEED}  # ComfyUI's may add 1 to it, and torch takes no larger ones
            return function(model, x, sigmas, extra_args=extra, callback=callback, disable=True, **options)

    return run
