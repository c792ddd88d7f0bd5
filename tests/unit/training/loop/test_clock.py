"""How far a run is, and what is due."""

import math

import pytest
import torch

from driftfield.training.loop import clock as module
from driftfield.training.loop.clock import Alarm, Clock


@pytest.fixture
def seconds(monkeypatch):
    """A clock that the test sets."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_run_ends_by_steps_or_minutes(seconds):
    clock = Clock(100, 10, torch.device("cpu"))
    assert clock.progress(0) == 0
    assert clock.progress(25) == 0.25
    assert clock.progress(1) == 0.01
    seconds[0] += 5 * 60
    assert clock.elapsed_minutes == 5
    assert clock.progress(25) == 0.5  # the further of the two
    assert clock.progress(75) == 0.75
    assert clock.progress(150) == 1
    seconds[0] += 20 * 60
    assert clock.progress(2) == 1


def test_what_goes_before_the_second_step_is_not_training(seconds):
    clock = Clock(1000, 10, torch.device("cpu"))
    seconds[0] += 60
    assert clock.progress(0) == 0
    seconds[0] += 3 * 60
    assert clock.progress(1) == 0.001
    seconds[0] += 3 * 60
    assert clock.progress(2) == 0.3
    seconds[0] += 7 * 60
    assert clock.progress(3) == 1


def test_preparing_for_longer_than_the_limit_leaves_all_of_it(seconds):
    clock = Clock(1000, 10, torch.device("cpu"))
    seconds[0] += 3600
    assert clock.progress(0) == 0 and clock.progress(1) == 0.001
    seconds[0] += 5 * 60
    assert clock.progress(2) == 0.5


def test_a_resumed_run_goes_on_with_the_share_that_it_had(seconds):
    clock = Clock(1000, 10, torch.device("cpu"))
    clock.trained_before = 8.0
    seconds[0] += 120  # of encoding, again
    assert clock.progress(300) == 0.8 and clock.progress(301) == 0.8
    seconds[0] += 60
    assert clock.progress(302) == pytest.approx(0.9) and clock.trained_minutes == pytest.approx(9)


def test_alarms_go_off_once_in_so_many_minutes(seconds):
    clock = Clock(100, math.inf, torch.device("cpu"))
    alarm, never, always = (Alarm(clock, minutes) for minutes in (2, math.inf, 0))
    due = []
    for _ in range(11):
        due.append(alarm.due())
        assert always.due()
        seconds[0] += 30
    assert due == [i in (4, 8) for i in range(11)]
    seconds[0] += 1e9
    assert not never.due()
