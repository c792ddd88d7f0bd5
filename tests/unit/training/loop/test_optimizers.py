"""The learning rate over a run."""

from functools import partial

import pytest

from driftfield.training.loop.optimizers import learning_rate_factor


def test_learning_rate():
    factor = partial(learning_rate_factor, floor=0.02)
    assert factor(0, 0.0) == pytest.approx(1 / 200)
    assert factor(99, 0.0) == pytest.approx(0.5)
    assert factor(199, 0.0) == factor(5000, 0.0) == 1
    assert factor(5000, 0.5) == pytest.approx(0.02 + 0.98 / 2)
    assert factor(5000, 1.0) == pytest.approx(0.02)
    assert factor(5000, 1.0, floor=0.3) == pytest.approx(0.3)
    assert factor(5000, 0.7, floor=1.0) == 1
