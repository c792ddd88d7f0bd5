"""What travels from node to node as a flow: the field, and what is known of the arrows behind it."""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from .convention import check_flow


@dataclass(frozen=True)
class Motion:
    """A flow, with what its makers noted on the way."""

    field: Tensor  # float32 [N, 2, H, W] px/frame
    frames: int | None = None  # in which the arrows' heads are reached; None: no arrows made it
    notes: tuple[str, ...] = ()  # what was hardly meant: clipped arrows, an empty region

    def with_field(self, field: Tensor, *notes: str) -> "Motion":
        """Another field, and what it adds to the notes; each note stands there once."""
        return replace(self, field=field, notes=tuple(dict.fromkeys(self.notes + notes)))


def as_motion(value: Any, name: str = "flow") -> Motion:
    """The motion itself, or one of a bare tensor [N, 2, H, W]; ValueError, with the input's name, for anything else."""
    motion = value if isinstance(value, Motion) else Motion(value)
    check_flow(motion.field, name)
    return motion
