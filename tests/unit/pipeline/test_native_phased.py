"""Phased shared noise as a SAMPLER around ComfyUI's own, on its own models."""

import pytest
import torch

STEPS, SEGMENTS = 6, 3


@pytest.fixture(scope="module")
def native(comfy):
    import driftfield.pipeline.native_phased

    return driftfield.pipeline.native_phased


@pytest.fixture(scope="module")
def run(comfy, tiny, native, load):
    """(what SamplerCustomAdvanced gets, how often the guider was asked)."""

    @torch.inference_mode()
    def run(name, sampler="euler", *, segments=SEGMENTS, cut=None, latent=None, noise=None, model=None, **more):
        model = load(name) if model is None else model
        inner = comfy.samplers.sampler_object(sampler) if isinstance(sampler, str) else sampler
        options = {"gamma": 0.5, "omega": 0.2, "seed": 5, "gamma_counts": "steps"}
        options |= {key: more.pop(key) for key in list(more) if key in options}
        if segments:
            inner = native.phased(inner, segments=segments, **options)
        sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "simple", STEPS)
        sigmas = sigmas if cut is None else sigmas[cut]
        latent = tiny.latents(name) if latent is None else latent
        noise = comfy.sample.prepare_noise(latent, 3) if noise is None else noise
        guider, calls = comfy.samplers.CFGGuider(model), []
        guider.set_conds(tiny.conditioning(name), tiny.conditioning(name, seed=1))
        guider.set_cfg(2.0)
        predict = guider.predict_noise

        def counted(x, timestep, *args, **kwargs):
            calls.append((float(timestep[0]), x.clone()))
            return predict(x, timestep, *args, **kwargs)

        guider.predict_noise = counted
        return guider.sample(noise, latent, inner, sigmas, disable_pbar=True, seed=3, **more), calls

    return run


def parts_of(latents):
    return latents.unbind() if latents.is_nested else [latents]


NAMES = ["wan", "wan 5B", "svd", "cogvideox", "ltx-2"]


@pytest.mark.parametrize("name", NAMES)
def test_segments_cost_what_they_do_not_share(run, tiny, name):
    """T + 1 + (K - 1)(T - M)."""
    plain, calls = run(name, segments=0)
    assert len(calls) == STEPS
    found, calls = run(name)
    assert len(calls) == STEPS + 1 + (SEGMENTS - 1) * (STEPS - STEPS // 2)
    for one, whole in zip(parts_of(plain), parts_of(found), strict=True):
        pictures = tiny.KINDS[name].latent == tuple(one.shape) and one.ndim == 4
        assert whole.shape == (SEGMENTS * len(one), *one.shape[1:])
        assert torch.equal(whole[: len(one)], one)  # V1 is the sampler's own
        for k in range(1, SEGMENTS):
            other = whole[k * len(one) : (k + 1) * len(one)]
            assert other.isfinite().all()
            assert 0.01 < (other - one).abs().mean() / one.std() < 2, (name, pictures)


@pytest.mark.parametrize("name", ["wan", "ltx-2"])
def test_gamma_1_repeats_the_first_segment(run, name):
    plain, _ = run(name, segments=0)
    found, calls = run(name, gamma=1.0)
    assert len(calls) == STEPS
    for one, whole in zip(parts_of(plain), parts_of(found), strict=True):
        assert all(torch.equal(part, one) for part in whole.split(len(one)))


def test_one_segment_is_the_sampler_itself(run):
    plain, _ = run("wan", segments=0)
    found, calls = run("wan", segments=1)
    assert torch.equal(found, plain) and len(calls) == STEPS


def test_the_same_seed_gives_the_same_video_and_another_one_another(run):
    first, again, other = (run("wan", seed=seed)[0] for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert torch.equal(first[0], other[0]) and not torch.equal(first[1], other[1])
    assert not torch.equal(first[1], first[2])


@pytest.mark.parametrize("name", ["wan", "svd"])
def test_segments_begin_as_the_estimate_with_shared_noise(run, load, name):
    """Equation 10 to 12, written out from what the guider was asked."""
    from driftfield.sampling.latent_frames import share_latent_noise
    from driftfield.sampling.trajectory import extension_noise

    seen = []
    _, calls = run(name, callback=lambda i, x0, x, total: seen.append((i, x0.clone(), total)))
    sampling, middle = load(name).get_model_object("model_sampling"), STEPS // 2
    assert [i for i, _, _ in seen] == list(range(STEPS + 2 * middle))
    assert {total for _, _, total in seen} == {STEPS + 2 * middle}
    estimate, (sigma, noisy) = seen[middle][1], calls[STEPS]
    signal = 1.0 if name == "svd" else 1 - sigma
    generator = extension_noise(5)
    fresh = torch.randn(estimate.shape, generator=generator)
    torch.testing.assert_close(noisy, signal * estimate + sigma * fresh, rtol=1e-5, atol=1e-4)
    starts = [x for level, x in calls if level == sigma][-2:]
    found = torch.stack([(x - signal * estimate) / sigma for x in starts])  # the noise in them
    assert sampling is not None
    shared = found.flatten(1).std(dim=1)
    torch.testing.assert_close(shared, torch.ones(2), rtol=0.1, atol=0)
    own = share_latent_noise(fresh, copies=2, omega=0.2, generator=generator, pictures=name == "svd")
    assert own.shape == found.shape and not torch.allclose(own, found, atol=1e-2)  # not what was put in: what is seen


def test_noise_that_is_seen_exactly_is_shared_exactly(comfy, native, load, run):
    """A model that sees all of the noise: n is what was put in, whatever the model's form."""
    from driftfield.sampling.latent_frames import share_latent_noise
    from driftfield.sampling.trajectory import extension_noise

    for name in ("wan", "svd"):
        estimates = {}

        class Guider:
            """Its estimate is always the same."""

            def __init__(self, model):
                self.inner_model, self.shape = model.model, (1, 16, 4, 4, 4) if name == "wan" else (3, 4, 8, 8)  # noqa: B023

            def __call__(self, x, sigma, **_):
                return torch.ones(self.shape)

        guider = Guider(load(name))
        guider.inner_model.latent_shapes = None
        sampler = native.phased(comfy.samplers.sampler_object("euler"), segments=3, gamma=0.5, omega=0.2, seed=5)
        estimates = torch.ones(guider.shape)
        found = sampler.noise(guider, torch.tensor(0.4), {"model_options": {}}, estimates)
        generator = extension_noise(5)
        fresh = torch.randn(guider.shape, generator=generator)
        expected = share_latent_noise(fresh, copies=2, omega=0.2, generator=generator, pictures=name == "svd")
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_every_sampler_reports_the_step_or_is_refused_by_name(comfy, native, run):
    """With the least steps that can be left, segments are as unlike as Euler's, which takes one."""
    for name in comfy.samplers.SAMPLER_NAMES:
        if name in ("dpm_fast", "dpm_adaptive"):
            with pytest.raises(ValueError, match=f"sampler: got {name}, which chooses noise levels of its own"):
                run("wan", name)
            continue
        plain, _ = run("wan", name, segments=0)
        found, _ = run("wan", name, segments=2, gamma=0.99)
        assert found.shape[0] == 2 and found.isfinite().all(), name
        assert torch.equal(found[:1], plain), name
        unlike = (found[1] - found[0]).abs().mean() / found[0].std()
        assert 0.25 < unlike < 0.5, (name, float(unlike))  # what is not denoised is more so


@pytest.mark.parametrize("name", ["wan", "ltx-2"])
def test_a_batch_is_refused_before_it_is_sampled(run, comfy, tiny, name):
    """Decoded, its segments could not be told from those of one video."""
    several = [part.repeat(2, *[1] * (part.ndim - 1)) for part in parts_of(tiny.latents(name))]
    latent = several[0] if len(several) == 1 else comfy.nested_tensor.NestedTensor(several)
    asked = []
    with pytest.raises(ValueError, match="latent_image: got a batch of 2 videos, allowed 1 with 3 segments"):
        run(name, latent=latent, callback=lambda *step: asked.append(step))
    assert not asked
    found, _ = run(name, segments=1, latent=latent)
    assert all(len(part) == 2 for part in parts_of(found))


def test_the_second_expert_shares_what_is_left_of_gamma(run, comfy, tiny):
    """The first expert's sampler is as it was; with gamma of the schedule M counts from its beginning."""
    noise = comfy.sample.prepare_noise(tiny.latents("wan"), 3)
    half, _ = run("wan", segments=0, cut=slice(0, 4), noise=noise)
    plain, _ = run("wan", segments=0, cut=slice(3, None), latent=half, noise=torch.zeros_like(noise))
    found, calls = run(
        "wan", cut=slice(3, None), latent=half, noise=torch.zeros_like(noise), gamma=5 / 6, gamma_counts="schedule"
    )
    assert len(calls) == 3 + 1 + 2 * 1
    assert torch.equal(found[:1], plain)
    assert 0 < (found[1] - found[0]).abs().mean() / plain.std() < 1.5


def test_a_noise_mask_keeps_its_part_in_every_segment(run):
    start = torch.randn(1, 16, 4, 4, 4, generator=torch.Generator().manual_seed(9))
    mask = torch.ones(1, 1, 4, 4, 4)
    mask[:, :, :1] = 0
    found, _ = run("wan", latent=start, denoise_mask=mask)
    assert (found - start)[:, :, :1].abs().max() < 1e-5
    assert (found[1] - found[0])[:, 1:].abs().max() > 1e-3


def test_it_follows_a_flow_in_every_segment(run, load):
    from driftfield.pipeline.native import follow_flow

    target = torch.randn(1, 16, 4, 4, 4, generator=torch.Generator().manual_seed(7))
    moving = (torch.arange(32) < 16).float().expand(13, 32, 32)
    patched, _ = follow_flow(load("wan"), {"samples": target}, moving, None, weak=0.0, strong=1.0)
    found, _ = run("wan", model=patched)
    assert (found - target)[..., :2].abs().max() < 1e-5
    assert (found[1] - found[0])[..., 2:].abs().max() > 1e-3


@pytest.mark.parametrize("node", ["EasyCacheNode", "LazyCacheNode"])
def test_caches_begin_anew_with_every_segment(run, comfy, load, node):
    """Each is what its sampler makes of its start by itself, and caches spare calls in it."""
    import comfy_extras.nodes_easycache as caches

    cached, half, starts = getattr(caches, node).execute(load("wan"), 2.0, 0.0, 1.0, False).result[0], STEPS // 2, {}
    plain, _ = run("wan", segments=0, model=cached)
    found, _ = run("wan", model=cached, callback=lambda step, x0, x, total: starts.setdefault(step, x.clone()))
    assert torch.equal(found[:1], plain)
    sigmas = comfy.samplers.calculate_sigmas(cached.get_model_object("model_sampling"), "simple", STEPS)
    for k in range(1, SEGMENTS):
        noise = starts[half + k * half] / sigmas[half]
        alone, _ = run("wan", segments=0, cut=slice(half, None), noise=noise, model=cached)
        whole, _ = run("wan", segments=0, cut=slice(half, None), noise=noise)
        torch.testing.assert_close(found[k : k + 1], alone, rtol=1e-4, atol=1e-4)
        assert (alone - whole).abs().max() > 1e-3


@pytest.mark.parametrize("at", [2, STEPS, STEPS + 3])
def test_a_stop_in_any_phase_ends_it(run, comfy, at):
    """As the progress bar raises it; and Cancel before the shared noise, without one."""
    from comfy.model_management import InterruptProcessingException

    def stop(i, *_):
        if i == at:
            raise InterruptProcessingException

    with pytest.raises(InterruptProcessingException):
        run("wan", callback=stop)
    found, _ = run("wan")
    assert found.isfinite().all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"gamma": 1.2}, "gamma: got 1.2, allowed 0..1"),
        ({"omega": -1.0}, "omega: got -1.0, allowed 0 or more"),
        ({"omega": float("nan")}, "omega: got nan"),
        ({"gamma_counts": "all"}, "gamma_counts: got 'all', allowed noise, schedule, steps"),
        ({"segments": -1}, "segments: got -1, allowed 1 or more"),
    ],
)
def test_options_that_are_none_are_refused(run, options, said):
    with pytest.raises(ValueError, match=said):
        run("wan", **options)


def test_it_is_not_put_around_itself(native, comfy):
    once = native.phased(comfy.samplers.sampler_object("euler"), segments=2, gamma=0.5, omega=0.2, seed=0)
    with pytest.raises(ValueError, match="sampler: got one of Phased Shared-Noise Sampler"):
        native.phased(once, segments=2, gamma=0.5, omega=0.2, seed=0)


def test_a_sampler_that_reports_too_little_is_named(run, comfy):
    class Silent(comfy.samplers.Sampler):
        def sample(self, model_wrap, sigmas, extra_args, callback, noise, *_, **__):
            return noise

    with pytest.raises(ValueError, match="sampler: it did not report step 4 of 6"):
        run("wan", Silent())


def test_it_is_cheaper_than_context_windows(run, comfy, load):
    """For about as long a video: 3 segments of 4 latent frames each, and 10 latent frames in windows of 4."""
    import comfy.context_windows as windows

    _, shared = run("wan 5B", gamma=0.8)
    model = load("wan 5B").clone()
    model.model_options["context_handler"] = windows.IndexListContextHandler(
        windows.get_matching_context_schedule("standard_static"),
        windows.get_matching_fuse_method("pyramid"),
        context_length=4,
        context_overlap=1,
        dim=2,
    )
    asked = []

    def count(apply, given):
        asked.append(len(given["input"]))
        return apply(given["input"], given["timestep"], **given["c"])

    model.set_model_unet_function_wrapper(count)
    run("wan 5B", segments=0, model=model, latent=torch.zeros(1, 48, 10, 4, 4))
    assert len(asked) == 3 * STEPS  # windows at full price
    assert len(shared) == STEPS + 1 + 2 * 2
