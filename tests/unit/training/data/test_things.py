"""Things found in stills, and scenes of them."""

import pytest
import torch

from driftfield.training.data.things import LARGEST, SMALLEST, Things, find_things, render_things

SIDE, SIZE = 96, 64


def still(x: int, y: int, radius: int = 14) -> torch.Tensor:
    """A red disc on blue, uint8 [3, SIDE, SIDE]."""
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    inside = ((columns - x) ** 2 + (rows - y) ** 2 < radius**2).expand(3, -1, -1)
    colours = torch.tensor([[220, 30, 20], [20, 60, 200]], dtype=torch.uint8)
    return torch.where(inside, colours[0, :, None, None], colours[1, :, None, None])


@pytest.fixture(scope="module")
def things() -> Things:
    return find_things([still(48, 48), torch.full((3, SIDE, SIDE), 90, dtype=torch.uint8), still(30, 66)])


def test_a_disc_is_found_once_and_an_even_still_has_nothing(things):
    assert things.still.tolist() == [0, 2] and things.masks.shape == (2, SIDE, SIDE)
    torch.testing.assert_close(things.middle, torch.tensor([[48.5, 48.5], [30.5, 66.5]]), atol=1.5, rtol=0)
    assert things.extent.tolist() == pytest.approx([27, 27], abs=4)
    shares = (things.masks > 127).float().mean((1, 2))
    assert (shares > SMALLEST).all() and (shares < LARGEST).all()
    none = find_things([torch.full((3, SIDE, SIDE), 90, dtype=torch.uint8)])
    assert len(none.still) == 0 and none.masks.shape[0] == 0


def test_what_moves_in_a_scene_is_a_thing(things):
    images, flow = render_things(things, 60, SIZE, torch.Generator().manual_seed(0))
    assert images.shape == (60, 3, SIZE, SIZE) and images.abs().max() <= 1 and flow.isfinite().all()
    again = render_things(things, 60, SIZE, torch.Generator().manual_seed(0))
    assert torch.equal(images, again[0]) and torch.equal(flow, again[1])
    moves = flow.norm(dim=1) > 0
    red = images[:, 0] > images[:, 2]
    assert (red[moves]).float().mean() > 0.9  # soft edges apart
    shares = moves.float().mean((1, 2))
    assert (shares > 0).float().mean() > 0.9 and shares.max() < 0.7
    still_red = (red & ~moves).flatten(1).any(1).float().mean()
    assert still_red > 0.2  # things at rest, and the stills' own


def test_a_thing_travels_or_turns(things):
    """A turning one's velocity is J(p − c) w, whose spatial gradient is [[0, −w], [w, 0]]."""
    _, flow = render_things(things, 80, SIZE, torch.Generator().manual_seed(1))
    turning = 0
    for field in flow:
        inside = torch.nn.functional.max_pool2d(-(field.norm(dim=0) > 0).float()[None], 5, 1, 2)[0] == -1
        if not inside.any():
            continue
        dx, dy = (torch.gradient(field, dim=axis)[0][:, inside] for axis in (2, 1))
        if dx.abs().max() > 1e-4 and dx[0].abs().max() < 1e-4:
            turning += 1
            torch.testing.assert_close(dx[1], -dy[0], atol=1e-4, rtol=0)
    assert 3 < turning < 40
