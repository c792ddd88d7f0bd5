"""The thing under a point: found whole, the same each time and from any thread, and refused where there is none."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch

from driftfield.flow_tools.grabcut import object_at

WIDTH, HEIGHT = 320, 240


def picture_of(pixels):
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 127.5 - 1


def ground(seed=0, width=WIDTH, height=HEIGHT):
    """Green and brown patches with grain, as grass and earth."""
    rng = np.random.default_rng(seed)
    patches = cv2.GaussianBlur(rng.normal(size=(height, width)), (0, 0), 20)
    colours = np.where(patches[..., None] > 0, (60, 110, 50), (110, 90, 60)) + rng.normal(0, 6, (height, width, 3))
    return colours.clip(0, 255).astype(np.uint8)


def disc(centre, radius, width=WIDTH, height=HEIGHT):
    mask = np.zeros((height, width), np.uint8)
    return cv2.circle(mask, centre, radius, 1, -1) > 0


def overlap(mask, truth):
    found = mask[0, 0].numpy() > 0.5
    return (found & truth).sum() / (found | truth).sum()


@pytest.fixture
def balloon():
    """A balloon of white and red stripes, which no one model of its colour tells whole, and its mask."""
    pixels, inside = ground(), disc((170, 110), 50)
    stripes = (np.arange(WIDTH) // 12 % 2 > 0)[None, :, None]
    pixels = np.where(inside[..., None], np.where(stripes, (210, 30, 40), (235, 235, 230)), pixels).astype(np.uint8)
    return picture_of(pixels), inside


@pytest.mark.parametrize("point", [(0.53, 0.46), (0.48, 0.4), (0.58, 0.55)])
def test_a_striped_thing_is_found_whole(balloon, point):
    picture, inside = balloon
    mask = object_at(picture, point)
    assert mask.shape == (1, 1, HEIGHT, WIDTH) and set(mask.unique().tolist()) == {0.0, 1.0}
    assert overlap(mask, inside) > 0.9


@pytest.mark.parametrize("size", [(80, 60), (900, 600), (100, 400)])
def test_pictures_of_any_size_and_shape(size):
    width, height = size
    at = (width // 2, height // 3)
    inside = disc(at, max(size) // 10, width, height)
    pixels = np.where(inside[..., None], np.array([230, 60, 60], np.uint8), ground(1, width, height))
    mask = object_at(picture_of(pixels), (at[0] / width, at[1] / height))
    assert mask.shape == (1, 1, height, width) and overlap(mask, inside) > 0.85


def test_what_sticks_out_of_it_belongs_to_it():
    inside = disc((160, 110), 35)
    inside[100:120, 160:260] = True  # an arm that no outline about the click goes round
    pixels = np.where(inside[..., None], np.array([40, 60, 200], np.uint8), ground())
    assert overlap(object_at(picture_of(pixels), (0.5, 110 / HEIGHT)), inside) > 0.8


def test_a_thing_at_the_border_is_found():
    inside = disc((WIDTH - 5, 100), 45)
    pixels = np.where(inside[..., None], np.array([230, 220, 60], np.uint8), ground())
    assert overlap(object_at(picture_of(pixels), (0.93, 100 / HEIGHT)), inside) > 0.85


def test_a_pin_is_outside():
    """Two things of one colour that touch: one, until a pin holds the other."""
    left, right = disc((130, 110), 32), disc((186, 110), 30)
    picture = picture_of(np.where((left | right)[..., None], np.array([220, 40, 40], np.uint8), ground()))
    point, pin = (140 / WIDTH, 110 / HEIGHT), (186 / WIDTH, 110 / HEIGHT)
    assert overlap(object_at(picture, point), left | right) > 0.9
    assert overlap(object_at(picture, point, [pin, (0.05, 0.05)]), left) > 0.8


def test_the_same_twice_and_from_threads(balloon):
    picture, _ = balloon
    points = [(0.53, 0.46), (0.48, 0.4), (0.58, 0.55)] * 3
    expected = [object_at(picture, point) for point in points]
    cv2.setRNGSeed(7)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda point: object_at(picture, point), points))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_neither_picture_nor_pins_are_changed(balloon):
    picture, _ = balloon
    before, pins = picture.clone(), [(0.1, 0.1)]
    object_at(picture, (0.53, 0.46), pins)
    assert torch.equal(picture, before) and pins == [(0.1, 0.1)]


def test_where_nothing_stands_out_it_says_so():
    sky = np.linspace((90, 140, 220), (200, 220, 250), HEIGHT)[:, None].repeat(WIDTH, 1)
    with pytest.raises(ValueError, match="nothing stands out here: paint it"):
        object_at(picture_of(sky.astype(np.uint8)), (0.5, 0.5))


@pytest.mark.parametrize("point", [(0.0, 0.0), (1.0, 1.0), (0.5, 0.5)])
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (3, 2)])
def test_the_smallest_pictures_are_answered_or_refused(size, point):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    try:
        assert object_at(picture_of(pixels), point, [point]).shape == (1, 1, size[1], size[0])
    except ValueError as error:
        assert "paint it" in str(error)
