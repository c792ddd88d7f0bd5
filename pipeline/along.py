"""A long video with objects or living regions: what it is conditioned on and carried over, frame by frame."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..model_loaders import memory
from ..model_loaders.animator import Animator
from ..sampling.conditioning import Conditioning
from ..sampling.dual_clock import Anchor
from ..sampling.joins import Timeline
from .composition import Composition, padded
from .conditioning import encode_pictures
from .encode import encode_image, motion_maps
from .pictures import pictures_of
from .plan import Plan, first_noise


@dataclass(frozen=True)
class Along:
    animator: Animator
    composition: Composition
    timeline: Timeline
    conditioning: Conditioning  # of all N frames, but the motion of V1's, or none where objects move
    scale: Tensor  # [L] of guidance
    carried: Tensor  # [N, c, h, w] scaled latents of the frames put together
    touched: Tensor  # [N, 1, h, w] bool: where a region lives, or an object is or was in blended frames of V1
    steps: Tensor | None  # [N - 1, 2, h', w'] see `_steps`; None: without an adapter or objects
    encoding: threading.Lock = field(default_factory=threading.Lock)

    def place(self, estimate: Tensor) -> Tensor:
        """The estimate [n, c, h, w] of the last n frames with the objects at their own clock, and nowhere else."""
        return torch.where(self.touched[-len(estimate) :], self.carried[-len(estimate) :], estimate)

    def windows(self, starts: Sequence[int]) -> tuple[Conditioning, Tensor]:
        """Conditioning and guidance scale of windows that begin at these frames, tensors [n, L, ...]."""
        segment = self.timeline.segment

        def cut(values: Tensor, start: int) -> Tensor:
            return values[start : start + segment]

        def mean(values: Tensor, start: int) -> Tensor:
            return self.timeline.mean(values, start, start + segment)

        scale = torch.stack([mean(self.scale, start) for start in starts])
        windows = self.conditioning.windows(starts, cut, mean, cut)
        if self.steps is None:
            return windows, scale
        each = [self._maps(self.steps[start : start + segment - 1]) for start in starts]
        return replace(windows, motion=tuple(torch.cat(level) for level in zip(*each, strict=True))), scale

    def _maps(self, steps: Tensor) -> tuple[Tensor, ...]:
        """Motion maps [1, n + 1, C_i, h_i, w_i] of n steps; the last frame has those of the one before."""
        with self.encoding, memory.current(memory.device()):
            maps = motion_maps(self.animator, steps.float().to(memory.device()))
        return tuple(torch.cat([level, level[:, -1:]], dim=1) for level in maps)


def along_timeline(animator: Animator, plan: Plan, timeline: Timeline) -> Along | None:
    """Of a plan's composition; None where it has none, or the timeline adds no frame to the segment's own."""
    composition, control = plan.composition, plan.control
    if composition is None or len(timeline) == timeline.kept:
        return None
    augmentation = first_noise(plan.still, plan.settings)[0] * plan.settings.noise_aug_strength
    background, factor = composition.background(), animator.latent_factor
    references, targets, levels, carried, touched = [], [], [], [], []
    for start in range(0, len(timeline), timeline.segment):
        stop = min(start + timeline.segment, len(timeline))
        seen = composition.part(background, timeline, start, stop)
        pictures = pictures_of(seen, plan.still, control, noise=augmentation, latent_factor=factor)
        reference, anchor = encode_pictures(animator, pictures, control, stop - start)
        references.append(reference)
        if anchor is not None and control.strong is not None:
            carried.append(anchor.target)
        else:
            own = reference if control.warped else encode_image(animator, plan.still.shrunk(seen.pictures))
            carried.append(own * animator.scaling_factor)
        touched.append(at_latents(plan.still.shrunk(seen.things), factor))
        if anchor is not None:
            targets.append(anchor.target)
            levels.append(anchor.level)
    first = composition.part(background, None, 0, composition.frames)
    before = timeline.most(at_latents(plan.still.shrunk(first.things), factor).float()) > 0
    lives = at_latents(plan.still.shrunk(padded(composition.lives)), factor)
    return Along(
        animator=animator,
        composition=composition,
        timeline=timeline,
        conditioning=replace(
            plan.conditioning,
            reference=torch.cat(references),
            motion=None if composition.motion.objects else plan.conditioning.motion,
            anchor=Anchor(torch.cat(targets), torch.cat(levels)) if targets else None,
        ),
        scale=plan.guidance_scale,
        carried=torch.cat(carried),
        touched=torch.cat(touched) | before | lives,
        steps=_steps(composition, timeline) if animator.has_adapter and composition.motion.objects else None,
    )


def _steps(composition: Composition, timeline: Timeline) -> Tensor:
    """[N - 1, 2, h', w'] px/frame in half precision and main memory: every window of every step wants a part."""
    last, segment = len(timeline) - 1, timeline.segment
    parts = (composition.flow(timeline, start, min(start + segment, last) + 1) for start in range(0, last, segment))
    return torch.cat([composition.still.shrunk_flow(padded(part)).half().cpu() for part in parts])


def at_latents(things: Tensor, factor: int) -> Tensor:
    """[m, 1, h, w] bool: latents that hold a part of what is above 0 in [m, 1, h', w']."""
    return F.max_pool2d(things, factor) > 0
