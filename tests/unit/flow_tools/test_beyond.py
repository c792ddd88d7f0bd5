import pytest
import torch
import torch.nn.functional as F

from driftfield.flow_tools.beyond import continued, margin_of
from driftfield.flow_tools.convention import crop_padding

MARGIN = (12, 20, 9, 31)
AROUND = (16, 16, 16, 16)


def texture(height=72, width=96, seed=0):
    generator = torch.Generator().manual_seed(seed)
    coarse = F.interpolate(torch.randn(1, 3, 6, 8, generator=generator), (height, width), mode="bicubic")
    return (0.3 * coarse + 0.15 * torch.randn(1, 3, height, width, generator=generator)).clamp(-1, 1)


def smooth(height=72, width=96):
    x, y = torch.arange(width) / width, torch.arange(height)[:, None] / height
    waves = [torch.sin(3 * x + 2 * y), torch.cos(4 * y - x), (x - y).expand(height, width)]
    return 0.7 * torch.stack(waves)[None]


def steps(picture):
    """The largest step from a pixel to the next, to the right and down."""
    return max(float(picture.diff(dim=dim).abs().max()) for dim in (-1, -2))


def test_the_picture_itself_stays():
    picture = texture()
    wide = continued(picture, MARGIN)
    assert wide.shape == (1, 3, 72 + 32, 96 + 40)
    assert torch.equal(crop_padding(wide, MARGIN), picture)
    assert continued(picture, (0, 0, 0, 0)) is picture


@pytest.mark.parametrize(("dim", "margin"), [(-1, (12, 20, 31, 9)), (-2, (20, 12, 9, 31))])
def test_a_flipped_picture_is_continued_as_a_flipped_one(dim, margin):
    picture = texture()
    flipped = continued(picture.flip(dim), margin).flip(dim)
    torch.testing.assert_close(flipped, continued(picture, MARGIN), atol=1e-4, rtol=0)


def test_what_is_smooth_goes_on_without_a_seam_at_borders_and_corners():
    wide = continued(smooth(), MARGIN)
    assert steps(wide) < 1.5 * steps(smooth())
    assert (wide.amax((2, 3)) <= smooth().amax((2, 3))).all() and (wide.amin((2, 3)) >= smooth().amin((2, 3))).all()


def test_an_even_picture_stays_even():
    torch.testing.assert_close(continued(torch.full((1, 3, 40, 50), 0.3), MARGIN), torch.full((1, 3, 72, 90), 0.3))


def test_texture_goes_on_as_strong_as_it_is_at_the_border_and_is_no_mirror_image():
    picture = texture(256, 256)
    wide = continued(picture, (0, 0, 0, 40))
    fine = wide - F.avg_pool2d(wide, 9, 1, 4, count_include_pad=False)
    inside, outside = fine[..., 20:-20, 220:252], fine[..., 20:-20, 260:292]
    assert 0.7 < outside.std() / inside.std() < 1.2
    mirrored = inside.flip(-1)
    likeness = (mirrored * outside).mean() / (mirrored.std() * outside.std())
    assert abs(likeness) < 0.2


def test_a_thing_inside_does_not_come_in_a_second_time():
    picture = smooth(256, 256)
    picture[..., 100:150, 170:220] = torch.tensor([1.0, -1.0, 1.0]).view(1, 3, 1, 1)  # 36 px from the border
    without = continued(smooth(256, 256), (0, 0, 0, 80))[..., 256:]
    torch.testing.assert_close(continued(picture, (0, 0, 0, 80))[..., 256:], without, atol=0.02, rtol=0)


def test_nothing_is_copied_out_of_a_hole():
    picture = texture(256, 256)
    hole = torch.zeros(1, 1, 256, 256, dtype=torch.bool)
    hole[..., :, 60:200] = True
    marked = torch.where(hole, torch.sin(torch.arange(256) * 1.5), picture)  # the finest stripes
    wide = continued(marked, (0, 0, 0, 30), hole)
    assert torch.equal(crop_padding(wide, (0, 0, 0, 30)), marked)
    column = wide[0, :, 20:-20, 256:].mean((0, 1))
    assert column.diff().abs().max() < 0.2 < continued(marked, (0, 0, 0, 30))[0, :, 20:-20, 256:].std()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (33, 1), (48, 100)])
def test_pictures_of_any_size_are_continued(size):
    wide = continued(torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0)), (1, 2, 3, 4))
    assert wide.shape[-2:] == (size[0] + 3, size[1] + 7) and wide.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_kind_of_numbers_stays(dtype):
    picture = texture().to(dtype)
    wide = continued(picture, MARGIN)
    assert wide.dtype == dtype and torch.equal(crop_padding(wide, MARGIN), picture)


def test_nothing_is_random_and_nothing_is_changed():
    picture, state = texture(), torch.get_rng_state()
    before = picture.clone()
    assert torch.equal(continued(picture, MARGIN), continued(picture, MARGIN))
    assert torch.equal(picture, before) and torch.equal(torch.get_rng_state(), state)


def test_the_margin_is_as_many_steps_as_the_displacement_looks_out():
    displacement = torch.zeros(3, 2, 20, 30)  # steps of 2.5 and 3.75 px
    assert margin_of(displacement) == (0, 0, 0, 0)
    displacement[1, 0, 4, 0] = -2.3
    displacement[2, 0, 4, 25] = 9
    displacement[2, 1, 19, 3] = 0.5
    assert margin_of(displacement) == (0, 3, 4, 8)
    displacement[2, 1, 0] = -1e-4  # less than rounding brings about
    assert margin_of(displacement) == (0, 3, 4, 8)
    assert margin_of(torch.full((1, 2, 20, 30), -1e4)) == (20, 0, 30, 0)
