import PIL.Image
import pytest
import torch
from noise import randn
from tiny import FRAMES, tiny_pipeline
from torch.utils._python_dispatch import TorchDispatchMode

from driftfield.sampling.conditioning import Conditioning
from driftfield.sampling.denoiser import make_denoiser
from driftfield.sampling.guidance import guidance_scales, guided
from driftfield.sampling.schedule import karras_sigmas
from driftfield.sampling.trajectory import sample_trajectory

SIGMAS = karras_sigmas(7, sigma_min=0.002, sigma_max=700)


@pytest.fixture(scope="module")
def pipeline():
    pipeline = tiny_pipeline()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def conditioning_of(pipeline, image, noise_aug, seed):
    """What the pipeline makes of the image, by the pipeline's own parts."""
    pixels = pipeline.video_processor.preprocess(image, height=64, width=64)
    pixels = pixels + noise_aug * torch.randn(pixels.shape, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        reference = pipeline.vae.encode(pixels).latent_dist.mode()
        embedding = pipeline._encode_image(image, "cpu", 1, False)
    return Conditioning(embedding, reference.repeat(FRAMES, 1, 1, 1), torch.tensor([[9.0, 40.0, noise_aug]]))


@pytest.mark.parametrize("minimum, maximum", [(1.0, 1.0), (1.0, 3.0)])
def test_latents_are_those_of_diffusers_pipeline(pipeline, network, noise, minimum, maximum):
    pixels = (randn(64, 64, 3, seed=7).sigmoid() * 255).byte().numpy()
    image = PIL.Image.fromarray(pixels)
    states = []

    def keep(pipe, i, t, kwargs):
        states.append(kwargs["latents"][0])
        return kwargs

    expected = pipeline(
        image,
        height=64,
        width=64,
        num_frames=FRAMES,
        num_inference_steps=25,
        min_guidance_scale=minimum,
        max_guidance_scale=maximum,
        fps=10,
        motion_bucket_id=40,
        noise_aug_strength=0.3,
        generator=torch.Generator().manual_seed(11),
        latents=noise[None],
        output_type="latent",
        callback_on_step_end=keep,
    ).frames[0]

    conditioning = conditioning_of(pipeline, image, noise_aug=0.3, seed=11)
    conditional = make_denoiser(network, conditioning)
    unconditional = make_denoiser(network, conditioning.unconditional())
    denoise = guided(conditional, unconditional, guidance_scales(minimum, maximum, FRAMES))
    trajectory = sample_trajectory(denoise, noise, karras_sigmas(25, sigma_min=0.002, sigma_max=700))

    assert expected.std() > 0.1
    assert (trajectory.latents - expected).abs().max() <= 1e-4
    for sigma, state, other in zip(trajectory.sigmas[1:], trajectory.states[1:], states, strict=True):
        assert (state - other).abs().max() <= 1e-4 * max(1, sigma)


def test_trajectory_holds_every_state_and_its_estimate(gaussian, noise):
    trajectory = sample_trajectory(gaussian(), noise, SIGMAS)
    assert len(trajectory.states) == len(trajectory.denoised) == 8
    assert trajectory.denoised[7] is trajectory.states[7] is trajectory.latents
    torch.testing.assert_close(trajectory.states[0], noise * (700**2 + 1) ** 0.5)
    for sigma, state, denoised in zip(SIGMAS[:-1], trajectory.states[:-1], trajectory.denoised[:-1], strict=True):
        torch.testing.assert_close(denoised, gaussian()(state[None], sigma)[0])
    tensors = [*trajectory.states, *trajectory.denoised, trajectory.sigmas]
    assert {tensor.device.type for tensor in tensors} == {"cpu"}


def test_every_step_is_reported_once(gaussian, noise):
    steps = []
    sample_trajectory(
        gaussian(), noise, SIGMAS, on_step=lambda i, total, denoised: steps.append((i, total, denoised.shape))
    )
    assert steps == [(i, 7, noise.shape) for i in range(7)]


def test_what_a_report_raises_stops_the_run_at_once(gaussian, noise):
    class Cancel(Exception):
        pass

    def on_step(i, total, denoised):
        if i == 2:
            raise Cancel

    denoiser = gaussian()
    with pytest.raises(Cancel):
        sample_trajectory(denoiser, noise, SIGMAS, on_step=on_step)
    assert len(denoiser.seen) == 3


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("on_step, evaluations", [(None, 7), (lambda i, total, denoised: None, 3)])
def test_latents_that_are_not_finite_are_an_error_naming_the_step(gaussian, noise, bad, on_step, evaluations):
    denoiser = gaussian()

    def denoise(x, sigma):
        x0 = denoiser(x, sigma)
        if len(denoiser.seen) == 3:
            x0[0, 0, 0, 0, 0] = bad
        return x0

    with pytest.raises(ValueError, match=r"step 3 of 7 \(sigma 70.54\): NaN"):
        sample_trajectory(denoise, noise, SIGMAS, on_step=on_step)
    assert len(denoiser.seen) == evaluations


def test_a_sampler_that_ends_in_nan_is_an_error(gaussian, noise):
    def sampler(denoise, x, sigmas, callback):
        for i, sigma in enumerate(sigmas[:-1]):
            callback({"i": i, "x": x, "sigma": sigma, "denoised": denoise(x, sigma)})
        return x * float("nan")

    with pytest.raises(ValueError, match="step 7 of 7"):
        sample_trajectory(gaussian(), noise, SIGMAS, sampler=sampler)


def test_sigmas_that_do_not_decrease_are_refused(gaussian, noise):
    with pytest.raises(ValueError, match="sigmas: got"):
        sample_trajectory(gaussian(), noise, SIGMAS.flip(0))


def test_a_sampler_that_leaves_out_levels_is_refused(gaussian, noise):
    with pytest.raises(ValueError, match="it was at 0 levels"):
        sample_trajectory(gaussian(), noise, SIGMAS, sampler=lambda denoise, x, sigmas, callback: x)


class Waits(TorchDispatchMode):
    """Counts what would make the host wait for a GPU: numbers read from tensors, and blocking copies to the CPU."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        reads = func is torch.ops.aten._local_scalar_dense.default
        copies = func is torch.ops.aten._to_copy.default and kwargs.get("device") == torch.device("cpu")
        self.count += reads or (copies and not kwargs.get("non_blocking"))
        return func(*args, **kwargs)


def test_no_step_waits_for_the_device(noise):
    def waits(steps):
        with Waits() as mode:
            sample_trajectory(
                lambda x, sigma: x / (1 + sigma**2), noise, karras_sigmas(steps, sigma_min=0.002, sigma_max=700)
            )
            return mode.count

    with Waits() as mode:
        noise.sum().item()
    assert mode.count == 1
    assert waits(20) == waits(5)


def test_inputs_and_random_state_stay_as_they_are(gaussian, noise):
    def greedy(denoise, x, sigmas, callback):
        for i in range(len(sigmas) - 1):
            denoised = denoise(x, sigmas[i])
            callback({"i": i, "x": x, "sigma": sigmas[i], "denoised": denoised})
            x.copy_(denoised)
            denoised.zero_()
        sigmas.zero_()
        return x

    before, sigmas, state = noise.clone(), SIGMAS.clone(), torch.get_rng_state()
    trajectory = sample_trajectory(gaussian(), noise, sigmas, sampler=greedy)
    assert torch.equal(noise, before) and torch.equal(sigmas, SIGMAS) and torch.equal(torch.get_rng_state(), state)
    assert torch.equal(trajectory.sigmas, SIGMAS)
    torch.testing.assert_close(trajectory.states[0], noise * (700**2 + 1) ** 0.5)
    assert trajectory.denoised[0].any()
