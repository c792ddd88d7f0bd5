"""From a picture and arrows to an animation, in one call; `frames_of` gives its frames."""

from collections.abc import Callable

from torch import Tensor

from ..flow_tools.arrows import MotionArrows
from ..flow_tools.dense import FOLLOWED
from ..flow_tools.motion import Motion, dense_motion, sparse_motion
from ..model_loaders.animator import Animator
from ..model_loaders.refiner import Refiner
from .animate import Animation, animate
from .extend import extend_animation
from .motion import encode_motion
from .plan import plan
from .refine import refine
from .settings import ExtendSettings, Settings


def animate_still(
    animator: Animator,
    image: Tensor,
    motion: Motion | None,
    settings: Settings,
    extension: ExtendSettings | None = None,
    *,
    on_step: Callable | None = None,
    on_window: Callable | None = None,
) -> Animation:
    """Animates image [1, 3, H, W] −1..1 along the motion, for one segment, or for extension.total_frames.

    motion: of `motion_of_arrows`, or any other flow; None leaves it to the model. on_step, on_window: see `animate` and
    `extend_animation`. ValueError for what is out of range or does not go together: before anything is sampled, of the
    extension before more than the first segment is.
    """
    encoded = motion and encode_motion(animator, motion)
    animation = animate(animator, plan(animator, image, encoded, settings), on_step=on_step)
    return animation if extension is None else extend_animation(animation, extension, on_window=on_window)


def motion_of_arrows(
    arrows: MotionArrows,
    *,
    frames: int,
    sigma_px: float | None = None,
    mode: str = FOLLOWED,
    region: Tensor | None = None,
    image: Tensor | None = None,
    refiner: Refiner | None = None,
) -> Motion:
    """The motion that arrows ask for, on the image that they were drawn on: sparse, dense and, with a refiner, refined.

    frames: in which their heads are reached. sigma_px, mode: see `densify`. region: [1, 1, H, W] 0..1 where things may
    move. The refiner wants the image [1, 3, H, W] −1..1.
    """
    sparse, hints = sparse_motion(arrows, height=arrows.height, width=arrows.width, frames=frames)
    motion = dense_motion(sparse, hints, sigma_px=sigma_px, mode=mode, region=region)
    if refiner is None:
        return motion
    known = sparse.field, hints
    return motion.with_field(refine(refiner, motion.field, image, hints=known, ways=motion.ways, region=region))
