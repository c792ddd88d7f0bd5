"""Regions that live, through all of the pipeline: what the network is shown, held to, and what comes out."""

import gc
from dataclasses import replace

import numpy as np
import pytest
import torch
from extending import timeline_of
from tiny import FRAMES

from driftfield.flow_tools.arrows import Arrow
from driftfield.flow_tools.convention import crop_padding
from driftfield.flow_tools.living import LEAVES, RUNNING_WATER, Living, plates
from driftfield.flow_tools.motion import Motion
from driftfield.flow_tools.objects import Object

HEIGHT, WIDTH = 72, 96  # padded to 128 x 128
SHORE = 30  # the rows above it are land
LONG = 17


@pytest.fixture(scope="module")
def animator(warped):
    return warped


def picture():
    noise = torch.rand(1, 3, HEIGHT // 3, WIDTH // 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return torch.nn.functional.interpolate(noise, size=(HEIGHT, WIDTH), mode="bilinear")


def water(kind=RUNNING_WATER, seed=5):
    region = torch.zeros(1, 1, HEIGHT, WIDTH)
    region[..., SHORE:, :] = 1
    return Living(region, kind, seed)


def motion_of(*living, x=0.0, frames=FRAMES, objects=()):
    field = torch.zeros(1, 2, HEIGHT, WIDTH)
    field[:, 0, SHORE:] = x
    return Motion(field, frames, objects=objects, living=living)


def boat(row=50):
    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    mask[..., row - 6 : row + 6, 10:30] = 1
    return Object(mask, (Arrow("a", ((20 / WIDTH, row / HEIGHT), (60 / WIDTH, row / HEIGHT))),))


@pytest.fixture
def planned(animator, pipeline):
    def run(motion, **changes):
        settings = pipeline.settings.Settings(seed=3, steps=3, **changes)
        return pipeline.plan.plan(animator, picture(), pipeline.motion.encode_motion(animator, motion), settings)

    return run


def own(plan, x):
    return crop_padding(x, plan.still.padding)


def test_the_segment_shows_the_region_alive_and_the_rest_at_rest(planned):
    plan = planned(motion_of(water()))
    seen = plan.composition.segment()
    assert torch.equal(seen.pictures[0], plan.still.padded[0])
    frames = own(plan, seen.pictures)
    assert torch.equal(frames[:, :, :SHORE], picture().expand(FRAMES, -1, -1, -1)[:, :, :SHORE])
    colours, share = plates(picture(), [water()], torch.zeros(1, 2, HEIGHT, WIDTH), FRAMES)
    torch.testing.assert_close(frames, colours + picture() * (1 - share), atol=1e-5, rtol=0)
    assert (frames[4, :, 45:] - frames[0, :, 45:]).abs().mean() > 0.02


def test_the_network_is_shown_and_held_to_these_pictures(planned, animator, pipeline):
    plan = planned(motion_of(water()), control="dual clock + warped reference")
    seen = plan.composition.segment()
    noise = pipeline.plan.first_noise(plan.still, plan.settings)[0] * plan.settings.noise_aug_strength
    assert torch.equal(plan.conditioning.reference, pipeline.encode.encode_image(animator, seen.pictures + noise))
    level, factor = plan.conditioning.anchor.level, animator.latent_factor
    row = (plan.still.padding[0] + 55) // factor
    assert (level[:, 0, row] == plan.control.strong).all(), "water is held as what moves is"
    assert (level[:, 0, 0] == plan.control.still).all(), "land as what rests is"
    assert not own(plan, seen.uncovered).any() and own(plan, seen.moving)[..., SHORE + 2 :, :].all()


def test_the_strength_counts_what_lives_and_the_motion_encoder_does_not(planned):
    calm, alive = planned(motion_of(x=0.5)), planned(motion_of(water(), x=0.5))
    assert alive.conditioning.strength_percent > calm.conditioning.strength_percent
    assert all(torch.equal(a, b) for a, b in zip(alive.conditioning.motion, calm.conditioning.motion, strict=True))


def test_a_region_alone_moves_and_nothing_is_doubted(planned):
    plan = planned(motion_of(water(), frames=None))
    assert not plan.warnings and plan.composition is not None
    assert "motion strength 0 %" not in plan.report


def test_the_preview_and_the_animation_share_what_lives(planned, pipeline):
    motion = motion_of(water())
    known = planned(motion).composition.alive
    previewed = pipeline.composition.moved_still(picture(), motion)
    assert planned(motion_of(water())).composition.alive is known
    assert torch.equal(own(planned(motion), planned(motion).composition.segment().pictures), previewed)
    for other in (motion_of(water(seed=6)), motion_of(water(), x=0.5), motion_of(water(LEAVES))):
        assert not torch.equal(planned(other).composition.alive, known)


def test_what_lives_is_forgotten_with_the_motion(planned, pipeline):
    alone = water(seed=78)
    planned(motion_of(alone))
    assert pipeline.composition._last_alive
    del alone
    gc.collect()
    assert not pipeline.composition._last_alive


def test_cancel_stops_between_the_frames_of_what_lives(pipeline):
    import comfy.model_management as management

    management.interrupt_current_processing(True)
    with pytest.raises(management.InterruptProcessingException):
        pipeline.composition.alive_once(picture(), (water(seed=77),), torch.zeros(1, 2, HEIGHT, WIDTH), FRAMES)


def test_an_image_of_another_size_lives_alike(planned):
    small = Motion(torch.zeros(1, 2, HEIGHT // 2, WIDTH // 2), FRAMES, living=(water(),))
    same = planned(small).composition.segment().pictures
    torch.testing.assert_close(same, planned(motion_of(water())).composition.segment().pictures)


def test_objects_move_over_living_water(planned):
    plan = planned(motion_of(water(), objects=(boat(),)))
    seen = plan.composition.segment()
    alone = planned(motion_of(objects=(boat(),))).composition.segment()
    on = own(plan, seen.things) == 1
    assert on.any()
    torch.testing.assert_close(
        own(plan, seen.pictures)[on.expand(-1, 3, -1, -1)], own(plan, alone.pictures)[on.expand(-1, 3, -1, -1)]
    )
    assert torch.equal(seen.things, alone.things)
    torch.testing.assert_close(plan.motion.motion.flow(wide=True), motion_of(objects=(boat(),)).flow(wide=True))


def test_a_living_region_behind_is_made_of_the_filled_plate(planned):
    plan = planned(motion_of(water(), objects=(boat(),)))
    colours, share = plates(plan.composition.layers.plate, [water()], torch.zeros(1, 2, HEIGHT, WIDTH), FRAMES)
    torch.testing.assert_close(plan.composition.alive, colours)
    torch.testing.assert_close(plan.composition.lives, share)


@pytest.fixture(scope="module")
def animation(animator, pipeline):
    settings = pipeline.settings.Settings(seed=3, steps=3)
    return pipeline.animate_still.animate_still(animator, picture(), motion_of(water(), x=0.5), settings)


def test_frames_get_the_detail_of_what_lives(animation, pipeline):
    frames = torch.cat(list(pipeline.frames.frames_of(animation)))
    seen = own(animation.plan, animation.plan.composition.segment().pictures)
    raw = torch.cat(list(pipeline.frames.frames_of(animation, detail=0.0)))
    assert (frames - seen).abs().mean() < (raw - seen).abs().mean()


@pytest.mark.parametrize("joins", ["restart", "offset windows", "crossfade", "loop", "ping-pong"])
def test_a_long_video_lives_on_at_its_own_clock(animation, pipeline, joins):
    settings = pipeline.settings.ExtendSettings(LONG, gamma=0.5, seed=7, joins=joins)
    longer = pipeline.extend.extend_animation(animation, settings)
    frames = torch.cat(list(pipeline.frames.frames_of(longer)))
    assert len(frames) == LONG and frames.isfinite().all()
    composition = longer.plan.composition
    seen = own(longer.plan, composition.part(composition.background(), longer.timeline, 0, LONG).pictures)
    alive = composition.alive[np.arange(LONG) % FRAMES]
    deep = composition.lives.expand_as(seen) == 1
    torch.testing.assert_close(seen[deep], alive[deep], atol=1e-5, rtol=0)


def test_windows_begin_with_what_lives(animation, animator, pipeline):
    timeline = timeline_of("crossfade", LONG, side=16)
    along = pipeline.along.along_timeline(animator, animation.plan, timeline)
    windows, _ = along.windows([0, 7])
    torch.testing.assert_close(windows.reference[0, :3], animation.plan.conditioning.reference[:3])
    assert [level.shape[1] for level in windows.motion] == [1] * len(windows.motion), "one flow for all frames"
    row = (animation.plan.still.padding[0] + 55) // animator.latent_factor
    assert along.touched[:, 0, row].all() and not along.touched[:, 0, 0].any()


def test_leaves_sway_without_a_flow(planned):
    plan = planned(motion_of(water(LEAVES), frames=None))
    frames = own(plan, plan.composition.segment().pictures)
    assert (frames[2, :, 45:] - frames[0, :, 45:]).abs().mean() > 0.01


def test_nothing_that_lives_changes_nothing(planned):
    motion = motion_of(x=0.5)
    assert planned(motion).composition is None
    with_things = planned(motion_of(x=0.5, objects=(boat(),))).composition
    empty = replace(with_things, alive=torch.zeros_like(with_things.alive), lives=torch.zeros_like(with_things.lives))
    assert torch.equal(with_things.segment().pictures, empty.segment().pictures)


def test_clips_chained_by_their_last_frames_live_on(animation, pipeline):
    settings = pipeline.settings.BaselineSettings(LONG, method="Direct")
    assert len(pipeline.baselines.lengthen(animation, settings).latents) == LONG


def test_the_other_methods_let_it_live_too(animation, pipeline):
    settings = pipeline.settings.BaselineSettings(LONG, method="FreeNoise")
    assert pipeline.baselines.lengthen(animation, settings).latents.isfinite().all()
