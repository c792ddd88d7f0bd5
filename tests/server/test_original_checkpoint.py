"""SVD's original single file in models/checkpoints: picked by its name, run to frames, or refused."""

import time

import pytest
import torch
from comfy_client import ComfyError
from original_svd import CLIP, DEEPER, UNET, comfy_svd
from prompts import changed, graph
from safetensors.torch import save_file

from driftfield.evaluation import host

NAME = "svd_reduced.safetensors"
NEEDED = "needed: Stable Video Diffusion's original file"


@pytest.fixture(scope="module")
def checkpoints(server):
    host.enter()  # the file is made of ComfyUI's own modules
    folder = server.base / "models" / "checkpoints"
    folder.mkdir(exist_ok=True)
    comfy_svd(DEEPER, folder / NAME)
    return folder


def prompt_with(still, model, **changes):
    prompt = graph(still, load__model=model, load__adapter="auto", **changes)
    return changed(prompt, encode__flow=["dense", 0], animate__steps=2, extend__total_frames=14)


def test_it_is_offered_and_runs_to_frames(client, still, checkpoints):
    choices = client.object_info()["DriftfieldLoadAnimationModel"]["input"]["required"]["model"]
    assert NAME in (choices[1]["options"] if choices[0] == "COMBO" else choices[0])
    result = client.run(prompt_with(still, NAME))
    frames = [file for file in result.files() if file["filename"].startswith("ComfyUI_temp")]
    assert len(frames) == 14
    (report,) = result.outputs["animate"]["text"]
    assert f"{NAME}: 14 frames of 64×64 at 7 fps" in report and "dual clock from noise 74.5" in report


def test_other_kinds_and_cut_files_are_refused_within_two_seconds(client, still, checkpoints):
    whole = (checkpoints / NAME).read_bytes()
    (checkpoints / "cut.safetensors").write_bytes(whole[:-1000])
    others = {
        "sd15": {"cond_stage_model.transformer.x": torch.zeros(1), UNET + "input_blocks.0.0.weight": torch.zeros(1)},
        "unet": {
            UNET + "input_blocks.1.0.time_stack.x": torch.zeros(1),
            UNET + "label_emb.0.0.weight": torch.zeros(1, 768),
        },
        "clip": {CLIP + "conv1.weight": torch.zeros(1)},
    }
    for name, tensors in others.items():
        save_file(tensors, checkpoints / f"{name}.safetensors")
    expected = {
        "sd15": f"a Stable Diffusion 1 model, for still pictures; {NEEDED}",
        "unet": f"SVD without its image encoder; {NEEDED}",
        "clip": f"no model that this pack knows .*{NEEDED}",
        "cut": f"it has {len(whole) - 1000} of {len(whole)} bytes",
    }
    for name, message in expected.items():
        start = time.monotonic()
        with pytest.raises(ComfyError, match=rf"{name}\.safetensors.*{message}"):
            client.run(prompt_with(still, f"{name}.safetensors"))
        assert time.monotonic() - start < 2, name
        (checkpoints / f"{name}.safetensors").unlink()
