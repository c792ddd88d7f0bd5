"""Made scenes: their truth is what it is said to be."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from driftfield.evaluation.metrics.thing_shape import shape_of
from driftfield.evaluation.objects import scenes as made
from driftfield.evaluation.objects.things import TEXTURE, Thing, cut_out, extent, material

HELD_OUT = Path(__file__).parents[4] / "training" / "held_out.json"


@pytest.fixture(scope="module")
def scenes(pictures):
    things, backgrounds = material()
    return made.make_scenes(list(things.values()), pictures, backgrounds)


def square(low=0.25, high=0.5):
    ring = np.array([[low, low], [high, low], [high, high], [low, high]])
    return Thing("square", "a", 0.7, (ring,))


@pytest.fixture
def plain():
    """A picture [320, 320, 3] of one colour."""
    return np.full((320, 320, 3), (0.6, 0.4, 0.2), np.float32)


@pytest.fixture
def mover(plain):
    """A square of 40 px whose middle lies somewhere."""

    def moving(path=None, pin=None, middle=(100.0, 120.0)):
        return made.Mover("square", cut_out(square(), plain, 40.0), np.array(middle), path, pin)

    return moving


def test_material_is_held_out_and_closed():
    things, backgrounds = material()
    held_out = set(json.loads(HELD_OUT.read_text(encoding="utf-8"))["stills"])
    assert {*backgrounds, *(thing.still for thing in things.values())} <= held_out
    for thing in things.values():
        low, high = extent(thing)
        assert (low >= 0).all() and (high <= 1).all() and all(len(ring) > 3 for ring in thing.rings)


def test_a_cut_out_has_the_outlines_size_and_colours(plain):
    cutout = cut_out(square(), plain, 40.0)
    alpha = cutout.pixels[..., 3]
    assert alpha.sum() / TEXTURE**2 == pytest.approx(40 * 40, rel=0.02)
    assert 0.05 < ((alpha > 0.05) & (alpha < 0.95)).mean() < 0.3, "its edge is soft"
    height, width = alpha.shape
    assert cutout.pixels[height // 2, width // 2, :3] == pytest.approx(plain[0, 0], abs=0.01)


def test_a_ring_within_a_ring_is_a_hole(plain):
    inner = np.array([[0.35, 0.35], [0.4, 0.35], [0.4, 0.4], [0.35, 0.4]])
    holed = Thing("square", "a", 0.7, (*square().rings, inner))
    alpha = cut_out(holed, plain, 40.0).pixels[..., 3]
    assert alpha[alpha.shape[0] // 2, alpha.shape[1] // 2] < 0.05 < 0.95 < alpha[alpha.shape[0] // 2, 30]


def test_a_thing_lies_where_its_middle_is_said_to_be(mover):
    for middle in ((100.0, 120.0), (100.3, 120.7)):
        shape = shape_of(made.alpha_at(mover(middle=middle), 0.0))
        assert shape.middle == pytest.approx(middle, abs=0.05) and shape.area_px == pytest.approx(1600, rel=0.02)


def test_it_goes_along_its_path_by_length(mover):
    bent = mover(path=np.array([[100.0, 120.0], [130.0, 120.0], [130.0, 150.0]]))
    for share, place in ((0.25, (115, 120)), (0.5, (130, 120)), (0.75, (130, 135)), (1.0, (130, 150))):
        assert shape_of(made.alpha_at(bent, share)).middle == pytest.approx(place, abs=0.05)


def test_it_turns_about_its_pin(mover):
    angles = np.linspace(0, math.pi / 2, 9)
    arc = np.column_stack([80 + 20 * np.cos(angles), 120 + 20 * np.sin(angles)])
    turning = mover(path=arc, pin=np.array([80.0, 120.0]))
    pose = turning.poses(np.array([0.5, 1.0]))
    assert pose[:, :, :2] @ (80, 120) + pose[:, :, 2] == pytest.approx(np.array([[80, 120], [80, 120]]))
    assert pose[1, :, :2] @ arc[0] + pose[1, :, 2] == pytest.approx(arc[-1])
    assert shape_of(made.alpha_at(turning, 1.0)).middle == pytest.approx([80, 140], abs=0.05)
    half = 20 * math.sqrt(0.5)
    assert shape_of(made.alpha_at(turning, 0.5)).middle == pytest.approx([80 + half, 120 + half], abs=0.05)


def test_scenes_are_as_many_as_said_and_the_same_again(scenes, pictures):
    kinds = [scene.kind for scene in scenes]
    assert {kind: kinds.count(kind) for kind in made.KINDS} == made.KINDS and len(scenes) >= 40
    things, backgrounds = material()
    again = made.make_scenes(list(things.values()), pictures, backgrounds)
    assert [scene.name for scene in again] == [scene.name for scene in scenes]
    assert torch.equal(again[7].still(), scenes[7].still())


def test_things_stay_inside_apart_and_go_as_far_as_said(scenes):
    for scene in scenes:
        _, alpha = scene.frames(np.linspace(0, 1, 5))
        border = alpha.clone()
        border[..., made.BORDER_PX : -made.BORDER_PX, made.BORDER_PX : -made.BORDER_PX] = 0
        assert border.max() < 0.03, scene.name
        if scene.kind != made.TURNING:
            length = np.hypot(*np.diff(scene.mover.path, axis=0).T).sum()
            assert length == pytest.approx(made.LENGTH * made.SIDE), scene.name
        x, y = scene.mover.path[0]
        assert alpha[0, 0, int(y), int(x)] > 0.5, f"{scene.name}: its arrow begins on it"
        masks = scene.masks()
        assert len(masks) == (2 if scene.kind == made.OVER else 1)
        assert torch.stack(masks).sum(0).max() == 1, f"{scene.name}: nothing covers another in the still"
    assert any((torch.stack([made.alpha_at(m, 1.0) for m in s.movers]) > 0.5).all(0).any() for s in scenes[36:44])


def test_frames_are_the_thing_over_the_background(scenes):
    scene = scenes[0]
    frames, alpha = scene.frames(np.array([0.0, 1.0]))
    assert torch.equal(frames[:1], scene.still())
    assert ((frames + 1) * 127.5 - ((frames + 1) * 127.5).round()).abs().max() < 1e-3, "whole grey levels"
    away = (alpha == 0).expand_as(frames)
    background = scene.background.expand_as(frames)
    assert (frames - background)[away].abs().max() <= 0.5 / 127.5 + 1e-5
    assert (frames - background)[(alpha > 0.9).expand_as(frames)].abs().mean() > 0.05
