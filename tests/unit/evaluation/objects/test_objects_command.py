"""`objects` on a prepared set of plain pictures, with both kinds of arrows."""

import json
from argparse import Namespace

import cv2
import numpy as np
import pytest
import torch

from driftfield.evaluation.objects.scenes import SMALL, STRAIGHT
from driftfield.evaluation.objects.things import material

OPTIONS = ["--scenes", "9", "--seeds", "0", "--frames", "7"]


@pytest.fixture(scope="module")
def data(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "stills").mkdir()
    for name, picture in pictures.items():
        cv2.imwrite(str(folder / "stills" / f"{name}.webp"), (picture[..., ::-1] * 255).round().astype(np.uint8))
    entries = [{"name": name, "split": "held_out"} for name in pictures]
    (folder / "index.json").write_text(json.dumps({"clips": [], "stills": entries}), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def straight(comfy_base, scenes):
    return next(scene for scene in scenes if scene.kind == STRAIGHT)


def test_as_objects_things_arrive_whole(straight):
    from driftfield.evaluation.objects.carried import as_objects
    from driftfield.evaluation.objects.figures import scene_figures

    row = scene_figures(straight, as_objects(straight, 7))
    assert row["reach"] == pytest.approx(1, abs=0.03) and row["area"] == pytest.approx(1, abs=0.03)
    assert row["axis ratio"] == pytest.approx(1, abs=0.03)
    assert row["iou"] > 0.9 and row["drag"] == 0 and row["frame 0"] == 0 and row["on it"] > 25


def test_as_areas_they_are_pulled_along_with_what_is_around(straight):
    from driftfield.evaluation.objects.carried import as_areas
    from driftfield.evaluation.objects.figures import scene_figures

    row = scene_figures(straight, as_areas(straight, 7))
    assert row["reach"] < 0.95 and row["drag"] > 0.2 and row["iou"] < 0.8 and row["frame 0"] == 0


def test_a_crossfade_shows_a_small_thing_twice_and_an_object_once(comfy_base, scenes):
    from driftfield.evaluation.objects.carried import as_areas, as_objects
    from driftfield.evaluation.objects.figures import twice

    small = [scene for scene in scenes if scene.kind == SMALL][:2]
    as_area = [twice(scene, as_areas(scene, 25), 0) for scene in small]
    as_object = [twice(scene, as_objects(scene, 25), 0) for scene in small]
    assert any(share is not None and share > 0.1 for share in as_area), as_area
    assert all(not share for share in as_object), as_object


def test_both_columns_stand_on_one_page(comfy_base, data, tmp_path, capsys):
    from driftfield.evaluation import commands

    where = ["--data", str(data), "--out", str(tmp_path / "results"), "--work", str(tmp_path / "work")]
    assert commands.main(["objects", *OPTIONS, *where, "--as-areas"]) == 0
    alone = (tmp_path / "results" / "objects.md").read_text(encoding="utf-8")
    assert "| missing |" in alone and "objects_as_areas.jpg" in alone and "(objects.jpg)" not in alone
    assert commands.main(["objects", *OPTIONS, *where]) == 0
    page = (tmp_path / "results" / "objects.md").read_text(encoding="utf-8")
    rows = {line.split(" | ")[0][2:]: line.split(" | ")[1:] for line in page.splitlines() if line.startswith("| ")}
    reached = rows["end of a 0.30 arrow: distance reached, mean"]
    assert float(reached[0]) < 0.95 and float(reached[1]) == pytest.approx(1, abs=0.03)
    assert rows["the same with a click's mask, mean"][0] == "missing" != rows["the same with a click's mask, mean"][1]
    assert page.count("python -m driftfield.evaluation objects") == 2 and str(tmp_path) not in page
    for name in ("objects", "objects_as_areas"):
        assert cv2.imread(str(tmp_path / "results" / f"{name}.jpg")) is not None
    assert len(list((tmp_path / "work" / "objects").glob("*.png"))) == 9


def test_a_set_without_the_stills_is_refused(comfy_base, tmp_path, capsys):
    from driftfield.evaluation import commands

    (tmp_path / "index.json").write_text(json.dumps({"clips": [], "stills": []}), encoding="utf-8")
    assert commands.main(["objects", "--data", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "held-out stills" in capsys.readouterr().err


def test_photographs_go_through_the_network(comfy_base, warped, pictures, tmp_path):
    from driftfield.evaluation.objects import photographs
    from driftfield.evaluation.objects.carried import motion_of_areas, motion_of_objects

    scenes = photographs.photographs(material()[0], pictures)
    assert set(scenes) == set(photographs.VECTORS)
    still = scenes["blue balloon"].still()
    assert (still - scenes["blue balloon"].background).abs().mean() < 0.02, "the thing lies where it is in the picture"
    arguments = Namespace(frames=3, steps=1, work=tmp_path, mode="objects")
    for motion_of in (motion_of_areas, motion_of_objects):
        (row,) = photographs.figures(warped, scenes, motion_of, ["blue balloon, seed 1"], arguments)
        assert set(row) == {"final", "network", "autoencoder"} and all(np.isfinite(list(row.values())))
    assert torch.isfinite(still).all() and list(tmp_path.rglob("*.png"))
