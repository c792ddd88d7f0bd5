"""Animate, extend, decode on the tiny model: equal to diffusers, reproducible, stoppable, and clear about errors."""

import pytest
import torch
from animating import animated, encoded
from PIL import Image
from tiny import FRAMES, tiny_pipeline


@pytest.fixture(scope="module")
def nodes(comfy_base):
    from driftfield.nodes import animate

    return animate


@pytest.fixture(scope="module")
def longer_nodes(comfy_base):
    from driftfield.nodes import extend

    return extend


@pytest.mark.parametrize("cfg_max", [1.0, 3.0])
def test_without_adapter_it_is_diffusers(nodes, plain, image, cfg_max):
    pixels = (image[0].numpy() * 255).round().astype("uint8")
    image8 = torch.from_numpy(pixels)[None].float() / 255
    animation, report = animated(nodes, plain, image8, cfg_max=cfg_max)
    pipeline = tiny_pipeline()
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(
        Image.fromarray(pixels),
        height=64,
        width=64,
        num_frames=FRAMES,
        num_inference_steps=4,
        min_guidance_scale=1.0,
        max_guidance_scale=cfg_max,
        fps=7,
        motion_bucket_id=127,
        noise_aug_strength=0.02,
        generator=torch.Generator().manual_seed(3),
        output_type="latent",
    ).frames[0]
    torch.testing.assert_close(animation.latents, expected, atol=1e-4, rtol=0)
    assert "motion_bucket_id = 127" in report and f"{1 if cfg_max == 1 else 2} pass" in report


def test_the_adapter_and_the_flow_matter(nodes, warped, image, flow):
    latents = {
        name: animated(nodes, warped, image, guidance=given, **more)[0].latents
        for name, given, more in [
            ("flow", encoded(nodes, warped, flow), {}),
            ("again", encoded(nodes, warped, flow), {}),
            ("negative", encoded(nodes, warped, -flow), {}),
            ("attention off", encoded(nodes, warped, flow, 0.0), {}),
            ("weaker", encoded(nodes, warped, flow), {"motion_strength": 10.0}),
            ("loop", encoded(nodes, warped, flow), {"loop": True}),
            ("none", None, {}),
        ]
    }
    first, again = latents.pop("flow"), latents.pop("again")
    assert torch.equal(first, again)
    for name, other in latents.items():
        assert not torch.equal(first, other), name


def test_auto_strength_is_measured(nodes, warped, plain, image):
    flow = torch.full((1, 2, 64, 64), 0.25)  # 2 px/frame at 512
    _, report = animated(nodes, warped, image, guidance=encoded(nodes, warped, flow), strength_mode="auto")
    assert "200 % (measured from the flow) drives the adapter" in report and "warped along the flow" in report
    plainly = {"guidance": encoded(nodes, plain, flow), "strength_mode": "auto", "control": "as trained"}
    _, report = animated(nodes, plain, image, **plainly)
    assert "reference repeated, so the flow's directions are not used" in report
    assert "motion_bucket_id = 200: no adapter" in report
    _, report = animated(nodes, plain, image, strength_mode="auto")
    assert "default motion_bucket_id = 127" in report


def test_what_the_control_auto_means(nodes, plain, warped, image, flow):
    """Beside an adapter the picture holds still what the flow leaves alone; without one it is the dual clock."""
    half = flow.clone()
    half[..., :32] = 0
    half[..., 32:] = 3

    def run(animator, **changes):
        animation, report = animated(nodes, animator, image, guidance=encoded(nodes, animator, half), **changes)
        return animation, report

    with_adapter, report = run(warped)
    assert "reference warped along the flow, what should not move kept down to noise 0" in report
    assert len(with_adapter.trajectory.sigmas) == 5 and with_adapter.trajectory.sigmas[0] == 700
    target = with_adapter.plan.conditioning.anchor.target
    torch.testing.assert_close(with_adapter.latents[..., :4], target[..., :4], atol=1e-5, rtol=0)
    assert torch.equal(target, target[:1].expand_as(target))
    assert not torch.equal(with_adapter.latents[..., 4:], target[..., 4:])
    assert run(warped, control="as trained")[0].plan.conditioning.anchor is None

    without, report = run(plain, strength_mode="auto")
    assert "repeated, dual clock from noise 74.5 to 31, what should not move kept down to noise 0" in report
    assert "motion_bucket_id = 17" in report
    anchor, trajectory = without.plan.conditioning.anchor, without.trajectory
    assert len(trajectory.sigmas) == 5 and 74 < trajectory.sigmas[0] < 75
    torch.testing.assert_close(without.latents[..., :4], anchor.target[..., :4], atol=1e-5, rtol=0)
    assert not torch.equal(anchor.target[0], anchor.target[-1])
    noise = (trajectory.states[0] - anchor.target) / trajectory.sigmas[0]
    assert 0.9 < noise.std() < 1.1
    anchored = ((30 < anchor.level) & (anchor.level < 31.5)).expand_as(anchor.target)
    assert anchored.any()
    step = next(i for i, sigma in enumerate(trajectory.sigmas) if sigma < 31)
    expected = anchor.target + trajectory.sigmas[step] * noise
    torch.testing.assert_close(trajectory.states[step][anchored], expected[anchored], atol=1e-3, rtol=1e-4)


def test_controls_join_as_chosen(nodes, plain, warped, image, flow):
    motion = encoded(nodes, plain, flow * 10)
    seen = {}
    for control in ("as trained", "warped reference", "dual clock", "dual clock + warped reference"):
        animation, report = animated(nodes, plain, image, guidance=motion, control=control)
        reference = animation.plan.conditioning.reference
        assert torch.equal(reference[0], reference[-1]) == ("warped" not in control), control
        assert ("dual clock from" in report) == ("dual clock" in control)
        seen[control] = animation.latents
    assert len({float(latents.sum()) for latents in seen.values()}) == 4
    both, report = animated(nodes, warped, image, guidance=encoded(nodes, warped, flow * 10), control="dual clock")
    assert "warped along the flow, dual clock" in report and "drives the adapter" in report
    assert both.plan.conditioning.motion is not None
    levels = {"weak_noise": 20.0, "strong_noise": 5.0, "still_noise": 2.5}
    _, report = animated(nodes, plain, image, guidance=motion, **levels)
    assert "dual clock from noise 20 to 5, what should not move kept down to noise 2.5" in report
    sigmas = torch.tensor([700.0, 50.0, 19.0, 3.0, 0.0])
    cut, _ = animated(nodes, plain, image, guidance=motion, sigmas=sigmas, **levels)
    assert cut.trajectory.sigmas.tolist() == [20, 19, 3, 0]
    looped, report = animated(nodes, plain, image, guidance=motion, control="warped reference", loop=True)
    assert "looping" in report


@pytest.mark.parametrize("name", ["heun", "dpmpp_2m", "uni_pc"])
def test_the_dual_clock_joins_comfyui_s_samplers(nodes, plain, image, name):
    from comfy.samplers import sampler_object

    flow = torch.zeros(1, 2, 64, 64)
    flow[:, 0, :, 32:] = 3
    motion = encoded(nodes, plain, flow)
    animation, _ = animated(nodes, plain, image, guidance=motion, sampler=sampler_object(name), steps=6)
    anchor = animation.plan.conditioning.anchor
    torch.testing.assert_close(animation.latents[..., :4], anchor.target[..., :4], atol=0.01, rtol=0)


def test_flow_of_another_size_and_length_fits(nodes, warped, image):
    generator = torch.Generator().manual_seed(2)
    long = torch.randn(FRAMES + 3, 2, 64, 64, generator=generator)
    a, _ = animated(nodes, warped, image, guidance=encoded(nodes, warped, long))
    b, _ = animated(nodes, warped, image, guidance=encoded(nodes, warped, long[: FRAMES - 1]))
    torch.testing.assert_close(a.latents, b.latents, atol=1e-5, rtol=0)
    smaller = torch.randn(1, 2, 32, 48, generator=generator)
    animated(nodes, warped, image, guidance=encoded(nodes, warped, smaller))
    with pytest.raises(ValueError, match="motion: got flow for 3 frames, allowed one for all frames, or for 5"):
        animated(nodes, warped, image, guidance=encoded(nodes, warped, long[:2]))


def test_odd_sizes_are_padded_and_come_back(nodes, longer_nodes, warped):
    image = torch.rand(1, 50, 72, 4, generator=torch.Generator().manual_seed(0))
    motion = encoded(nodes, warped, torch.ones(1, 2, 50, 72))
    animation, _ = animated(nodes, warped, image, guidance=motion)
    images, latent = longer_nodes.DecodeAnimation.execute(animation, 8).result
    assert images.shape == (FRAMES, 50, 72, 3) and 0 <= images.min() and images.max() <= 1
    assert latent["samples"].shape == (FRAMES, 4, 8, 16)
    torch.testing.assert_close(latent["samples"] * 0.18215, animation.latents)


def test_no_arrows_give_a_finite_video(nodes, longer_nodes, warped, image):
    animation, _ = animated(nodes, warped, image, guidance=encoded(nodes, warped, torch.zeros(1, 2, 64, 64)))
    reference = animation.plan.conditioning.reference
    assert torch.equal(reference, reference[:1].expand_as(reference))
    assert longer_nodes.DecodeAnimation.execute(animation, 8).result[0].isfinite().all()


def test_global_random_state_and_inputs_stay(nodes, longer_nodes, warped, image, flow):
    before, picture, field = torch.random.get_rng_state(), image.clone(), flow.clone()
    animation, _ = animated(nodes, warped, image, guidance=encoded(nodes, warped, flow))
    longer_nodes.DecodeAnimation.execute(longer_nodes.ExtendAnimation.execute(animation, 8, 0.5, 0.2, 0).result[0], 8)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(image, picture) and torch.equal(flow, field)


def test_errors_name_the_input(nodes, loaders, warped, plain, image, flow, tiny_adapters):
    motion, bare = encoded(nodes, warped, flow), encoded(nodes, plain, flow)
    cases = [
        ("image: got a batch of 2", warped, {"image": image.repeat(2, 1, 1, 1)}),
        ("frames: got 1", warped, {"frames": 1}),
        ("loop: got no motion", warped, {"loop": True}),
        ("loop: got a repeated reference", plain, {"loop": True, "guidance": encoded(nodes, plain, flow)}),
        ("motion: encoded for the adapter tiny_warped", plain, {"guidance": motion}),
        ("sigmas: got .* ending in 0", plain, {"sigmas": torch.tensor([10.0, 1.0])}),
        ("sigmas: got .* strictly decreasing", plain, {"sigmas": torch.tensor([1.0, 10.0, 0.0])}),
        ("sampler: got object", plain, {"sampler": object()}),
        ("strength_mode: got 'both'", plain, {"strength_mode": "both"}),
        ("control: got 'magic', allowed auto, as trained", plain, {"control": "magic"}),
        ("control: got 'dual clock' without motion", plain, {"control": "dual clock"}),
        ("weak_noise, strong_noise: got 3 and 31", plain, {"guidance": bare, "weak_noise": 3.0}),
        ("still_noise: got -2.0", plain, {"guidance": bare, "still_noise": -2.0}),
        ("motion_strength: got inf", plain, {"motion_strength": float("inf")}),
        ("cfg_max: got nan", plain, {"cfg_max": float("nan")}),
        ("still_noise: got nan", plain, {"guidance": bare, "still_noise": float("nan")}),
    ]
    for said, animator, changes in cases:
        picture = changes.pop("image", image)
        with pytest.raises(ValueError, match=said):
            animated(nodes, animator, picture, **changes)


def test_nan_in_the_network_is_an_error(nodes, loaders, plain, image, monkeypatch):
    network = loaders.memory.unwrap(plain.unet)
    forward = network.forward
    monkeypatch.setattr(network, "forward", lambda *args, **kwargs: forward(*args, **kwargs) * torch.nan)
    with pytest.raises(ValueError, match="NaN or infinity in latents"):
        animated(nodes, plain, image)


def test_cancel_stops_before_the_next_pass(nodes, longer_nodes, loaders, plain, image, monkeypatch):
    from comfy import model_management

    network = loaders.memory.unwrap(plain.unet)
    forward, passes = network.forward, []

    def pressed(*args, **kwargs):
        passes.append(1)
        model_management.interrupt_current_processing()
        return forward(*args, **kwargs)

    monkeypatch.setattr(network, "forward", pressed)
    with pytest.raises(model_management.InterruptProcessingException):
        animated(nodes, plain, image, cfg_max=3.0)
    assert len(passes) == 1
    monkeypatch.undo()
    animation, _ = animated(nodes, plain, image)
    for run in (
        lambda: longer_nodes.ExtendAnimation.execute(animation, 15, 0.5, 0.2, 0),
        lambda: longer_nodes.DecodeAnimation.execute(animation, 8),
        lambda: animated(nodes, plain, image),
    ):
        model_management.interrupt_current_processing()
        with pytest.raises(model_management.InterruptProcessingException):
            run()


def test_each_step_shows_a_picture(nodes, plain, image, monkeypatch):
    import comfy.utils
    from comfy.cli_args import LatentPreviewMethod, args

    seen = []
    monkeypatch.setattr(args, "preview_method", LatentPreviewMethod.Auto)  # ComfyUI's own default is none
    monkeypatch.setattr(
        comfy.utils,
        "PROGRESS_BAR_HOOK",
        lambda value, total, preview, node_id=None: seen.append((value, total, preview)),
    )
    animated(nodes, plain, image)
    assert [(value, total) for value, total, _ in seen] == [(i, 4) for i in (1, 2, 3, 4)]
    for _, _, (kind, picture, size) in seen:
        assert (kind, picture.size, size) == ("JPEG", (8, 8), 512)


@pytest.mark.parametrize("name", ["euler", "heun", "dpmpp_2m", "dpmpp_2m_sde", "uni_pc", "er_sde", "euler_ancestral"])
def test_comfyui_s_samplers_and_sigmas_plug_in(nodes, longer_nodes, plain, image, name):
    from comfy.samplers import sampler_object

    sigmas = torch.tensor([80.0, 10.0, 2.0, 0.5, 0.0])
    before = torch.random.get_rng_state()
    first, _ = animated(nodes, plain, image, sampler=sampler_object(name), sigmas=sigmas)
    again, _ = animated(nodes, plain, image, sampler=sampler_object(name), sigmas=sigmas)
    assert torch.equal(first.latents, again.latents)
    assert torch.equal(torch.random.get_rng_state(), before)
    if name == "euler":
        ours, _ = animated(nodes, plain, image, sigmas=sigmas)
        torch.testing.assert_close(first.latents, ours.latents, atol=1e-4, rtol=0)
    longer_nodes.ExtendAnimation.execute(first, 8, 0.5, 0.2, 0)


def test_samplers_that_steer_guidance_are_refused_by_name(nodes, plain, image):
    from comfy.samplers import sampler_object

    with pytest.raises(ValueError, match=r"sampler: got one of the CFG\+\+ family"):
        animated(nodes, plain, image, sampler=sampler_object("euler_cfg_pp"))


@pytest.mark.parametrize("name", ["dpm_fast", "dpm_adaptive"])
def test_samplers_with_noise_levels_of_their_own_are_refused_by_name(nodes, plain, image, name):
    from comfy.samplers import sampler_object

    with pytest.raises(ValueError, match=f"sampler: got {name}, which chooses noise levels of its own"):
        animated(nodes, plain, image, sampler=sampler_object(name))


def test_a_schedule_that_begins_below_the_dual_clock_stays_as_it_is(loaders):
    from driftfield.pipeline.control import begin_at
    from driftfield.sampling.schedule import karras_sigmas

    low, high = (karras_sigmas(6, sigma_min=0.002, sigma_max=most) for most in (50.0, 700.0))
    assert torch.equal(begin_at(low, 75.0), low)
    assert begin_at(high, 75.0)[0] == 75 and torch.equal(begin_at(high, 75.0)[1:], high[high < 75])
