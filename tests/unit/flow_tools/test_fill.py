import numpy as np
import pytest
import torch

from driftfield.flow_tools.fill import filled, from_nearest, grown


def test_holes_take_the_nearest_pixel():
    frame = torch.arange(25.0).view(1, 5, 5)
    hole = torch.zeros(5, 5)
    hole[:, 3:] = 1
    closed = from_nearest(frame, hole)
    assert torch.equal(closed[..., :3], frame[..., :3])
    assert torch.equal(closed[..., 3:], frame[..., 2:3].expand(-1, -1, 2))
    assert torch.equal(from_nearest(frame, torch.ones(5, 5)), frame)
    assert torch.equal(from_nearest(frame, torch.zeros(5, 5)), frame)


def ramp(height=40, width=60):
    x, y = torch.arange(width).float(), torch.arange(height).float()[:, None]
    return torch.stack([x / width + 0 * y, 0 * x + y / height, (x - y) / 100]).unsqueeze(0)


def box(height=40, width=60):
    hole = torch.zeros(1, 1, height, width, dtype=torch.bool)
    hole[..., 10:25, 20:45] = True
    return hole


def test_a_hole_in_what_is_harmonic_is_filled_exactly():
    picture, hole = ramp(), box()
    torn = picture.masked_fill(hole, 5.0)
    torch.testing.assert_close(filled(torn, hole), picture, rtol=0, atol=1e-5)


def test_nothing_but_the_hole_changes():
    picture, hole = torch.randn(1, 3, 40, 60), box()
    assert torch.equal(filled(picture, hole).masked_fill(hole, 0), picture.masked_fill(hole, 0))
    assert torch.equal(filled(picture, torch.zeros_like(hole)), picture)
    assert torch.equal(filled(picture, torch.ones_like(hole)), picture)


def texture(height=96, width=128, seed=0):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def oval(height, width, share):
    """A hole of this share of the picture."""
    x, y = torch.arange(width) / width - 0.45, (torch.arange(height) / height - 0.55)[:, None]
    return (x**2 + y**2 < share / torch.pi)[None, None]


@pytest.mark.parametrize("period", [(12, 1), (1, 10), (8, 8), (14, 10)])
def test_a_pattern_goes_on_with_its_period(period):
    tile = texture(*period)
    pattern = tile.repeat(1, 1, 160 // period[0] + 1, 200 // period[1] + 1)[..., :160, :200]
    hole = oval(*pattern.shape[-2:], 0.06)
    torch.testing.assert_close(filled(pattern.masked_fill(hole, 1.0), hole), pattern, rtol=0, atol=1e-4)


def test_one_colour_stays_it():
    picture, hole = torch.full((1, 3, 64, 80), 0.3), oval(64, 80, 0.1)
    torch.testing.assert_close(filled(picture.masked_fill(hole, -1.0), hole), picture, rtol=0, atol=1e-6)


def test_grain_on_a_ramp_is_continued_and_the_ramp_stays():
    light = torch.linspace(-0.6, 0.6, 200).expand(1, 3, 160, 200)
    grain, hole = 0.1 * texture(160, 200), oval(160, 200, 0.05)
    closed = filled((light + grain).masked_fill(hole, 1.0), hole)
    inside = hole[0, 0]
    rest = (closed - light)[0][:, inside]
    assert rest.mean().abs() < 0.03 and rest.std() > 0.7 * grain.std(), "a smooth fill has no grain"
    columns = inside.nonzero()[:, 1]
    for side in (columns < columns.median(), columns > columns.median()):
        assert rest[:, side].mean().abs() < 0.04


def test_what_is_even_about_one_hole_is_filled_evenly_beside_texture():
    picture = texture(96, 192)
    picture[..., :96] = 0.2
    hole = torch.zeros(1, 1, 96, 192, dtype=torch.bool)
    hole[..., 40:56, 30:60] = hole[..., 40:56, 130:160] = True
    closed = filled(picture.masked_fill(hole, 1.0), hole)[0]
    assert (closed[:, 40:56, 30:60] - 0.2).abs().max() < 1e-6
    assert closed[:, 40:56, 130:160].std() > 0.5 * picture[..., 96:].std()


def test_the_same_again_and_whatever_the_hole_shows():
    picture, hole = texture(), oval(96, 128, 0.08)
    first = filled(picture.masked_fill(hole, 1.0), hole)
    assert torch.equal(first, filled(picture.masked_fill(hole, -1.0), hole))
    assert torch.equal(first, filled(picture, hole))


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (12, 200), (61, 47), (96, 128)])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.999])
def test_any_hole_is_filled_with_what_the_picture_has(size, share):
    picture = texture(*size)
    for hole in (oval(*size, share), texture(*size, seed=1)[:, :1] * 0.5 + 0.5 < share):
        closed = filled(picture, hole)
        assert closed.isfinite().all() and torch.equal(closed.masked_fill(hole, 0), picture.masked_fill(hole, 0))
        if not hole.all():
            known = picture[0][:, ~hole[0, 0]]
            spread = closed[0].flatten(1)
            assert (spread.amin(1) >= known.amin(1) - 1e-6).all() and (spread.amax(1) <= known.amax(1) + 1e-6).all()


def test_a_hole_reaches_beyond_its_mask_in_proportion():
    mask = torch.zeros(1, 1, 256, 256)
    mask[..., 100:150, 100:150] = 1
    hole = grown(mask)
    assert hole[0, 0, 125].nonzero().flatten().tolist() == [*range(97, 153)]
    assert grown(mask.repeat_interleave(2, -1).repeat_interleave(2, -2))[0, 0, 250].sum() == 100 + 12


def test_it_tells_how_far_it_is_and_stops_where_it_is_told_to():
    """After each share that it tells, a Cancel ends it."""
    picture, hole, shares = texture(), oval(96, 128, 0.3), []
    filled(picture, hole, shares.append)
    assert shares == sorted(shares) and shares[0] == 0 and 0.5 < shares[-1] <= 1
    assert len(shares) > 100 and max(np.diff(shares)) < 0.25

    class Stopped(Exception):
        pass

    def stop(share):
        told.append(share)
        if len(told) == at:
            raise Stopped

    for at in (1, len(shares) // 2, len(shares)):
        told = []
        with pytest.raises(Stopped):
            filled(picture, hole, stop)
        assert told == shares[:at]
