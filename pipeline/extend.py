"""An animation made longer by phased inference with shared noise: the sampling loop with the animator's network."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..model_loaders import memory
from ..sampling.conditioning import Conditioning
from ..sampling.joins import Timeline, plan_joins
from ..sampling.phased import evaluations, extend
from ..sampling.schedule import phase_boundary
from ..sampling.trajectory import extension_noise
from .along import along_timeline
from .animate import Animation
from .denoise import activation_bytes, denoisers
from .devices import Worker, denoiser_of_windows
from .settings import ExtendSettings


def extend_animation(
    animation: Animation,
    settings: ExtendSettings,
    *,
    workers: Sequence[Worker] | None = None,
    on_window: Callable[[int, int, Tensor], None] | None = None,
) -> Animation:
    """A video of settings.total_frames that begins with the animation's first segment.

    A run that was stopped goes on where it was. workers: `replicas` of the animator that sample windows side by side;
    None is itself alone. on_window(i, total, estimate [L, c, h, w]) after each; samplers other than Euler may report
    more than `total`. ValueError for settings that are out of range.
    """
    animator, conditioning, trajectory = animation.animator, animation.plan.conditioning, animation.trajectory
    scale, seed = animation.plan.guidance_scale, settings.seed
    latents, steps = trajectory.latents, len(trajectory.sigmas) - 1
    timeline = plan_joins(
        settings.joins,
        segment=len(latents),
        total_frames=settings.total_frames,
        change=latents.diff(dim=0).abs().mean(dim=(0, 1)),
        generator=torch.Generator().manual_seed(seed),
    )
    along = along_timeline(animator, animation.plan, timeline)
    passes = evaluations(timeline, steps=steps, gamma=settings.gamma)
    estimates = animation.unfinished.estimates(settings)
    resumed = len(estimates)

    def shown(estimate: Tensor) -> None:
        if on_window is not None:
            on_window(len(estimates) - 1, passes - 1, estimate)

    def run(batch: int) -> Tensor:
        conditional, _ = denoisers(animator, conditioning, scale)
        windows = denoiser_of_windows(
            workers or [Worker(animator)],
            along.windows if along else lambda starts: on_timeline(conditioning, scale, timeline, starts),
            batch=batch,
            estimates=estimates,
            on_window=shown,
        )
        return extend(
            conditional,
            windows,
            trajectory,
            timeline,
            (conditioning.reference * animator.scaling_factor).to(memory.device()),
            gamma=settings.gamma,
            omega=settings.omega,
            generator=extension_noise(seed),
            sampler=animation.sampler,
            place=along.place if along else None,
        )

    batch = memory.fitting(len(timeline.windows(True)) or 1, activation_bytes(animator, conditioning.reference))
    longer = memory.once_smaller(run, batch, 1, "segments sampled at once")[: settings.total_frames]
    animation.unfinished.finished()
    report = (
        f"{settings.total_frames} frames from a segment of {len(latents)}, joins: {settings.joins}; the first "
        f"{phase_boundary(steps, settings.gamma)} of {steps} steps shared, {passes} evaluations of a segment"
    )
    if resumed:
        report += f", {resumed} of them kept from the run that was stopped"
    reference = animation.reference
    if reference is not None:
        own = along.conditioning.reference * animator.scaling_factor if along else timeline.blend(reference)
        reference = own[: settings.total_frames]
    return animation.longer(longer, report, timeline, reference)


def on_timeline(
    conditioning: Conditioning, scale: Tensor, timeline: Timeline, starts: Sequence[int]
) -> tuple[Conditioning, Tensor]:
    """Conditioning and guidance scale [L] of the first segment → of windows of the timeline, tensors [n, L, ...]."""
    if not timeline.window_offset:
        return conditioning, scale  # every window is the first segment's again

    def of_window(blend: Callable) -> Callable:
        return lambda values, start: blend(values, start, start + timeline.segment)

    mean = of_window(timeline.mean)
    windows = conditioning.windows(starts, of_window(timeline.blend), mean, of_window(timeline.most))
    return windows, torch.stack([mean(scale, start) for start in starts])
