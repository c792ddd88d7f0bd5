"""Extending on the tiny model: joins, devices, too little memory, and a run that is stopped and goes on."""

import gc
import threading
import weakref

import animating
import pytest
import torch
from tiny import FRAMES

SETTINGS = animating.SETTINGS | {"cfg_max": 2.0}


@pytest.fixture(scope="module")
def nodes(comfy_base):
    from driftfield.nodes import extend

    return extend


@pytest.fixture(scope="module")
def animated(warped):
    """animated(flows=1): an animation of 5 frames on the tiny model with a warped reference."""
    from driftfield.nodes.animate import AnimateImage, EncodeMotion

    def run(flows=1):
        generator = torch.Generator().manual_seed(0)
        image = torch.rand(1, 64, 64, 3, generator=generator)
        motion = EncodeMotion.execute(warped, torch.randn(flows, 2, 64, 64, generator=generator), 1.0).result[0]
        return AnimateImage.execute(warped, image, **SETTINGS, guidance=motion).result[0]

    return run


def extended(nodes, animation, *, frames=13, gamma=0.5, seed=0, **more):
    return nodes.ExtendAnimation.execute(animation, frames, gamma, 0.2, seed, **more).result


def test_more_devices_than_there_are_fail_before_anything_runs(nodes):
    validate = nodes.ExtendAnimation.validate_inputs
    assert validate(devices=1) is True and validate(devices=None) is True
    assert "devices: got 64" in validate(devices=64)


def test_an_extension_draws_other_numbers_than_its_segment(nodes):
    from driftfield.sampling.trajectory import extension_noise

    for seed in (0, 7, 2**64 - 1):
        own = torch.randn(200_000, generator=torch.Generator().manual_seed(seed))
        assert not torch.isin(torch.randn(1000, generator=extension_noise(seed)), own).all()
        assert torch.isin(torch.randn(1000, generator=extension_noise(seed)), own).float().mean() < 0.05


def test_extending_keeps_the_first_segment_and_trims_the_end(nodes, animated):
    animation = animated()
    longer, report = extended(nodes, animation, joins="restart")
    assert len(longer.latents) == 13 and torch.equal(longer.latents[:FRAMES], animation.latents)
    assert not torch.equal(longer.latents[FRAMES : 2 * FRAMES], animation.latents)
    wanted = "13 frames from a segment of 5, joins: restart; the first 2 of 4 steps shared, 5 evaluations of a segment"
    assert report == wanted
    copies = extended(nodes, longer, frames=10, gamma=1.0, joins="restart")[0]
    assert torch.equal(copies.latents, animation.latents.repeat(2, 1, 1, 1))
    short = extended(nodes, animation, frames=3)[0]
    assert torch.equal(short.latents, animation.latents[:3])
    assert nodes.DecodeAnimation.execute(longer, 8).result[0].shape == (13, 64, 64, 3)


def test_every_join_gives_another_video_of_that_length(nodes, animated):
    from driftfield.sampling.joins import CROSSFADE, JOINS

    animation = animated(flows=FRAMES - 1)
    videos = {joins: extended(nodes, animation, joins=joins)[0].latents for joins in JOINS}
    assert all(video.shape == (13, 4, 8, 8) and video.isfinite().all() for video in videos.values())
    assert len({float(video.sum()) for video in videos.values()}) == len(JOINS)
    assert torch.equal(extended(nodes, animation)[0].latents, videos[CROSSFADE]), "the default"
    with pytest.raises(ValueError, match="joins: got 'glue', allowed restart"):
        extended(nodes, animation, joins="glue")


def test_too_little_memory_goes_one_by_one(nodes, animated, loaders, monkeypatch, caplog):
    animation = animated()
    expected = extended(nodes, animation, frames=15)[0].latents
    network = loaders.memory.unwrap(animation.animator.unet)
    forward, sizes = network.forward, []

    def tight(sample, *args, **kwargs):
        sizes.append(len(sample))
        if len(sample) > 1:
            raise loaders.memory.OutOfMemory("full")
        return forward(sample, *args, **kwargs)

    monkeypatch.setattr(network, "forward", tight)
    monkeypatch.setattr(loaders.memory, "fitting", lambda count, size: count)
    got = extended(nodes, animation, frames=15)[0].latents
    assert len([size for size in sizes if size > 1]) == 1 and "out of memory" in caplog.text
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("joins", ["restart", "crossfade"])
def test_several_devices_give_what_one_gives(nodes, animated, loaders, pipeline, monkeypatch, joins):
    animation = animated()
    expected = extended(nodes, animation, frames=24, joins=joins)[0].latents
    seen = set()
    monkeypatch.setattr(loaders.memory, "devices", lambda count: [torch.device("cpu")] * count)
    denoisers = pipeline.devices.denoisers
    monkeypatch.setattr(
        pipeline.devices,
        "denoisers",
        lambda animator, *rest, **more: (
            seen.add((id(loaders.memory.unwrap(animator.unet)), threading.get_ident()))
            or denoisers(animator, *rest, **more)
        ),
    )
    got = extended(nodes, animation, frames=24, joins=joins, devices=3)[0].latents
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
    networks, threads = map(set, zip(*seen, strict=True))
    assert len(seen) == len(networks) == len(threads) == 3, "each network in one thread of its own"


def test_devices_that_are_not_there_are_refused(nodes, animated):
    with pytest.raises(ValueError, match="devices: got 2, allowed 1..1: cpu"):
        extended(nodes, animated(), devices=2)


@pytest.mark.parametrize("joins", ["restart", "crossfade"])
def test_a_stopped_run_goes_on_where_it_was(nodes, animated, loaders, monkeypatch, joins):
    from comfy import model_management

    animation = animated()
    expected = extended(nodes, animation, frames=24, joins=joins)[0].latents
    network = loaders.memory.unwrap(animation.animator.unet)
    forward, passes = network.forward, []

    def counted(*args, **kwargs):
        passes.append(1)
        if len(passes) == 9:  # 1 + 4 windows of two passes each
            model_management.interrupt_current_processing()
        return forward(*args, **kwargs)

    monkeypatch.setattr(network, "forward", counted)
    with pytest.raises(model_management.InterruptProcessingException):
        extended(nodes, animation, frames=24, joins=joins)
    stopped = len(passes)
    longer, report = extended(nodes, animation, frames=24, joins=joins)
    assert torch.equal(longer.latents, expected)
    total = int(report.split(" evaluations")[0].split()[-1])
    assert "4 of them kept from the run that was stopped" in report
    assert len(passes) - stopped == 1 + 2 * (total - 1 - 4)
    assert "kept" not in extended(nodes, animation, frames=24, joins=joins)[1], "a finished run leaves nothing"


def test_other_settings_and_other_segments_do_not_go_on(animated):
    animation = animated()
    animation.unfinished.estimates((1,))["answer"] = 1
    assert animation.unfinished.estimates((1,)) == {"answer": 1}
    assert animation.longer(animation.latents, "").unfinished.estimates((1,)) == {"answer": 1}
    assert animation.unfinished.estimates((2,)) == {}
    assert animated().unfinished.estimates((2,)) == {}
    kept = weakref.ref(animation.unfinished)
    del animation
    gc.collect()
    assert kept() is None, "it goes with the segment"


def test_the_detail_of_a_padded_picture_comes_from_the_moment_of_its_place(
    nodes, loaders, pipeline, tiny_adapters, monkeypatch
):
    from driftfield.nodes.animate import AnimateImage, EncodeMotion

    animator = loaders.animator.load_animator("tiny", tiny_adapters["warped"], "auto")
    generator = torch.Generator().manual_seed(0)
    image, flow = torch.rand(1, 72, 72, 3, generator=generator), torch.randn(1, 2, 72, 72, generator=generator)
    motion = EncodeMotion.execute(animator, flow, 1.0).result[0]
    animation = AnimateImage.execute(animator, image, **(SETTINGS | {"frames": 12}), guidance=motion).result[0]
    longer = extended(nodes, animation, frames=40, joins="crossfade")[0]
    numbers = torch.arange(12.0).view(-1, 1, 1, 1).expand(-1, 3, 72, 72)
    monkeypatch.setattr(pipeline.frames, "backward_warped_still", lambda plan: numbers)
    monkeypatch.setattr(pipeline.frames, "restore_detail", lambda frames, own, amount, certain: own)
    times = torch.cat(list(pipeline.frames.frames_of(longer)))

    timeline, (top, _, left, _) = longer.timeline, longer.plan.still.padding
    offset = torch.nn.functional.interpolate(timeline.time_offset[:, None].float(), size=(128, 128), mode="bilinear")
    offset = offset[timeline.number[0], :, top : top + 72, left : left + 72].expand_as(times)
    one = timeline.weight == 0
    assert offset[one].unique().numel() > 2
    torch.testing.assert_close(times[one], (timeline.frame[0].view(-1, 1, 1, 1) + offset)[one])
