"""What the pack makes of a scene, before any network: its things as objects, or areas that its arrows move."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...flow_tools.arrows import Arrow, MotionArrows
from ...flow_tools.dense import FADED
from ...flow_tools.motion import Motion
from ...flow_tools.warp import reference_video
from ...pipeline.animate_still import motion_of_arrows
from ...pipeline.still import prepare_still
from ...sampling.joins import Timeline
from .scenes import SIDE, Scene


@dataclass(frozen=True)
class Carried:
    frames: Tensor  # [L, 3, H, W] -1..1
    alpha: Tensor  # [L, 1, H, W] 0..1 of the scene's last thing
    field: Tensor  # [N, 2, H, W] px/frame: what is seen to move
    along: Callable[[Timeline], Tensor]  # the frames [n, 3, H, W] of a long video, as pictures


def as_areas(scene: Scene, frames: int) -> Carried:
    """With arrows that move what is around them, as all arrows did before there were objects.

    The thing is where its true alpha is carried by the warp that carries the still.
    """
    motion, (_, alpha) = motion_of_areas(scene, frames), scene.frames(np.zeros(1))
    both = reference_video(torch.cat([scene.still(), alpha], dim=1), motion.field, frames)
    return Carried(both[:, :3], both[:, 3:], motion.field, lambda timeline: timeline.blend(both[:, :3]))


def motion_of_areas(scene: Scene, frames: int) -> Motion:
    return motion_of_arrows(MotionArrows(tuple(arrows(scene)), SIDE, SIDE), frames=frames, mode=FADED)


def as_objects(scene: Scene, frames: int, masks: Sequence[Tensor] | None = None) -> Carried:
    """With the things as objects, of these masks [1, 1, h, w] or else of the true ones.

    The thing is where the alpha of its cut-out is carried by the pose that carries its colours.
    """
    # Here, so that --as-areas measures versions that have none, too.
    from ...flow_tools.layers import moved
    from ...pipeline.composition import take_apart

    motion = motion_of_objects(scene, frames, masks)
    made = take_apart(prepare_still(scene.still()), motion, frames=frames, loop=False)
    if made is None:
        raise ValueError(f"scene {scene.name}: no object moves")
    numbers = np.arange(frames)
    alpha = moved(made.layers.cutouts[-1][:, 3:], made.poses(numbers, numbers)[-1])

    def along(timeline: Timeline) -> Tensor:
        return made.part(made.background(), timeline, 0, len(timeline)).pictures

    return Carried(made.segment().pictures, alpha, motion.flow(frames), along)


def motion_of_objects(scene: Scene, frames: int, masks: Sequence[Tensor] | None = None) -> Motion:
    masks = tuple(scene.masks() if masks is None else masks)
    return motion_of_arrows(MotionArrows(tuple(arrows(scene, numbered=True)), SIDE, SIDE, objects=masks), frames=frames)


def arrows(scene: Scene, *, numbered: bool = False) -> list[Arrow]:
    """The scene's arrows and pins; numbered: those of a thing carry its number."""
    found = []
    for number, mover in enumerate(scene.movers, start=1):
        own = {"object": number} if numbered else {}
        if mover.path is not None:
            found.append(Arrow(f"a{number}", fractions(mover.path), **own))
        if mover.pin is not None:
            found.append(Arrow(f"p{number}", fractions(mover.pin[None]), **own))
    return found + [Arrow(f"b{number}", (pin,)) for number, pin in enumerate(scene.pins, start=1)]


def fractions(path: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Points [n, 2] px in 0..1."""
    return tuple((float(x) / SIDE, float(y) / SIDE) for x, y in path)
