"""The dual clock under every sampler of ComfyUI's, beside batches, noise masks, context windows and caches."""

import pytest
import torch
from following import STEPS


@pytest.fixture(scope="module")
def sampler_names(comfy):
    return comfy.samplers.SAMPLER_NAMES


def test_every_sampler_holds_exactly_and_then_lets_go(followed, sample, comfy, sampler_names):
    """Held: the estimate that the sampler reports is the target."""
    for name in sampler_names:
        patched, target = followed("wan", weak=0.0, strong=0.5)
        scaled, seen = patched.model.process_latent_in(target), []

        def watch(i, x0, x, total, seen=seen, scaled=scaled):
            seen.append(float((x0 - scaled)[..., :2].abs().max()))

        found = sample(patched, "wan", sampler=name, steps=8, callback=watch)
        assert found.isfinite().all(), name
        if name in ("dpm_fast", "dpm_adaptive"):  # they are at levels of their own, and report fewer estimates
            assert seen[0] < 1e-6 and seen[-1] > 1e-3, (name, seen)
        else:
            assert max(seen[:3]) < 1e-6 and seen[-1] > 1e-3, (name, seen)
        assert (found - target)[..., :2].abs().max() > 1e-3, name


@pytest.mark.parametrize("name", ["wan", "svd"])
def test_cfgpp_samplers_are_held_to_the_end_as_well(followed, sample, sampler_names, name):
    patched, target = followed(name, weak=0.0, strong=1.0)
    half = target.shape[-1] // 2
    for sampler in [sampler for sampler in sampler_names if "cfg_pp" in sampler][: None if name == "wan" else 1]:
        found = sample(patched, name, sampler=sampler, latent=target)
        assert (found - target)[..., :half].abs().max() < 1e-4, sampler


@pytest.fixture(scope="module")
def guided(comfy, tiny):
    """The states that a sampler passes through under DualCFGGuider, or under CFGGuider where `style` is none."""
    from comfy_extras.nodes_custom_sampler import DualCFGGuider

    @torch.inference_mode()
    def run(model, sampler, cfg, style=None):
        conds, states = [tiny.conditioning("wan", seed=seed) for seed in range(3)], []
        if style is None:
            guider = comfy.samplers.CFGGuider(model)
            guider.set_conds(conds[0], conds[2])
            guider.set_cfg(cfg)
        else:
            guider = DualCFGGuider.execute(model, *conds, cfg, 1.5, style).result[0]
        sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "simple", 6)
        latent = tiny.latents("wan")
        sampler, noise = comfy.samplers.sampler_object(sampler), comfy.sample.prepare_noise(latent, 3)
        guider.sample(noise, latent, sampler, sigmas, None, lambda i, x0, x, n: states.append(x.clone()), True, 3)
        return torch.stack(states)

    return run


@pytest.mark.parametrize("style", [None, "regular", "nested"])
def test_cfgpp_samplers_are_led_to_the_target_alone(followed, guided, sampler_names, style):
    """What is held passes through the same states under any guidance."""
    patched, _ = followed("wan", weak=0.0, strong=1.0)
    for name in [name for name in sampler_names if "cfg_pp" in name]:
        states, others = guided(patched, name, 2.0), guided(patched, name, 5.0, style)
        assert (states - others)[..., :2].abs().max() < 1e-4, name
        assert (states - others)[..., 2:].abs().max() > 1e-2, name


def test_cfgpp_asks_the_network_in_every_step(followed, sample):
    patched, _ = followed("wan", weak=0.5, strong=0.5)
    asked = []
    sample(patched, "wan", sampler="euler_cfg_pp", calls=asked)
    assert len(set(asked)) == STEPS


def test_batches_are_held_alike(followed, sample):
    patched, target = followed("wan", weak=0.0, strong=1.0)
    found = sample(patched, "wan", latent=torch.zeros(3, *target.shape[1:]))
    assert (found - target)[..., :2].abs().max() < 1e-5
    assert (found[0] - found[1])[..., 2:].abs().max() > 1e-3


def test_the_users_own_noise_mask_wins(followed, sample, tiny):
    patched, target = followed("wan", weak=1.0, strong=1.0)
    start = torch.randn(target.shape, generator=torch.Generator().manual_seed(9))
    mask = torch.ones(1, 1, 4, 4, 4)
    mask[:, :, :1] = 0
    found = sample(patched, "wan", latent=start, noise_mask=mask)
    assert (found - start)[:, :, :1].abs().max() < 1e-5
    assert (found - target)[:, :, 1:].abs().max() < 1e-5


def test_what_rests_is_held_to_the_end(followed, sample):
    patched, target = followed("wan", resting=0.25)
    found = sample(patched, "wan")
    assert (found - target)[..., 3:].abs().max() < 1e-5
    assert (found - target)[..., 2:3].abs().max() > 1e-3
    free = sample(followed("wan", resting=0.25, still=0.0)[0], "wan")
    assert (free - target)[..., 3:].abs().max() > 1e-3


def test_context_windows_see_all_of_it(followed, sample, comfy):
    windows = comfy.context_windows
    patched, target = followed("wan 5B", weak=0.0, strong=1.0)
    patched.model_options["context_handler"] = windows.IndexListContextHandler(
        windows.get_matching_context_schedule("standard_static"),
        windows.get_matching_fuse_method("pyramid"),
        context_length=3,
        context_overlap=1,
        dim=2,
    )
    found = sample(patched, "wan 5B")
    assert (found - target)[..., :2].abs().max() < 1e-5


def easy_cache(model):
    from comfy_extras.nodes_easycache import EasyCacheNode

    return EasyCacheNode.execute(model, 0.5, 0.15, 0.95, False).result[0]


@pytest.mark.parametrize("before", [True, False])
def test_easycache_may_stand_on_either_side(followed, sample, load, before):
    if before:
        patched, target = followed("wan", model=easy_cache(load("wan")), weak=0.2, strong=1.0)
    else:
        patched, target = followed("wan", weak=0.2, strong=1.0)
        patched = easy_cache(patched)
    found = sample(patched, "wan")
    assert found.isfinite().all()
    assert (found - target)[..., :2].abs().max() < 1e-5


def test_lazycache_after_it_is_fine(followed, sample):
    from comfy_extras.nodes_easycache import LazyCacheNode

    patched, target = followed("wan", weak=0.2, strong=1.0)
    found = sample(LazyCacheNode.execute(patched, 0.5, 0.15, 0.95, False).result[0], "wan")
    assert (found - target)[..., :2].abs().max() < 1e-5
