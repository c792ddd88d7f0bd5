"""The made scenes of `click`, and that its figures are what they say."""

import cv2
import numpy as np
import pytest
import torch


@pytest.fixture(scope="module")
def click(comfy_base):
    from driftfield.evaluation.objects import click

    return click


def photographs(count=4):
    rng = np.random.default_rng(0)
    noise = [cv2.GaussianBlur(rng.uniform(0, 255, (90, 120, 3)), (0, 0), 6) for _ in range(count)]
    return [(128 + 60 * (each - each.mean()) / each.std()).clip(0, 255).astype(np.uint8) for each in noise]


@pytest.fixture(scope="module")
def made(click):
    return click.scenes(photographs(), 15)


def test_scenes_are_of_every_kind_and_the_same_each_time(click, made):
    assert [scene.kind for scene in made] == list(click.KINDS) * 3
    for scene, again in zip(made, click.scenes(photographs(), 15), strict=True):
        assert torch.equal(scene.picture, again.picture) and scene.point == again.point
        height, width = scene.mask.shape
        assert scene.picture.shape == (1, 3, height, width) and max(height, width) == 384
        assert scene.mask[int(scene.point[1] * height), int(scene.point[0] * width)]
        assert 0.002 < scene.mask.mean() < 0.35


def test_what_knows_the_mask_is_right_at_once(click, made):
    def find(picture, point, pins):
        (mask,) = [scene.mask for scene in made if scene.picture is picture]
        return torch.from_numpy(mask).float()[None, None]

    assert (click.measure(made, find) == 1).all()


def test_what_finds_nothing_gets_nothing(click, made):
    def find(picture, point, pins):
        raise ValueError("paint it")

    assert (click.measure(made, find) == 0).all()


def test_corrections_click_into_the_largest_fault_and_pin_what_is_known(click, made):
    """A finder of small discs: each click adds one inside, and where one is too much, takes one away."""
    asked = []

    def find(picture, point, pins):
        asked.append((point, tuple(pins)))
        height, width = picture.shape[-2:]
        y, x = np.mgrid[:height, :width] + 0.5
        return torch.from_numpy(np.hypot(x - point[0] * width, y - point[1] * height) < 25).float()[None, None]

    (ious,) = click.measure(made[:1], find)
    first, second, third = asked
    assert first == (made[0].point, ())
    assert (ious[1] > ious[0]) and second[0] != first[0]
    scene = made[0]
    height, width = scene.mask.shape
    for point, pins in (second, third):
        inside = scene.mask[int(point[1] * height), int(point[0] * width)]
        assert (scene.point in pins) == (not inside)


def test_the_command_prints_a_row_for_every_kind(click, tmp_path, capsys):
    from driftfield.evaluation.commands import main

    for i, picture in enumerate(photographs()):
        cv2.imwrite(str(tmp_path / f"{i}.png"), picture)
    assert main(["click", "--pictures", str(tmp_path), "--scenes", "5"]) == 0
    printed = capsys.readouterr().out
    assert all(f"\n{kind} " in printed for kind in (*click.KINDS, "all"))


def test_too_few_pictures_are_refused(click, tmp_path, capsys):
    from driftfield.evaluation.commands import main

    assert main(["click", "--pictures", str(tmp_path)]) == 2
    assert "--pictures: got 0 with light and shade, allowed 3 or more" in capsys.readouterr().err
