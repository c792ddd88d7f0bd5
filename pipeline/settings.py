"""What can be chosen, with the defaults that nodes, scripts and the evaluation share."""

from dataclasses import dataclass

from ..sampling.joins import CROSSFADE

AUTO, AS_TRAINED, WARPED, DUAL_CLOCK, BOTH = (
    "auto",
    "as trained",
    "warped reference",
    "dual clock",
    "dual clock + warped reference",
)
CONTROLS = [AUTO, AS_TRAINED, WARPED, DUAL_CLOCK, BOTH]
AUTOMATIC = -1.0  # a noise level, a sampling size
WHOLE = 0  # a sampling size: the picture's own
DIRECT, GEN_L_VIDEO, FREE_NOISE = "Direct", "Gen-L-Video", "FreeNoise"


@dataclass(frozen=True)
class Settings:
    """Of one segment: the widgets of Animate Image."""

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
    sampling_size: int = WHOLE  # px of the longer side that the network sees; AUTOMATIC: near the trained one


@dataclass(frozen=True)
class ExtendSettings:
    """Of a longer video by phased inference with shared noise: the widgets of Extend Animation."""

    total_frames: int = 125
    gamma: float = 0.8
    omega: float = 0.2
    seed: int = 0
    joins: str = CROSSFADE


@dataclass(frozen=True)
class BaselineSettings:
    """Of a longer video by another method: the widgets of Extend Animation (Other Methods)."""

    total_frames: int = 125
    method: str = FREE_NOISE
    overlap: int = 0  # frames that windows share, not used by "Direct"; 0: half a segment
    seed: int = 0
