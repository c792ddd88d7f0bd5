"""`network`: regions of known motions, figures of known frames, and the page on the tiny model."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny import FRAMES

SIDE = 64


@pytest.fixture(scope="module")
def network(comfy_base):
    from driftfield.evaluation.network import command, figures, made

    return SimpleNamespace(command=command, figures=figures, made=made)


@pytest.fixture
def still():
    noise = torch.rand(1, 3, SIDE // 4, SIDE // 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return torch.nn.functional.interpolate(noise, size=(SIDE, SIDE), mode="bicubic").clamp(-1, 1)


def moving(px: float) -> torch.Tensor:
    field = torch.zeros(1, 2, SIDE, SIDE)
    field[:, 0] = px
    return field


@pytest.fixture
def made_of(network):
    """made_of(still, field, error): an animation whose finished frames differ from the warp by so much everywhere."""
    from driftfield.flow_tools.warp import reference_video
    from driftfield.pipeline.composition import Seen
    from driftfield.sampling.dual_clock import forward_warped_still

    def make(still, field, error=0.0, frames=5):
        warp = reference_video(still, field, frames)
        _, moving, uncovered = forward_warped_still(still[:, :0], field, frames)
        regions = network.made.regions(Seen(warp, torch.zeros_like(moving), moving, uncovered), field)
        return network.made.Made(warp + error, warp + 2 * error, warp, regions)

    return make


def test_regions_share_every_later_frame_between_them(network, still, made_of):
    field = moving(1.0)
    field[..., : SIDE // 2, :] = 0
    found = made_of(still, field).regions
    total = torch.stack([*found.values()]).sum(0)
    assert (total[1:] == 1).all() and not total[0].any()
    assert found[network.made.MOVES][4, 0, SIDE // 2 + 8 :, 8:].all()
    assert found[network.made.RESTS][4, 0, : SIDE // 2 - 8].all()
    beyond = found[network.made.BEYOND][4, 0, -8:]
    assert beyond[:, :4].all() and not beyond[:, 5:].any()  # 4 px have come in over the border


def test_an_object_is_one_whatever_lies_behind(network):
    from driftfield.pipeline.composition import Seen

    things = torch.zeros(3, 1, SIDE, SIDE)
    things[:, :, 10:20, :5] = 1
    everywhere = torch.ones_like(things)
    found = network.made.regions(Seen(things, things, everywhere, everywhere), moving(2.0))
    torch.testing.assert_close(found[network.made.OBJECT][1:], things[1:] > 0)


def test_frames_that_are_the_warp_add_nothing(network, still, made_of):
    rows = network.figures.of_still(made_of(still, moving(1.0)))
    assert rows[network.made.OBJECT]["pixels"] == 0
    row = rows[network.made.MOVES]
    share, final, alone, sharp, _ = network.figures.region_line([row], 2 * row["pixels"])
    assert (share, final, alone, sharp) == (0.5, math.inf, math.inf, 1.0)
    assert network.figures.region_line([rows[network.made.OBJECT]], 9) == (0.0, None, None, None, None)


def test_decibels_of_several_animations_are_of_all_their_pixels(network, still, made_of):
    rows = [network.figures.of_still(made_of(still, moving(1.0), error))[network.made.MOVES] for error in (0.02, 0.0)]
    _, final, alone, *_ = network.figures.region_line(rows, 1)
    assert final == pytest.approx(40 + 10 * math.log10(2), abs=1e-3)  # 0.02 of 2 is 40 dB
    assert alone == pytest.approx(final - 20 * math.log10(2), abs=1e-3)


def test_methods_on_a_clip_that_the_warp_is(network, still, made_of):
    figures, made = network.figures, made_of(still, moving(1.0), 0.02)
    row = figures.of_clip(made, made.warp, moving(1.0).expand(4, -1, -1, -1))
    regions = (network.made.MOVES, network.made.OBJECT)
    psnr, ssim, moves, objects = figures.likeness_line([row], figures.FINAL, regions)
    assert psnr == pytest.approx(40, abs=1e-3) and moves == pytest.approx(40, abs=1e-3) and objects is None
    assert 0.9 < ssim < 1
    assert figures.change_line([row], figures.WARP) == (1, 1, 1, 1)
    assert figures.change_line([row], figures.COPIED)[0] < 1e-3


@pytest.fixture
def data(tmp_path, still):
    (tmp_path / "index.json").write_text(json.dumps({"clips": [], "stills": []}), encoding="utf-8")
    return tmp_path


def test_the_page_and_its_sheet(network, warped, still, data, monkeypatch, capsys):
    from driftfield.evaluation import commands
    from driftfield.flow_tools.arrows import Arrow, MotionArrows
    from driftfield.flow_tools.motion import Motion

    name = network.command.LIVING[0]
    arrows = MotionArrows((Arrow("a1", ((0.3, 0.5), (0.5, 0.5))),), SIDE, SIDE)
    flows = torch.zeros(FRAMES - 1, 2, SIDE, SIDE)
    monkeypatch.setattr(network.command, "load_animator", lambda *_: warped)
    monkeypatch.setattr(network.command, "of_areas", lambda *_: {"one": (still, Motion(moving(1.0)), arrows)})
    monkeypatch.setattr(network.command, "of_objects", lambda *_: {})
    monkeypatch.setattr(network.command, "held_out_clips", lambda *_: [(name, still.repeat(FRAMES, 1, 1, 1))])
    monkeypatch.setattr(network.command, "flows_of", lambda clips: [flows])
    where = ["--data", str(data), "--out", str(data / "results"), "--work", str(data / "work")]
    options = ["network", "--frames", str(FRAMES), "--steps", "1", *where]
    assert commands.main(options) == 0
    page = (data / "results" / "network.md").read_text(encoding="utf-8")
    assert (
        "| area that moves |" in page
        and "| finished frames |" in page
        and name in page
        and "1 of them with water" in page
    )
    assert str(data) not in page and (data / "results" / "network.jpg").is_file()
    monkeypatch.setattr(network.command, "make", None)  # nothing is made a second time
    assert commands.main(options) == 0


@pytest.fixture
def scene(comfy_base):
    """A grey square on black, with an arrow to the right."""
    from driftfield.evaluation.objects.scenes import SIDE, STRAIGHT, Mover, Scene
    from driftfield.evaluation.objects.things import Cutout

    path = np.array([[100.0, 128.0], [140.0, 128.0]])
    mover = Mover("square", Cutout(np.full((80, 80, 4), (0.5, 0.5, 0.5, 1), np.float32)), path[0], path)
    return Scene("square", STRAIGHT, torch.full((1, 3, SIDE, SIDE), -1.0), (mover,))


def test_stills_and_scenes_become_animations(network, still, monkeypatch, scene):
    arguments = SimpleNamespace(frames=5, scenes=2, data=None)
    monkeypatch.setattr(network.command, "held_out_stills", lambda *_: [("a", still)])
    shots = network.command.of_areas(arguments, SimpleNamespace(size=SIDE))
    assert set(shots) == {"a, one", "a, two", "a, pin"} and not any(motion.objects for _, motion, _ in shots.values())
    assert (shots["a, one"][1].field[0].norm(dim=0) == 0).any()  # outside the painted region
    monkeypatch.setattr(network.command, "pictures", lambda folder: ({}, {}, []))
    monkeypatch.setattr(network.command, "make_scenes", lambda *_: [scene])
    ((image, motion, drawn),) = network.command.of_objects(arguments).values()
    assert len(motion.objects) == len(drawn.arrows) == 1
    torch.testing.assert_close(image, scene.still())


def test_an_object_is_the_warp_s_where_it_is_certain(network, warped, scene):
    from driftfield.evaluation.objects.carried import motion_of_objects
    from driftfield.pipeline.settings import Settings

    made = network.made.make(warped, scene.still(), motion_of_objects(scene, FRAMES), Settings(steps=1, frames=FRAMES))
    where = made.regions[network.made.OBJECT]
    assert where[1:].flatten(1).any(1).all() and made.regions[network.made.UNCOVERED].any()
    assert network.figures.error_in(made.final, made.warp, where) < 1e-6
    assert network.figures.error_in(made.network, made.warp, where) > 1e-3
