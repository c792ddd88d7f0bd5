"""Anchoring the estimate is what Time-to-Move does to the state; the warped still and its regions by hand."""

import pytest
import torch
from noise import randn

from driftfield.flow_tools.warp import reference_video
from driftfield.sampling.dual_clock import FREE, Anchor, anchored, forward_warped_still, regions
from driftfield.sampling.schedule import karras_sigmas
from driftfield.sampling.trajectory import sample_trajectory

SHAPE = (5, 4, 8, 8)
SIGMAS = karras_sigmas(20, sigma_min=0.002, sigma_max=75)
STRONG = 4.0


@pytest.fixture
def target():
    return randn(*SHAPE, seed=8) * 0.5


@pytest.fixture
def anchor(target):
    """The left half anchored to STRONG, the upper right quarter to the end, the rest free."""
    level = torch.full((5, 1, 8, 8), FREE)
    level[..., :4] = STRONG
    level[..., :4, 4:] = 0
    return Anchor(target, level)


def time_to_move(denoise, x, sigmas, noise, anchor):
    """The published loop: after each step what is anchored is put back to z_w + sigma[i + 1] e."""
    for sigma, after in zip(sigmas[:-1], sigmas[1:], strict=True):
        x = x + (x - denoise(x, sigma)) / sigma * (after - sigma)
        x = torch.where(sigma > anchor.level, anchor.target + after * noise, x)
    return x


def test_anchoring_the_estimate_is_putting_back_the_state(gaussian, noise, target, anchor):
    got = sample_trajectory(anchored(gaussian(), anchor), noise, SIGMAS, start=target)
    expected = time_to_move(gaussian(), (target + SIGMAS[0] * noise)[None], SIGMAS, noise, anchor)[0]
    torch.testing.assert_close(got.latents, expected, atol=1e-4, rtol=1e-4)
    for sigma, state in zip(SIGMAS, got.states, strict=True):
        if sigma >= STRONG:  # the same noise throughout
            exact = target + sigma * noise
            torch.testing.assert_close(state[..., :4], exact[..., :4], atol=1e-4, rtol=1e-4)
    assert torch.equal(got.latents[..., :4, 4:], target[..., :4, 4:])
    assert not torch.isclose(got.latents[..., 4:, 4:], target[..., 4:, 4:]).all()


@pytest.mark.parametrize("name", ["sample_euler", "sample_heun", "sample_dpmpp_2m", "sample_lms", "sample_dpm_2"])
def test_other_samplers_stay_on_the_anchored_line_history_included(
    comfy_sampling, gaussian, noise, target, anchor, name
):
    trajectory = sample_trajectory(
        anchored(gaussian(), anchor), noise, SIGMAS, start=target, sampler=getattr(comfy_sampling, name)
    )
    for sigma, state in zip(SIGMAS, trajectory.states, strict=True):
        exact = target + sigma * noise
        if sigma >= STRONG:
            torch.testing.assert_close(state[..., :4], exact[..., :4], atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(state[..., :4, 4:], exact[..., :4, 4:], atol=1e-3, rtol=1e-3)


def test_nothing_anchored_changes_nothing(gaussian, noise, target):
    free = Anchor(target, torch.full((5, 1, 8, 8), FREE))
    a, b = sample_trajectory(gaussian(), noise, SIGMAS), sample_trajectory(anchored(gaussian(), free), noise, SIGMAS)
    assert torch.equal(a.latents, b.latents)
    denoise = gaussian()
    assert anchored(denoise, None) is denoise


def test_every_segment_of_a_batch_has_its_own_noise_level(noise, target, anchor):
    x = noise.expand(2, *SHAPE)
    got = anchored(lambda x, sigma: torch.zeros_like(x), anchor)(x, torch.tensor([STRONG, STRONG + 1]))
    assert (got[0, ..., :4, :4] == 0).all() and (got[1, ..., 4:, :4] == target[..., 4:, :4]).all()
    assert (got[:, ..., 4:, 4:] == 0).all()
    assert torch.equal(got[0, ..., :4, 4:], target[..., :4, 4:])


def test_a_band_slides_and_what_it_uncovers_is_known():
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    flow = torch.zeros(1, 2, 64, 64)
    flow[:, 0, 16:32] = 4.0
    video, moving, uncovered = forward_warped_still(image, flow, 5)
    band = slice(16, 32)
    for t in range(5):
        came = torch.zeros(64, 64)
        came[band, 4 * t :] = 1
        gone = torch.zeros(64, 64)
        gone[band, : 4 * t] = 1
        assert torch.equal(moving[t, 0], came) and torch.equal(uncovered[t, 0], gone)
        torch.testing.assert_close(video[t, :, band, 4 * t :], image[0, :, band, : 64 - 4 * t])
        for elsewhere in (slice(0, 16), slice(32, 64)):
            torch.testing.assert_close(video[t, :, elsewhere], image[0, :, elsewhere])
    # What came in over the border is the continued still.
    torch.testing.assert_close(video[:, :, band, :16], reference_video(image, flow, 5)[:, :, band, :16])
    without = forward_warped_still(image[:, :0], flow, 5)
    assert torch.equal(without[1], moving) and torch.equal(without[2], uncovered) and without[0].shape[1] == 0
    moves, rests = regions(moving, uncovered, 8)
    assert torch.equal(rests[:, 0], (torch.arange(8) // 2 != 1).view(8, 1).expand(5, 8, 8))
    assert torch.equal(moves[4, 0], ~rests[4, 0] & (torch.arange(8) >= 2))
    assert moves[1, 0, 2].tolist() == [False] + [True] * 7  # half of the first latent is not most of it


def test_what_something_has_left_inside_gets_the_nearest_pixel():
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    flow = torch.zeros(1, 2, 64, 64)
    flow[:, 0, 16:32, 20:40] = 4.0
    video, _, uncovered = forward_warped_still(image, flow, 2)
    assert uncovered[1, 0, 16:32, 20:24].all()
    middle = video[1, :, 20:28, 20:24]
    assert torch.equal(middle[..., :2], image[0, :, 20:28, 19:20].expand(-1, -1, 2))


def test_a_still_flow_rests_everywhere_and_a_tiny_one_too():
    image = torch.rand(1, 3, 32, 32)
    for flow in (torch.zeros(1, 2, 32, 32), torch.full((1, 2, 32, 32), 0.05)):
        video, moving, uncovered = forward_warped_still(image, flow, 9)
        assert not moving.any() and not uncovered.any()
        assert regions(moving, uncovered, 8)[1].all()
    torch.testing.assert_close(video[0], image[0])


def test_a_loop_is_warped_as_the_looping_reference():
    image = torch.rand(1, 3, 32, 32)
    flow = torch.full((1, 2, 32, 32), 1.0)
    video, moving, uncovered = forward_warped_still(image, flow, 6, loop=True)
    torch.testing.assert_close(video, reference_video(image, flow, 6, loop=True))
    assert moving.all() and not uncovered.any()
