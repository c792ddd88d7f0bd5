"""The animator's training command on a toy set: from nothing, onwards, after being killed, and from SVD's weights."""

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from diffusers import StableVideoDiffusionPipeline
from safetensors import safe_open
from safetensors.torch import load_file
from tiny import tiny_image_encoder, tiny_pipeline_folder, tiny_unet, tiny_vae

from driftfield.training import animator as training
from driftfield.training.models.build import build_models

TOY = ["block_out_channels=[32,64]", "cross_attention_dim=16", "frames=5", "batch=2", "motion_channels=8", "steps=4",
       "scenes_per_still=1", "size=64"]  # fmt: skip
ADAPTER = "motion_adapter.safetensors"


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae")
    tiny_vae().save_pretrained(folder)
    return folder


def test_command_and_its_continuation(toy_data, vae, tmp_path, run_command):
    def run(out, *more):
        run_command(training, toy_data, tmp_path / out, "--autoencoder", str(vae), *more, "--set", *TOY)
        with safe_open(tmp_path / out / ADAPTER, "pt") as file:
            assert file.metadata()["format"] == "driftfield.adapter.v1"
            return json.loads(file.metadata()["config"]), load_file(tmp_path / out / ADAPTER)

    config, first = run("first")
    assert config["reference"] == "warped" and config["widths"] == [32, 64]
    files = {"animator", ADAPTER, "logs", "README.md", "report.json", "state.pt"}
    assert {p.name for p in (tmp_path / "first").iterdir()} == files
    assert not (tmp_path / "first" / "animator" / "vae").exists()
    facts = json.loads((tmp_path / "first" / "animator" / "driftfield.json").read_text(encoding="utf-8"))
    assert facts["frames"] == 5 and facts["size"] == 64 and facts["fps"] == 8
    report = json.loads((tmp_path / "first" / "report.json").read_text(encoding="utf-8"))
    assert report["steps"] == 4 and report["clips"] == 8 and report["scenes"] == 3 and report["loss"] > 0
    assert report["held_out_loss"] != report["held_out_loss_before"] > 0
    assert all(tensor.dtype == torch.half for tensor in first.values()) and first["strength.weight"].any()
    again, onwards = run("onwards", "--start", str(tmp_path / "first"))
    assert again == config
    for key, tensor in onwards.items():
        torch.testing.assert_close(tensor.float(), first[key].float(), atol=5e-3, rtol=0)
    assert any(not torch.equal(onwards[key], first[key]) for key in first)


SVD_TOY = ["frames=5", "batch=2", "motion_channels=8", "steps=2", "size=64", "learning_rate=0.01"]


@pytest.mark.parametrize("reference", ["warped", "repeated"])
def test_svd_s_temporal_layers_and_an_adapter(toy_data, tmp_path, run_command, reference, loaders, comfy_base):
    """Spatial layers and image encoder come back bit by bit, the nodes load what was written, and what is encoded is
    kept on disk and found again."""
    base = tiny_pipeline_folder(tmp_path / "svd")
    arguments = ("--preset", "svd-xt", "--model", str(base), "--set", *SVD_TOY, f'reference="{reference}"')
    run_command(training, toy_data, tmp_path / "out", *arguments)
    pipeline = StableVideoDiffusionPipeline.from_pretrained(tmp_path / "out" / "animator")
    changed = set()
    for key, value in tiny_unet().state_dict().items():
        if not torch.equal(pipeline.unet.state_dict()[key], value.half().to(pipeline.unet.dtype)):
            changed.add(key)
    assert changed and all("temporal" in key or "time" in key or "add_embedding" in key for key in changed)
    for key, value in tiny_image_encoder().state_dict().items():
        assert torch.equal(pipeline.image_encoder.state_dict()[key].half(), value.half()), key
    folder, adapters = (
        comfy_base / "models" / "diffusers" / reference,
        comfy_base / "models" / "driftfield" / "adapters",
    )
    adapters.mkdir(exist_ok=True)
    shutil.copytree(tmp_path / "out" / "animator", folder)
    shutil.copy(tmp_path / "out" / ADAPTER, adapters / f"{reference}.safetensors")
    animator = loaders.animator.load_animator(reference, f"{reference}.safetensors", "auto")
    assert animator.reference == reference and animator.frames == 5 and animator.fps == 7
    shutil.rmtree(folder)
    (adapters / f"{reference}.safetensors").unlink()
    (encoded,) = (tmp_path / "out" / "encoded").iterdir()
    times = {path.name: path.stat().st_mtime_ns for path in encoded.iterdir()}
    assert "complete" in times and len(times) == 2
    run_command(training, toy_data, tmp_path / "out", *arguments)
    assert times == {path.name: path.stat().st_mtime_ns for path in encoded.iterdir()}


def options(**values):
    defaults = {"model": None, "start": None, "autoencoder": None, "preset": "svd-xt", "trained": "all"}
    return SimpleNamespace(**defaults | values)


def test_what_is_missing_or_does_not_fit_is_named(tmp_path, vae, toy_data, run_command):
    tiny_unet(latent_channels=8).save_pretrained(tmp_path / "animator" / "unet")
    with pytest.raises(ValueError, match="--autoencoder: missing"):
        build_models(options())
    with pytest.raises(ValueError, match="--model: missing, needed: the SVD that preset svd-xt starts from"):
        build_models(options(autoencoder=vae))
    with pytest.raises(ValueError, match="got clips of .64, 64. px, allowed size = 32"):
        run_command(training, toy_data, tmp_path / "out", "--autoencoder", str(vae), "--set", *TOY[:-1], "size=32")
    with pytest.raises(ValueError, match="nothing to train on, needed: clips of 50 or more frames"):
        toy = [*TOY, "frames=50", "scenes_per_still=0"]
        run_command(training, toy_data, tmp_path / "out", "--autoencoder", str(vae), "--set", *toy)


def test_an_animator_of_another_autoencoder_is_refused(tmp_path, vae):
    tiny_pipeline_folder(tmp_path / "animator", latent_channels=8)
    with pytest.raises(ValueError, match="made for 8 latent channels, but the autoencoder has 4"):
        build_models(options(start=tmp_path, autoencoder=vae))
