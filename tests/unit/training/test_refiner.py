"""Training of the refiner: hints as a person would place them, and the command on a toy set."""

import json
import shutil
from types import SimpleNamespace

import pytest
import torch

from driftfield.flow_tools.dense import default_sigma_px, densify
from driftfield.flow_tools.flo import write_flo
from driftfield.networks.refiner import FlowRefiner, RefinerConfig
from driftfield.training import refiner as training
from driftfield.training import refiner_data as data
from driftfield.training.refiner import endpoint_errors
from driftfield.training.refiner_data import Fields, draw_hints

SIZE = 32


def disc_flow() -> torch.Tensor:
    """[2, H, W]: a disc that covers a fifth moves by (3, −1), the rest is still."""
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    inside = ((x - 12) ** 2 + (y - 18) ** 2 < 64).float()
    return torch.stack([3 * inside, -inside])


def test_hints_carry_the_true_flow_and_stand_mostly_where_it_moves():
    flow, generator = disc_flow(), torch.Generator().manual_seed(0)
    counts, moving = [], []
    for _ in range(300):
        sparse, hints = draw_hints(flow, generator)
        assert sparse.shape == (1, 2, SIZE, SIZE) and hints.shape == (1, 1, SIZE, SIZE)
        assert torch.equal(sparse, flow[None] * hints) and set(hints.unique().tolist()) <= {0.0, 1.0}
        counts.append(int(hints.sum()))
        moving += flow[0][hints[0, 0] > 0].tolist()
    assert min(counts) == 1 and max(counts) == 6
    share = sum(value > 0 for value in moving) / len(moving)
    assert 0.75 < share < 0.95  # 0.8 + 0.2 · the disc's share, and pins


def test_a_still_field_gets_pins():
    sparse, hints = draw_hints(torch.zeros(2, SIZE, SIZE), torch.Generator().manual_seed(0))
    assert hints.any() and not sparse.any()


def fields_of(flow: torch.Tensor) -> Fields:
    count = torch.tensor([1, len(flow) - 1])
    images = torch.arange(len(flow), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, SIZE, SIZE)
    return Fields(images, flow.half(), torch.tensor([0, 1]), count)


def test_gaussian_fields_are_the_nodes_own_densifying():
    flow = torch.randn(9, 2, 24, 40, generator=torch.Generator().manual_seed(1))
    place, present = data.draw_places(flow, torch.Generator().manual_seed(2))
    place[0, 1] = place[0, 0]
    present[0, :2] = torch.tensor([True, False])  # as draw_places leaves two on one pixel
    sigma = data.draw_sigma(9, 24, 40, torch.Generator().manual_seed(3), flow.device)
    sigma[0] = 2.0
    fields = data.gaussian_fields(flow, place, present, sigma)
    for i, (sparse, mask) in enumerate(zip(*data.hint_maps(flow, place, present), strict=True)):
        expected = densify(sparse[None], mask[None], sigma_px=sigma[i].item(), threshold=data.THRESHOLD)
        torch.testing.assert_close(fields[i : i + 1], expected, atol=1e-4, rtol=1e-4)
    assert (fields[0] == 0).any() and len({count.item() for count in present.sum(1)}) > 3


def test_no_pixel_has_two_hints():
    place, present = data.draw_places(torch.ones(200, 2, 3, 3), torch.Generator().manual_seed(0))
    for pixels, there in zip(place, present, strict=True):
        assert len(set(pixels[there].tolist())) == there.sum() >= 1


def test_half_of_the_reaches_are_the_default():
    sigma = data.draw_sigma(4000, 64, 96, torch.Generator().manual_seed(0), torch.device("cpu")) / default_sigma_px(
        64, 96
    )
    assert (sigma == 1).float().mean() == pytest.approx(0.5, abs=0.03)
    assert sigma.min() == pytest.approx(0.2, abs=0.01) and sigma.max() == 1


def test_fields_of_clips_are_means_over_a_window():
    base = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    picture = torch.nn.functional.interpolate(base[None], size=64, mode="bicubic").clamp(0, 1)[0].mul(255).byte()
    clip = torch.stack([picture.roll(k, dims=-1) for k in range(2 * data.WINDOW + 2)])
    fields = data.clip_fields([clip[:5], clip, clip[:10]])
    assert torch.equal(fields.images, clip[[0, data.WINDOW, 0]])
    assert fields.flow.shape == (3, 2, 64, 64) and fields.flow[:, 0].float().median() == pytest.approx(1, abs=0.2)
    assert fields.first.tolist() == [0, 2] and fields.count.tolist() == [2, 1]
    assert len(data.clip_fields([clip], stride=data.WINDOW // 2).images) == 3


def test_every_clip_is_drawn_as_often():
    fields = fields_of(torch.zeros(5, 2, SIZE, SIZE))
    images, _ = fields.draw(2000, torch.Generator().manual_seed(0))
    which = ((images[:, 0, 0, 0] + 1) * 127.5).round().long().bincount() / 2000
    assert which.tolist() == pytest.approx([0.5] + [0.125] * 4, abs=0.04)


def test_scenes_are_new_in_every_step_and_the_same_again():
    stills = [torch.randint(0, 256, (3, 40, 40), dtype=torch.uint8) for _ in range(3)]
    first, again = (data.Scenes(stills, 2, SIZE, torch.device("cpu"), seed=4) for _ in range(2))
    steps = [first.of(step) for step in (0, 1, data.BLOCK, data.BLOCK + 1)]
    images, flow = again.of(data.BLOCK + 1)
    assert images.shape == (2, 3, SIZE, SIZE) and flow.shape == (2, 2, SIZE, SIZE) and flow.isfinite().all()
    assert torch.equal(images, steps[3][0]) and torch.equal(flow, steps[3][1])
    assert all(not torch.equal(a[0], b[0]) for i, a in enumerate(steps) for b in steps[:i])


def test_augmented_views_move_as_their_fields_say(monkeypatch):
    """Two frames of a smooth picture under one affine motion; the view of the second lies where the flow says."""
    monkeypatch.setattr(data, "TURNED_SHARE", 0.0)
    height, width = 48, 64
    y, x = torch.meshgrid(torch.arange(height) - 23.5, torch.arange(width) - 31.5, indexing="ij")
    flow = torch.stack([0.02 * x - 0.03 * y + 1.5, 0.03 * x + 0.01 * y - 0.7])
    ramp = torch.stack([x / 80, y / 80, (x + y) / 120])  # linear: bilinear sampling is exact
    moved = ramp - torch.stack([flow[0] / 80, flow[1] / 80, flow.sum(0) / 120])  # what comes to p, to first order
    generators = [torch.Generator().manual_seed(3) for _ in range(2)]
    many = (16, -1, -1, -1)
    monkeypatch.setattr(data, "jittered", lambda images, draw: images)
    first, seen = data.augment(ramp.expand(*many), flow.expand(*many), generators[0])
    second, _ = data.augment(moved.expand(*many), flow.expand(*many), generators[1])
    slope_x, slope_y = first.diff(dim=-1)[..., :-1, :], first.diff(dim=-2)[..., :-1]
    change = slope_x * seen[:, :1, :-1, :-1] + slope_y * seen[:, 1:, :-1, :-1]
    torch.testing.assert_close((first - second)[..., 1:-2, 1:-2], change[..., 1:-1, 1:-1], atol=2e-4, rtol=0)
    assert {sign.item() for sign in slope_x[:, 0].mean((1, 2)).sign()} == {-1.0, 1.0}  # mirrored and not
    assert first.std(0).min() > 0 and first.abs().max() <= ramp.abs().max() + 1e-5  # from inside the frame


def test_fields_are_turned_as_a_whole(monkeypatch):
    flow, images = disc_flow().expand(50, -1, -1, -1), torch.zeros(50, 3, SIZE, SIZE)
    monkeypatch.setattr(data, "TURNED_SHARE", 0.0)
    _, plain = data.augment(images, flow, torch.Generator().manual_seed(5))
    monkeypatch.setattr(data, "TURNED_SHARE", 1.0)
    _, turned = data.augment(images, flow, torch.Generator().manual_seed(5))
    moves = plain.norm(dim=1) > 0.1
    ratio = turned.norm(dim=1) / plain.norm(dim=1).clamp_min(1e-6)
    speeds = torch.stack([part[there].median() for part, there in zip(ratio, moves, strict=True) if there.any()])
    assert 0.5 <= speeds.min() < 0.7 and 1.4 < speeds.max() <= 2
    assert torch.equal(turned.norm(dim=1) > 0, plain.norm(dim=1) > 0)


def test_end_point_errors_of_a_refiner_that_changes_nothing():
    refiner = FlowRefiner(RefinerConfig(base_channels=4, max_channels=4, levels=2, hints=True)).eval()
    refiner.up[0].weight.data.zero_()
    flow = torch.stack([disc_flow(), 2 * disc_flow()])
    errors = endpoint_errors(refiner, fields_of(flow), torch.device("cpu"))
    hints = data.draw_places(flow, torch.Generator().manual_seed(0))
    for reach, share in training.REACHES.items():
        dense = data.gaussian_fields(flow, *hints, torch.full((2,), share * default_sigma_px(SIZE, SIZE)))
        expected = (dense - flow).norm(dim=1).mean().item()
        assert errors[f"dense {reach}"] == pytest.approx(errors[f"refined {reach}"]) == pytest.approx(expected)
    assert len(errors) == 4


TOY = ["base_channels=4", "max_channels=8", "levels=3", "batch=2", "steps=4", "scene_share=0.5"]


def test_command_and_its_continuation(toy_data, tmp_path, run_command):
    def run(out, *more):
        run_command(training, toy_data, tmp_path / out, "--checkpoint-minutes", "0", *more, "--set", *TOY)
        return training.build_refiner(SimpleNamespace(start=tmp_path / out)).state_dict()

    first = run("first")
    report = json.loads((tmp_path / "first" / "report.json").read_text(encoding="utf-8"))
    assert report["steps"] == 4 and len(report["held_out_epe"]) == 4
    onwards = run("onwards", "--start", str(tmp_path / "first"))
    for key, tensor in onwards.items():
        torch.testing.assert_close(tensor, first[key], atol=5e-3, rtol=0)
    assert any(not torch.equal(onwards[key], first[key]) for key in first)


def test_annotated_fields_are_the_targets_where_there_are_some(toy_data, tmp_path, run_command):
    folder = tmp_path / "data"
    shutil.copytree(toy_data, folder)
    (folder / "fields").mkdir()
    names = [entry["name"] for entry in json.loads((folder / "index.json").read_text(encoding="utf-8"))["clips"]]
    for number, name in enumerate(names):
        write_flo(folder / "fields" / f"{name}.flo", torch.full((1, 2, 64, 64), float(number)))
    fields = data.load_pairs(folder, "train")
    assert fields.images.shape == (2, 3, 64, 64) and fields.images.dtype == torch.uint8
    assert torch.equal(fields.flow.float(), torch.arange(2.0).view(2, 1, 1, 1).expand(2, 2, 64, 64))
    images, flow = fields.draw(20, torch.Generator().manual_seed(0))
    assert images.shape == (20, 3, 64, 64) and set(flow.unique().tolist()) == {0.0, 1.0}
    run_command(training, folder, tmp_path / "out", "--preset", "svd-xt", "--set", *TOY[:-1], "scene_share=0")


def test_a_run_that_breaks_off_leaves_its_last_checkpoint(toy_data, tmp_path, run_command, kill_at):
    kill_at(2)
    with pytest.raises(KeyboardInterrupt):
        run_command(training, toy_data, tmp_path, "--checkpoint-minutes", "0", "--set", *TOY)
    assert not (tmp_path / "report.json").exists()
    assert training.build_refiner(SimpleNamespace(start=tmp_path)).config.levels == 3
