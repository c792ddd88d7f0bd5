import numpy as np
import pytest

from driftfield.flow_tools.arrows import TIMINGS
from driftfield.flow_tools.timing import progress

FRAMES = 25


def at(timing, *times):
    return progress(timing, np.array(times, dtype=float), FRAMES)


def test_steady_is_even_and_goes_on():
    np.testing.assert_allclose(at("steady", 0, 6, 12, 24, 48), [0, 0.25, 0.5, 1, 2])


def test_ease_rests_at_both_ends():
    np.testing.assert_allclose(at("ease", 0, 6, 12, 24, 48), [0, 0.15625, 0.5, 1, 1])


def test_sway_comes_back_one_frame_after_the_last():
    np.testing.assert_allclose(at("sway", 0, 12.5, 25, 50), [0, 1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(at("sway", 6, 19), at("sway", 19, 6))


@pytest.mark.parametrize("timing", TIMINGS)
def test_the_way_is_walked_without_a_jump(timing):
    assert np.abs(np.diff(at(timing, *range(FRAMES)))).max() < 1.6 / 12
