"""One segment, sampled, and what a video in latents is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from torch import Tensor

from ..model_loaders import memory
from ..model_loaders.animator import Animator
from ..sampling.joins import Timeline
from ..sampling.trajectory import Trajectory, euler, sample_trajectory
from .denoise import denoisers
from .plan import Plan
from .unfinished import Unfinished


@dataclass(frozen=True)
class Animation:
    """A video in latents, with all that is needed to go on sampling it. Tensors lie in main memory."""

    latents: Tensor  # [N, c, h, w], scaled
    trajectory: Trajectory  # of the first segment, L frames
    plan: Plan  # of the first segment
    animator: Animator
    sampler: Callable  # of sampling.trajectory's kind
    report: str  # what was done, in words
    reference: Tensor | None = None  # [N, c, h, w], scaled, of the still moved along; None: not known, or not asked for
    timeline: Timeline | None = None  # of frames beyond the first segment; None: there are none, or they know none
    unfinished: Unfinished = field(default_factory=Unfinished)  # of the first segment's extensions

    @property
    def segment_frames(self) -> int:
        return len(self.trajectory.latents)

    @property
    def fps(self) -> int:
        """Frames per second that the model was conditioned on."""
        return self.plan.fps

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of its frames in px."""
        return self.plan.still.size

    def longer(
        self, latents: Tensor, report: str, timeline: Timeline | None = None, reference: Tensor | None = None
    ) -> Animation:
        """The animation that begins with the same first segment."""
        return replace(self, latents=latents, report=report, timeline=timeline, reference=reference)


def animate(animator: Animator, plan: Plan, *, sampler: Callable = euler, on_step: Callable | None = None) -> Animation:
    """Samples what `plan` says. on_step(i, T, denoised [L, c, h, w]) once a step; what it raises stops the run."""
    _, denoise = denoisers(animator, plan.conditioning, plan.guidance_scale)
    device = memory.device()
    trajectory = sample_trajectory(
        denoise,
        plan.noise.to(device),
        plan.sigmas,
        start=None if plan.start is None else plan.start.to(device),
        sampler=sampler,
        on_step=on_step,
    )
    reference = None
    if plan.still.shrinks and plan.control.warped:
        reference = plan.conditioning.reference * animator.scaling_factor
    return Animation(trajectory.latents, trajectory, plan, animator, sampler, plan.report, reference)
