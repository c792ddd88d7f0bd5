"""Training of the refiner: its figures, and the command on a toy set."""

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from disc import SIZE, disc_flow, fields_of

from driftfield.flow_tools.dense import default_sigma_px
from driftfield.flow_tools.flo import write_flo
from driftfield.networks.refiner import FlowRefiner, RefinerConfig
from driftfield.training import refiner as training
from driftfield.training.data.hints import draw_pixels, gaussian_fields
from driftfield.training.data.refiner_fields import load_pairs
from driftfield.training.refiner import endpoint_errors


def test_end_point_errors_of_a_refiner_that_changes_nothing():
    refiner = FlowRefiner(RefinerConfig(base_channels=4, max_channels=4, levels=2, hints=True)).eval()
    refiner.up[0].weight.data.zero_()
    flow = torch.stack([disc_flow(), 2 * disc_flow()])
    errors = endpoint_errors(refiner, fields_of(flow), torch.device("cpu"))
    hints = draw_pixels(flow, torch.Generator().manual_seed(0))
    for reach in training.REACHES:
        dense = gaussian_fields(flow, *hints, torch.full((2,), reach * default_sigma_px(SIZE, SIZE)))
        assert errors[f"Gaussian {reach:g}"] == pytest.approx((dense - flow).norm(dim=1).mean().item())
    assert errors["refined"] == pytest.approx(errors["Gaussian 1"])
    assert errors["no motion"] == pytest.approx(flow.norm(dim=1).mean().item())


TOY = ["base_channels=4", "max_channels=8", "levels=3", "batch=2", "steps=4", "scene_share=0.5", "size=0"]
CRITICAL = "adversarial_weight=0.01"


def test_command_and_its_continuation(toy_data, tmp_path, run_command):
    def run(out, *more):
        run_command(training, toy_data, tmp_path / out, "--checkpoint-minutes", "0", "--set", *TOY, *more)
        return training.build_refiner(SimpleNamespace(start=tmp_path / out)).state_dict()

    first = run("first", "--set", CRITICAL)
    report = json.loads((tmp_path / "first" / "report.json").read_text(encoding="utf-8"))
    assert report["steps"] == 4 and "refined" in report["held_out_epe"]
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
    fields = load_pairs(folder, "train")
    assert fields.images.shape == (2, 3, 64, 64) and fields.images.dtype == torch.uint8
    assert torch.equal(fields.flow.float(), torch.arange(2.0).view(2, 1, 1, 1).expand(2, 2, 64, 64))
    images, flow = fields.draw(20, torch.Generator().manual_seed(0))
    assert images.shape == (20, 3, 64, 64) and set(flow.unique().tolist()) == {0.0, 1.0}
    run_command(training, folder, tmp_path / "out", "--preset", "svd-xt", "--set", *TOY[:-2], "scene_share=0")


def test_a_run_that_breaks_off_leaves_its_last_checkpoint(toy_data, tmp_path, run_command, kill_at):
    kill_at(2)
    with pytest.raises(KeyboardInterrupt):
        run_command(training, toy_data, tmp_path, "--checkpoint-minutes", "0", "--set", *TOY)
    assert not (tmp_path / "report.json").exists()
    assert training.build_refiner(SimpleNamespace(start=tmp_path)).config.levels == 3
