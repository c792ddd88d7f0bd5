"""Prompts for the server tests: the whole graph on tiny random models, and the files of those models."""

import copy
import json

TWO_ARROWS = json.dumps(
    {
        "version": 1,
        "ref": [64, 64],
        "arrows": [
            {"id": "a1", "points": [[0.2, 0.5], [0.6, 0.5]], "strength": 1.0},
            {"id": "pin", "points": [[0.9, 0.9]], "strength": 1.0},
        ],
    }
)


def write_tiny_models(models):
    """diffusers/tiny, and an adapter (warped reference) and a refiner that fit it, with random weights."""
    from safetensors.torch import save_file
    from tiny import seeded, tiny_pipeline_folder, tiny_unet

    from driftfield.networks.motion_unet import AdapterConfig, MotionAdapter
    from driftfield.networks.refiner import FlowRefiner, RefinerConfig

    tiny_pipeline_folder(models / "diffusers" / "tiny")
    adapter = AdapterConfig.for_unet(tiny_unet(), base_channels=8, reference="warped")
    refiner = RefinerConfig(base_channels=8, levels=4)
    parts = {"adapter": seeded(lambda: MotionAdapter(adapter), 5), "refiner": seeded(lambda: FlowRefiner(refiner), 6)}
    for kind, module in parts.items():
        folder = models / "driftfield" / f"{kind}s"
        folder.mkdir(parents=True)
        metadata = {"format": f"driftfield.{kind}.v1", "config": json.dumps(module.config.to_dict())}
        save_file(module.state_dict(), folder / "tiny.safetensors", metadata=metadata)


def graph(still: str, **changes) -> dict:
    """Still and arrows to 12 decoded frames; `node__input=value` changes an input, an extra input included."""
    prompt = {
        "still": ("LoadImage", {"image": still}),
        "draw": ("DriftfieldDrawMotionArrows", {"image": ["still", 0], "arrows": TWO_ARROWS}),
        "sparse": (
            "DriftfieldArrowsToSparseFlow",
            {"motion_arrows": ["draw", 0], "width": 0, "height": 0, "frames": 5},
        ),
        "dense": (
            "DriftfieldDensifyFlow",
            {"sparse_flow": ["sparse", 0], "hints": ["sparse", 1], "sigma": 0, "threshold": 0.05, "mode": "normalized"},
        ),
        "load_refiner": ("DriftfieldLoadFlowRefiner", {"refiner_name": "tiny.safetensors"}),
        "refine": (
            "DriftfieldRefineFlow",
            {"refiner": ["load_refiner", 0], "flow": ["dense", 0], "image": ["still", 0]},
        ),
        "load": ("DriftfieldLoadAnimationModel", {"model": "tiny", "adapter": "tiny.safetensors", "dtype": "auto"}),
        "encode": (
            "DriftfieldEncodeMotion",
            {"animator": ["load", 0], "flow": ["refine", 0], "guidance_strength": 1.0},
        ),
        "animate": (
            "DriftfieldAnimateImage",
            {
                "animator": ["load", 0],
                "image": ["still", 0],
                "guidance": ["encode", 0],
                "seed": 1,
                "steps": 4,
                "cfg_min": 1.0,
                "cfg_max": 1.0,
                "fps": 0,
                "strength_mode": "auto",
                "motion_strength": 100.0,
                "frames": 0,
                "noise_aug_strength": 0.02,
                "loop": False,
            },
        ),
        "extend": (
            "DriftfieldExtendAnimation",
            {"animation": ["animate", 0], "total_frames": 12, "gamma": 0.5, "omega": 0.2, "seed": 1},
        ),
        "decode": ("DriftfieldDecodeAnimation", {"animation": ["extend", 0], "chunk_frames": 8}),
        "preview": ("PreviewImage", {"images": ["decode", 0]}),
    }
    prompt = {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in prompt.items()}
    return changed(prompt, **changes)


def changed(prompt: dict, **changes) -> dict:
    prompt = copy.deepcopy(prompt)
    for field, value in changes.items():
        node, name = field.split("__")
        prompt[node]["inputs"][name] = value
    return prompt
