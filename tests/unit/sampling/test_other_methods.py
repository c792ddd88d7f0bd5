"""Direct, Gen-L-Video and FreeNoise: their cost, what they average, and that one segment is the plain sampler's."""

import pytest
import torch
from noise import randn

from driftfield.sampling.direct import direct
from driftfield.sampling.free_noise import free_noise, pyramid, reschedule_noise
from driftfield.sampling.gen_l_video import gen_l_video
from driftfield.sampling.schedule import karras_sigmas
from driftfield.sampling.trajectory import first_state, sample_trajectory
from driftfield.sampling.windows import averaged, window_starts

SIGMAS = karras_sigmas(6, sigma_min=0.002, sigma_max=80)
SEGMENT = 5
WINDOWED = {"Gen-L-Video": gen_l_video, "FreeNoise": free_noise}


def over(denoise):
    return lambda windows, sigma, starts: [denoise(x[None], sigma)[0] for x in windows]


def counted_direct(gaussian, first, total_frames):
    denoiser, endings = gaussian(), []

    def denoise_after(k, clip):
        endings.append((k, clip[-1]))
        return denoiser, torch.full_like(first, 80.0 * k)

    return direct(denoise_after, first, SIGMAS, total_frames=total_frames), denoiser, endings


@pytest.mark.parametrize("total, clips", [(5, 1), (6, 2), (10, 2), (23, 5)])
def test_direct_costs_all_steps_for_every_clip_and_starts_where_the_last_ended(gaussian, noise, total, clips):
    first = sample_trajectory(gaussian(), noise, SIGMAS).latents
    video, denoiser, endings = counted_direct(gaussian, first, total)
    assert len(denoiser.seen) == (clips - 1) * 6
    assert torch.equal(video[:SEGMENT], first[:total]) and len(video) == total
    assert [k for k, _ in endings] == list(range(2, clips + 1))
    for k, last in endings:
        assert torch.equal(last, video[(k - 1) * SEGMENT - 1])


@pytest.mark.parametrize("method", WINDOWED)
@pytest.mark.parametrize(
    "total, overlap, windows", [(5, 2, 1), (6, 2, 2), (8, 2, 2), (14, 2, 4), (14, 0, 3), (7, 4, 3)]
)
def test_windows_cost_all_steps_each(gaussian, method, total, overlap, windows):
    denoiser = gaussian()
    states = 80 * randn(total, 4, 8, 8)
    video = WINDOWED[method](over(denoiser), states, SIGMAS, segment=SEGMENT, overlap=overlap)
    assert len(denoiser.seen) == 6 * windows and video.shape == states.shape


@pytest.mark.parametrize("method", WINDOWED)
def test_one_segment_is_the_plain_sampler_s(network, conditioning, noise, method):
    from driftfield.sampling.denoiser import make_denoiser

    denoise = make_denoiser(network, conditioning)
    plain = sample_trajectory(denoise, noise, SIGMAS)
    video = WINDOWED[method](over(denoise), first_state(noise, SIGMAS[0]), SIGMAS, segment=SEGMENT, overlap=2)
    assert torch.equal(video, plain.latents)


def test_direct_of_one_segment_needs_no_evaluation(gaussian, noise):
    plain = sample_trajectory(gaussian(), noise, SIGMAS).latents
    video, denoiser, _ = counted_direct(gaussian, plain, SEGMENT)
    assert torch.equal(video, plain) and not denoiser.seen


def test_overlaps_are_weighted_means():
    """Windows that answer with their own number: each frame is the mean of the numbers over it, by weight."""

    def numbered(windows, sigma, starts):
        return [torch.full_like(x, float(start)) for x, start in zip(windows, starts, strict=True)]

    x = torch.zeros(1, 8, 1, 1, 1)
    starts = window_starts(8, 5, 2)
    assert starts == [0, 3]
    equal = averaged(numbered, total_frames=8, weights=torch.ones(5), overlap=2)(x, torch.tensor(1.0))
    assert equal.flatten().tolist() == pytest.approx([0, 0, 0, 1.5, 1.5, 3, 3, 3])
    peaked = averaged(numbered, total_frames=8, weights=pyramid(5), overlap=2)(x, torch.tensor(1.0))
    # frame 3: weight 2 of the first window, 1 of the second; frame 4: 1 and 2
    assert peaked.flatten().tolist() == pytest.approx([0, 0, 0, 1, 2, 3, 3, 3])


def test_pyramid():
    assert pyramid(5).tolist() == [1, 2, 3, 2, 1]
    assert pyramid(4).tolist() == [1, 2, 2, 1]


@pytest.mark.parametrize("total, stride", [(5, 3), (13, 3), (20, 5), (11, 1)])
def test_rescheduled_noise_shuffles_the_run_a_segment_earlier(noise, total, stride):
    generator = torch.Generator().manual_seed(0)
    longer = reschedule_noise(noise, total_frames=total, stride=stride, generator=generator)
    assert longer.shape == (total, *noise.shape[1:]) and torch.equal(longer[:SEGMENT], noise)
    for first in range(SEGMENT, total, stride):
        run, source = longer[first : first + stride], longer[first - SEGMENT :][:stride]
        positions = [next(i for i, frame in enumerate(source) if torch.equal(frame, new)) for new in run]
        assert len(set(positions)) == len(positions)


@pytest.mark.parametrize("overlap", [-1, 5])
def test_an_overlap_that_does_not_fit_is_refused(overlap):
    with pytest.raises(ValueError, match="overlap: got .*, allowed 0..4"):
        window_starts(12, SEGMENT, overlap)


@pytest.mark.parametrize("method", WINDOWED)
def test_nan_is_an_error_naming_the_step(gaussian, method):
    denoiser = gaussian()

    def denoise(x, sigma):
        return denoiser(x, sigma) * (float("nan") if len(denoiser.seen) > 4 else 1)

    with pytest.raises(ValueError, match="step 3 of 6"):
        WINDOWED[method](over(denoise), 80 * randn(8, 4, 8, 8), SIGMAS, segment=SEGMENT, overlap=2)
