"""The dual clock on ComfyUI's own models: every rule of it, on tiny random ones that its own loader made."""

import statistics
import time

import pytest
import torch
from following import FEWER, STEPS, masks, target_of, video

NAMES = ["wan", "wan 5B", "svd", "cogvideox", "ltx-2"]


@pytest.mark.parametrize("name", NAMES)
def test_what_moves_ends_as_the_target_where_it_is_held_to_the_end(followed, sample, load, name):
    patched, target = followed(name, weak=0.0, strong=1.0)
    held, free = video(sample(patched, name)), video(sample(load(name), name))
    half = target.shape[-1] // 2
    assert (held - target)[..., :half].abs().max() < 1e-5
    assert (held - target)[..., half:].abs().mean() > 0.1
    assert (held - free)[..., half:].abs().max() > 1e-3  # what is held is seen by the rest


@pytest.mark.parametrize("name", NAMES)
def test_masks_that_hold_nothing_change_no_bit(followed, sample, load, name):
    patched, _ = followed(name, moving=0.0, weak=0.0)
    for sampler in ["euler", "euler_cfg_pp"] + ["dpmpp_2m_sde", "uni_pc", "heun", "lcm", "res_multistep"] * (
        name == "wan"
    ):
        one, other = (video(sample(model, name, sampler=sampler)) for model in (patched, load(name)))
        assert torch.equal(one, other), sampler


@pytest.mark.parametrize("name", ["wan", "ltx-2"])
def test_audio_beside_is_as_free_as_the_video_lets_it(followed, sample, load, tiny, name):
    """All of the video held to the end, audio still is the network's."""
    patched, target = followed(name, weak=1.0, strong=1.0)
    calls = []
    found = sample(patched, name, calls=calls)
    assert (video(found) - target).abs().max() < 1e-5
    if tiny.KINDS[name].audio:
        assert found.unbind()[1].std() > 0.1 and len(calls) >= STEPS
    else:
        assert calls == []


def own_loop(comfy, model, sample, name, target, moves, *, weak, strong):
    """Time-to-Move's own loop: begins at `weak` from the target with noise, and puts that back into what moves."""
    sampling = model.get_model_object("model_sampling")
    steps = FEWER.get(name, STEPS)
    sigmas = comfy.samplers.calculate_sigmas(sampling, "simple", steps)
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(11))
    scaled = model.model.process_latent_in(target)

    class Loop(comfy.samplers.Sampler):
        def sample(self, model_wrap, sigmas, extra_args, callback, *_, **__):
            first, last = (int((sigmas > level * (1 + 1e-5)).sum()) for level in (weak, strong))
            x = sampling.noise_scaling(sigmas[first], noise, scaled)
            for i in range(first, steps):
                estimate = model_wrap(x, sigmas[i].expand(len(x)), **extra_args)
                x = x + (x - estimate) / sigmas[i] * (sigmas[i + 1] - sigmas[i])
                if i < last:
                    x = torch.where(moves, sampling.noise_scaling(sigmas[i + 1], noise, scaled), x)
            return x

    return noise, sample(model, name, sampler=Loop(), sigmas=sigmas, noise=noise)


@pytest.mark.parametrize(("name", "error"), [("wan", 1e-5), ("wan 5B", 1e-5), ("svd", 3e-4), ("cogvideox", 2e-4)])
@pytest.mark.parametrize(("weak", "strong"), [(0.15, 0.4), (0.05, 0.9)])
def test_it_is_time_to_moves_own_loop(comfy, load, native, tiny, followed, sample, name, error, weak, strong):
    """To `error`; on processors that round more, to twice what a target off by the last bit does to the loop itself."""
    patched, target = followed(name, weak=weak, strong=strong)
    model = load(name)
    sampling = model.get_model_object("model_sampling")
    moves, _ = native.latent_regions(masks(name)[0], None, target.shape)
    levels = {"weak": sampling.percent_to_sigma(weak), "strong": sampling.percent_to_sigma(strong)}
    noise, expected = own_loop(comfy, model, sample, name, target, moves, **levels)
    found = sample(patched, name, latent=target, noise=noise)
    _, rounded = own_loop(comfy, model, sample, name, target * (1 + 1.5 * 2**-23), moves, **levels)
    rounding = (rounded - expected).abs().max()
    assert rounding < 5e-4 * expected.std()
    assert (found - expected).abs().max() < max(2 * rounding, error * expected.std())


def test_a_flow_model_does_not_mind_an_empty_latent_but_svd_does(followed, sample):
    for name, same in (("wan", True), ("svd", False)):
        patched, target = followed(name)
        one, other = sample(patched, name, latent=target), sample(patched, name)
        difference = (one - other).abs().max() / one.std()
        assert (difference < 1e-5) == same, name
        assert difference < 0.1


@pytest.mark.parametrize(("steps", "calls"), [(20, 18), (8, 7), (4, 3), (50, 45)])
def test_the_network_is_not_asked_where_everything_is_held(followed, sample, steps, calls):
    """Wan, shift 8 as it is loaded."""
    patched, _ = followed("wan")
    asked = []
    sample(patched, "wan", steps=steps, cfg=1.0, calls=asked)
    assert len(asked) == calls


@pytest.mark.parametrize("steps", [4, 6, 8])
def test_few_steps_hold_what_moves_one_step_longer(comfy, followed, sample, steps):
    """With the shift after our node, as its own node may stand."""
    patched, target = followed("wan")
    patched = shifted(patched, 5.0)
    seen = []

    def watch(i, x0, x, total):
        seen.append(((x0 - patched.model.process_latent_in(target))[..., :2].abs().max() < 1e-5).item())

    sample(patched, "wan", steps=steps, callback=watch)
    assert seen == [True, True] + [False] * (steps - 2)


def shifted(model, shift):
    """As ModelSamplingSD3 does."""
    from comfy.model_sampling import CONST, ModelSamplingDiscreteFlow

    sampling = type("ModelSamplingAdvanced", (ModelSamplingDiscreteFlow, CONST), {})(model.model.model_config)
    sampling.set_parameters(shift=shift, multiplier=1000)
    patched = model.clone()
    patched.add_object_patch("model_sampling", sampling)
    return patched


def test_levels_are_those_of_the_shift_at_the_time(followed, sample):
    asked = {}
    for shift in (3.0, 12.0):
        patched, _ = followed("wan", weak=0.25, strong=0.5)
        asked[shift] = []
        sample(shifted(patched, shift), "wan", cfg=1.0, calls=asked[shift])
        assert len(asked[shift]) == 15  # a share of the schedule, whatever its shift
    assert asked[3.0] != asked[12.0]


def test_a_share_is_free_from_the_step_that_begins_there(followed, sample):
    for steps in range(4, 41, 4):
        patched, _ = followed("wan", weak=0.25, strong=0.5)
        asked = []
        sample(patched, "wan", steps=steps, cfg=1.0, calls=asked)
        assert len(asked) == steps * 3 // 4


@pytest.mark.parametrize("split", [1, 2, 5, 10])
def test_two_experts_are_one_wherever_they_part(followed, sample, tiny, comfy, split):
    patched, _ = followed("wan", resting=0.25)
    other, _ = followed("wan", resting=0.25)
    noise = comfy.sample.prepare_noise(tiny.latents("wan"), 3)
    whole = sample(patched, "wan", noise=noise)
    half = sample(patched, "wan", noise=noise, start_step=0, last_step=split)
    both = sample(other, "wan", latent=half, noise=torch.zeros_like(noise), start_step=split, last_step=STEPS)
    assert (both - whole).abs().max() < 1e-5 * whole.std()


def test_the_model_that_was_given_stays_as_it_was(followed, sample, load, native):
    model = load("wan")
    before = sample(model, "wan")
    patched, _ = followed("wan", model=model)
    sample(patched, "wan")
    assert torch.equal(sample(model, "wan"), before)
    assert native.KEY not in patched.model_options


def test_after_a_stop_the_next_run_is_the_same(followed, sample):
    patched, _ = followed("wan")
    before = sample(patched, "wan")

    def stop(i, *_):
        if i == 6:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        sample(patched, "wan", callback=stop)
    assert torch.equal(sample(patched, "wan"), before)


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ({"weak": 1.5}, "weak: got 1.5, allowed -1 .automatic., or 0..1"),
        ({"strong": -0.5}, "strong: got -0.5"),
        ({"still": float("nan")}, "still: got nan"),
        ({"weak": 0.5, "strong": 0.4}, "strong: got 0.4, allowed 0.5 .weak. or more"),
    ],
)
def test_levels_that_are_none_are_refused(followed, levels, said):
    with pytest.raises(ValueError, match=said):
        followed("wan", **levels)


def test_what_does_not_fit_is_refused_before_it_is_sampled(followed, sample, load, native):
    patched, target = followed("wan")
    asked = []
    with pytest.raises(ValueError, match=r"target: got latents \[1, 16, 4, 4, 4\], allowed .* \[1, 16, 5, 4, 4\]"):
        sample(patched, "wan", latent=torch.zeros(1, 16, 5, 4, 4), calls=asked)
    assert asked == []
    with pytest.raises(ValueError, match="moving: got 12 frames for 4 frames of latents, allowed 1 or 1"):
        native.follow_flow(load("wan"), {"samples": target}, torch.zeros(12, 8, 8), None)
    with pytest.raises(ValueError, match="model: got one that follows a flow already"):
        native.follow_flow(patched, {"samples": target}, torch.zeros(13, 8, 8), None)
    with pytest.raises(ValueError, match=r"target: got latents \[1, 16, 6\]"):
        native.follow_flow(load("wan"), {"samples": torch.zeros(1, 16, 6)}, torch.zeros(13, 8, 8), None)


def test_the_report_says_what_is_held(load, native, tiny):
    both = masks("wan", moving=0.5, resting=0.25)
    model, target = shifted(load("wan"), 5.0), {"samples": target_of(tiny, "wan")}
    _, report = native.follow_flow(model, target, *both)
    assert report == (
        "50% of the latents move, 25% rest; of the schedule everything is held for 6% (automatic), what moves for 14% "
        "(automatic), what rests for 100% (automatic)"
    )
    _, report = native.follow_flow(model, target, torch.zeros(13, 8, 8), None, weak=0.1, strong=0.2)
    assert "0% of the latents move" in report and "for 10%, what moves for 20%" in report and "Warning" in report


def test_it_costs_less_than_a_twentieth_of_a_tiny_models_step(followed, sample, native, monkeypatch):
    """In one run, of each step what is not the model's own; medians, for other work comes in bursts."""
    on_estimate, model, whole = native.DualClock.on_estimate, [], []

    class Timed:
        def __init__(self, predict):
            self.predict, self.class_obj = predict, predict.class_obj

        def __call__(self, *arguments):
            begun = time.perf_counter()
            estimate = self.predict(*arguments)
            model.append(time.perf_counter() - begun)
            return estimate

    def timed(clock, predict, *arguments):
        begun = time.perf_counter()
        estimate = on_estimate(clock, Timed(predict), *arguments)
        whole.append(time.perf_counter() - begun)
        return estimate

    monkeypatch.setattr(native.DualClock, "on_estimate", timed)
    sample(followed("wan", weak=0.0, strong=1.0)[0], "wan", steps=60)
    assert len(model) == len(whole) == 60
    assert statistics.median(whole) < 1.05 * statistics.median(model)
