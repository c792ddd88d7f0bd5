"""Things that move as things through all of the pipeline: what the network is shown, held to, and what comes out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from extending import timeline_of
from noise import randn
from tiny import FRAMES

from driftfield.flow_tools.arrows import Arrow, MotionArrows
from driftfield.flow_tools.convention import crop_padding
from driftfield.flow_tools.living import CALM_WATER, Living
from driftfield.flow_tools.motion import Motion
from driftfield.flow_tools.objects import Object

HEIGHT, WIDTH = 72, 96  # padded to 128 x 128
ROWS, COLUMNS = slice(20, 44), slice(16, 40)  # of the thing
AWAY = 24.0  # px that it moves right
LONG = 17


@pytest.fixture(scope="module")
def animator(warped):
    return warped


def picture():
    """Red on a grey ramp."""
    ramp = torch.linspace(-0.5, 0.5, HEIGHT)[:, None].expand(1, 3, HEIGHT, WIDTH).clone()
    ramp[0, :, ROWS, COLUMNS] = torch.tensor([0.9, -0.8, -0.8])[:, None, None]
    return ramp


def box_mask():
    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    mask[0, 0, ROWS, COLUMNS] = 1
    return mask


def arrow(**more):
    return Arrow("a", ((28 / WIDTH, 32 / HEIGHT), ((28 + AWAY) / WIDTH, 32 / HEIGHT)), **more)


def motion_of(*arrows, field=None, frames=FRAMES):
    field = torch.zeros(1, 2, HEIGHT, WIDTH) if field is None else field
    return Motion(field, frames, objects=(Object(box_mask(), arrows or (arrow(),)),))


@pytest.fixture
def planned(animator, pipeline):
    def run(motion, *, clean_plate=None, **changes):
        settings = pipeline.settings.Settings(seed=3, steps=3, **changes)
        encoded = pipeline.motion.encode_motion(animator, motion)
        return pipeline.plan.plan(animator, picture(), encoded, settings, clean_plate=clean_plate)

    return run


def reds(frames):
    """How many pixels' worth of the thing each frame shows, and its column: [m], [m]."""
    share = ((frames[:, 0] - frames[:, 1]) / 1.7).clamp(0, 1)
    column = torch.arange(frames.shape[-1]) + 0.5
    return share.sum((1, 2)), (share.sum(1) * column).sum(1) / share.sum((1, 2))


def test_the_segment_shows_the_thing_once_and_where_its_arrow_says(planned):
    plan = planned(motion_of())
    seen = plan.composition.segment()
    assert torch.equal(seen.pictures[0], plan.still.padded[0])
    area, column = reds(crop_padding(seen.pictures, plan.still.padding))
    torch.testing.assert_close(area, area[:1].expand_as(area), rtol=0.03, atol=0)
    torch.testing.assert_close(column, column[0] + AWAY * torch.linspace(0, 1, FRAMES), rtol=0, atol=0.3)


def test_the_network_is_shown_and_held_to_these_pictures(planned, animator, pipeline):
    plan = planned(motion_of(), control="dual clock + warped reference")
    seen = plan.composition.segment()
    noise = pipeline.plan.first_noise(plan.still, plan.settings)[0] * plan.settings.noise_aug_strength
    encode = pipeline.encode.encode_image
    assert torch.equal(plan.conditioning.reference, encode(animator, seen.pictures + noise))
    anchor, factor = plan.conditioning.anchor, animator.latent_factor
    moves, rests = (anchor.level == plan.control.strong), (anchor.level == plan.control.still)
    assert (
        anchor.target[moves[:, 0].nonzero()[0, 0]] == encode(animator, seen.pictures)[0] * animator.scaling_factor
    ).any()
    top, left = plan.still.padding[0], plan.still.padding[2]
    row, column = (top + 32) // factor, (left + 28) // factor
    assert moves[1, 0, row, column] and not moves[-1, 0, row, column] and not rests[-1, 0, row, column], "uncovered"
    assert moves[-1, 0, row, (left + 28 + int(AWAY)) // factor]
    assert rests[:, 0, 0].all() and rests[:, 0, :, -1].all()


def test_a_thing_that_its_pins_hold_rests_while_what_is_behind_it_moves(planned):
    field = torch.zeros(1, 2, HEIGHT, WIDTH)
    field[:, 0] = 2.0
    pin = Arrow("p", ((28 / WIDTH, 32 / HEIGHT),))
    plan = planned(motion_of(pin, field=field))
    seen = plan.composition.segment()
    area, column = reds(crop_padding(seen.pictures, plan.still.padding))
    torch.testing.assert_close(column, column[:1].expand_as(column), rtol=0, atol=0.3)
    top, left = plan.still.padding[0], plan.still.padding[2]
    assert seen.moving[-1, 0, top + 32, left + 28] == 0 and seen.moving[-1, 0, top + 32, left + 70] == 1


def test_a_thing_that_its_pins_hold_is_the_still_itself_until_another_passes(animator, pipeline):
    pin = Arrow("p", ((28 / WIDTH, 32 / HEIGHT),))
    still = pipeline.plan.prepare_still((picture() + 0.05 * randn(1, 3, HEIGHT, WIDTH)).clamp(-1, 1))
    held = Motion(torch.zeros(1, 2, HEIGHT, WIDTH), FRAMES, objects=(Object(box_mask(), (pin,)),))
    seen = pipeline.composition.take_apart(still, held, frames=FRAMES, loop=False).segment()
    torch.testing.assert_close(seen.pictures, still.padded.expand(FRAMES, -1, -1, -1), rtol=0, atol=1e-6)

    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    mask[..., 56:68, 16:40] = 1
    passing = Object(mask, (Arrow("a", ((0.3, 62 / HEIGHT), (0.3, 32 / HEIGHT))),))
    both = replace(held, objects=(*held.objects, passing))
    seen = pipeline.composition.take_apart(still, both, frames=FRAMES, loop=False).segment()
    shown = crop_padding(seen.pictures, still.padding)
    torch.testing.assert_close(shown[1, :, :36], still.image[0, :, :36], rtol=0, atol=1e-6)
    assert (shown[-1, :, 28:36, 18:38] - still.image[0, :, 28:36, 18:38]).abs().max() > 0.5


def test_what_hardly_moves_or_lives_hardly_changes_a_thing_that_stands(pipeline):
    noise = 0.3 * randn(1, 3, HEIGHT, WIDTH)
    still = pipeline.plan.prepare_still((picture() + noise).clamp(-1, 1))
    pin, slow = Arrow("p", ((28 / WIDTH, 32 / HEIGHT),)), arrow(strength=1e-3)
    region = torch.ones(1, 1, HEIGHT, WIDTH)
    for motion in (
        motion_of(pin, field=torch.full((1, 2, HEIGHT, WIDTH), 2e-4)),
        motion_of(slow),
        replace(motion_of(pin), living=(Living(1e-3 * region, CALM_WATER, 1),)),
    ):
        seen = pipeline.composition.take_apart(still, motion, frames=FRAMES, loop=False).segment()
        assert (seen.pictures - still.padded).abs().max() < 0.06


def test_without_objects_nothing_is_taken_apart(planned):
    field = torch.ones(1, 2, HEIGHT, WIDTH)
    assert planned(Motion(field)).composition is None
    still = planned(Motion(field)).conditioning.reference
    assert torch.equal(still, planned(replace(motion_of(field=field), objects=())).conditioning.reference)


def test_the_motion_encoder_gets_the_wide_field_and_the_strength_the_exact_one(planned):
    plan = planned(motion_of())
    wide, exact = plan.motion.motion.flow(wide=True), plan.motion.motion.flow()
    step = AWAY / (FRAMES - 1)
    assert exact[0, 0, 32, 28] == pytest.approx(step) and exact[0, 0, 32, 60] == 0
    assert wide[0, 0, 32, 28] == pytest.approx(step) and 0 < wide[0, 0, 32, 45] < step
    assert [level.shape[1] for level in plan.motion.maps] == [FRAMES - 1] * len(plan.motion.maps)
    assert f"motion strength {100 * float(exact.abs().mean()) * 512 / WIDTH:.0f} %" in plan.report


def test_more_frames_than_the_arrows_have_go_on_and_are_warned_of(planned):
    plan = planned(motion_of(), frames=FRAMES + 4)
    assert [level.shape[1] for level in plan.motion.maps] == [FRAMES + 3] * len(plan.motion.maps)
    assert f"the arrows reach their heads in {FRAMES} frames" in plan.report
    _, column = reds(crop_padding(plan.composition.segment().pictures, plan.still.padding))
    assert column[-1] - column[0] == pytest.approx(AWAY * (FRAMES + 3) / (FRAMES - 1), abs=0.5)


def test_a_loop_sways(planned):
    plan = planned(motion_of(), loop=True)
    _, column = reds(crop_padding(plan.composition.segment().pictures, plan.still.padding))
    way = (1 - np.cos(2 * np.pi * np.arange(FRAMES) / FRAMES)) / 2
    np.testing.assert_allclose(column - column[0], AWAY * way, atol=0.3)


def test_an_image_of_another_size_moves_alike(planned, animator, pipeline):
    half = Motion(torch.zeros(1, 2, HEIGHT // 2, WIDTH // 2), FRAMES, objects=motion_of().objects)
    same = planned(half).composition.segment().pictures
    torch.testing.assert_close(same, planned(motion_of()).composition.segment().pictures)


def test_a_clean_plate_shows_where_the_thing_was(planned):
    clean = torch.full((1, 3, HEIGHT, WIDTH), 0.25)
    plan = planned(motion_of(), clean_plate=clean)
    last = crop_padding(plan.composition.segment().pictures[-1:], plan.still.padding)
    torch.testing.assert_close(last[0, :, 32, 20], torch.full((3,), 0.25))
    with pytest.raises(ValueError, match="clean_plate: got 9×8 px, allowed the image's 96×72"):
        planned(motion_of(), clean_plate=torch.zeros(1, 3, 8, 9))


def test_a_clean_plate_without_objects_is_warned_of(planned):
    plan = planned(Motion(torch.ones(1, 2, HEIGHT, WIDTH)), clean_plate=torch.zeros(1, 3, 9, 8))
    assert plan.warnings == ("nothing moves as a thing, so clean_plate is not used",)


def test_only_as_many_fields_as_a_segment_has_are_encoded(planned, animator, pipeline):
    encoded = pipeline.motion.encode_motion(animator, motion_of(frames=900))
    assert [level.shape[1] for level in encoded.maps] == [FRAMES - 1] * len(encoded.maps)
    longer = planned(motion_of(frames=900), frames=FRAMES + 4).motion
    assert [level.shape[1] for level in longer.maps] == [FRAMES + 3] * len(longer.maps)


def test_the_flow_behind_in_a_long_video_has_the_timeline_of_the_latents(planned, pipeline):
    field = torch.randn(FRAMES - 1, 2, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    plan = planned(motion_of(arrow(strength=0.0), field=field))
    timeline = timeline_of("crossfade", LONG, side=16)
    timeline = replace(
        timeline, time_offset=(torch.arange(16 * 16).view(1, 16, 16) % 2).expand_as(timeline.time_offset)
    )
    timeline = replace(timeline, frame=timeline.frame.clamp(max=FRAMES - 2))
    maps = timeline.mean(padded(torch.cat([field, field[-1:]])), 2, 8)
    found = plan.composition.flow(timeline, 2, 9)
    outside = crop_padding(maps, plan.still.padding)[..., -10:]  # far from the thing
    torch.testing.assert_close(found.cpu()[..., -10:], outside, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def animation(animator, pipeline):
    settings = pipeline.settings.Settings(seed=3, steps=3)
    return pipeline.animate_still.animate_still(animator, picture(), motion_of(), settings)


def test_frames_show_the_thing_itself(animation, pipeline):
    frames = torch.cat(list(pipeline.frames.frames_of(animation)))
    plan = animation.plan
    seen = plan.composition.segment()
    own, things = (crop_padding(x, plan.still.padding) for x in (seen.pictures, seen.things))
    on = (things > 0).expand_as(frames)
    torch.testing.assert_close(frames[on], own[on])
    assert not torch.equal(torch.cat(list(pipeline.frames.frames_of(animation, detail=0.0)))[on], own[on])


@pytest.mark.parametrize("joins", ["restart", "offset windows", "crossfade", "loop", "ping-pong"])
def test_no_frame_of_a_long_video_shows_a_thing_twice(animation, pipeline, joins):
    settings = pipeline.settings.ExtendSettings(LONG, gamma=0.5, seed=7, joins=joins)
    longer = pipeline.extend.extend_animation(animation, settings)
    frames = torch.cat(list(pipeline.frames.frames_of(longer)))
    assert len(frames) == LONG and frames.isfinite().all()
    composition, timeline = longer.plan.composition, longer.timeline
    seen = composition.part(composition.background(), timeline, 0, LONG)
    area, column = reds(crop_padding(seen.pictures, longer.plan.still.padding))
    torch.testing.assert_close(area, area[:1].expand_as(area), rtol=0.03, atol=0)
    torch.testing.assert_close(
        column - column[0], (AWAY * timeline.clock[:LONG] / (FRAMES - 1)).float(), rtol=0, atol=0.3
    )
    if joins in ("crossfade", "loop", "ping-pong"):
        assert column.diff().abs().max() <= AWAY / (FRAMES - 1) + 0.3, "no jump"
    on = (crop_padding(seen.things, longer.plan.still.padding) > 0).expand_as(frames)
    torch.testing.assert_close(frames[on], crop_padding(seen.pictures, longer.plan.still.padding)[on])


def test_what_sways_keeps_its_own_period_in_a_long_video(planned, animation, pipeline):
    plan = planned(motion_of(arrow(timing="sway")))
    timeline = timeline_of("crossfade", LONG, side=16)
    seen = plan.composition.part(plan.composition.background(), timeline, 0, LONG)
    _, column = reds(crop_padding(seen.pictures, plan.still.padding))
    way = (1 - np.cos(2 * np.pi * np.arange(LONG) / FRAMES)) / 2
    np.testing.assert_allclose(column - column[0], AWAY * way, atol=0.3)


def test_windows_see_what_is_there_in_their_frames(animation, animator, pipeline):
    timeline = timeline_of("crossfade", LONG, side=16)
    along = pipeline.along.along_timeline(animator, animation.plan, timeline)
    windows, scale = along.windows([0, 7])
    assert windows.reference.shape == (2, FRAMES, *animation.latents.shape[1:]) and scale.shape == (2, FRAMES)
    torch.testing.assert_close(windows.reference[0, :3], animation.plan.conditioning.reference[:3])
    flow = animation.plan.composition.flow(timeline, 7, 7 + FRAMES)
    for level, whole in zip(
        windows.motion, pipeline.encode.motion_maps(animator, padded(flow).half().float()), strict=True
    ):
        torch.testing.assert_close(level[1, :-1], whole[0])
    estimate = torch.zeros(LONG - 2, *animation.latents.shape[1:])
    placed = along.place(estimate)
    changed = (placed != 0).any(1, keepdim=True)
    assert torch.equal(changed, along.touched[2:] & changed) and changed.any((1, 2, 3)).all()


def padded(flow):
    from driftfield.flow_tools.convention import pad_to_multiple
    from driftfield.pipeline.still import PAD

    return pad_to_multiple(flow, PAD)[0]


def test_clips_chained_by_their_last_frames_are_refused(animation, pipeline):
    settings = pipeline.settings.BaselineSettings(LONG, method="Direct")
    with pytest.raises(ValueError, match="method: got 'Direct' and objects that move"):
        pipeline.baselines.lengthen(animation, settings)


def test_the_arrows_text_says_it_all(animator, pipeline):
    arrows = MotionArrows((replace(arrow(), object=1),), WIDTH, HEIGHT, objects=(box_mask(),))
    motion = pipeline.animate_still.motion_of_arrows(arrows, frames=FRAMES)
    assert torch.equal(motion.flow(), motion_of().flow()) and not motion.field.any()


def test_the_fill_moves_the_bar_and_stops_at_cancel(pipeline, monkeypatch):
    import comfy.utils
    from comfy import model_management

    from driftfield.pipeline.composition import take_apart
    from driftfield.pipeline.still import prepare_still

    noise = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) * 2 - 1
    seen = []

    def bar(value, total, *_, **more):
        seen.append(value / total)
        if len(seen) == stop_at:
            model_management.interrupt_current_processing()

    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", bar)
    stop_at = None
    take_apart(prepare_still(noise), motion_of(), frames=FRAMES, loop=False)
    assert seen == sorted(set(seen)) and 0 < seen[0] and seen[-1] <= 1
    stop_at, seen = 1, []
    with pytest.raises(model_management.InterruptProcessingException):
        take_apart(prepare_still(noise), motion_of(), frames=FRAMES, loop=False)
    assert len(seen) == 1
