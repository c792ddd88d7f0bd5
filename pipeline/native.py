"""Any video model of ComfyUI's made to follow a flow, with no knowledge of it: a patch of its MODEL.

The model's estimate is the outermost thing that every guider gives, and it is x0 for all of them. Where that is held to
a target z, samplers lead the state to z with noise at the next level; see sampling/dual_clock.py.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ..sampling.latent_frames import latent_regions
from ..sampling.levels import (
    AUTOMATIC,
    FREE,
    SAME_LEVEL,
    STRONG,
    WEAK,
    one_step_longer,
    share_of,
    sigma_at,
    steps_above,
)

KEY = "driftfield_dual_clock"
POST_CFG = "sampler_post_cfg_function"
ESTIMATES = ("denoised", "cond_denoised", "uncond_denoised")  # what such a function is told


@dataclass(frozen=True)
class Held:
    """For one run, in the layout of its states and the model's own scale."""

    target: Tensor
    level: Tensor  # in sigma: above it the estimate is the target
    everything: float  # above this sigma all of it is held
    anything: float  # above this sigma some of it is

    def hold(self, estimate: Tensor, sigma: float) -> Tensor:
        return torch.where(self.level < sigma, self.target, estimate) if sigma > self.anything else estimate

    def before(self, function: Callable[[dict], Tensor], sigma: float) -> Callable[[dict], Tensor]:
        """A function after guidance that is told estimates which are held."""
        return lambda args: function(args | {name: self.hold(args[name], sigma) for name in ESTIMATES})


@dataclass(frozen=True)
class DualClock:
    target: Tensor  # [B, C, T, h, w] or [T, C, h, w], in the scale of a LATENT
    moves: Tensor  # bool, spreads over the target
    rests: Tensor
    weak: float  # shares of the schedule; AUTOMATIC
    strong: float
    still: float

    def levels(self, sampling: Any, sigmas: Tensor) -> tuple[float, float, float]:
        """In sigma: down to where everything, what moves, and what rests is held. sigmas: [T + 1] of the run."""
        flow = is_flow(sampling)

        def level(share: float, ratio: float) -> float:
            if share == AUTOMATIC:
                return sigma_at(ratio, flow=flow)
            return float(sampling.percent_to_sigma(share)) if share > 0 else FREE

        weak, strong = level(self.weak, WEAK), level(self.strong, STRONG)
        if self.strong == AUTOMATIC:
            strong = one_step_longer(sigmas, weak, strong, sampling.percent_to_sigma)
        return weak, min(weak, strong), min(weak, level(self.still, 0.0))

    def on_run(
        self, run: Any, noise: Tensor, latent_image: Tensor, sampler: Any, sigmas: Tensor, *args: Any, **kwargs: Any
    ) -> Tensor:
        """WrappersMP.OUTER_SAMPLE: the shift of the schedule and the layout of the latents are known from here on."""
        guider = run.class_obj
        guider.model_options[KEY] = self.held(guider.model_patcher, noise, sigmas, kwargs.get("latent_shapes"))
        return run(noise, latent_image, sampler, sigmas, *args, **kwargs)

    def held(self, model: ModelPatcher, noise: Tensor, sigmas: Tensor, shapes: Sequence | None) -> Held:
        shapes = [tuple(shape) for shape in shapes or [noise.shape]]
        own = tuple(self.target.shape)
        one = len(own) == 5 and own[0] == 1
        if own != shapes[0] and not (one and own[1:] == shapes[0][1:]):
            raise ValueError(
                f"target: got latents {list(own)}, allowed those that are sampled, {list(shapes[0])}: take the same "
                "size, length and VAE for both"
            )
        weak, strong, still = self.levels(model.get_model_object("model_sampling"), sigmas)
        level = torch.full(self.moves.shape, weak)
        level = level.masked_fill(self.rests, still).masked_fill(self.moves, strong) * (1 + SAME_LEVEL)
        target, everything, anything = self.target.float(), float(level.max()), float(level.min())
        if len(shapes) > 1:  # audio lies beside, and is free
            beside = [torch.zeros(own[:1] + shape[1:]) for shape in shapes[1:]]
            free = [torch.full_like(other, FREE) for other in beside]
            target, _ = comfy.utils.pack_latents([target, *beside])
            level, _ = comfy.utils.pack_latents([level.expand(own), *free])
            everything = FREE
        logging.info(
            "Driftfield: of %d steps %d hold everything, %d what moves, %d what rests",
            len(sigmas) - 1,
            *(steps_above(sigmas, value) for value in (weak, strong, still)),
        )
        device = model.load_device
        return Held(model.model.process_latent_in(target.to(device)), level.to(device), everything, anything)

    def on_estimate(
        self, predict: Any, x: Tensor, timestep: Tensor, model_options: dict, seed: int | None = None
    ) -> Tensor:
        """WrappersMP.PREDICT_NOISE. Where everything is held the network is not asked."""
        held, sigma = predict.class_obj.model_options[KEY], float(timestep.flatten()[0])
        told = model_options.get(POST_CFG)
        if told:
            # Samplers with CFG++ step along the unconditional estimate, which they are told after guidance.
            model_options = model_options | {POST_CFG: [held.before(function, sigma) for function in told]}
        elif sigma > held.everything:
            return held.target.expand_as(x).clone()
        return held.hold(predict(x, timestep, model_options, seed), sigma)


def follow_flow(
    model: ModelPatcher,
    target: dict[str, Any],
    moving: Tensor,
    resting: Tensor | None,
    *,
    weak: float = AUTOMATIC,
    strong: float = AUTOMATIC,
    still: float = AUTOMATIC,
) -> tuple[ModelPatcher, str]:
    """(the model that holds to `target`, a LATENT; what it does, in words).

    moving, resting: masks [N, H, W] of the frames that the target was encoded from. weak, strong, still: shares of the
    schedule for which everything, what moves and what rests is held. ValueError for what does not go together.
    """
    for name, share in {"weak": weak, "strong": strong, "still": still}.items():
        if share != AUTOMATIC and not 0 <= share <= 1:
            raise ValueError(f"{name}: got {share}, allowed {AUTOMATIC:g} (automatic), or 0..1")
    if AUTOMATIC not in (weak, strong) and strong < weak:
        raise ValueError(f"strong: got {strong}, allowed {weak} (weak) or more: what moves is held at least as long")
    if KEY in model.wrappers.get(WrappersMP.PREDICT_NOISE, {}):
        raise ValueError("model: got one that follows a flow already, allowed: the model from before that")
    samples = target["samples"]
    video = samples.unbind()[0] if samples.is_nested else samples
    if video.ndim not in (4, 5) or 0 in video.shape:
        raise ValueError(f"target: got latents {list(video.shape)}, allowed [B, C, T, h, w] or [T, C, h, w]")
    bad = int((~video.isfinite()).sum())
    if bad:
        raise ValueError(
            f"target: got {bad} NaN or infinite values, allowed finite ones: run the VAE in float32 (--fp32-vae)"
        )
    moves, rests = latent_regions(moving, resting, video.shape)
    clock = DualClock(video, moves, rests, weak, strong, still)
    patched = model.clone()
    patched.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, clock.on_run)
    patched.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, KEY, clock.on_estimate)
    return patched, described(clock, model.get_model_object("model_sampling"))


def described(clock: DualClock, sampling: Any) -> str:
    """With the shares that automatic levels have on the model's schedule as it is now."""

    def share(value: float, ratio: float) -> str:
        automatic = value == AUTOMATIC
        if automatic:
            value = share_of(sigma_at(ratio, flow=is_flow(sampling)), sampling.percent_to_sigma)
        return f"{value:.0%}{' (automatic)' if automatic else ''}"

    moves, rests = (float(region.float().mean()) for region in (clock.moves, clock.rests))
    report = (
        f"{moves:.0%} of the latents move, {rests:.0%} rest; of the schedule everything is held for "
        f"{share(clock.weak, WEAK)}, what moves for {share(clock.strong, STRONG)}"
    )
    if rests:
        report += f", what rests for {share(clock.still, 0.0)}"
    if not moves:
        report += "\nWarning: nothing moves enough for the latents, so only everything is held: draw longer arrows"
    return report


def is_flow(sampling: Any) -> bool:
    """Whether the model's states are (1 - sigma) data + sigma noise."""
    half = torch.tensor([0.5])
    return not math.isclose(float(sampling.noise_scaling(half, torch.zeros(1), torch.ones(1))), 1.0)
