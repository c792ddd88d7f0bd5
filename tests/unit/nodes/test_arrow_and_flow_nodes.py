"""The nodes before the animation: what they pass on, and the errors that name their input."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from driftfield.flow_tools.dense import MODES, densify

ARROWS = '{"version":1,"arrows":[{"id":"a","points":[[0.25,0.5],[0.75,0.5]]},{"id":"pin","points":[[0.9,0.9]]}]}'


@pytest.fixture(scope="module")
def nodes(comfy_base):
    import folder_paths

    from driftfield.nodes import arrows, flow, objects

    folder_paths.set_temp_directory(str(comfy_base / "temp"))
    return {**vars(arrows), **vars(flow), **vars(objects)}


@pytest.fixture
def image():
    return torch.rand(1, 32, 64, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def core_nodes(monkeypatch, comfy_base):
    """A stand-in for core's module `nodes`, a name that this folder's own package takes when tests run in it."""
    monkeypatch.setitem(sys.modules, "nodes", SimpleNamespace(MAX_RESOLUTION=16384))


def run(nodes, name, *args, **kwargs):
    """The node's outputs, a flow as its field alone."""
    return tuple(getattr(output, "field", output) for output in nodes[name].execute(*args, **kwargs).result)


def test_arrows_become_a_dense_flow(nodes, image):
    arrows, preview, coordinates, *_ = run(nodes, "DrawMotionArrows", image, ARROWS)
    assert (arrows.width, arrows.height, len(arrows.arrows)) == (64, 32, 2)
    assert preview.shape == image.shape and not torch.equal(preview, image)
    again, *_ = run(nodes, "DrawMotionArrows", image, coordinates)
    assert [a.points for a in again.arrows] == [a.points for a in arrows.arrows]

    sparse, hints = run(nodes, "ArrowsToSparseFlow", arrows, 0, 0, 5)
    assert sparse.shape == (1, 2, 32, 64) and hints.shape == (1, 32, 64)
    assert sparse[0, :, 16, 16].tolist() == [8.0, 0.0]  # 32 px in 4 steps
    (flow,) = run(nodes, "DensifyFlow", sparse, hints, 8.0, 0.05, "normalized")
    assert flow.shape == (1, 2, 32, 64) and flow[0, 0, 16, 17] > 7 and flow[0].abs().max() <= 8


def test_sigma_is_a_share_or_px_and_what_was_saved_before_is_what_it_was(nodes, image):
    arrows = run(nodes, "DrawMotionArrows", image, ARROWS)[0]
    sparse, hints = nodes["ArrowsToSparseFlow"].execute(arrows, 0, 0, 5).result
    for mode in ("followed", "faded"):
        px, share = (nodes["DensifyFlow"].execute(sparse, hints, sigma, 0.05, mode).result[0] for sigma in (16, 0.25))
        assert torch.equal(px.field, share.field) and px.field.any()
    saved = densify(sparse.field, hints[None], sigma_px=16, mode="faded")
    assert torch.equal(px.field, saved) and px.ways is None


def test_more_arrows_from_other_packs(nodes, image):
    track = {"track_path": torch.tensor([[[1.0, 2.0]], [[9.0, 2.0]]]), "track_visibility": torch.ones(2, 1).bool()}
    arrows, *_ = run(nodes, "DrawMotionArrows", image, ARROWS, '[{"x":3,"y":4},{"x":9,"y":4}]', track)
    assert len(arrows.arrows) == 4


def test_what_comes_from_all_inputs_is_counted_together(nodes, image):
    drawn = json.dumps([[[1, 1]]] * 2000)
    more = json.dumps([[[2, 2]]] * 2000)
    path = torch.full((2, 97, 2), 3.0)
    tracks = {"track_path": path, "track_visibility": torch.ones(2, 97).bool()}
    with pytest.raises(ValueError, match=r"tracks: got 2000 \+ 2000 \+ 97 arrows, allowed at most 4096 together"):
        run(nodes, "DrawMotionArrows", image, drawn, more, tracks)
    tracks = {name: part[:, :96] for name, part in tracks.items()}
    assert len(run(nodes, "DrawMotionArrows", image, drawn, more, tracks)[0].arrows) == 4096


def test_coordinates_may_be_several_texts(nodes, image):
    several = ["\ufeff[[{'x':3,'y':4},{'x':9,'y':4}]]", '[{"x":0.25,"y":0.5},{"x":0.75,"y":0.5}]']
    arrows, *_ = run(nodes, "DrawMotionArrows", image, "", several)
    assert [a.points for a in arrows.arrows] == [((3 / 64, 4 / 32), (9 / 64, 4 / 32)), ((0.25, 0.5), (0.75, 0.5))]
    with pytest.raises(ValueError, match="arrows: got int, allowed text"):
        run(nodes, "DrawMotionArrows", image, "", [7])


@pytest.mark.parametrize("text", [ARROWS, '{"version":1,"arrows":[{"points":[[0.25,0.5],[0.75,0.5]]}]}'])
def test_tracks_are_read_by_wan_track_to_video(nodes, core_nodes, image, text):
    from comfy_extras.nodes_wan import pad_pts, parse_json_tracks, process_tracks

    arrows, *_ = run(nodes, "DrawMotionArrows", image, text)
    tracks, coordinates = run(nodes, "ArrowsToTracks", arrows, 121, 832, 480)
    found = parse_json_tracks(coordinates)
    assert len(found) == len(arrows.arrows) and all(len(track) == 121 for track in found)
    first = process_tracks(np.stack([pad_pts(track) for track in found]), (832, 480), 80)[:, 0]
    assert len(first) == 81
    expected = tracks["track_path"][[0, -1], 0] - torch.tensor([416.0, 240.0])
    assert torch.allclose(first[[0, -1], 1:3], expected / 240, atol=1e-4) and (first[:, 3] == 1).all()


def test_tracks_are_read_by_wan_move(nodes, core_nodes, image):
    wan_move = pytest.importorskip("comfy_extras.nodes_wanmove", reason="this ComfyUI has no WanMove nodes")
    for text in (ARROWS, '{"version":1,"arrows":[{"points":[[0.25,0.5],[0.75,0.5]]}]}'):
        arrows, *_ = run(nodes, "DrawMotionArrows", image, text)
        tracks, coordinates = run(nodes, "ArrowsToTracks", arrows, 9, 128, 64)
        same, length = wan_move.WanMoveTracksFromCoords.execute(coordinates).result
        assert length == 9 and torch.equal(same["track_path"], tracks["track_path"])
        assert torch.equal(same["track_visibility"], tracks["track_visibility"])
        (shown,) = wan_move.WanMoveVisualizeTracks.execute(torch.zeros(1, 64, 128, 3), 24, 2, 1.0, 2, tracks).result
        assert shown.shape == (9, 64, 128, 3)
        assert shown[0, 32, 32].sum() > 0 and shown[0, 32, 96].sum() == 0 and shown[8, 32, 96].sum() > 0
    arrows, *_ = run(nodes, "DrawMotionArrows", image, "")
    tracks, _ = run(nodes, "ArrowsToTracks", arrows, 9)
    (shown,) = wan_move.WanMoveVisualizeTracks.execute(torch.zeros(1, 64, 128, 3), 24, 2, 1.0, 2, tracks).result
    assert not shown.any()


def test_an_empty_text_gives_exact_zeros(nodes, image):
    arrows, _, coordinates, *_ = run(nodes, "DrawMotionArrows", image, "")
    sparse, hints = run(nodes, "ArrowsToSparseFlow", arrows, 48, 24, 25)
    (flow,) = run(nodes, "DensifyFlow", sparse, hints, 0.0, 0.05, "sum")
    assert coordinates == "" and flow.shape == (1, 2, 24, 48) and flow.count_nonzero() == 0


def test_a_region_of_another_size_limits_motion(nodes, image):
    arrows, *_ = run(nodes, "DrawMotionArrows", image, ARROWS)
    sparse, hints = run(nodes, "ArrowsToSparseFlow", arrows, 0, 0, 5)
    region = torch.zeros(1, 16, 32)
    region[..., :16] = 1
    (flow,) = run(nodes, "DensifyFlow", sparse, hints, 0.0, 0.0, "sum", region)
    assert flow[..., :30].count_nonzero() > 0 and flow[..., 34:].count_nonzero() == 0


def test_the_painted_region_is_a_mask_of_the_pictures_size(nodes, image):
    painted = ARROWS[:-1] + ',"region":{"size":[4,2],"runs":[2,2,2,2]}}'
    _, _, _, region, *_ = run(nodes, "DrawMotionArrows", image, painted)
    assert region.shape == (1, 32, 64)
    assert (
        (region[..., :24] == 0).all()
        and (region[..., 40:] == 1).all()
        and region[0, 0, 31] == pytest.approx(0.5, abs=0.1)
    )
    arrows, _, _, everywhere, *_ = run(nodes, "DrawMotionArrows", image, ARROWS)
    assert (everywhere == 1).all() and everywhere.shape == (1, 32, 64)
    sparse, hints = run(nodes, "ArrowsToSparseFlow", arrows, 0, 0, 5)
    (flow,) = run(nodes, "DensifyFlow", sparse, hints, 0.0, 0.0, "sum", region)
    assert flow[..., 40:].count_nonzero() > 0 and flow[..., :24].count_nonzero() == 0


def test_the_node_shows_its_arrows_and_keeps_the_still_for_the_editor(nodes, image, comfy_base):
    shown = nodes["DrawMotionArrows"].execute(image, ARROWS).ui
    with_arrows, still = (
        np.asarray(Image.open(comfy_base / "temp" / entry["subfolder"] / entry["filename"])) / 255
        for entry in (*shown["images"], *shown["driftfield_still"])
    )
    assert np.abs(still - image[0].numpy()).max() < 1 / 200 < np.abs(with_arrows - still).max()


def test_inputs_are_named_in_errors(nodes, image):
    flow = torch.zeros(1, 2, 32, 64)
    two, hints = image.repeat(2, 1, 1, 1), torch.zeros(1, 32, 64)
    cases = [
        ("image: got a batch of 2", "DrawMotionArrows", (two, "")),
        ("arrows: not JSON", "DrawMotionArrows", (image, "[{")),
        ("region: size", "DrawMotionArrows", (image, '{"version":1,"arrows":[],"region":{}}')),
        ("region: got a batch of 3 masks", "DensifyFlow", (flow, hints, 0.0, 0.05, "sum", hints.repeat(3, 1, 1))),
        ("images: got .* NaN", "EstimateFlow", (two * float("nan"), "dis")),
        ("hints: got a batch of 2 masks", "DensifyFlow", (flow, hints.repeat(2, 1, 1), 0.0, 0.05, "sum")),
        ("mode: got 'mean'", "DensifyFlow", (flow, hints, 0.0, 0.05, "mean")),
        ("frames: got", "EstimateFlow", (image, "dis")),
        ("method: got 'farneback'", "EstimateFlow", (two, "farneback")),
        ("mode: got 'x'", "PreviewFlow", (flow, "x", 0.0, 24)),
    ]
    for said, name, given in cases:
        with pytest.raises(ValueError, match=said):
            run(nodes, name, *given)


def test_motion_of_a_video_is_measured_and_shown(nodes, image):
    big = torch.nn.functional.interpolate(image.permute(0, 3, 1, 2), size=(96, 128), mode="bicubic").permute(0, 2, 3, 1)
    video = torch.cat([big.roll(2 * i, dims=2) for i in range(3)]).clamp(0, 1)
    (flow,) = run(nodes, "EstimateFlow", video, "dis")
    assert flow.shape == (2, 2, 96, 128) and flow[:, 0].median() == pytest.approx(2, abs=0.3)
    (percent,) = run(nodes, "MotionStrength", torch.ones(1, 2, 128, 256))
    assert percent == 200.0
    (colors,) = run(nodes, "PreviewFlow", flow, "color", 0.0, 24)
    (arrows,) = run(nodes, "PreviewFlow", flow, "arrows", 0.0, 24, big)
    assert colors.shape == arrows.shape == (2, 96, 128, 3)


def test_alpha_is_over_black_and_inputs_stay(nodes, image):
    transparent = torch.cat([image, torch.zeros_like(image[..., :1])], dim=-1)
    before = transparent.clone()
    _, preview, *_ = run(nodes, "DrawMotionArrows", transparent, "")
    assert preview.count_nonzero() == 0 and torch.equal(transparent, before)


def test_what_the_refiner_is_to_keep_to_comes_whole(nodes, image):
    refine = nodes["RefineFlow"].execute
    flow, mask = torch.ones(1, 2, 32, 64), torch.ones(1, 32, 64)
    with pytest.raises(ValueError, match="hints: not connected; allowed: sparse_flow and hints together"):
        refine(None, flow, image, sparse_flow=flow)
    with pytest.raises(ValueError, match="sparse_flow: not connected"):
        refine(None, flow, image, hints=mask)
    with pytest.raises(ValueError, match="sparse_flow: got 32×16, allowed the image's 64×32"):
        refine(None, flow, image, sparse_flow=flow[..., :16, :32], hints=mask)
    several = flow.expand(3, -1, -1, -1)
    with pytest.raises(ValueError, match="sparse_flow: got 3 fields, allowed 1$"):
        refine(None, flow, image, sparse_flow=several, hints=mask)
    with pytest.raises(ValueError, match="sparse_flow: got 3 fields, allowed 1 or 5, as flow has"):
        refine(None, flow.expand(5, -1, -1, -1), image, sparse_flow=several, hints=mask)


@pytest.mark.parametrize("mode", MODES)
def test_arrows_of_which_nothing_is_left_are_said(nodes, mode):
    sparse, mask = torch.zeros(1, 2, 32, 64), torch.zeros(1, 32, 64)
    sparse[..., 5, 9], mask[..., 5, 9] = 3, 1
    corner = torch.zeros(1, 32, 64)
    corner[..., -1, -1] = 1

    def said(**changes):
        given = {"sparse_flow": sparse, "hints": mask, "sigma": 0.1, "threshold": 0.05, "mode": mode, **changes}
        motion = nodes["DensifyFlow"].execute(**given).result[0]
        assert motion.field.any() == (not motion.notes)
        return any("no arrow is left in the flow" in note for note in motion.notes)

    assert said(threshold=5.0) and said(region=corner) and said(hints=corner)
    assert not said() and not said(region=corner * 0)


RUNS = [16 * 64, *[32, 32] * 16]  # the lower left quarter of 64 x 32 px
OBJECT = json.dumps(
    {
        "version": 2,
        "arrows": [{"id": "a", "points": [[0.25, 0.5], [0.75, 0.5]], "object": 1}],
        "objects": [{"size": [64, 32], "runs": RUNS}],
    }
)


def test_a_painted_thing_moves_as_a_thing(nodes):
    image = torch.zeros(1, 32, 64, 3)
    image[:, 16:, :32] = 1
    arrows = nodes["DrawMotionArrows"].execute(image, OBJECT).result[0]
    sparse, hints = nodes["ArrowsToSparseFlow"].execute(arrows, 0, 0, 5).result
    assert not hints.any() and not sparse.field.any() and len(sparse.objects) == 1
    dense = nodes["DensifyFlow"].execute(sparse, hints, 0.0, 0.05, "faded").result[0]
    moving = nodes["PreviewFlow"].execute(dense, "moving image", 0.0, 24, image).result[0]
    assert moving.shape == (5, 32, 64, 3) and torch.equal(moving[0], image[0])
    assert (moving[-1, 20:, 36:60] > 0.9).all() and (moving[-1, 20:, :28] < 0.1).all()
    colors = nodes["PreviewFlow"].execute(dense, "color", 0.0, 24).result[0]
    assert len(colors) == 4
    assert nodes["MotionStrength"].execute(dense).result[0] == pytest.approx(100 * 8 / 4 / 2 * 512 / 64, rel=0.01)
    with pytest.raises(ValueError, match="image: not connected"):
        nodes["PreviewFlow"].execute(dense, "moving image", 0.0, 24)


def test_masks_of_any_node_make_things_of_what_they_cover(nodes):
    image = torch.rand(1, 32, 64, 3)
    arrows = nodes["DrawMotionArrows"].execute(image, "10,20,30,20").result[0]
    masks = torch.zeros(2, 32, 64)
    masks[1, 10:30, 5:20] = 1
    motion = nodes["ArrowsToSparseFlow"].execute(arrows, 0, 0, 5, masks).result[0]
    assert len(motion.objects) == 1 and motion.objects[0].arrows[0].id == "a1"
    with pytest.raises(ValueError, match="objects: got 65 masks, allowed at most 64"):
        nodes["ArrowsToSparseFlow"].execute(arrows, 0, 0, 5, torch.zeros(65, 8, 8))
    with pytest.raises(ValueError, match="objects, mask 2: got 1 NaN"):
        masks[1, 0, 0] = float("nan")
        nodes["ArrowsToSparseFlow"].execute(arrows, 0, 0, 5, masks)


def test_masks_that_come_one_by_one_are_gathered(nodes):
    first, second = torch.zeros(2, 8, 16), torch.zeros(4, 8)
    first[0, 0, 0] = first[1, 7, 15] = 1
    second[1] = 1
    (objects,) = nodes["GatherObjects"].execute([first, second]).result
    assert objects.shape == (2, 8, 16)
    assert objects[0].nonzero().tolist() == [[0, 0], [7, 15]] and (objects[1].sum(1) > 8).tolist() == [
        0,
        0,
        1,
        1,
        0,
        0,
        0,
        0,
    ]
    with pytest.raises(ValueError, match="masks, 2 of 2: got 1 NaN"):
        nodes["GatherObjects"].execute([second, torch.tensor([[float("nan")]])])
    (objects,) = nodes["GatherObjects"].execute([torch.zeros(0, 8, 16), first]).result
    assert not objects[0].any() and torch.equal(objects[1], first.amax(0)), "nothing found for the first arrow"
    for count in (0, 65):
        with pytest.raises(ValueError, match=f"masks: got {count} in the list, allowed 1..64"):
            nodes["GatherObjects"].execute([first] * count)
