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
from driftfield.training.refiner import clip_fields, densified, draw_hints, endpoint_errors, scene_fields

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


def test_densified_is_the_nodes_own_densifying_and_reproducible():
    flow = torch.stack([disc_flow(), 2 * disc_flow(), torch.zeros(2, SIZE, SIZE)])
    fields = densified(flow, seed=5)
    assert fields.shape == flow.shape and fields.dtype == torch.half
    assert torch.equal(fields, densified(flow, seed=5)) and not torch.equal(fields, densified(flow, seed=9))
    generator = torch.Generator().manual_seed(6)
    hints = draw_hints(flow[1], generator)
    share = 5 ** -torch.rand((), generator=generator).item()
    assert 0.2 <= share <= 1
    expected = densify(*hints, sigma_px=share * default_sigma_px(SIZE, SIZE), threshold=0.05)
    assert torch.equal(fields[1], expected[0].half())
    assert not fields[2].any()


def test_fields_of_clips_are_means_over_a_window():
    base = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    picture = torch.nn.functional.interpolate(base[None], size=64, mode="bicubic").clamp(0, 1)[0].mul(255).byte()
    clip = torch.stack([picture.roll(k, dims=-1) for k in range(2 * training.WINDOW + 2)])
    images, flow = clip_fields([clip])
    assert torch.equal(images, clip[[0, training.WINDOW]])
    assert flow.shape == (2, 2, 64, 64) and flow[:, 0].median() == pytest.approx(1, abs=0.2)


def test_fields_of_scenes():
    stills = [torch.randint(0, 256, (3, 80, 80), dtype=torch.uint8) for _ in range(17)]
    images, flow = scene_fields(stills, 64, 1, torch.device("cpu"))
    assert images.shape == (17, 3, 64, 64) and images.dtype == torch.uint8
    assert flow.shape == (17, 2, 64, 64) and flow.isfinite().all() and flow.any()


def test_end_point_errors_of_a_refiner_that_changes_nothing():
    refiner = FlowRefiner(RefinerConfig(base_channels=4, max_channels=4, levels=2)).eval()
    refiner.up[0].weight.data.zero_()
    flow = torch.stack([disc_flow(), 2 * disc_flow()])
    images = torch.zeros(2, 3, SIZE, SIZE, dtype=torch.uint8)
    errors = endpoint_errors(refiner, images, flow, torch.device("cpu"))
    expected = (densified(flow, seed=0).float() - flow).norm(dim=1).mean().item()
    assert errors["dense"] == pytest.approx(errors["refined"]) == pytest.approx(expected)


TOY = ["base_channels=4", "max_channels=8", "levels=3", "batch=2", "steps=4", "scenes_per_still=1", "hint_draws=2"]


def test_command_and_its_continuation(toy_data, tmp_path, run_command):
    def run(out, *more):
        run_command(training, toy_data, tmp_path / out, "--checkpoint-minutes", "0", *more, "--set", *TOY)
        return training.build_refiner(SimpleNamespace(start=tmp_path / out)).state_dict()

    first = run("first")
    report = json.loads((tmp_path / "first" / "report.json").read_text())
    assert report["steps"] == 4 and set(report["held_out_epe"]) == {"dense", "refined"}
    onwards = run("onwards", "--start", str(tmp_path / "first"))
    for key, tensor in onwards.items():
        torch.testing.assert_close(tensor, first[key], atol=5e-3, rtol=0)
    assert any(not torch.equal(onwards[key], first[key]) for key in first)


def test_annotated_fields_are_the_targets_where_there_are_some(toy_data, tmp_path, run_command):
    folder = tmp_path / "data"
    shutil.copytree(toy_data, folder)
    (folder / "fields").mkdir()
    names = [entry["name"] for entry in json.loads((folder / "index.json").read_text())["clips"]]
    for number, name in enumerate(names):
        write_flo(folder / "fields" / f"{name}.flo", torch.full((1, 2, 64, 64), float(number)))
    images, flow = training.load_pairs(folder, "train")
    assert images.shape == (2, 3, 64, 64) and images.dtype == torch.uint8
    assert torch.equal(flow, torch.arange(2.0).view(2, 1, 1, 1).expand(2, 2, 64, 64))
    run_command(training, folder, tmp_path / "out", "--preset", "svd-xt", "--set", *TOY[:-2], "hint_draws=1")


def test_a_run_that_breaks_off_leaves_its_last_checkpoint(toy_data, tmp_path, run_command, kill_at):
    kill_at(2)
    with pytest.raises(KeyboardInterrupt):
        run_command(training, toy_data, tmp_path, "--checkpoint-minutes", "0", "--set", *TOY)
    assert not (tmp_path / "report.json").exists()
    assert training.build_refiner(SimpleNamespace(start=tmp_path)).config.levels == 3
