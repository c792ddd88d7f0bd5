"""Training of the static-camera LoRA: what it is trained on, what it changes, and the command, up to the loader."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tiny import seeded, tiny_pipeline_folder, tiny_unet

from driftfield.model_loaders.adapter import FORMAT
from driftfield.networks.animator import AdapterConfig, MotionAdapter
from driftfield.training import camera_lora as training
from driftfield.training.latents import LatentClips

SIZE = 64


def test_layers_are_the_temporal_ones_attention_projections():
    unet = tiny_unet()
    before = {name: value.clone() for name, value in unet.state_dict().items()}
    lora = training.add_lora(unet, 4)
    layers = {name.removeprefix("unet.").rsplit(".lora_", 1)[0] for name in lora}
    wanted = {
        f"{block}.temporal_transformer_blocks.0.{part}"
        for block in ("down_blocks.0.attentions.0", "mid_block.attentions.0", "up_blocks.1.attentions.0",
                      "up_blocks.1.attentions.1")
        for part in ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "attn2.to_v", "attn2.to_out.0")
    }  # fmt: skip
    assert layers == wanted
    trained = {id(p) for p in unet.parameters() if p.requires_grad}
    assert trained == {id(p) for p in lora.values()}
    for name, value in unet.state_dict().items():
        if ".lora_" not in name:
            assert torch.equal(value, before[name.replace(".base_layer.", ".")])


def test_scenes_before_a_moving_background_are_left_out():
    flow = torch.zeros(4, 3, 2, 32, 32)
    flow[1] = 1.0  # a pan
    flow[2, :, :, 10:20, 10:20] = 4.0  # something moves in the middle
    flow[3, :, 0, 4:20] = 2.0  # it crosses the border, and covers less than half of it
    scenes = LatentClips(torch.arange(4.0), torch.arange(4.0), flow.half(), torch.arange(4), torch.arange(4.0))
    assert training.still_scenes(scenes).images.tolist() == [0, 2, 3]
    assert len(training.still_scenes(LatentClips(*(getattr(scenes, n)[1:2] for n in vars(scenes))))) == 0


@pytest.fixture(scope="module")
def still_camera_data(toy_data, tmp_path_factory):
    """The toy set, and in each split a clip in whose middle something moves."""
    folder = tmp_path_factory.mktemp("still") / "data"
    shutil.copytree(toy_data, folder)
    index = json.loads((folder / "index.json").read_text())
    random = np.random.default_rng(5)
    ground, thing = (
        cv2.resize(random.integers(0, 256, (n, n, 3), np.uint8), (s, s), interpolation=cv2.INTER_CUBIC)
        for n, s in ((10, SIZE), (4, 20))
    )
    for split in ("train", "held_out"):
        path = folder / "clips" / f"still_{split}.mp4"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 12, (SIZE, SIZE))
        for k in range(8):
            frame = ground.copy()
            frame[22:42, 12 + 2 * k : 32 + 2 * k] = thing
            writer.write(frame)
        writer.release()
        index["clips"].append({"name": path.stem, "split": split})
    (folder / "index.json").write_text(json.dumps(index))
    return folder


@pytest.fixture(scope="module")
def trained_animator(tmp_path_factory):
    """A folder as the animator's training leaves it, whose motion attention already does something."""
    folder = tmp_path_factory.mktemp("run")
    tiny_pipeline_folder(folder / "animator")
    adapter = seeded(lambda: MotionAdapter(AdapterConfig.for_unet(tiny_unet(), base_channels=8, reference="warped")), 3)
    for i, linear in enumerate((*adapter.outputs, adapter.strength)):
        torch.nn.init.normal_(linear.weight, std=0.1, generator=torch.Generator().manual_seed(i))
    metadata = {"format": FORMAT, "config": json.dumps(adapter.config.to_dict())}
    save_file(adapter.state_dict(), folder / "motion_adapter.safetensors", metadata=metadata)
    return folder


TOY = ["rank=4", "frames=5", "batch=2", "steps=3", "clip_stride=3", "scenes_per_still=1", "learning_rate=0.1"]


def test_command_writes_what_the_loader_reads(
    still_camera_data, trained_animator, tmp_path, run_command, loaders, comfy_base
):
    run_command(training, still_camera_data, tmp_path, "--animator", str(trained_animator), "--set", *TOY)
    path = tmp_path / "camera_lora.safetensors"
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    assert {tensor.dtype for tensor in tensors.values()} == {torch.half}
    assert all(tensor.any() for tensor in tensors.values())
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["steps"] == 3 and report["clips"] == 8  # 2 windows, mirrored, and both played backwards
    assert report["held_out_loss_with"] != report["held_out_loss_without"] > 0

    shutil.copytree(trained_animator / "animator", comfy_base / "models" / "diffusers" / "lora_base")
    animator = loaders.animator.load_animator("lora_base", "none", "fp32")

    def state(patcher):
        return {k: v.clone() for k, v in loaders.memory.load(patcher.unet)[0].state_dict().items()}

    before = state(animator)
    during = state(loaders.lora.apply_lora(animator, path, 1.0))
    after = state(animator)
    changed = {key for key in before if not torch.equal(before[key], during[key])}
    layers = {key.removesuffix(".lora_B.weight") for key in tensors if key.endswith(".lora_B.weight")}
    assert changed == {f"{layer}.weight" for layer in layers}
    for layer in layers:
        product = tensors[f"{layer}.lora_B.weight"].float() @ tensors[f"{layer}.lora_A.weight"].float()
        expected = before[f"{layer}.weight"] + product
        torch.testing.assert_close(during[f"{layer}.weight"], expected, atol=1e-5, rtol=1e-5)
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_no_still_camera_is_named(toy_data, trained_animator, tmp_path, run_command, monkeypatch):
    monkeypatch.setattr(training, "still_scenes", lambda scenes: LatentClips(*(x[:0] for x in vars(scenes).values())))
    with pytest.raises(ValueError, match="no clip of 5 or more frames whose camera does not move"):
        run_command(training, toy_data, tmp_path, "--animator", str(trained_animator), "--set", *TOY)


def test_the_animator_must_be_named(toy_data, tmp_path, run_command):
    with pytest.raises(ValueError, match="--animator: missing"):
        run_command(training, toy_data, tmp_path)
