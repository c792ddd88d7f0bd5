"""Augmented views move as their fields say."""

import torch
from disc import SIZE, disc_flow

from driftfield.training.data import augmentation


def test_augmented_views_move_as_their_fields_say(monkeypatch):
    """Two frames of a smooth picture under one affine motion; the view of the second lies where the flow says."""
    monkeypatch.setattr(augmentation, "TURNED_FRACTION", 0.0)
    height, width = 48, 64
    y, x = torch.meshgrid(torch.arange(height) - 23.5, torch.arange(width) - 31.5, indexing="ij")
    flow = torch.stack([0.02 * x - 0.03 * y + 1.5, 0.03 * x + 0.01 * y - 0.7])
    ramp = torch.stack([x / 80, y / 80, (x + y) / 120])  # linear: bilinear sampling is exact
    moved = ramp - torch.stack([flow[0] / 80, flow[1] / 80, flow.sum(0) / 120])  # what comes to p, to first order
    generators = [torch.Generator().manual_seed(3) for _ in range(2)]
    many = (16, -1, -1, -1)
    monkeypatch.setattr(augmentation, "jittered", lambda images, draw: images)
    first, seen = augmentation.augment(ramp.expand(*many), flow.expand(*many), generators[0])
    second, _ = augmentation.augment(moved.expand(*many), flow.expand(*many), generators[1])
    slope_x, slope_y = first.diff(dim=-1)[..., :-1, :], first.diff(dim=-2)[..., :-1]
    change = slope_x * seen[:, :1, :-1, :-1] + slope_y * seen[:, 1:, :-1, :-1]
    torch.testing.assert_close((first - second)[..., 1:-2, 1:-2], change[..., 1:-1, 1:-1], atol=2e-4, rtol=0)
    assert {sign.item() for sign in slope_x[:, 0].mean((1, 2)).sign()} == {-1.0, 1.0}  # mirrored and not
    assert first.std(0).min() > 0 and first.abs().max() <= ramp.abs().max() + 1e-5  # from inside the frame


def test_fields_are_turned_as_a_whole(monkeypatch):
    flow, images = disc_flow().expand(50, -1, -1, -1), torch.zeros(50, 3, SIZE, SIZE)
    monkeypatch.setattr(augmentation, "TURNED_FRACTION", 0.0)
    _, plain = augmentation.augment(images, flow, torch.Generator().manual_seed(5))
    monkeypatch.setattr(augmentation, "TURNED_FRACTION", 1.0)
    _, turned = augmentation.augment(images, flow, torch.Generator().manual_seed(5))
    moves = plain.norm(dim=1) > 0.1
    ratio = turned.norm(dim=1) / plain.norm(dim=1).clamp_min(1e-6)
    speeds = torch.stack([part[there].median() for part, there in zip(ratio, moves, strict=True) if there.any()])
    assert 0.5 <= speeds.min() < 0.7 and 1.4 < speeds.max() <= 2
    assert torch.equal(turned.norm(dim=1) > 0, plain.norm(dim=1) > 0)
