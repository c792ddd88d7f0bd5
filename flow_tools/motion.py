"""What travels from node to node as a flow: the field, the things that move, what is known of the arrows behind it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from .arrows import SWAY, MotionArrows
from .convention import check_flow
from .dense import FOLLOWED, densify
from .layers import exact_field, wide_field
from .living import Living, with_life
from .objects import Object, fastest, fitted, poses, separate
from .sparse import Way, checked_speed, sparse_flow, ways_of

DEFAULT_FRAMES = 25


@dataclass(frozen=True)
class Motion:
    """A flow, regions that live in it, things that move as wholes over it, and what its makers noted on the way."""

    field: Tensor  # float32 [N, 2, H, W] px/frame: of the picture, or of what is behind the objects
    frames: int | None = None  # in which the arrows' heads are reached; None: no arrows made it
    notes: tuple[str, ...] = ()  # what was hardly meant: clipped arrows, an empty region
    objects: tuple[Object, ...] = ()  # bottom to top; with them, `frames` is known
    ways: tuple[Way, ...] | None = None  # of the arrows that move areas; None: the field does not follow them
    living: tuple[Living, ...] = ()  # bottom to top, below the objects

    @property
    def length(self) -> int:
        """In how many frames arrows reach their heads; of another flow one more than it has fields, 25 of one field."""
        return self.frames or (len(self.field) + 1 if len(self.field) > 1 else DEFAULT_FRAMES)

    def with_field(self, field: Tensor, *notes: str) -> "Motion":
        """With another field, and with the notes that it has not yet."""
        return replace(self, field=field, notes=tuple(dict.fromkeys(self.notes + notes)))

    def poses(
        self, times: np.ndarray, *, width: int, height: int, numbers: np.ndarray | None = None
    ) -> list[np.ndarray]:
        """[m, 2, 3] of each object at `times` [m], in frames, on a width x height picture; see objects.py.

        numbers: the frames' own, for objects that sway, where `times` goes back and forth; None: the same.
        """
        frames, numbers = self.frames or 2, times if numbers is None else numbers
        return [
            poses(thing, numbers if thing.timing == SWAY else times, frames=frames, width=width, height=height)
            for thing in self.objects
        ]

    def flow(self, frames: int | None = None, *, wide: bool = False) -> Tensor:
        """What is seen to move, [N, 2, H, W] px/frame: the field itself, or of `frames` frames with what lives and the
        objects in it.

        wide: as the motion encoder wants it, see layers.py; without what lives.
        """
        frames = frames or self.length
        field = with_life(self.field, self.living, frames) if self.living and not wide else self.field
        if not self.objects:
            return field
        height, width = field.shape[-2:]
        placed = self.poses(np.arange(frames), width=width, height=height)
        return with_objects(field, self.objects, placed, wide=wide)


def with_objects(
    background: Tensor, objects: tuple[Object, ...], placed: list[np.ndarray], *, wide: bool = False
) -> Tensor:
    """background [1 or m - 1, 2, H, W] with the steps of objects at poses [m, 2, 3] each -> [m - 1, 2, H, W]."""
    masks = [fitted(thing.mask, background) for thing in objects]
    return (wide_field if wide else exact_field)(background, masks, placed)


def as_motion(value: Any, name: str = "flow") -> Motion:
    """The motion itself, or one of a bare tensor [N, 2, H, W]; ValueError, with the input's name, for anything else."""
    motion = value if isinstance(value, Motion) else Motion(value)
    check_flow(motion.field, name)
    return motion


def sparse_motion(
    arrows: MotionArrows, *, height: int, width: int, frames: int, masks: Sequence[Tensor] = ()
) -> tuple[Motion, Tensor]:
    """What arrows say, and the mask of where they say it of areas; see `sparse_flow`, and `separate` for masks.

    ValueError also where a part of an object moves more than the diagonal from frame to frame.
    """
    areas, objects, notes = separate(arrows, masks)
    flow, hints = sparse_flow(areas, height=height, width=width, frames=frames)
    diagonal = math.hypot(height, width)
    for thing in objects:
        for arrow in thing.arrows:
            checked_speed(arrow, height=height, width=width, frames=frames)
        most = fastest(thing, frames=frames, width=width, height=height)
        if not most <= diagonal * (1 + 1e-6):
            raise ValueError(
                f"the object of arrow {thing.arrows[0].id}: a part of it moves {most:.0f} px a frame, allowed at most "
                f"the diagonal, {diagonal:.0f} px; make its arrows or strengths smaller, or frames ({frames}) more"
            )
    ways = ways_of(areas, height=height, width=width, frames=frames)
    return Motion(flow, frames, arrows.notes + notes, objects, ways), hints


def dense_motion(sparse: Motion, hints: Tensor, *, mode: str = FOLLOWED, **options: Any) -> Motion:
    """The motion with its field made dense; see `densify`."""
    ways = sparse.ways or ()
    field = densify(sparse.field, hints, mode=mode, ways=ways, **options)
    return replace(sparse.with_field(field), ways=ways if mode == FOLLOWED else None)
