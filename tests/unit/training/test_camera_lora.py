"""Training of the static-camera LoRA: what it is trained on, what it changes, and the command, up to the loader."""

import json
import shutil
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny import seeded, tiny_pipeline_folder, tiny_unet
from transformers import CLIPImageProcessor

from driftfield.model_loaders.adapter import FORMAT
from driftfield.networks.motion_unet import AdapterConfig, MotionAdapter
from driftfield.training import camera_lora as training
from driftfield.training.data.batches import FULL
from driftfield.training.data.latents import LatentClips

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


def test_moving_backgrounds_are_told_from_moving_things():
    flow = torch.zeros(4, 3, 2, 32, 32)
    flow[1] = 1.0  # a pan
    flow[2, :, :, 10:20, 10:20] = 4.0  # something moves in the middle
    flow[3, :, 0, 4:20] = 2.0  # it crosses the border, and covers less than half of it
    assert [training.holds_still(clip) for clip in flow.half()] == [True, False, True, True]


def test_strength_is_exaggerated_where_no_flow_says_what_moves():
    """Never lowered, at most sixteenfold, and alike for two processes and for one."""
    clips = LatentClips(
        *(torch.zeros(1, 2, 4, 8, 8).half() for _ in range(2)),
        flow=torch.zeros(1, 1, 2, 32, 32).half(),
        images=torch.zeros(1, 3, 64, 64, dtype=torch.uint8),
        strength_percent=torch.tensor([10.0]),
    )
    processor = CLIPImageProcessor(size={"shortest_edge": 224}, crop_size=224)

    def draw(batch: int, **which):
        options = SimpleNamespace(batch=batch, log_sigma_mean=0.0, log_sigma_std=1.0)
        return training.draw(clips, options, torch.Generator().manual_seed(2), processor, **which)

    batch = draw(200)
    parts = [draw(100, process=i, processes=2) for i in range(2)]
    for name, value in batch.items():
        torch.testing.assert_close(torch.cat([part[name] for part in parts]), value)
    strength = batch["strength"][batch["strength"] > 0]
    mode = batch["mode"][batch["strength"] > 0]
    assert (strength[mode == FULL] == 10).all()
    assert strength.min() == 10 and 80 < strength.max() <= 160
    assert 0.4 < (strength[mode != FULL] > 10).float().mean() < 0.6


@pytest.fixture(scope="module")
def still_camera_data(toy_data, tmp_path_factory):
    """The toy set, and in each split a clip in whose middle something moves."""
    folder = tmp_path_factory.mktemp("still") / "data"
    shutil.copytree(toy_data, folder)
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
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
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
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


TOY = [
    "rank=4",
    "frames=5",
    "batch=2",
    "steps=3",
    "clip_stride=3",
    "scenes_per_still=1",
    "learning_rate=0.1",
    "size=64",
]


def test_command_writes_what_the_loader_reads(
    still_camera_data, trained_animator, tmp_path, run_command, loaders, comfy_base
):
    run_command(training, still_camera_data, tmp_path, "--animator", str(trained_animator), "--set", *TOY)
    path = tmp_path / "camera_lora.safetensors"
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    assert {tensor.dtype for tensor in tensors.values()} == {torch.half}
    assert all(tensor.any() for tensor in tensors.values())
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["steps"] == 3 and report["clips"] == 8  # 2 windows, mirrored, and both played backwards
    assert report["held_out_loss"] != report["held_out_loss_before"] > 0

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


def test_no_still_camera_is_named(toy_data, trained_animator, tmp_path, run_command):
    arguments = ("--animator", str(trained_animator), "--set", *TOY, "scenes_per_still=0")
    with pytest.raises(ValueError, match="nothing to train on"):
        run_command(training, toy_data, tmp_path, *arguments)


def test_it_goes_on_from_weights_and_fits_svd_without_an_adapter(still_camera_data, tmp_path, run_command):
    base = tiny_pipeline_folder(tmp_path / "svd")
    toy = [*(item for item in TOY if "scenes" not in item), "motion_channels=8"]
    common = ("--preset", "svd-xt", "--model", str(base))
    run_command(training, still_camera_data, tmp_path / "first", *common, "--set", *toy)
    start = ("--start", str(tmp_path / "first"))
    run_command(training, still_camera_data, tmp_path / "second", *common, *start, "--set", *toy, "learning_rate=1e-9")
    first, second = (load_file(tmp_path / name / "camera_lora.safetensors") for name in ("first", "second"))
    for key, value in first.items():
        torch.testing.assert_close(second[key], value, atol=1e-3, rtol=1e-2)
    with pytest.raises(ValueError, match="camera_lora.safetensors: does not fit this UNet and rank: unet.down_blocks"):
        run_command(training, still_camera_data, tmp_path / "third", *common, *start, "--set", *toy, "rank=2")


def test_the_animator_must_be_named(toy_data, tmp_path, run_command):
    with pytest.raises(ValueError, match="--animator: missing"):
        run_command(training, toy_data, tmp_path)
