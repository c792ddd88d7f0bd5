"""What masks of pictures say of latents, and noise shared over latent frames, in every layout."""

import pytest
import torch

from driftfield.sampling.latent_frames import latent_regions, share_latent_noise
from driftfield.sampling.phased import share_noise


def masks(*columns, height=16, width=32):
    """A mask for each number: white left of that column."""
    return (torch.arange(width) < torch.tensor(columns)[:, None, None]).float().expand(-1, height, -1)


def test_groups_of_frames_follow_from_the_lengths():
    """Wan: 1 + 4 frames; 2 of the 4 are not most, 3 are."""
    moving = masks(16, 16, 16, 0, 0, 16, 16, 16, 0)
    moves, _ = latent_regions(moving, None, (1, 16, 3, 2, 4))
    assert moves.shape == (1, 1, 3, 2, 4)
    assert moves[0, 0, :, 0].tolist() == [[True, True, False, False], [False] * 4, [True, True, False, False]]


@pytest.mark.parametrize("group", [1, 4, 8])
def test_any_group_of_frames(group):
    moving = torch.cat([masks(32), masks(*[0] * group), masks(*[32] * group)])
    moves, _ = latent_regions(moving, None, (1, 16, 3, 2, 4))
    assert moves[0, 0, :, 0, 0].tolist() == [True, False, True]


def test_most_pixels_decide_for_a_move_and_all_of_them_for_rest():
    moving, resting = masks(12, height=8), 1 - masks(17, height=8)
    moves, rests = latent_regions(moving, resting, (1, 4, 1, 1, 4))
    assert moves.flatten().tolist() == [True, False, False, False]  # 4 of the second one's 8 columns
    assert rests.flatten().tolist() == [False, False, False, True]  # the third has one column that does not
    assert not (moves & rests).any()


def test_one_frame_that_goes_ends_a_groups_rest():
    resting = torch.ones(5, 8, 8)
    resting[3, 0, 0] = 0
    _, rests = latent_regions(torch.zeros(5, 8, 8), resting, (1, 4, 2, 1, 1))
    assert rests.flatten().tolist() == [True, False]


def test_pictures_have_a_latent_each():
    moves, rests = latent_regions(masks(32, 0), 1 - masks(32, 0), (2, 4, 2, 4))
    assert moves.shape == rests.shape == (2, 1, 2, 4)
    assert moves[0].all() and not moves[1].any() and rests[1].all() and not rests[0].any()


def test_one_mask_holds_for_all_frames():
    moves, _ = latent_regions(masks(16), None, (1, 16, 3, 2, 4))
    assert moves[0, 0, :, 0].tolist() == [[True, True, False, False]] * 3


def test_sizes_that_do_not_divide_are_taken_as_they_lie():
    moves, _ = latent_regions(masks(16, height=17, width=33), None, (1, 16, 1, 2, 4))
    assert moves[0, 0, 0].tolist() == [[True, True, False, False]] * 2


@pytest.mark.parametrize(
    ("frames", "shape", "allowed"),
    [
        (6, (1, 16, 3, 2, 4), "1 or 1 \\+ a multiple of 2"),
        (3, (1, 16, 1, 2, 4), "1"),
        (3, (2, 4, 2, 4), "1 or 2"),
        (5, (2, 4, 2, 4), "1 or 2"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(frames, shape, allowed):
    with pytest.raises(
        ValueError, match=f"moving: got {frames} frames for {shape[2] if len(shape) == 5 else 2} frames"
    ):
        latent_regions(masks(*[0] * frames), None, shape)
    with pytest.raises(ValueError, match=f"resting: .*allowed {allowed}$"):
        latent_regions(masks(0), masks(*[0] * frames), shape)


def test_videos_share_noise_as_the_papers_frames_do():
    noise = torch.randn(2, 3, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    expected = [share_noise(one.transpose(0, 1), copies=3, omega=0.2, generator=generator) for one in noise]
    found = share_latent_noise(noise, copies=3, omega=0.2, generator=torch.Generator().manual_seed(1))
    assert found.shape == (3, 2, 3, 5, 4, 4)
    for i, one in enumerate(expected):
        assert torch.equal(found[:, i], one.transpose(1, 2))


def test_frames_are_shuffled_whole_and_have_unit_variance():
    noise = torch.randn(1, 3, 5, 4, 4, generator=torch.Generator().manual_seed(0)) * 0.3
    found = share_latent_noise(noise, copies=3, omega=0.0, generator=torch.Generator().manual_seed(1))
    own = (noise / noise.std())[0].unbind(1)
    for frame in found[:, 0].unbind(0):
        for part in frame.unbind(1):
            assert min(float((part - one).abs().max()) for one in own) < 1e-5
    torch.testing.assert_close(found.std(), torch.tensor(1.0), rtol=0.01, atol=0)


def test_pictures_and_sound_have_their_time_elsewhere():
    pictures = torch.randn(5, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    found = share_latent_noise(pictures, copies=2, omega=0.2, generator=torch.Generator().manual_seed(1), pictures=True)
    assert torch.equal(found, share_noise(pictures, copies=2, omega=0.2, generator=torch.Generator().manual_seed(1)))
    sound = torch.randn(1, 8, 6, 16, generator=torch.Generator().manual_seed(0))
    found = share_latent_noise(sound, copies=2, omega=0.0, generator=torch.Generator().manual_seed(1))
    own = (sound / sound.std())[0].unbind(1)
    assert all(min(float((part - one).abs().max()) for one in own) < 1e-5 for part in found[0, 0].unbind(1))
