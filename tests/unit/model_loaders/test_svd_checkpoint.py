"""A checkpoint in the original single-file layout computes here what it computes in ComfyUI's own modules."""

import math
import re
import time
from pathlib import Path

import pytest
import torch
from original_svd import CLIP, DEEPER, EMBEDDER, FRAMES, REAL, REDUCED, SIGMA, STAGE, UNET, comfy_svd
from safetensors.torch import load_file, save_file

TOLERANCE = 1e-4  # largest error ÷ largest value


@torch.no_grad()
def ours(unet, vae, clip, inputs):
    from driftfield.networks.motion_unet import MotionUNet
    from driftfield.sampling.conditioning import Conditioning
    from driftfield.sampling.denoiser import make_denoiser

    ids = torch.tensor([[6.0, 90.0, 0.02]])
    denoise = make_denoiser(MotionUNet(unet.eval()), Conditioning(inputs["context"], inputs["reference"], ids))
    return {
        "denoised": denoise(inputs["x"][None], torch.tensor(SIGMA))[0],
        "encoded": vae.eval().encode(inputs["image"]).latent_dist.mode(),
        "decoded": vae.decode(inputs["latents"], num_frames=FRAMES).sample,
        "embedding": clip.eval()(inputs["pixels"]).image_embeds,
    }


def errors(got, expected):
    assert all(got[key].shape == expected[key].shape for key in expected)
    return {key: float((got[key] - expected[key]).abs().max() / expected[key].abs().max()) for key in expected}


def back(names, state):
    """Our tensors under their original names, in the original form."""
    original = {}
    for key, name in names.items():
        if name is None:
            continue
        tensor = state[key]
        if name == CLIP + "proj":
            tensor = tensor.T
        if ".attn_1." in name and ".norm." not in name and tensor.ndim == 2:
            tensor = tensor[..., None, None]
        original.setdefault(name, {})[key] = tensor
    return {name: torch.cat([parts[k] for k in sorted(parts, key=place)]) for name, parts in original.items()}


def place(key):
    return next((i for i, letter in enumerate("qkv") if f".{letter}_proj." in key), 0)


@pytest.fixture(scope="module", params=[REDUCED, DEEPER], ids=["reduced", "deeper"])
def svd(request, comfy_base):
    path = comfy_base / "models" / "checkpoints" / f"svd_{request.param.layers}.safetensors"
    yield path, *comfy_svd(request.param, path)
    path.unlink()


@pytest.fixture(scope="module")
def one_svd(comfy_base):
    path = comfy_base / "models" / "checkpoints" / "svd_xt.safetensors"
    comfy_svd(DEEPER, path)
    yield path
    path.unlink()


def test_every_network_computes_what_comfyui_computes(loaders, svd):
    path, inputs, expected = svd
    found = errors(ours(*loaders.svd_checkpoint.load_checkpoint(path, torch.float32), inputs), expected)
    assert max(found.values()) <= TOLERANCE, found


@pytest.mark.slow
def test_at_full_size_too(loaders, tmp_path):
    path = tmp_path / "svd.safetensors"
    inputs, expected = comfy_svd(REAL, path)
    found = errors(ours(*loaders.svd_checkpoint.load_checkpoint(path, torch.float32), inputs), expected)
    path.unlink()
    print(found)
    assert max(found.values()) <= TOLERANCE, found


@pytest.mark.parametrize("without", [EMBEDDER, STAGE + "encoder."])
def test_either_encoder_is_enough_and_going_back_restores_the_file(loaders, svd, tmp_path, without):
    path, inputs, expected = svd
    original = {key: value for key, value in load_file(path).items() if not key.startswith(without)}
    extra = [key for key in original if key.endswith("logit_scale") or key.startswith(EMBEDDER + "decoder")]
    one = tmp_path / "one.safetensors"
    save_file(original, one)
    modules = loaders.svd_checkpoint.load_checkpoint(one, torch.float32)
    found = errors(ours(*modules, inputs), expected)
    assert max(found.values()) <= TOLERANCE, found

    unet, vae, clip = modules
    restored = back(loaders.svd_checkpoint.unet_names(unet), unet.state_dict())
    restored |= back(loaders.svd_checkpoint.vae_names(vae, loaders.files.read_shapes(one)), vae.state_dict())
    restored |= back(loaders.svd_checkpoint.clip_names(clip), clip.state_dict())
    wanted = {key: value for key, value in original.items() if key not in extra}
    assert restored.keys() == wanted.keys()
    assert all(torch.equal(restored[key], wanted[key]) for key in wanted)


def test_at_full_size_the_layout_is_comfyui_s(loaders):
    """Names and shapes of the real UNet, without its weights."""
    from comfy import ops
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
    from diffusers import UNetSpatioTemporalConditionModel

    config = {**REAL.unet(), "num_heads": -1, "num_head_channels": 64}
    theirs = UNetModel(**config, device="meta", operations=ops.disable_weight_init).state_dict()
    shapes = {UNET + key: tuple(value.shape) for key, value in theirs.items()}
    with torch.device("meta"):
        unet = UNetSpatioTemporalConditionModel(**loaders.svd_checkpoint.unet_config(shapes, "svd_xt"))
        default = UNetSpatioTemporalConditionModel().state_dict()  # diffusers' defaults are SVD-XT
    names = loaders.svd_checkpoint.unet_names(unet)
    assert {names[key]: tuple(value.shape) for key, value in unet.state_dict().items()} == shapes
    assert {key: value.shape for key, value in default.items()} == {k: v.shape for k, v in unet.state_dict().items()}
    assert len(shapes) == 1428 and sum(map(math.prod, shapes.values())) == 1_524_623_082
    heads = list(unet.config.num_attention_heads)
    assert (heads, unet.config.num_frames) == ([5, 10, 20, 20], 25)


def test_half_precision_stays_out_of_the_encoder(loaders, one_svd, tmp_path):
    half = tmp_path / "half.safetensors"
    original = load_file(one_svd)
    save_file({key: value.half() for key, value in original.items()}, half)
    unet, vae, clip = loaders.svd_checkpoint.load_checkpoint(half, torch.float16)
    kinds = {key.split(".")[0]: value.dtype for key, value in vae.state_dict().items()}
    assert kinds == {"encoder": torch.float32, "quant_conv": torch.float32, "decoder": torch.float16}
    assert {value.dtype for value in (*unet.parameters(), *clip.parameters())} == {torch.float16}
    unet, _, _ = loaders.svd_checkpoint.load_checkpoint(half, torch.float32)
    key = UNET + "middle_block.1.proj_in.weight"
    assert torch.equal(unet.mid_block.attentions[0].proj_in.weight, original[key].half().float())


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux tells what is mapped")
def test_in_the_file_s_own_precision_the_weights_stay_in_the_file(loaders, one_svd):
    """Memory-mapped: nothing is copied but CLIP's q, k, v (cut apart) and projection (transposed)."""
    unet, vae, clip = loaders.svd_checkpoint.load_checkpoint(one_svd, torch.float32)
    maps = [
        line.split()
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        if line.endswith(str(one_svd))
    ]
    ranges = [[int(end, 16) for end in fields[0].split("-")] for fields in maps]

    def copied(module):
        parameters = module.named_parameters()
        return [key for key, p in parameters if not any(start <= p.data_ptr() < end for start, end in ranges)]

    assert copied(unet) == copied(vae) == []
    assert all(re.search(r"[qkv]_proj|visual_projection", key) for key in copied(clip))


@pytest.mark.parametrize(
    "stem, frames",
    [("svd", 14), ("svd_xt", 25), ("svd_xt_1_1", 25), ("stableVideoDiffusion_img2vid", 14), ("img2vidXt", 25)],
)
def test_the_name_tells_14_from_25_frames(loaders, stem, frames):
    assert loaders.svd_checkpoint.trained_frames(stem) == frames


def test_it_is_offered_and_loads_by_its_name(loaders, one_svd, pipeline):
    assert "svd_xt.safetensors" in loaders.locations.animation_models()
    before = torch.random.get_rng_state()
    animator = loaders.animator.load_animator("svd_xt.safetensors", "auto", "auto")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (animator.frames, animator.fps, animator.latent_channels, animator.latent_factor) == (25, 7, 4, 8)
    assert (animator.sigma_min, animator.sigma_max, animator.rho) == (0.002, 700.0, 7.0)
    assert (animator.scaling_factor, animator.reference, animator.has_adapter) == (0.18215, "repeated", False)
    for patcher in (animator.unet, animator.vae, animator.image_encoder):
        module = loaders.memory.unwrap(patcher)
        assert not any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers()))
    assert pipeline.encode.embed_image(animator, torch.zeros(1, 3, 64, 128)).shape == (1, 1, DEEPER.embedding)


KINDS = {
    "Stable Diffusion 1": ["cond_stage_model.transformer.text_model.embeddings.x", UNET + "input_blocks.0.0.weight"],
    "Stable Diffusion 2": ["cond_stage_model.model.ln_final.bias", UNET + "input_blocks.0.0.weight"],
    "Stable Diffusion XL": ["conditioner.embedders.1.model.ln_final.bias", UNET + "input_blocks.0.0.weight"],
    "Stable Diffusion 3": [UNET + "joint_blocks.0.context_block.attn.qkv.weight"],
    "Flux": ["double_blocks.0.img_attn.qkv.weight"],
    "Wan video": [UNET + "blocks.0.self_attn.q.weight", UNET + "blocks.0.cross_attn.q.weight"],
    "LoRA": ["lora_unet_mid_block_attentions_0_proj_in.lora_down.weight"],
    "a LoRA": ["unet.conv_in.lora_A.weight"],
    "AnimateDiff": ["down_blocks.0.motion_modules.0.temporal_transformer.norm.weight"],
    "ControlNet": ["control_model.input_blocks.0.0.weight"],
    "one part of a diffusers folder": ["down_blocks.0.resnets.0.spatial_res_block.conv1.weight"],
    "a VAE": ["first_stage_model.decoder.conv_in.weight"],
    "no model that this pack knows": ["something"],
    "SVD without its image encoder": [UNET + "input_blocks.1.0.time_stack.in_layers.0.weight", "label"],
    "such as SV3D, with 256 numbers": [UNET + "input_blocks.1.0.time_stack.in_layers.0.weight"],
}


def refusal(loaders, path):
    """The message, which must come within 2 seconds."""
    start = time.monotonic()
    with pytest.raises(ValueError, match=path.name) as caught:
        loaders.animator.load_animator(path.name, "auto", "auto")
    assert time.monotonic() - start < 2
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_another_kind_is_refused_by_its_name(loaders, comfy_base, kind):
    path = comfy_base / "models" / "checkpoints" / "other.safetensors"
    keys = [key for key in KINDS[kind] if key != "label"] + [f"filler.{i}" for i in range(2500)]
    label = 768 if "label" in KINDS[kind] else 256
    tensors = {key: torch.zeros(1) for key in keys}
    if UNET + "input_blocks.1.0.time_stack.in_layers.0.weight" in keys:
        tensors[UNET + "label_emb.0.0.weight"] = torch.zeros(1, label)
    save_file(tensors, path)
    message = refusal(loaders, path)
    path.unlink()
    assert kind in message and "needed: Stable Video Diffusion's original file" in message


def test_our_own_files_are_no_checkpoints(loaders, comfy_base):
    path = comfy_base / "models" / "checkpoints" / "adapter.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"format": "driftfield.adapter.v1"})
    assert "this pack's own files (driftfield.adapter.v1)" in refusal(loaders, path)
    path.unlink()


def test_a_download_cut_short_says_by_how_much(loaders, one_svd):
    path = one_svd.with_name("cut.safetensors")
    content = one_svd.read_bytes()
    path.write_bytes(content[:-1000])
    message = refusal(loaders, path)
    assert f"it has {len(content) - 1000} of {len(content)} bytes" in message and "the whole file" in message
    path.write_bytes(content[:1000])
    assert "not a readable safetensors file" in refusal(loaders, path)
    path.write_bytes(b"")
    assert "not a readable safetensors file" in refusal(loaders, path)
    path.unlink()


def test_parts_that_are_missing_or_foreign_are_named_as_in_the_file(loaders, one_svd, tmp_path):
    original = load_file(one_svd)
    path = tmp_path / "svd.safetensors"
    proj = UNET + "middle_block.1.proj_in.weight"
    video = "first_stage_model.decoder.mid.block_1.time_stack.in_layers.0.weight"
    image_decoder = [key for key in original if key.startswith(STAGE) and ".time_stack." in key]
    for message, changed in {
        "missing keys " + proj: {key: value for key, value in original.items() if key != proj},
        "unknown keys " + UNET + "scaled_fp8": {**original, UNET + "scaled_fp8": torch.zeros(2)},
        "wrong shapes mid_block.attentions.0.proj_in.weight": {**original, proj: original[proj][:, 1:].contiguous()},
        "missing key 'model.diffusion_model.out.2.weight'": {k: v for k, v in original.items() if "out.2" not in k},
        "SVD without its VAE": {k: v for k, v in original.items() if not k.startswith(STAGE)},
        "SVD with the image decoder": {k: v for k, v in original.items() if k not in image_decoder},
    }.items():
        save_file(changed, path)
        with pytest.raises(ValueError, match="svd.safetensors") as caught:
            loaders.svd_checkpoint.load_checkpoint(path, torch.float32)
        assert message in str(caught.value)
    assert video in image_decoder
