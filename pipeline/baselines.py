"""The methods that the paper compares its own with (Table 2), with the animator's network."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from ..flow_tools.convention import crop_padding
from ..model_loaders import memory
from ..sampling.direct import direct
from ..sampling.free_noise import free_noise, reschedule_noise
from ..sampling.gen_l_video import fresh_noise, gen_l_video
from ..sampling.trajectory import extension_noise, first_state, seed_after
from ..sampling.windows import window_starts
from .animate import Animation
from .decode import decode
from .denoise import activation_bytes
from .devices import Worker, denoiser_of_windows
from .plan import plan
from .settings import DIRECT, FREE_NOISE, GEN_L_VIDEO, BaselineSettings

DECODED = 8  # frames decoded to get the last one: the decoder looks at neighbours

WINDOWED = {GEN_L_VIDEO: (gen_l_video, fresh_noise), FREE_NOISE: (free_noise, reschedule_noise)}  # the loop, its noise
METHODS = [DIRECT, *WINDOWED]

Estimates = dict[tuple[int, int], Tensor]
OnWindow = Callable[[int, int, Tensor], None]


def overlap_of(settings: BaselineSettings, animation: Animation) -> int:
    return settings.overlap or animation.segment_frames // 2


def evaluations(animation: Animation, settings: BaselineSettings) -> int:
    """How many segments Euler evaluates, after the first segment's own T."""
    segment, steps, total_frames = animation.segment_frames, len(animation.trajectory.sigmas) - 1, settings.total_frames
    if total_frames <= segment:
        return 0
    if settings.method == DIRECT:
        return (-(-total_frames // segment) - 1) * steps
    return len(window_starts(total_frames, segment, overlap_of(settings, animation))) * steps


def lengthen(animation: Animation, settings: BaselineSettings, *, on_window: OnWindow | None = None) -> Animation:
    """A video of settings.total_frames. A run that was stopped goes on where it was.

    "Direct" begins with the animation's segment; the others begin with its noise, and sample all frames.
    on_window(i, total, estimate [L, c, h, w]) after each evaluation.
    ValueError: an unknown method, an overlap or a number of frames that does not fit.
    """
    method, total_frames = settings.method, settings.total_frames
    if method not in METHODS:
        raise ValueError(f"method: got {method!r}, allowed {', '.join(METHODS)}")
    if total_frames < 1:
        raise ValueError(f"total_frames: got {total_frames}, allowed 1 or more")
    if animation.plan.still.shrinks:
        height, width = animation.plan.still.sampled
        raise ValueError(
            f"sampling_size: the animation was sampled at {width}×{height}, smaller than its image, allowed Extend "
            "Animation, or sampling_size 0 in Animate Image"
        )
    if method == DIRECT and animation.plan.motion is not None and animation.plan.motion.motion.objects:
        raise ValueError(f"method: got {method!r} and objects that move, allowed Extend Animation, or another method")
    total = evaluations(animation, settings)
    estimates = animation.unfinished.estimates(settings)

    def shown(estimate: Tensor) -> None:
        if on_window is not None:
            on_window(len(estimates) - 1, total, estimate)

    if not total:
        latents = animation.trajectory.latents[:total_frames].clone()
    elif method == DIRECT:
        latents = chained(animation, settings, estimates, shown)
    else:
        batch = memory.fitting(total, activation_bytes(animation.animator, animation.plan.conditioning.reference))
        latents = memory.once_smaller(
            lambda size: windowed(animation, settings, size, estimates, shown), batch, 1, "windows sampled at once"
        )
    animation.unfinished.finished()
    shared = "" if method == DIRECT else f", windows share {overlap_of(settings, animation)} frames"
    report = (
        f"{method}: {total_frames} frames from segments of {animation.segment_frames}{shared}; "
        f"{total} evaluations of a segment"
    )
    return animation.longer(latents, report)


def chained(animation: Animation, settings: BaselineSettings, estimates: Estimates, shown: Callable) -> Tensor:
    animator, first, sigmas = animation.animator, animation.plan, animation.trajectory.sigmas

    def denoise_after(k: int, clip: Tensor) -> tuple[Callable, Tensor]:
        ending = clip[-DECODED:]
        last = decode(animator, ending, segment_frames=len(ending))[-1:]
        picture = crop_padding(last, first.still.padding).clamp(-1, 1)
        seeded = replace(first.settings, seed=seed_after(settings.seed, k))
        planned = plan(animator, picture, first.asked, seeded, sigmas=sigmas)
        windows = denoiser_of_windows(
            [Worker(animator)],
            lambda starts: (planned.conditioning, planned.guidance_scale),
            batch=1,
            estimates=estimates,
            on_window=shown,
        )

        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            return windows([x[0]], sigma.flatten()[0], [k])[0][None]

        return denoise, first_state(planned.noise, sigmas[0], planned.start)

    return direct(
        denoise_after,
        animation.trajectory.latents,
        sigmas,
        total_frames=settings.total_frames,
        sampler=animation.sampler,
    )


def windowed(
    animation: Animation, settings: BaselineSettings, batch: int, estimates: Estimates, shown: Callable
) -> Tensor:
    """The still is warped along the flow for all the frames, where the reference is a warped one."""
    segment, sigmas, first = animation.segment_frames, animation.trajectory.sigmas, animation.plan
    overlap, total_frames = overlap_of(settings, animation), settings.total_frames
    longer = replace(first.settings, frames=total_frames)
    planned = plan(animation.animator, first.still.image, first.asked, longer, sigmas=sigmas)
    sample, noise_of = WINDOWED[settings.method]
    noise = noise_of(
        first.noise, total_frames=total_frames, stride=segment - overlap, generator=extension_noise(settings.seed)
    )

    def cut(values: Tensor, start: int) -> Tensor:
        return values[start : start + segment]

    windows = denoiser_of_windows(
        [Worker(animation.animator)],
        lambda starts: (planned.conditioning.windows(starts, cut, cut, cut), first.guidance_scale),
        batch=batch,
        estimates=estimates,
        on_window=shown,
    )
    states = first_state(noise, sigmas[0], planned.start)
    return sample(windows, states, sigmas, segment=segment, overlap=overlap, sampler=animation.sampler)
