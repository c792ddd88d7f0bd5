"""What came in over the border, on pictures where it is known."""

import math

import pytest
import torch
import torch.nn.functional as F

from driftfield.evaluation.metrics.streaks import came_in
from driftfield.flow_tools.warp import backward_warp

SIZE = 96


def noise(height=SIZE, width=SIZE, seed=0):
    return 0.3 * torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def shift(x, y):
    return torch.tensor([float(x), float(y)]).view(1, 2, 1, 1).expand(1, 2, SIZE, SIZE)


def share(found):
    return float(found.streaks.float().mean())


@pytest.mark.parametrize("back", [(-20, 0), (20, 0), (0, -20), (0, 20)])
def test_a_repeated_border_is_all_streaks(back):
    still = noise()
    found = came_in(backward_warp(still, shift(*back)), still, shift(*back))
    assert found.share == pytest.approx(20 / SIZE)
    # Where a step reaches into the still, and close to it, it is none.
    assert 14 / SIZE < share(found) <= 20 / SIZE
    assert found.texture < 0.15


def test_texture_that_goes_on_is_no_streak():
    wide = noise(width=SIZE + 20)
    found = came_in(wide[..., :SIZE], wide[..., 20:], shift(-20, 0))
    assert share(found) == 0 and found.texture == pytest.approx(1, abs=0.15) and abs(found.mirrored) < 0.1


def test_half_of_it_flat_counts_half():
    wide = noise(width=SIZE + 20)
    still, frame = wide[..., 20:], wide[..., :SIZE].clone()
    frame[..., : SIZE // 2, :20] = still[..., : SIZE // 2, :1]
    assert share(came_in(frame, still, shift(-20, 0))) == pytest.approx(10 / SIZE, rel=0.3)


def test_streaks_are_seen_along_whatever_way_they_came():
    still, angle = 4 * F.avg_pool2d(F.avg_pool2d(noise(SIZE + 8, SIZE + 8), 5, 1), 5, 1), math.radians(25)
    axis = torch.arange(SIZE) - (SIZE - 1) / 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    turned = torch.stack([math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x])
    back = (turned - torch.stack([x, y]))[None] + shift(-20, 0)
    found = came_in(backward_warp(still, back), still, back)
    assert share(found) > 0.6 * found.share


def test_beside_an_even_border_or_a_shaded_one_there_are_none():
    x = torch.arange(SIZE) / SIZE
    for still in (torch.full((1, 3, SIZE, SIZE), 0.3), (0.9 * x).expand(1, 3, SIZE, SIZE)):
        found = came_in(backward_warp(still, shift(-20, 0)), still, shift(-20, 0))
        assert share(found) == 0 and math.isnan(found.texture)


def test_nothing_that_comes_in_is_no_streak():
    still = noise()
    found = came_in(still, still, shift(0, 0))
    assert found.share == 0 and share(found) == 0


def test_what_the_share_alone_would_reward_shows_beside_it():
    """A mirror image and noise have no streaks; their own figures tell them."""
    still = noise()
    frame = backward_warp(still, shift(-20, 0))
    mirrored, noisy = frame.clone(), frame.clone()
    mirrored[..., :20] = still[..., :20].flip(-1)
    noisy[..., :20] = 4 * noise(seed=1)[..., :20]
    found = came_in(mirrored, still, shift(-20, 0))
    assert share(found) == 0 and found.mirrored > 0.95
    assert came_in(noisy, still, shift(-20, 0)).texture > 2
