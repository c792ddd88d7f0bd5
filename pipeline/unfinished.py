"""What an extension that was stopped has computed, to go on from."""

from torch import Tensor


class Unfinished:
    """The network's estimates of the last extension of a first segment, while it is not finished.

    They live as long as the animation of that segment.
    """

    def __init__(self) -> None:
        self._settings: object = None
        self._estimates: dict[tuple[int, int], Tensor] = {}

    def estimates(self, settings: object) -> dict[tuple[int, int], Tensor]:
        """(call, first frame) → estimate, to be filled: those of the last run where its settings were these."""
        if settings != self._settings:
            self._settings, self._estimates = settings, {}
        return self._estimates

    def finished(self) -> None:
        self._settings, self._estimates = None, {}
