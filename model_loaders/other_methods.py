"""The methods that the paper compares its own with (Table 2), with the animator's network."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ..flow_tools.convention import crop_padding
from ..sampling.animate import first_state, later_noise, seed_after
from ..sampling.denoiser import Conditioning
from ..sampling.direct import direct
from ..sampling.dual_clock import Hold
from ..sampling.free_noise import free_noise, reschedule_noise
from ..sampling.gen_l_video import gen_l_video
from ..sampling.windows import window_starts
from . import memory
from .animation import Animation, plan
from .animator import decode
from .conditioning import activation_bytes
from .replicas import Worker, denoiser_of_windows

DIRECT, GEN_L_VIDEO, FREE_NOISE = "Direct", "Gen-L-Video", "FreeNoise"
METHODS = [DIRECT, GEN_L_VIDEO, FREE_NOISE]
DECODED = 8  # frames decoded to get the last one: the decoder looks at neighbours

Answers = dict[tuple[int, int], Tensor]
OnWindow = Callable[[int, int, Tensor], None]


def evaluations(method: str, animation: Animation, total_frames: int, overlap: int) -> int:
    """How many segments Euler evaluates, after the first segment's own T."""
    segment, steps = animation.segment_frames, len(animation.trajectory.sigmas) - 1
    if total_frames <= segment:
        return 0
    if method == DIRECT:
        return (-(-total_frames // segment) - 1) * steps
    return len(window_starts(total_frames, segment, overlap)) * steps


def lengthen(
    animation: Animation,
    total_frames: int,
    *,
    method: str,
    overlap: int,
    seed: int = 0,
    answers: Answers | None = None,
    on_window: OnWindow | None = None,
) -> Tensor:
    """Latents [total_frames, c, h, w], in main memory; overlap: frames that windows share (not in "Direct").

    "Direct" begins with the animation's segment; the others begin with its noise, and sample all frames. answers: see
    `denoiser_of_windows`. on_window(i, total, estimate [L, c, h, w]) after each evaluation.
    ValueError: an unknown method, an overlap or a number of frames that does not fit.
    """
    if method not in METHODS:
        raise ValueError(f"method: got {method!r}, allowed {', '.join(METHODS)}")
    if total_frames < 1:
        raise ValueError(f"total_frames: got {total_frames}, allowed 1 or more")
    answers = {} if answers is None else answers
    total = evaluations(method, animation, total_frames, overlap)
    if not total:
        return animation.trajectory.latents[:total_frames].clone()

    def report(estimate: Tensor) -> None:
        if on_window is not None:
            on_window(len(answers) - 1, total, estimate)

    if method == DIRECT:
        return chained(animation, total_frames, seed, answers, report)
    bytes_each = activation_bytes(animation.animator, animation.conditioning.reference)
    batch = memory.fitting(total, bytes_each)
    return memory.once_smaller(
        lambda size: windowed(animation, total_frames, method, overlap, seed, size, answers, report),
        batch,
        1,
        "windows sampled at once",
    )


def chained(animation: Animation, total_frames: int, seed: int, answers: Answers, report: Callable) -> Tensor:
    animator, plan_of_first, sigmas = animation.animator, animation.plan, animation.trajectory.sigmas

    def denoise_after(k: int, clip: Tensor) -> tuple[Callable, Tensor]:
        ending = clip[-DECODED:]
        last = decode(animator, ending, segment_frames=len(ending))[-1:]
        picture = crop_padding(last, animation.padding).clamp(-1, 1)
        settings = replace(plan_of_first.settings, seed=seed_after(seed, k))
        planned = plan(animator, picture, plan_of_first.guidance, settings, sigmas=sigmas)
        windows = denoiser_of_windows(
            [Worker(animator)],
            lambda starts: (planned.conditioning, planned.guidance_scale),
            batch=1,
            answers=answers,
            on_window=report,
        )

        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            return windows([x[0]], sigma.flatten()[0], [k])[0][None]

        return denoise, first_state(planned.noise, sigmas[0], planned.start)

    return direct(
        denoise_after, animation.trajectory.latents, sigmas, total_frames=total_frames, sampler=animation.sampler
    )


def windowed(
    animation: Animation,
    total_frames: int,
    method: str,
    overlap: int,
    seed: int,
    batch: int,
    answers: Answers,
    report: Callable,
) -> Tensor:
    """The still is carried along the flow for all the frames, where the reference is a warped one."""
    segment, sigmas, first = animation.segment_frames, animation.trajectory.sigmas, animation.plan
    settings = replace(first.settings, frames=total_frames)
    planned = plan(animation.animator, first.image, first.guidance, settings, sigmas=sigmas)
    generator = later_noise(seed)
    if method == FREE_NOISE:
        stride = segment - overlap
        noise = reschedule_noise(first.noise, total_frames=total_frames, stride=stride, generator=generator)
    else:
        more = torch.randn((total_frames - segment, *first.noise.shape[1:]), generator=generator)
        noise = torch.cat([first.noise, more])
    windows = denoiser_of_windows(
        [Worker(animation.animator)],
        lambda starts: (parts(planned.conditioning, starts, segment), animation.guidance_scale),
        batch=batch,
        answers=answers,
        on_window=report,
    )
    sample = free_noise if method == FREE_NOISE else gen_l_video
    states = first_state(noise, sigmas[0], planned.start)
    return sample(windows, states, sigmas, segment=segment, overlap=overlap, sampler=animation.sampler)


def parts(conditioning: Conditioning, starts: list[int], segment: int) -> Conditioning:
    """Of the whole video -> of windows of L frames from these on, tensors [n, L, ...]."""

    def windows(values: Tensor) -> Tensor:
        return torch.stack([values[start : start + segment] for start in starts])

    def motion(level: Tensor) -> Tensor:
        return level if level.shape[1] == 1 else windows(torch.cat([level[0], level[0, -1:]]))

    hold = conditioning.hold
    return replace(
        conditioning,
        reference=windows(conditioning.reference),
        motion=conditioning.motion and tuple(map(motion, conditioning.motion)),
        hold=hold and Hold(windows(hold.target), windows(hold.level)),
    )
