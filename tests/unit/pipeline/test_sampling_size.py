"""A picture sampled smaller than it is: what the network sees, and the frames of the picture's size."""

import math
from dataclasses import replace

import pytest
import torch
from tiny import FRAMES

from driftfield.flow_tools.motion import Motion
from driftfield.flow_tools.objects import Object

HEIGHT, WIDTH = 96, 150  # padded to 128 x 192
SMALL, SHAPE = 64, (48, 80)  # of the padded picture, in units of 16
LONG = 12


@pytest.fixture(scope="module")
def animator(warped):
    return warped


@pytest.fixture(scope="module")
def picture():
    return torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8


@pytest.fixture(scope="module")
def sampled(animator, pipeline, picture):
    """An animation of the picture, its right half moving or a thing on its left, and frames of it."""

    def run(size, *, thing=False, extension=None, **changes):
        field = torch.zeros(1, 2, HEIGHT, WIDTH)
        field[..., WIDTH // 2 :] = torch.tensor([3.0, -1.0]).view(1, 2, 1, 1)
        settings = pipeline.settings.Settings(seed=3, steps=2, sampling_size=size, **changes)
        motion = Motion(field, FRAMES, objects=things() if thing else ())
        return pipeline.animate_still.animate_still(animator, picture, motion, settings, extension)

    return run


def things():
    from driftfield.flow_tools.arrows import Arrow

    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    mask[..., 30:60, 20:50] = 1
    return (Object(mask, (Arrow("a", ((0.2, 0.5), (0.4, 0.5))),)),)


@pytest.fixture(scope="module")
def small(sampled):
    return sampled(SMALL)


@pytest.mark.parametrize(
    ("height", "width", "longer", "expected"),
    [
        (576, 1024, 256, (160, 288)),
        (512, 512, 256, (256, 256)),
        (768, 1024, 256, (192, 256)),
        (512, 1216, 256, (128, 320)),
        (256, 256, 256, (256, 256)),
        (192, 256, 300, (192, 256)),  # no larger than the picture
    ],
)
def test_the_network_sees_about_so_much(pipeline, height, width, longer, expected):
    from driftfield.pipeline.still import sampled_size

    assert sampled_size(height, width, longer, 32) == expected
    assert sampled_size(width, height, longer, 32) == expected[::-1]


def test_of_any_picture_it_sees_whole_units_in_nearly_the_pictures_shape():
    from driftfield.pipeline.still import WIDER, sampled_size

    for height in range(320, 2048, 64):
        for width in range(320, 3 * height, 64):
            if height > 3 * width:
                continue
            rows, columns = sampled_size(height, width, 256, 32)
            assert rows % 32 == columns % 32 == 0
            assert 256 <= max(rows, columns) <= 256 * WIDER
            assert abs(math.log(columns / rows * height / width)) < math.log(1.07)


def test_what_is_sampled_small_has_the_pictures_size_and_begins_with_it(small, picture, pipeline):
    assert small.plan.still.sampled == SHAPE and small.latents.shape[-2:] == (SHAPE[0] // 8, SHAPE[1] // 8)
    assert small.size == (HEIGHT, WIDTH) and "sampled at 80×48" in small.report
    frames = torch.cat([*pipeline.frames.frames_of(small)])
    assert frames.shape == (FRAMES, 3, HEIGHT, WIDTH) and frames.isfinite().all()
    torch.testing.assert_close(frames[:1], picture, atol=1e-6, rtol=0)


def test_where_the_latents_are_the_references_the_frames_are_the_stills_own(small, pipeline):
    near = replace(small, latents=small.reference)
    own, _ = pipeline.frames.pictures_of_still(near)(0, FRAMES)
    expected = pipeline.frames.crop_padding(own, near.plan.still.padding)
    frames = torch.cat([*pipeline.frames.frames_of(near)])
    torch.testing.assert_close(frames, expected, atol=1e-5, rtol=0)


def test_mirrored_it_is_finished_mirrored(small, pipeline):
    shown = pipeline.frames.pictures_of_still(small)
    decoded = torch.rand(FRAMES, 3, *SHAPE, generator=torch.Generator().manual_seed(1)) - 0.5
    other = replace(small, latents=small.latents.flip(-1), reference=small.reference.flip(-1))
    finish = pipeline.frames.enlarged
    frames = finish(small, decoded, 0, 1.0, shown)
    mirrored = finish(other, decoded.flip(-1), 0, 1.0, lambda *of: tuple(x.flip(-1) for x in shown(*of)))
    torch.testing.assert_close(mirrored.flip(-1), frames, atol=1e-5, rtol=0)


def test_at_the_pictures_own_size_nothing_changes(sampled, pipeline):
    whole, large = sampled(0), sampled(192)
    assert large.plan.still.sampled == (128, 192) and not large.plan.still.shrinks and whole.report == large.report
    assert torch.equal(whole.latents, large.latents)
    assert torch.equal(*(torch.cat([*pipeline.frames.frames_of(made)]) for made in (whole, large)))


@pytest.mark.parametrize(("joins", "thing"), [("crossfade", False), ("crossfade", True), ("restart", True)])
def test_a_long_video_is_finished_along_its_timeline(sampled, pipeline, picture, joins, thing):
    extension = pipeline.settings.ExtendSettings(LONG, gamma=0.5, joins=joins)
    made = sampled(SMALL, thing=thing, extension=extension)
    assert made.reference.shape == made.latents.shape and made.latents.shape[-2:] == (SHAPE[0] // 8, SHAPE[1] // 8)
    frames = torch.cat([*pipeline.frames.frames_of(replace(made, latents=made.reference))])
    own, _ = pipeline.frames.pictures_of_still(made)(0, LONG)
    expected = pipeline.frames.crop_padding(own, made.plan.still.padding)
    torch.testing.assert_close(frames, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(frames[:1], picture, atol=1e-5, rtol=0)


def test_where_the_flow_rests_the_small_network_is_held_to_the_still(small, picture, pipeline):
    encoded = pipeline.encode.encode_image(small.animator, small.plan.still.shrunk(small.plan.still.padded))
    encoded = (encoded * small.animator.scaling_factor).expand_as(small.latents)
    rests = (small.plan.conditioning.anchor.level == 0).expand_as(encoded)
    assert 0.2 < rests.float().mean() < 0.8
    torch.testing.assert_close(small.latents[rests], encoded[rests], atol=1e-4, rtol=0)


def test_automatic_is_the_built_in_models_and_nothing_is_shrunk_without_motion(animator, pipeline, picture):
    Settings, plan = pipeline.settings.Settings, pipeline.plan
    assert plan.network_size(replace(animator, name="built-in", size=256), Settings(sampling_size=-1)) == 256
    assert plan.network_size(animator, Settings(sampling_size=-1)) == 0 == plan.network_size(animator, Settings())
    made = plan.plan(animator, picture, None, Settings(steps=2, sampling_size=SMALL))
    assert not made.still.shrinks and "sampling_size is not used" in made.report


def test_what_cannot_be_is_refused_by_name(sampled, pipeline):
    for size in (-2, 10):
        with pytest.raises(ValueError, match=f"sampling_size: got {size}, allowed -1"):
            sampled(size)


def test_other_methods_refuse_what_was_sampled_small(small, pipeline):
    with pytest.raises(ValueError, match="sampled at 80×48, smaller than its image, allowed"):
        pipeline.baselines.lengthen(small, pipeline.settings.BaselineSettings(LONG))


def test_a_large_field_is_encoded_once_and_as_it_would_have_been(animator, pipeline, picture):
    builtin, field = replace(animator, name="built-in", size=64), torch.ones(1, 2, HEIGHT, WIDTH)
    later = pipeline.motion.encode_motion(builtin, Motion(field))
    at_once = pipeline.motion.encode_motion(animator, Motion(field))
    assert later.maps is None and at_once.maps is not None
    for longer in (0, SMALL):
        still = pipeline.plan.prepare_still(picture, longer=longer, unit=16)
        fitted, expected = (pipeline.motion.fit_motion(one, builtin, still, FRAMES) for one in (later, at_once))
        assert len(fitted.maps) == len(expected.maps) > 0
        assert all(map(torch.equal, fitted.maps, expected.maps))
