"""How the flow steers, beside an adapter's motion attention: the choices of the widget `control`."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..model_loaders.animator import Animator
from ..sampling.dual_clock import FREE
from ..sampling.schedule import karras_sigmas
from .settings import AS_TRAINED, AUTO, AUTOMATIC, BOTH, CONTROLS, DUAL_CLOCK, WARPED, Settings

STEPS, WEAK_STEP, STRONG_STEP = 50, 16, 21  # Time-to-Move's choice; of SVD's own schedule: noise 75 and 31
STILL = 0.0  # to the end: what the flow asks to stand still is the picture itself


@dataclass(frozen=True)
class Control:
    report: str  # the choice in words
    warped: bool = False  # the reference
    weak: float | None = None  # where sampling starts, from the warped still; None: from noise alone
    strong: float | None = None  # down to here what moves is anchored to the warped still; None: it is not
    still: float | None = None  # down to here what stands still is anchored to the still; None: it is not

    @property
    def has_anchor(self) -> bool:
        return self.strong is not None or self.still is not None


def choose_control(animator: Animator, has_flow: bool, settings: Settings) -> Control:
    """What settings.control means for this animator. ValueError where it cannot be done."""
    mode = settings.control
    if mode not in CONTROLS:
        raise ValueError(f"control: got {mode!r}, allowed {', '.join(CONTROLS)}")
    if not has_flow:
        if mode not in (AUTO, AS_TRAINED):
            raise ValueError(f"control: got {mode!r} without motion, allowed with motion from Encode Motion")
        return Control("reference repeated")
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
    report = f"reference {'warped along the flow' if warped else 'repeated'}"
    if not (dual or warped or animator.has_adapter):
        report += ", so the flow's directions are not used"
    if dual:
        weak = min(weak, animator.sigma_max)
        if not animator.sigma_min < weak >= strong:
            raise ValueError(
                f"weak_noise, strong_noise: got {weak:.3g} and {strong:.3g}, allowed: weak above the model's "
                f"{animator.sigma_min:g}, strong not above weak"
            )
        report += f", dual clock from noise {weak:.3g} to {strong:.3g}"
    if still is not None:
        report += f", what should not move kept down to noise {still:.3g}"
    return Control(report, warped, weak if dual else None, strong if dual else None, still)


def own_levels(animator: Animator) -> tuple[float, float]:
    """(weak, strong): the dual clock's noise levels on the model's own schedule."""
    sigmas = karras_sigmas(STEPS, sigma_min=animator.sigma_min, sigma_max=animator.sigma_max, rho=animator.rho)
    return float(sigmas[WEAK_STEP]), float(sigmas[STRONG_STEP])


def begin_at(sigmas: Tensor, weak: float) -> Tensor:
    """The schedule [T + 1] from the level weak on; all of it where it begins below."""
    first = sigmas[:1].clamp(max=weak)
    return torch.cat([first, sigmas[sigmas < first]])
