import numpy as np
import torch
import torch.nn.functional as F

from driftfield.flow_tools.layers import apart, compose, exact_field, moved, split, wide_field
from driftfield.flow_tools.matte import matte, own_colours, within_plate
from driftfield.flow_tools.objects import steps

SIZE = 96


def disc(x=40, y=48, radius=16.0, soft=1.5):
    """alpha [1, 1, SIZE, SIZE] of a disc with a soft edge."""
    column, row = torch.arange(SIZE) + 0.5, (torch.arange(SIZE) + 0.5)[:, None]
    distance = ((column - x) ** 2 + (row - y) ** 2).sqrt()
    return ((radius - distance) / soft + 0.5).clamp(0, 1)[None, None]


def scene(alpha):
    """(picture, thing, background) −1..1."""
    background = torch.linspace(-0.8, 0.2, SIZE).expand(1, 3, SIZE, SIZE).clone()
    thing = torch.tensor([0.9, -0.5, 0.1]).view(1, 3, 1, 1).expand_as(background)
    return thing * alpha + background * (1 - alpha), thing, background


def shift(*by):
    return np.stack([np.array([[1.0, 0, x], [0, 1.0, y]]) for x, y in by])


def test_a_matte_is_found_from_a_mask_that_is_off_by_a_pixel():
    alpha = disc()
    picture = scene(alpha)[0]
    for radius in (15, 17):
        found = matte(picture, disc(radius=radius, soft=1e-3))
        assert (found - alpha).abs().mean() < 0.001
        assert (found - alpha).abs().max() < 0.1


def test_the_things_own_colours_are_found_under_its_edge():
    alpha = disc()
    picture, thing, background = scene(alpha)
    found = own_colours(picture, alpha, background)
    assert ((found - thing).abs() * (alpha > 0.02)).max() < 0.02


def test_where_nothing_moves_the_layers_are_the_picture():
    alpha = disc()
    picture = scene(alpha)[0]
    layers = split(picture, [(alpha > 0.5).float()])
    frames, seen = compose(layers, layers.plate, [shift((0, 0))])
    assert (frames - picture).abs().max() < 0.08 and (frames - picture).abs().mean() < 0.004
    assert seen[0, 0, 0, 48, 40] == 1 and seen[0, 0, 0, 5, 5] == 0


def test_a_thing_comes_to_lie_where_its_pose_says_and_leaves_the_background():
    alpha = disc()
    picture, thing, background = scene(alpha)
    layers = split(picture, [(alpha > 0.5).float()])
    frames, _ = compose(layers, layers.plate, [shift((25, -10.5))])
    there = disc(65, 37.5)
    truth = thing * there + background * (1 - there)
    assert (frames - truth).abs().max() < 0.2 and (frames - truth).abs().mean() < 0.006


def test_a_clean_plate_is_used_behind_the_thing_alone():
    alpha = disc()
    picture = scene(alpha)[0]
    clean = torch.full_like(picture, 0.123)
    layers = split(picture, [(alpha > 0.5).float()], clean)
    assert torch.equal(layers.plate, torch.where(layers.hole, clean, picture))


def test_later_objects_lie_above():
    first, second = torch.zeros(1, 1, 4, 6), torch.zeros(1, 1, 4, 6)
    first[..., :4], second[..., 2:] = 1, 1
    below, above = apart([first, second])
    assert torch.equal(above, second) and below[0, 0, 0].tolist() == [1, 1, 0, 0, 0, 0]


def test_a_picture_is_moved_as_an_affine_map_says():
    picture = torch.randn(1, 2, 30, 40)
    assert torch.allclose(moved(picture, shift((0, 0))), picture, atol=1e-5)
    assert torch.allclose(moved(picture, shift((3, -2)))[..., :28, 3:], picture[..., 2:, :37], atol=1e-4)
    quarter = np.array([[[0.0, -1.0, 35.0], [1.0, 0.0, 0.0]]])  # (x, y) → (35 − y, x)
    square = picture[..., :30, :30]
    padded = F.pad(square, (0, 10))
    assert torch.allclose(moved(padded, quarter)[..., :30, 5:35], torch.rot90(square, -1, (2, 3)), atol=1e-4)


def test_the_exact_field_has_the_topmost_things_step_and_the_wide_one_fades():
    below, above = disc(40, 48, 12, 1e-3), disc(56, 48, 12, 1e-3)
    background = torch.zeros(1, 2, SIZE, SIZE)
    background[:, 1] = 0.25
    placed = [shift((0, 0), (2, 0), (4, 0)), shift((0, 0), (0, -3), (0, -6))]
    field = exact_field(background, [below, above], placed)
    assert field.shape == (2, 2, SIZE, SIZE)
    assert field[0, :, 48, 32].tolist() == [2, 0] and field[0, :, 48, 52].tolist() == [0, -3]
    assert field[0, :, 5, 5].tolist() == [0, 0.25]
    assert field[1, :, 48, 32].tolist() == [2, 0] and field[1, :, 48, 29].tolist() == [0, 0.25]
    wide = wide_field(background, [below, above], placed)
    assert torch.allclose(wide[0, :, 48, 52], torch.tensor([0.0, -3.0]), atol=1e-5)
    alone = wide_field(background, [below], placed[:1])[0]
    assert alone[0, 48, 32] == 2 and alone[1, 48, 32].abs() < 1e-6
    near = np.exp(-((3 / (28 / 256 * SIZE)) ** 2))  # 3 px beyond its mask
    torch.testing.assert_close(
        alone[:, 48, 25].double(), torch.tensor([2 * near, 0.25 * (1 - near)]), rtol=1e-4, atol=0
    )


def test_a_turn_is_its_own_field():
    angle = 0.1
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([48.0, 48.0])
    placed = np.stack([np.eye(2, 3), np.c_[turn, centre - turn @ centre]])
    mask = disc(48, 48, 40, 1e-3)
    field = exact_field(torch.zeros(1, 2, SIZE, SIZE), [mask], [placed])
    at = np.array([60.5, 30.5])
    np.testing.assert_allclose(field[0, :, 30, 60], turn @ (at - centre) + centre - at, atol=1e-5)
    assert len(steps(placed)) == 1


def test_thin_parts_stay_and_small_holes_stay_open_where_colours_do_not_tell_them():
    mask = disc()
    mask[..., 46:50, 56:88] = 1  # an arm
    mask[..., 45:51, 37:43] = 0  # a hole
    noise = torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) - 0.5
    found = matte(noise, mask)
    assert found[0, 0, 47:49, 60:84].min() > 0.9, "the arm"
    assert found[0, 0, 47:49, 39:41].max() < 0.1, "the hole"


def textured(seed, low, high, cells=24):
    generator = torch.Generator().manual_seed(seed)
    cells = torch.rand(1, 3, cells, cells, generator=generator) * (high - low) + low
    return F.interpolate(cells, size=(128, 128), mode="bicubic").clamp(-1, 1)


def flower():
    """(picture, mask): a textured flower with a stem of two px on a textured meadow."""
    alpha = torch.zeros(1, 1, 128, 128)
    alpha[..., 10:40, 50:80] = 1
    alpha[..., 40:100, 64:66] = 1
    return torch.lerp(textured(0, 0.0, 1.0), textured(1, -1.0, -0.2), alpha), alpha


def test_a_thin_part_goes_along_whole():
    picture, mask = flower()
    wide = F.max_pool2d(mask, 3, stride=1, padding=1)
    for painted in (mask, wide):
        layers = split(picture, [painted])
        composed = compose(layers, layers.plate, [shift((0, 0))])[0]
        stem = np.s_[0, :, 45:98, 64:66]
        assert (composed[stem] - picture[stem]).abs().mean() < 0.02


def test_outside_its_mask_a_thing_is_only_what_differs_from_the_plate():
    true = disc(soft=6.0)
    picture, _, background = scene(true)
    mask = (disc() > 0.5).float()
    found = within_plate(torch.where(mask > 0, true, 0.6), mask, picture, background)
    outside = mask == 0
    assert (found[outside & (true == 0)] <= 0.11).all(), "no glow"
    edge = outside & (true > 0.1) & (true < 0.45)
    torch.testing.assert_close(found[edge], true[edge] + 0.1, rtol=0, atol=0.03)  # a soft edge stays
    assert torch.equal(found[~outside], true[~outside])


def test_the_wide_field_is_the_same_wherever_its_operands_lie_in_memory():
    mask = torch.zeros(1, 1, 72, SIZE)
    mask[..., 20:44, 16:40] = 1
    turned = np.array([[[0.99, 0.12, -2.3], [-0.12, 0.99, 7.7]]])
    placed = [np.concatenate([shift((0, 0)), turned, turned + 0.01])]
    kept, found = [], set()
    for size in torch.randint(1, 5000, (300,), generator=torch.Generator().manual_seed(0)).tolist():
        kept += [np.empty(size, np.uint8), torch.empty(size)]
        found.add(wide_field(torch.zeros(1, 2, 72, SIZE), [mask], placed).numpy().tobytes())
    assert len(found) == 1
