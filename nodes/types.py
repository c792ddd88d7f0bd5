"""Sockets, what travels over them, and what every node's schema shares."""

import inspect

from comfy_api.latest import io
from torch import Tensor

from ..flow_tools.convention import image_to_tensor

MotionArrowsSocket = io.Custom("DRIFTFIELD_ARROWS")
OpticalFlowSocket = io.Custom("DRIFTFIELD_FLOW")  # flow_tools.motion.Motion, or a tensor [N, 2, H, W] px/frame
RefinerSocket = io.Custom("DRIFTFIELD_REFINER")
AnimatorSocket = io.Custom("DRIFTFIELD_ANIMATOR")
GuidanceSocket = io.Custom("DRIFTFIELD_GUIDANCE")
AnimationSocket = io.Custom("DRIFTFIELD_ANIMATION")
TracksSocket = io.Custom("TRACKS")  # ComfyUI's own: {"track_path": [T, N, 2] px, "track_visibility": [T, N]}

ANIMATION_CATEGORY = "Driftfield/animation"
LARGEST_SEED = 0xFFFFFFFFFFFFFFFF
SEED = "Seed of the noise. The same seed gives the same video."

# Hides an input behind "show advanced inputs", in the versions of ComfyUI that can.
ADVANCED = {"advanced": True} if "advanced" in inspect.signature(io.Int.Input.__init__).parameters else {}


def later(widget: io.Int.Input, absent: int) -> io.Int.Input:
    """A widget that a node has got later: in workflows that lack it, it is `absent`, and on new nodes its default."""
    widget.extra_dict = {"absent": absent}  # no widget's constructor takes it in every version of ComfyUI
    return widget


def aliases(*words: str) -> dict:
    """Other words that a node is found by, in the versions of ComfyUI that can."""
    known = "search_aliases" in inspect.signature(io.Schema.__init__).parameters
    return {"search_aliases": list(words)} if known else {}


def single(image: Tensor, name: str = "image") -> Tensor:
    """IMAGE → [1, 3, H, W] −1..1; ValueError where it is not exactly one picture."""
    if len(image) != 1:
        raise ValueError(f"{name}: got a batch of {len(image)} images, allowed exactly 1")
    return image_to_tensor(image, name)


def choice(value: str, allowed: list[str], name: str) -> str:
    """The value of a combo; ValueError where it is none of its options, for ComfyUI does not check V3 combos."""
    if value not in allowed:
        raise ValueError(f"{name}: got {value!r}, allowed {', '.join(allowed)}")
    return value
