"""Arrows and long videos on ComfyUI's own nodes, with a tiny Wan that Load Diffusion Model reads from a file."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from api_form import set_widget, to_api_form
from comfy_client import ComfyError
from prompts import TWO_ARROWS, changed

TESTS = Path(__file__).absolute().parents[1]
FRAMES = 13
WRITE = """
import sys
from pathlib import Path
from driftfield.evaluation import host
host.enter()
import tiny_native
tiny_native.write(Path(sys.argv[1]))
"""


@pytest.fixture(scope="module", autouse=True)
def files(server):
    path = os.pathsep.join([str(TESTS), os.environ["PYTHONPATH"]])
    command = [sys.executable, "-c", WRITE, str(server.base / "models")]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": path})


def graph(still, *, sampler, size=64, frames=FRAMES, **changes):
    """Arrows to decoded frames; sampler: KSampler, or the nodes of SamplerCustomAdvanced."""
    prompt = {
        "still": ("LoadImage", {"image": still}),
        "draw": ("DriftfieldDrawMotionArrows", {"image": ["still", 0], "arrows": TWO_ARROWS}),
        "sparse": (
            "DriftfieldArrowsToSparseFlow",
            {"motion_arrows": ["draw", 0], "width": 0, "height": 0, "frames": frames},
        ),
        "dense": (
            "DriftfieldDensifyFlow",
            {"sparse_flow": ["sparse", 0], "hints": ["sparse", 1], "sigma": 0, "threshold": 0.05, "mode": "normalized"},
        ),
        "warp": (
            "DriftfieldWarpImageAlongFlow",
            {
                "image": ["still", 0],
                "flow": ["dense", 0],
                "frames": frames,
                "width": size,
                "height": size,
                "loop": False,
            },
        ),
        "model": ("UNETLoader", {"unet_name": "tiny_wan.safetensors", "weight_dtype": "default"}),
        "vae": ("VAELoader", {"vae_name": "tiny_wan.safetensors"}),
        "positive": ("ProbeConditioning", {"numbers": 4096, "seed": 0}),
        "negative": ("ProbeConditioning", {"numbers": 4096, "seed": 1}),
        "start": (
            "WanImageToVideo",
            {
                "positive": ["positive", 0],
                "negative": ["negative", 0],
                "vae": ["vae", 0],
                "width": size,
                "height": size,
                "length": frames,
                "batch_size": 1,
                "start_image": ["still", 0],
            },
        ),
        "encode": ("VAEEncode", {"pixels": ["warp", 0], "vae": ["vae", 0]}),
        "follow": (
            "DriftfieldFollowFlow",
            {
                "model": ["model", 0],
                "target": ["encode", 0],
                "moving": ["warp", 1],
                "weak": -1.0,
                "strong": -1.0,
                "still": -1.0,
                "resting": ["warp", 2],
            },
        ),
        "shift": ("ModelSamplingSD3", {"model": ["follow", 0], "shift": 5.0}),
        "decode": ("VAEDecode", {"samples": ["sample", 0], "vae": ["vae", 0]}),
    }
    of_run = {"positive": ["start", 0], "negative": ["start", 1]}
    if sampler == "KSampler":
        prompt |= {
            "sample": (
                "KSampler",
                {
                    "model": ["shift", 0],
                    **of_run,
                    "latent_image": ["follow", 1],
                    "seed": 1,
                    "steps": 6,
                    "cfg": 2.0,
                    "sampler_name": "euler",
                    "scheduler": "simple",
                    "denoise": 1.0,
                },
            ),
            "preview": ("PreviewImage", {"images": ["decode", 0]}),
        }
    else:
        prompt |= {
            "noise": ("RandomNoise", {"noise_seed": 1}),
            "guider": ("CFGGuider", {"model": ["shift", 0], **of_run, "cfg": 2.0}),
            "euler": ("KSamplerSelect", {"sampler_name": "euler"}),
            "phased": (
                "DriftfieldPhasedSharedNoiseSampler",
                {
                    "sampler": ["euler", 0],
                    "segments": 2,
                    "gamma": 0.5,
                    "omega": 0.2,
                    "seed": 1,
                    "gamma_counts": "steps",
                },
            ),
            "sigmas": ("BasicScheduler", {"model": ["shift", 0], "scheduler": "simple", "steps": 6, "denoise": 1.0}),
            "sample": (
                "SamplerCustomAdvanced",
                {
                    "noise": ["noise", 0],
                    "guider": ["guider", 0],
                    "sampler": ["phased", 0],
                    "sigmas": ["sigmas", 0],
                    "latent_image": ["follow", 1],
                },
            ),
            "join": (
                "DriftfieldJoinSegments",
                {
                    "images": ["decode", 0],
                    "segments": 2,
                    "total_frames": 0,
                    "joins": "crossfade",
                    "image": ["still", 0],
                    "flow": ["dense", 0],
                },
            ),
            "preview": ("PreviewImage", {"images": ["join", 0]}),
        }
    prompt = {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in prompt.items()}
    return changed(prompt, **changes)


def pictures(result):
    return [file for file in result.files() if file["filename"].startswith("ComfyUI_temp")]


def test_ksampler_follows_the_arrows(client, still):
    result = client.run(graph(still, sampler="KSampler", sample__seed=10))
    assert len(pictures(result)) == FRAMES
    assert result.steps["sample"] == (6, 6)
    assert len(result.previews) >= 6 and all(preview[:3] == b"\xff\xd8\xff" for preview in result.previews)
    assert "of the latents move" in result.outputs["follow"]["text"][0]


def test_segments_are_sampled_decoded_and_joined(client, still):
    result = client.run(graph(still, sampler="advanced", noise__noise_seed=11))
    assert len(pictures(result)) == 2 * FRAMES - 4 - 2  # a third of a segment fades, a sixth is time
    assert result.steps["sample"] == (9, 9)
    assert len(result.previews) >= 9


def test_another_gamma_samples_again_and_no_more(client, still):
    client.run(graph(still, sampler="advanced", noise__noise_seed=12))
    again = client.run(graph(still, sampler="advanced", noise__noise_seed=12, phased__gamma=0.2))
    assert set(again.executed) == {"phased", "sample", "decode", "join", "preview"}


@pytest.mark.parametrize(("sampler", "at"), [("KSampler", 2), ("KSampler", 12), ("advanced", 2), ("advanced", 55)])
def test_cancel_stops_in_every_phase_and_the_next_prompt_succeeds(client, still, sampler, at):
    """What is held; what is free; the first segment; the ones after it."""
    seen = []
    if sampler == "KSampler":
        prompt = graph(still, sampler=sampler, size=128, sample__steps=50, sample__seed=13)
    else:
        prompt = graph(still, sampler=sampler, size=128, sigmas__steps=50, noise__noise_seed=13, phased__segments=3)

    def cancel(kind, data):
        if kind == "progress" and data["node"] == "sample":
            seen.append(data["value"])
            if data["value"] == at:
                client.interrupt()

    result = client.run(prompt, on_event=cancel)
    assert result.interrupted and result.executed[-1] == "sample"
    assert at <= seen[-1] < (50 if sampler == "KSampler" else 100)
    assert not client.run(graph(still, sampler="KSampler", sample__seed=14)).interrupted


def test_what_does_not_fit_is_said_before_sampling(client, still):
    prompt = graph(still, sampler="KSampler", sample__seed=15)
    prompt["shorter"] = changed(prompt, warp__frames=12)["warp"]
    with pytest.raises(
        ComfyError, match="moving: got 12 frames for 4 frames of latents, allowed 1 or 1 . a multiple of 3"
    ):
        client.run(changed(prompt, follow__moving=["shorter", 1]))
    with pytest.raises(ComfyError, match="dpm_fast"):
        client.run(graph(still, sampler="advanced", euler__sampler_name="dpm_fast"))


SMALL = {
    "any_model_arrows": {("KSamplerAdvanced", "steps"): 4},
    "any_model_long": {("BasicScheduler", "steps"): 4, ("SplitSigmas", "step"): 2},
}
SIZES = {("ImageScale", "width"): 64, ("ImageScale", "height"): 64, ("WanImageToVideo", "width"): 64}
SIZES |= {("WanImageToVideo", "height"): 64, ("WanImageToVideo", "length"): FRAMES}
SIZES |= {("DriftfieldArrowsToSparseFlow", "frames"): FRAMES, ("DriftfieldWarpImageAlongFlow", "frames"): FRAMES}


@pytest.mark.parametrize("name", SMALL)
def test_the_template_runs_with_tiny_files_of_the_names_that_it_asks_for(client, server, object_info, name):
    """But for the text encoder's."""
    workflow = json.loads((TESTS.parent / "workflows" / f"{name}.json").read_text(encoding="utf-8"))
    for (kind, widget), value in (SIZES | SMALL[name]).items():
        set_widget(workflow, object_info, kind, widget, value)
    prompt = to_api_form(workflow, object_info)
    for folder, kind, widget in (("diffusion_models", "UNETLoader", "unet_name"), ("vae", "VAELoader", "vae_name")):
        models = server.base / "models" / folder
        for node in prompt.values():
            if node["class_type"] == kind and not (models / node["inputs"][widget]).exists():
                shutil.copy(models / "tiny_wan.safetensors", models / node["inputs"][widget])
    experts = [node["inputs"] for node in prompt.values() if node["class_type"] == "KSamplerAdvanced"]
    for inputs in experts:
        key = "end_at_step" if inputs["start_at_step"] == 0 else "start_at_step"
        inputs[key] = 2
    for i, node in enumerate(prompt.values()):
        if node["class_type"] == "CLIPTextEncode":
            node |= {"class_type": "ProbeConditioning", "inputs": {"numbers": 4096, "seed": i}}
    prompt = {key: node for key, node in prompt.items() if node["class_type"] != "CLIPLoader"}
    result = client.run(prompt, workflow=workflow)
    (video,) = [server.file(entry) for entry in result.files() if entry["filename"].endswith(".mp4")]
    assert video.stat().st_size > 500


def test_vace_takes_the_video_and_the_masks(client, still):
    prompt = graph(still, sampler="KSampler")
    more = {
        "kept": (
            "MaskComposite",
            {"destination": ["warp", 1], "source": ["warp", 2], "x": 0, "y": 0, "operation": "add"},
        ),
        "painted": ("InvertMask", {"mask": ["kept", 0]}),
        "vace": (
            "WanVaceToVideo",
            {
                "positive": ["positive", 0],
                "negative": ["negative", 0],
                "vae": ["vae", 0],
                "width": 64,
                "height": 64,
                "length": FRAMES,
                "batch_size": 1,
                "strength": 1.0,
                "control_video": ["warp", 0],
                "control_masks": ["painted", 0],
            },
        ),
        "decode": ("VAEDecode", {"samples": ["vace", 2], "vae": ["vae", 0]}),
    }
    prompt |= {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in more.items()}
    assert len(pictures(client.run(prompt))) == FRAMES


def test_free_releases_all_of_it(client, still):
    client.run(graph(still, sampler="advanced", noise__noise_seed=16))
    assert "WAN21" in client.request("/driftfield_probe")["loaded"]
    client.free()
    deadline = time.monotonic() + 20  # the server frees when its queue is next idle
    while (after := client.request("/driftfield_probe")) != {"loaded": [], "alive": {}}:
        assert time.monotonic() < deadline, after
        time.sleep(0.1)
