"""How far a run is, by steps or minutes, and what is due every so many minutes."""

import math
import time

import torch


class Clock:
    """Fraction of a run that is done, by steps or by minutes, whichever is further.

    Minutes count from the second step on, those of earlier parts of a resumed run included: the learning rate follows
    this fraction, and what goes before, data and compilation, is not training. With several processes the first one's
    clock counts, so that all of them leave the loop at the same step.
    """

    EVERY = 20  # steps between two looks at the first process's clock

    def __init__(self, steps: int, minutes: float, device: torch.device):
        self.steps, self.minutes, self.device, self.start = steps, minutes, device, time.monotonic()
        self.shared = 0.0
        self.first = None  # the step that the run began with
        self.trained_before = 0.0  # minutes, in earlier parts of the run
        self.prepared = self.start  # when the second step began

    @property
    def elapsed_minutes(self) -> float:
        return (time.monotonic() - self.start) / 60

    @property
    def trained_minutes(self) -> float:
        return self.trained_before + (0.0 if self.first is None else (time.monotonic() - self.prepared) / 60)

    def resume(self, *, elapsed_minutes: float, trained_minutes: float) -> None:
        """Goes on from what earlier parts of the run have taken."""
        self.start -= 60 * elapsed_minutes
        self.trained_before = trained_minutes

    def progress(self, step: int) -> float:
        if self.first is None:
            self.first = step
        if step <= self.first + 1:
            self.prepared = time.monotonic()
        own = min(1.0, max(step / self.steps, self.trained_minutes / self.minutes))
        if self.minutes == math.inf or not torch.distributed.is_initialized():
            return own
        if step % self.EVERY == 0:
            value = torch.tensor(own, device=self.device)
            torch.distributed.broadcast(value, 0)
            self.shared = value.item()
        return min(1.0, max(step / self.steps, self.shared))


class Alarm:
    """Goes off once every so many of a clock's minutes."""

    def __init__(self, clock: Clock, minutes: float):
        self.clock, self.minutes, self.last = clock, minutes, clock.elapsed_minutes

    def due(self) -> bool:
        due = self.clock.elapsed_minutes - self.last >= self.minutes
        if due:
            self.last = self.clock.elapsed_minutes
        return due
