"""Every training command, killed and resumed, comes to the weights of a run that was not, and draws its samples."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import seeded, tiny_pipeline_folder, tiny_unet, tiny_vae

from driftfield.model_loaders.adapter import FORMAT
from driftfield.networks.motion_unet import AdapterConfig, MotionAdapter
from driftfield.training import animator, autoencoder, camera_lora, refiner

VAE = ["block_out_channels=[32,32,32,32]", "latent_channels=4", "pictures=4", "frames=[1,2]", "crop=32"]
UNET = ["block_out_channels=[32,64]", "cross_attention_dim=16", "frames=5", "batch=1", "motion_channels=8", "size=64",
        "scenes_per_still=1"]  # fmt: skip
REFINER = [
    "base_channels=4",
    "max_channels=8",
    "levels=3",
    "batch=2",
    "scene_share=0.5",
    "size=0",
    "adversarial_weight=0.01",
]
LORA = ["rank=2", "frames=5", "batch=1", "size=64", "scenes_per_still=2"]
COMMANDS = {
    "autoencoder": (autoencoder, [], VAE),
    "decoder": (autoencoder, ["--autoencoder", "vae"], [*VAE, "adversarial_weight=0.02"]),
    "animator": (animator, ["--autoencoder", "vae"], UNET),
    "animator, AdamW": (
        animator,
        ["--autoencoder", "vae"],
        [*UNET, 'optimizer="adamw"', "gradient_checkpointing=true"],
    ),
    "refiner": (refiner, [], REFINER),
    "camera_lora": (camera_lora, ["--animator", "run"], LORA),
}
COLUMNS = {"refiner": 4}  # of the contact sheet; the others show 6 frames of a clip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What the commands start from, by the words in COMMANDS."""
    folder = tmp_path_factory.mktemp("trained")
    tiny_vae().save_pretrained(folder / "vae")
    tiny_pipeline_folder(folder / "run" / "animator")
    config = AdapterConfig.for_unet(tiny_unet(), base_channels=8, reference="warped")
    metadata = {"format": FORMAT, "config": json.dumps(config.to_dict())}
    tensors = seeded(lambda: MotionAdapter(config), 3).state_dict()
    save_file(tensors, folder / "run" / "motion_adapter.safetensors", metadata=metadata)
    return {"vae": str(folder / "vae"), "run": str(folder / "run")}


def results(folder) -> dict[str, torch.Tensor]:
    """All tensors that a run wrote, by file and key."""
    files = sorted(folder.rglob("*.safetensors"))
    return {f"{path.relative_to(folder)} {key}": value for path in files for key, value in load_file(path).items()}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_run_goes_on_to_the_same_weights(toy_data, trained, tmp_path, run_command, kill_at, name):
    module, words, settings = COMMANDS[name]
    arguments = [trained.get(word, word) for word in words] + ["--checkpoint-minutes", "0"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run_command(module, toy_data, whole, *arguments, "--set", *settings, "steps=4")
    kill_at(2)
    with pytest.raises(KeyboardInterrupt):
        run_command(module, toy_data, killed, *arguments, "--set", *settings, "steps=4")
    expected, unfinished = results(whole), results(killed)
    run_command(module, toy_data, killed, *arguments, "--resume", str(killed), "--set", *settings, "steps=4")
    found = results(killed)
    events = EventAccumulator(str(whole / "logs"), size_guidance={"images": 0})
    events.Reload()
    (picture,) = events.Images("samples")
    assert picture.step == 4 and picture.width == COLUMNS.get(name, 6) * 64
    assert found.keys() == expected.keys() == unfinished.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert not all(torch.equal(unfinished[key], expected[key]) for key in expected)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "camera_lora"])  # no toy clip's camera rests
def test_a_set_without_stills_is_enough(toy_data, trained, tmp_path, run_command, name):
    """As `prepare videos` writes it."""
    data = tmp_path / "data"
    shutil.copytree(toy_data, data)
    index = json.loads((data / "index.json").read_text(encoding="utf-8"))
    (data / "index.json").write_text(json.dumps({**index, "stills": []}), encoding="utf-8")
    module, words, settings = COMMANDS[name]
    arguments = [*(trained.get(word, word) for word in words), "--set", *settings, "steps=1"]
    run_command(module, data, tmp_path / "out", *arguments)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert card.startswith(f"# {module.__name__.rpartition('.')[2]}\n")
    assert "| data | 2 clips train, 1 clips held_out |" in card
    (data / "index.json").write_text(json.dumps({"clips": [], "stills": []}), encoding="utf-8")
    with pytest.raises(ValueError, match="nothing to train on|no train clips"):
        run_command(module, data, tmp_path / "none", *arguments)


def test_two_processes_train_one_refiner(toy_data, tmp_path):
    """Each on samples of its own, by the mean of both gradients; the first alone writes and reports."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "driftfield.training.refiner", "--data", str(toy_data), "--out", str(tmp_path)]
    command += ["--device", "cpu", "--set", *REFINER, "steps=3"]
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["processes"] == 2 and report["steps"] == 3 and "held_out_epe" in report
    assert done.stdout.count("done:") == 1
