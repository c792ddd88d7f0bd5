"""The built-in model is put together from runs, and its card says what they were."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file
from tiny import tiny_pipeline, tiny_vae

from driftfield.training import assemble


def report(folder, *, steps, start=None, **figures):
    options = {"seed": 3, "learning_rate": 0.001, "start": start, "out": str(folder), "data": "somewhere"}
    values = {"steps": steps, "minutes": 30.0, "processes": 2, **figures, "options": options}
    (folder / "report.json").write_text(json.dumps(values), encoding="utf-8")


@pytest.fixture
def runs(tmp_path):
    """What the commands leave behind, by part."""
    folders = {part: tmp_path / part for part in assemble.PARTS}
    for folder in folders.values():
        folder.mkdir()
    pipeline = tiny_pipeline()
    pipeline.unet.save_pretrained(folders["animator"] / "animator" / "unet")
    config = folders["animator"] / "animator" / "unet" / "config.json"
    config.write_text(
        json.dumps({**json.loads(config.read_text(encoding="utf-8")), "_name_or_path": str(tmp_path / "start")}),
        encoding="utf-8",
    )
    for part, name in (("animator", "motion_adapter"), ("refiner", "refiner"), ("camera_lora", "camera_lora")):
        save_file({part: pipeline.unet.conv_in.bias.clone()}, folders[part] / f"{name}.safetensors")
    for part in ("autoencoder", "decoder"):
        tiny_vae(seed=len(part)).save_pretrained(folders[part])
    for number, folder in enumerate(folders.values(), 1):
        report(folder, steps=number, psnr=20.0 + number, nested={"a": 1.5})
    return folders


def run(out, runs, *more):
    named = [word for part, folder in runs.items() for word in (f"--{part.replace('_', '-')}", str(folder))]
    assemble.main([*named, "--device-name", "Toy GPU", "--out", str(out), *more])
    return (out / "README.md").read_text(encoding="utf-8"), json.loads(
        (out / "training.json").read_text(encoding="utf-8")
    )


def test_everything_has_its_place_and_its_line(runs, tmp_path):
    out = tmp_path / "weights"
    text, reports = run(out, runs)
    file, name = "animator/vae/diffusion_pytorch_model.safetensors", "encoder.conv_in.weight"
    run(tmp_path / "alone", {"autoencoder": runs["autoencoder"]})
    for folder, part in ((out, "decoder"), (tmp_path / "alone", "autoencoder")):
        expected = tiny_vae(seed=len(part)).state_dict()[name]
        assert (load_file(folder / file)[name].float() - expected).abs().max() < 1e-3
    files = {path.name for path in out.iterdir()}
    assert files >= {"motion_adapter.safetensors", "refiner.safetensors", "camera_lora.safetensors", "animator"}
    config = json.loads((out / "animator" / "unet" / "config.json").read_text(encoding="utf-8"))
    assert config["sample_size"] and "_name_or_path" not in config
    assert [r["part"] for r in reports] == list(assemble.PARTS)
    assert "| animator | 3 | 2 × Toy GPU | 30.0 | 3 | psnr 23, nested a 1.5 |" in text
    assert "5.00 GPU hours in all, on Toy GPU." in text  # 5 parts, half an hour on 2
    assert "somewhere" not in text and str(tmp_path) not in text and "Evaluation" not in text


def test_a_part_that_went_on_keeps_its_history_and_the_others_stay(runs, tmp_path):
    out = tmp_path / "weights"
    run(out, runs)
    report(runs["animator"], steps=70, start="weights")
    report(runs["refiner"], steps=80)
    _, reports = run(out, {part: runs[part] for part in ("animator", "refiner")})
    steps = [(r["part"], r["steps"]) for r in reports]
    assert steps == [("autoencoder", 1), ("decoder", 2), ("animator", 3), ("animator", 70), ("refiner", 80),
                     ("camera_lora", 5)]  # fmt: skip


def test_weights_in_fewer_files_replace_all_of_the_old_ones(runs, tmp_path):
    from diffusers import UNetSpatioTemporalConditionModel

    out, unet = tmp_path / "weights", runs["animator"] / "animator" / "unet"
    network = UNetSpatioTemporalConditionModel.from_pretrained(unet)
    shutil.rmtree(unet)
    network.save_pretrained(unet, max_shard_size="200KB")
    assert len(list(unet.glob("*.safetensors"))) > 1
    run(out, runs)
    shutil.rmtree(unet)
    network.conv_in.bias.data += 1
    network.save_pretrained(unet)
    run(out, {"animator": runs["animator"]})
    found = UNetSpatioTemporalConditionModel.from_pretrained(out / "animator" / "unet")
    assert (found.conv_in.bias == network.conv_in.bias).all()


def test_data_and_evaluation_are_in_the_card(runs, tmp_path):
    (tmp_path / "data").mkdir()
    entry = {"package": "some-package==1.0"}
    summary = {"kept": {"clips train": 4, "clips held_out": 2}, "frames": 99}
    (tmp_path / "data" / "index.json").write_text(
        json.dumps({"summary": summary, "clips": [entry, entry], "stills": []}), encoding="utf-8"
    )
    (tmp_path / "evaluation").mkdir()
    evaluation = ["--data", str(tmp_path / "data"), "--evaluation", str(tmp_path / "evaluation")]
    with pytest.raises(ValueError, match="holds no figures of a finished evaluation"):
        run(tmp_path / "weights", runs, *evaluation)
    bars = [
        {"what": "cosine", "value": 0.912345, "limit": 0.9, "at_least": True, "met": True},
        {"what": "drift", "value": 0.5, "limit": 0.25, "at_least": False, "met": False},
    ]
    (tmp_path / "evaluation" / "control.json").write_text(json.dumps({"bars": bars}), encoding="utf-8")
    text, _ = run(tmp_path / "weights", runs, *evaluation)
    assert "2 clips held_out, 4 clips train; 99 frames of clips. From some-package==1.0." in text
    assert "| control | cosine | 0.912 | ≥ 0.9 | yes |\n| control | drift | 0.500 | ≤ 0.25 | no |" in text
