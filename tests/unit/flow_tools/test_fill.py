import torch

from driftfield.flow_tools import fill
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


def test_a_large_hole_is_filled_as_a_small_one(monkeypatch):
    picture, hole = torch.rand(1, 3, 64, 96), torch.zeros(1, 1, 64, 96, dtype=torch.bool)
    hole[..., 8:60, 0:80] = True
    exact = filled(picture, hole)
    monkeypatch.setattr(fill, "SOLVED_AT_ONCE", 200)
    assert (filled(picture, hole) - exact).abs().max() < 0.02


def test_a_hole_reaches_beyond_its_mask_in_proportion():
    mask = torch.zeros(1, 1, 256, 256)
    mask[..., 100:150, 100:150] = 1
    hole = grown(mask)
    assert hole[0, 0, 125].nonzero().flatten().tolist() == [*range(97, 153)]
    assert grown(mask.repeat_interleave(2, -1).repeat_interleave(2, -2))[0, 0, 250].sum() == 100 + 12
