"""One segment of video from one still: every choice of Animate Image, made in one place."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from ..flow_tools.convention import check_finite, pad_to_multiple
from ..sampling.animate import Trajectory, animate, euler
from ..sampling.denoiser import Conditioning
from ..sampling.dual_clock import FREE, Hold, regions, warped_still
from ..sampling.guidance import guidance_scales
from ..sampling.joins import Timeline
from ..sampling.schedule import karras_sigmas
from . import memory
from .animator import Animator, encode_image
from .conditioning import PAD, MotionGuidance, choose_strength, condition, denoisers, fit_guidance
from .doubts import doubts

AUTO, AS_TRAINED, WARPED, DUAL_CLOCK, BOTH = (
    "auto",
    "as trained",
    "warped reference",
    "dual clock",
    "dual clock + warped reference",
)
CONTROLS = [AUTO, AS_TRAINED, WARPED, DUAL_CLOCK, BOTH]
AUTOMATIC = -1.0  # a noise level
STEPS, WEAK_STEP, STRONG_STEP = 50, 16, 21  # Time-to-Move's choice; of SVD's own schedule: noise 75 and 31
STILL = 0.0  # to the end: what the flow asks to stand still is the picture itself


@dataclass(frozen=True)
class Settings:
    """The widgets of Animate Image, with their defaults."""

    seed: int = 0
    steps: int = 6
    cfg_min: float = 1.0
    cfg_max: float = 1.0
    fps: int = 0  # 0: the model's own
    motion_strength: float | None = None  # percent; None: measured from the flow
    frames: int = 0  # 0: the model's own
    noise_aug_strength: float = 0.02
    loop: bool = False
    control: str = AUTO
    weak_noise: float = AUTOMATIC
    strong_noise: float = AUTOMATIC
    still_noise: float = AUTOMATIC


@dataclass(frozen=True)
class Plan:
    """All that sampling needs, in main memory."""

    conditioning: Conditioning
    sigmas: Tensor  # [T + 1]
    noise: Tensor  # [L, c, h, w], of unit variance
    start: Tensor | None  # [L, c, h, w] latents that the noise is added to; None: zeros
    guidance_scale: Tensor  # [L]
    padding: tuple[int, int, int, int]  # px: top, bottom, left, right
    report: str  # what will be done, in words, and a line for each warning
    image: Tensor  # what `plan` was asked for: [1, 3, H, W]
    guidance: MotionGuidance | None
    settings: Settings
    warnings: tuple[str, ...] = ()  # what was hardly meant, and what to do


@dataclass(frozen=True)
class Animation:
    """A video in latents, with all that is needed to go on sampling it. Tensors lie in main memory."""

    latents: Tensor  # [N, c, h, w], scaled
    trajectory: Trajectory  # of the first segment, L frames
    conditioning: Conditioning
    guidance_scale: Tensor  # [L]
    sampler: Callable  # of sampling.animate's kind
    animator: Animator
    padding: tuple[int, int, int, int]  # px: top, bottom, left, right
    plan: Plan  # of the first segment
    timeline: Timeline | None = None  # of frames beyond the first segment; None: there are none, or they know none

    @property
    def segment_frames(self) -> int:
        return len(self.trajectory.latents)


def plan(
    animator: Animator,
    image: Tensor,
    guidance: MotionGuidance | None,
    settings: Settings,
    *,
    sigmas: Tensor | None = None,
) -> Plan:
    """For image [1, 3, H, W] −1..1. sigmas: [T + 1] noise levels instead of settings.steps.

    Raises ValueError for settings that are out of range or do not go together, or a guidance that does not fit.
    """
    for name, value in asdict(settings).items():
        if isinstance(value, float):
            check_finite(name, value)
    asked, frames, fps = guidance, settings.frames or animator.frames, settings.fps or animator.fps
    if frames < 2:
        raise ValueError(f"frames: got {frames}, allowed 0 (the model's own) or 2 and more")
    control, said = choose_control(animator, guidance is not None, settings)
    if settings.loop and not (control.warped and guidance is not None):
        what = "no guidance" if guidance is None else "a repeated reference"
        raise ValueError(f"loop: got {what}, allowed with guidance and a warped reference")
    if guidance is not None:
        guidance = fit_guidance(guidance, animator, *image.shape[-2:], frames)
    strength, bucket, note = choose_strength(
        animator, guidance and guidance.flow, settings.motion_strength, dual_clock=control.weak is not None
    )

    padded, padding = pad_to_multiple(image, PAD)
    generator = torch.Generator().manual_seed(settings.seed)
    augmentation = torch.randn(padded.shape, generator=generator)  # drawn first, as diffusers does
    conditioning = condition(
        replace(animator, reference="warped" if control.warped else "repeated"),
        image,
        guidance,
        strength,
        bucket,
        frames=frames,
        fps=fps,
        noise=augmentation,
        noise_aug_strength=settings.noise_aug_strength,
        loop=settings.loop,
    )
    if control.strong is not None or control.still is not None:
        hold = encode_hold(animator, padded, guidance.flow, frames, control, loop=settings.loop)
        conditioning = replace(conditioning, hold=hold)
    start = None if control.weak is None else conditioning.hold.target
    if sigmas is None:
        sigmas = karras_sigmas(
            settings.steps,
            sigma_min=animator.sigma_min,
            sigma_max=control.weak or animator.sigma_max,
            rho=animator.rho,
        )
    elif control.weak is not None:
        sigmas = begin_at(sigmas, control.weak)
    scale = guidance_scales(settings.cfg_min, settings.cfg_max, frames)
    passes = "1 pass" if (scale == 1).all() else "2 passes"
    looping = ", looping" if settings.loop else ""
    report = (
        f"{animator.name}: {frames} frames of {image.shape[-1]}×{image.shape[-2]} at {fps} fps, "
        f"{len(sigmas) - 1} steps, {passes} a step; {said}{looping}; {note}"
    )
    warnings = doubts(asked, frames)
    report = "\n".join((report, *(f"Warning: {warning}" for warning in warnings)))
    noise = torch.randn(conditioning.reference.shape, generator=generator)
    return Plan(conditioning, sigmas, noise, start, scale, padding, report, image, asked, settings, warnings)


def animate_planned(animator: Animator, plan: Plan, *, sampler: Callable = euler, on_step=None) -> Animation:
    """Samples what `plan` says. on_step(i, T, denoised [L, c, h, w]) once a step; what it raises stops the run."""
    _, denoise = denoisers(animator, plan.conditioning, plan.guidance_scale)
    place = memory.device()
    trajectory = animate(
        denoise,
        plan.noise.to(place),
        plan.sigmas,
        start=None if plan.start is None else plan.start.to(place),
        sampler=sampler,
        on_step=on_step,
    )
    return Animation(
        trajectory.latents, trajectory, plan.conditioning, plan.guidance_scale, sampler, animator, plan.padding, plan
    )


@dataclass(frozen=True)
class Control:
    """How the flow steers, beside an adapter's motion attention."""

    warped: bool  # the reference
    weak: float | None = None  # where sampling starts, from the warped still; None: from noise alone
    strong: float | None = None  # down to here what moves is held to the warped still; None: it is not
    still: float | None = None  # down to here what stands still is held to the still; None: it is not


def choose_control(animator: Animator, has_flow: bool, settings: Settings) -> tuple[Control, str]:
    """(what settings.control means for this animator, the same in words). ValueError where it cannot be done."""
    mode = settings.control
    if mode not in CONTROLS:
        raise ValueError(f"control: got {mode!r}, allowed {', '.join(CONTROLS)}")
    if not has_flow:
        if mode not in (AUTO, AS_TRAINED):
            raise ValueError(f"control: got {mode!r} without guidance, allowed with guidance from Encode Motion")
        return Control(warped=False), "reference repeated"
    dual = mode in (DUAL_CLOCK, BOTH) or (mode == AUTO and not animator.has_adapter)
    warped = mode in (WARPED, BOTH) or animator.reference == "warped"
    weak, strong = own_levels(animator)
    levels = {"weak_noise": weak, "strong_noise": strong, "still_noise": None if mode == AS_TRAINED else STILL}
    for name in levels:
        got = getattr(settings, name)
        if got != AUTOMATIC:
            levels[name] = got
            if not 0 <= got < FREE:
                raise ValueError(f"{name}: got {got}, allowed {AUTOMATIC:g} (automatic), or 0 and more")
    weak, strong, still = levels.values()
    said = f"reference {'warped along the flow' if warped else 'repeated'}"
    if not (dual or warped or animator.has_adapter):
        said += ", so the flow's directions are not used"
    if dual:
        weak = min(weak, animator.sigma_max)
        if not animator.sigma_min < weak >= strong:
            raise ValueError(
                f"weak_noise, strong_noise: got {weak:.3g} and {strong:.3g}, allowed: weak above the model's "
                f"{animator.sigma_min:g}, strong not above weak"
            )
        said += f", dual clock from noise {weak:.3g}, what moves held to {strong:.3g}"
    if still is not None:
        said += f", what stands still held to noise {still:.3g}"
    return Control(warped, weak if dual else None, strong if dual else None, still), said


def own_levels(animator: Animator) -> tuple[float, float]:
    """(weak, strong): the dual clock's noise levels on the model's own schedule."""
    sigmas = karras_sigmas(STEPS, sigma_min=animator.sigma_min, sigma_max=animator.sigma_max, rho=animator.rho)
    return float(sigmas[WEAK_STEP]), float(sigmas[STRONG_STEP])


def begin_at(sigmas: Tensor, weak: float) -> Tensor:
    """The schedule [T + 1] from the level weak on; all of it where it begins below."""
    first = sigmas[:1].clamp(max=weak)
    return torch.cat([first, sigmas[sigmas < first]])


def encode_hold(animator: Animator, image: Tensor, flow: Tensor, frames: int, control: Control, *, loop: bool) -> Hold:
    """What the estimate keeps to, and how long, for the padded image [1, 3, H, W] and its flow."""
    pushed = image if control.strong is not None else image[:, :0]  # without it only the regions matter
    flow = pad_to_multiple(flow, PAD)[0]
    place = memory.device()
    video, moving, uncovered = (
        part.cpu() for part in warped_still(pushed.to(place), flow.to(place), frames, loop=loop)
    )
    moves, rests = regions(moving, uncovered, animator.latent_factor)
    still = encode_image(animator, image) * animator.scaling_factor
    level = torch.full(rests.shape, FREE)
    if control.still is not None:
        level = level.masked_fill(rests, control.still)
    if control.strong is None:
        return Hold(still.expand(frames, -1, -1, -1), level)
    warped = encode_image(animator, video) * animator.scaling_factor
    return Hold(torch.where(rests, still, warped), level.masked_fill(moves, control.strong))
