"""An animation made longer by phased inference with shared noise: the sampling loop with the animator's network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..sampling.animate import later_noise
from ..sampling.denoiser import Conditioning
from ..sampling.dual_clock import Hold
from ..sampling.joins import CROSSFADE, Timeline, plan_joins
from ..sampling.phased import evaluations, extend
from . import memory
from .conditioning import activation_bytes, denoisers
from .replicas import Worker, denoiser_of_windows

if TYPE_CHECKING:
    from .animation import Animation


def plan_extension(animation: Animation, total_frames: int, *, joins: str, seed: int) -> Timeline:
    """Which frames of the first segment the frames of the video begin as."""
    latents = animation.trajectory.latents
    return plan_joins(
        joins,
        segment=len(latents),
        total_frames=total_frames,
        change=latents.diff(dim=0).abs().mean(dim=(0, 1)),
        generator=torch.Generator().manual_seed(seed),
    )


def extend_animation(
    animation: Animation,
    total_frames: int,
    *,
    gamma: float = 0.8,
    omega: float = 0.2,
    seed: int = 0,
    joins: str = CROSSFADE,
    workers: Sequence[Worker] | None = None,
    answers: dict[tuple[int, int], Tensor] | None = None,
    on_window: Callable[[int, int, Tensor], None] | None = None,
) -> Tensor:
    """Latents [total_frames, c, h, w] that begin with the animation's first segment, in main memory.

    workers: `replicas` of the animator that sample windows side by side; None is itself alone. answers: see
    `denoiser_of_windows`. on_window(i, total, estimate [L, c, h, w]) after each; samplers other than Euler may report
    more than `total`.
    """
    animator, conditioning, trajectory = animation.animator, animation.conditioning, animation.trajectory
    timeline = plan_extension(animation, total_frames, joins=joins, seed=seed)
    total = evaluations(timeline, steps=len(trajectory.sigmas) - 1, gamma=gamma) - 1
    answers = {} if answers is None else answers

    def report(estimate: Tensor) -> None:
        if on_window is not None:
            on_window(len(answers) - 1, total, estimate)

    def run(batch: int) -> Tensor:
        conditional, _ = denoisers(animator, conditioning, animation.guidance_scale)
        windows = denoiser_of_windows(
            workers or [Worker(animator)],
            lambda starts: told_to_windows(conditioning, animation.guidance_scale, timeline, starts),
            batch=batch,
            answers=answers,
            on_window=report,
        )
        return extend(
            conditional,
            windows,
            trajectory,
            timeline,
            (conditioning.reference * animator.scaling_factor).to(memory.device()),
            gamma=gamma,
            omega=omega,
            generator=later_noise(seed),
            sampler=animation.sampler,
        )

    batch = memory.fitting(len(timeline.windows(True)) or 1, activation_bytes(animator, conditioning.reference))
    return memory.once_smaller(run, batch, 1, "segments sampled at once")[:total_frames]


def told_to_windows(
    conditioning: Conditioning, scale: Tensor, timeline: Timeline, starts: list[int]
) -> tuple[Conditioning, Tensor]:
    """Conditioning and guidance scale of the first segment -> of windows of the timeline, their tensors [n, L, ...]."""

    if not timeline.offset:
        return conditioning, scale  # every window is the first segment's again

    def windows(blend: Callable, values: Tensor) -> Tensor:
        return torch.stack([blend(values, start, start + timeline.segment) for start in starts])

    def motion(level: Tensor) -> Tensor:
        flows = level[0]
        if len(flows) == 1:
            return level
        if len(flows) < timeline.segment:
            flows = torch.cat([flows, flows[-1:]])
        return windows(timeline.mean, flows)

    hold = conditioning.hold
    return replace(
        conditioning,
        reference=windows(timeline.blend, conditioning.reference),
        motion=conditioning.motion and tuple(map(motion, conditioning.motion)),
        hold=hold and Hold(windows(timeline.blend, hold.target), windows(timeline.most, hold.level)),
    ), windows(timeline.mean, scale)
