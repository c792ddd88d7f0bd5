"""Phased inference with shared noise for any video model of ComfyUI's: a SAMPLER around a SAMPLER."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import comfy.utils
import torch
from comfy.samplers import Sampler
from torch import Tensor

from ..model_loaders import memory
from ..sampling.latent_frames import share_latent_noise
from ..sampling.levels import GAMMA_COUNTS, NOISE, shared_steps
from ..sampling.schedule import phase_boundary
from ..sampling.trajectory import extension_noise, seed_after
from .native import is_flow

CACHE = "easycache"  # where comfy_extras.nodes_easycache has either's state
OWN_LEVELS = ("dpm_fast_function", "dpm_adaptive_function")
NOT_IN_ONE_STEP = ("sample_unipc", "sample_unipc_bh2")  # they would give back what they begin with


@dataclass(frozen=True, eq=False)
class PhasedSharedNoise(Sampler):
    """V1, then segments that begin as V1's estimate at step M with shared, shuffled noise: eq. 9 to 12.

    T + 1 + (K - 1)(T - M) calls of the guider. A video [1, C, T, h, w] becomes K of them; pictures [T, C, h, w] K times
    as many frames. Several videos are refused: decoded, nobody could tell their segments apart.
    """

    inner: Sampler
    segments: int  # K
    gamma: float = 0.8
    omega: float = 0.2
    seed: int = 0
    gamma_counts: str = NOISE

    def sample(
        self,
        model_wrap: Any,
        sigmas: Tensor,
        extra_args: dict[str, Any],
        callback: Callable | None,
        noise: Tensor,
        latent_image: Tensor | None = None,
        denoise_mask: Tensor | None = None,
        disable_pbar: bool = False,
    ) -> Tensor:
        if noise.ndim != 4 and len(noise) > 1 and self.segments > 1:
            raise ValueError(
                f"latent_image: got a batch of {len(noise)} videos, allowed 1 with {self.segments} segments: set "
                "batch_size to 1 and run it once for each"
            )
        sampling, steps = model_wrap.inner_model.model_sampling, len(sigmas) - 1
        shared = shared_steps(
            sigmas,
            self.gamma,
            self.gamma_counts,
            flow=is_flow(sampling),
            percent_to_sigma=sampling.percent_to_sigma,
            least=2 if function_name(self.inner) in NOT_IN_ONE_STEP else 1,
        )
        left, estimates = steps - shared, []

        def options() -> dict[str, Any]:
            """For a run of its own: what EasyCache and LazyCache keep of the steps before would be wrong in it."""
            options = extra_args["model_options"]
            transformer = options.get("transformer_options", {})
            if CACHE not in transformer:
                return extra_args
            cache = transformer[CACHE].clone().prepare_timesteps(sampling)
            return extra_args | {"model_options": options | {"transformer_options": transformer | {CACHE: cache}}}

        def run(k: int, noise: Tensor, start: Tensor | None) -> Tensor:
            """Segment k, from `start` and noise."""

            def on_step(i: int, estimate: Tensor, x: Tensor, _: int) -> None:
                if k == 0 and i == shared:
                    estimates.append(estimate.clone())
                if callback is not None:
                    callback(i + k * left + (k > 0) * shared, estimate, x, steps + (self.segments - 1) * left)

            memory.check_cancel()
            seed = extra_args.get("seed")
            return self.inner.sample(
                model_wrap,
                sigmas if k == 0 else sigmas[shared:],
                {**options(), "seed": seed if seed is None else seed_after(seed, k)},
                on_step,
                noise,
                start,
                denoise_mask,
                disable_pbar,
            )

        videos = [run(0, noise, latent_image)]
        if left == 0 or self.segments == 1:
            videos *= self.segments
        elif not estimates:
            raise ValueError(f"sampler: it did not report step {shared + 1} of {steps}, allowed: one that reports all")
        else:
            estimate = estimates[-1]
            new = self.noise(model_wrap, sigmas[shared], options(), estimate)
            videos += [run(k, one.to(estimate), estimate) for k, one in enumerate(new, start=1)]
        if noise.ndim == 4:
            return torch.cat(videos)
        return torch.stack(videos, dim=1).flatten(0, 1)

    def noise(self, model_wrap: Any, sigma: Tensor, extra_args: dict[str, Any], estimate: Tensor) -> Tensor:
        """[K - 1, *estimate.shape]: what the segments begin with."""
        memory.check_cancel()
        sampling, generator = model_wrap.inner_model.model_sampling, extension_noise(self.seed)
        fresh = torch.randn(estimate.shape, generator=generator).to(estimate)
        noisy = sampling.noise_scaling(sigma, fresh, estimate)
        seen = model_wrap(
            noisy, sigma.expand(len(noisy)), model_options=extra_args["model_options"], seed=extra_args.get("seed")
        )
        nothing, one = torch.zeros_like(noisy), torch.ones_like(noisy)
        # eq. 10
        found = (noisy - sampling.noise_scaling(sigma, nothing, seen)) / sampling.noise_scaling(sigma, one, nothing)
        if not found.isfinite().all():
            raise ValueError(f"shared noise at sigma {float(sigma):.4g}: NaN or infinity")
        count, shapes = self.segments - 1, getattr(model_wrap.inner_model, "latent_shapes", None) or [found.shape]

        def share(part: Tensor, pictures: bool = False) -> Tensor:
            return share_latent_noise(
                part.cpu(), copies=count, omega=self.omega, generator=generator, pictures=pictures
            )

        if len(shapes) == 1:
            return share(found, pictures=found.ndim == 4)
        parts = [share(part) for part in comfy.utils.unpack_latents(found, shapes)]  # video, and audio beside it
        return torch.stack([comfy.utils.pack_latents(own)[0] for own in zip(*parts, strict=True)])


def phased(
    sampler: Sampler, *, segments: int, gamma: float, omega: float, seed: int, gamma_counts: str = NOISE
) -> PhasedSharedNoise:
    """ValueError for options out of range, and for samplers that choose noise levels of their own."""
    phase_boundary(1, gamma)  # refuses what is none
    if not 0 <= omega < float("inf"):
        raise ValueError(f"omega: got {omega}, allowed 0 or more")
    if segments < 1:
        raise ValueError(f"segments: got {segments}, allowed 1 or more")
    if gamma_counts not in GAMMA_COUNTS:
        raise ValueError(f"gamma_counts: got {gamma_counts!r}, allowed {', '.join(GAMMA_COUNTS)}")
    name = own_levels(sampler)
    if name:
        raise ValueError(f"sampler: got {name}, which chooses noise levels of its own, allowed: others")
    if isinstance(sampler, PhasedSharedNoise):
        raise ValueError("sampler: got one of Phased Shared-Noise Sampler, allowed: the sampler from before that")
    return PhasedSharedNoise(sampler, segments, gamma, omega, seed, gamma_counts)


def own_levels(sampler: Any) -> str | None:
    """The name of a SAMPLER of ComfyUI's that does not keep to the schedule."""
    name = function_name(sampler)
    return name.removesuffix("_function") if name in OWN_LEVELS else None


def function_name(sampler: Any) -> str:
    return getattr(getattr(sampler, "sampler_function", None), "__name__", "")
