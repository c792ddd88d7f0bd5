"""LoRA files of peft and kohya change the UNet as they should, and leave it bit by bit as it was."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

LAYER = "down_blocks.0.attentions.0.temporal_transformer_blocks.0.attn1.to_q"
OTHER = "mid_block.attentions.0.temporal_transformer_blocks.0.attn1.to_out.0"
ORIGINAL = {
    LAYER: "input_blocks.1.1.time_stack.0.attn1.to_q",
    OTHER: "middle_block.1.time_stack.0.attn1.to_out.0",
}


@pytest.fixture(scope="module")
def animator(warped):
    return warped


@pytest.fixture(scope="module")
def pairs(animator):
    """{layer: (A [r, in], B [out, r])}"""
    generator = torch.Generator().manual_seed(3)
    weights = {layer: animator.unet.model.state_dict()[f"module.unet.{layer}.weight"] for layer in (LAYER, OTHER)}
    draw = [torch.randn(4, w.shape[1], generator=generator) for w in weights.values()]
    return {
        k: (a, torch.randn(w.shape[0], 4, generator=generator)) for (k, w), a in zip(weights.items(), draw, strict=True)
    }


def state(animator, loaders):
    (network,) = loaders.memory.load(animator.unet)
    return {key: value.clone() for key, value in network.state_dict().items()}


def peft_names(pairs, prefix):
    names = {}
    for layer, (a, b) in pairs.items():
        names |= {f"{prefix}{layer}.lora_A.weight": a, f"{prefix}{layer}.lora_B.weight": b}
    return names


def old_diffusers_names(pairs):
    names = {}
    for layer, (a, b) in pairs.items():
        attention, projection = layer.removesuffix(".0").rsplit(".", 1)
        stem = f"unet.{attention}.processor.{projection}_lora"
        names |= {f"{stem}.down.weight": a, f"{stem}.up.weight": b}
    return names


def renamed(pairs):
    """By the layers' names in SVD's original file."""
    return {ORIGINAL[layer]: pair for layer, pair in pairs.items()}


def kohya_names(pairs, alpha):
    names = {}
    for layer, (a, b) in pairs.items():
        stem = "lora_unet_" + layer.replace(".", "_")
        names |= {f"{stem}.lora_down.weight": a, f"{stem}.lora_up.weight": b, f"{stem}.alpha": torch.tensor(alpha)}
    return names


@pytest.mark.parametrize(
    ("names", "scale"),
    [
        (lambda pairs: peft_names(pairs, "base_model.model."), 1.0),
        (lambda pairs: peft_names(pairs, "unet."), 1.0),
        (lambda pairs: peft_names(pairs, ""), 1.0),
        (lambda pairs: old_diffusers_names(pairs), 1.0),
        (lambda pairs: kohya_names(pairs, 8.0), 2.0),
        (lambda pairs: kohya_names(renamed(pairs), 8.0), 2.0),
        (lambda pairs: peft_names(renamed(pairs), "diffusion_model."), 1.0),
    ],
    ids=["peft", "diffusers", "bare", "old diffusers", "kohya", "kohya original", "comfyui original"],
)
def test_weights_change_by_weight_times_ba_and_come_back(loaders, animator, pairs, tmp_path, names, scale):
    path = tmp_path / "camera.safetensors"
    save_file(names(pairs), path)
    before = state(animator, loaders)
    patched = loaders.lora.apply_lora(animator, path, 0.5)
    during = state(patched, loaders)
    for key, value in before.items():
        layer = key.removeprefix("unet.").removesuffix(".weight")
        if layer in pairs:
            a, b = pairs[layer]
            torch.testing.assert_close(during[key], value + 0.5 * scale * b @ a, atol=1e-5, rtol=1e-5)
        else:
            assert torch.equal(during[key], value), key
    after = state(animator, loaders)
    assert all(torch.equal(after[key], before[key]) for key in before)

    from comfy import model_management

    state(patched, loaders)
    model_management.unload_all_models()
    resting = loaders.memory.unwrap(animator.unet).state_dict()
    assert all(torch.equal(resting[key], before[key]) for key in before)


def test_what_peft_computes_is_computed(loaders, animator, tmp_path):
    """A LoRA made, saved and run by peft itself, on every kind of layer."""
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
    from tiny import EMBEDDING, FRAMES, tiny_unet

    targets = ["to_q", "to_v", "to_out.0", "proj_in", "conv1", "time_emb_proj", "ff.net.2"]
    with torch.random.fork_rng():
        torch.manual_seed(5)
        config = LoraConfig(r=4, lora_alpha=10, target_modules=targets, init_lora_weights=False, use_rslora=True)
        reference = get_peft_model(tiny_unet(), config).eval()
    reference.save_pretrained(tmp_path)
    patched = loaders.lora.apply_lora(animator, tmp_path / "adapter_model.safetensors", 1.0)
    generator = torch.Generator().manual_seed(6)
    inputs = (
        torch.randn(1, FRAMES, 8, 8, 8, generator=generator),
        torch.tensor([0.3]),
        torch.randn(1, 1, EMBEDDING, generator=generator),
        torch.tensor([[6.0, 99.0, 0.02]]),
    )
    (network,) = loaders.memory.load(patched.unet)
    with torch.no_grad():
        got, expected = network(*inputs), reference(*inputs).sample
        (network,) = loaders.memory.load(animator.unet)
        plain = network(*inputs)
    assert len(get_peft_model_state_dict(reference)) > 40
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)
    assert (got - plain).std() > 0.1 * plain.std()


def test_weights_in_8_bits_come_back_too(loaders, animator, pairs, tmp_path):
    from tiny import tiny_unet

    from driftfield.networks.fast.fp8 import E4M3, store_fp8
    from driftfield.networks.motion_unet import MotionUNet

    network = MotionUNet(store_fp8(tiny_unet()))
    stored = replace(animator, unet=loaders.memory.managed(network))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    path = tmp_path / "camera.safetensors"
    save_file(peft_names(pairs, "unet."), path)
    (patched,) = loaders.memory.load(loaders.lora.apply_lora(stored, path, 0.5).unet)
    weight = patched.state_dict()[f"unet.{LAYER}.weight"]
    a, b = pairs[LAYER]
    wanted = before[f"unet.{LAYER}.weight"].float() + 0.5 * b @ a
    assert weight.dtype == E4M3 and (weight.float() - wanted).abs().max() <= wanted.abs().max() / 8
    (plain,) = loaders.memory.load(stored.unet)
    after = plain.state_dict()
    assert all(torch.equal(after[key].view(torch.uint8), before[key].view(torch.uint8)) for key in before)


def test_two_loras_add_up(loaders, animator, pairs, tmp_path):
    path = tmp_path / "camera.safetensors"
    save_file(peft_names(pairs, "unet."), path)
    twice = loaders.lora.apply_lora(loaders.lora.apply_lora(animator, path, 0.25), path, 0.25)
    once = loaders.lora.apply_lora(animator, path, 0.5)
    first, second = state(twice, loaders), state(once, loaders)
    for key in first:
        torch.testing.assert_close(first[key], second[key], atol=1e-5, rtol=1e-5)


def test_peft_s_alpha_is_read_from_metadata_and_from_the_config_beside(loaders, animator, pairs, tmp_path):
    in_metadata = tmp_path / "a" / "lora.safetensors"
    beside = tmp_path / "b" / "adapter_model.safetensors"
    in_metadata.parent.mkdir()
    beside.parent.mkdir()
    tensors = peft_names(pairs, "unet.")
    save_file(tensors, in_metadata, metadata={"lora_adapter_metadata": json.dumps({"unet.r": 4, "unet.lora_alpha": 8})})
    save_file(tensors, beside)
    (beside.parent / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 8}), encoding="utf-8")
    for path in (in_metadata, beside):
        assert loaders.lora.peft_scale(loaders.lora.peft_config(path), 4) == 2.0
    save_file(tensors, in_metadata, metadata={"lora_adapter_metadata": "[1"})
    with pytest.raises(ValueError, match=r"lora\.safetensors: lora_adapter_metadata is no JSON object"):
        loaders.lora.apply_lora(animator, in_metadata, 1.0)
    (beside.parent / "adapter_config.json").write_text(
        json.dumps({"lora_alpha": 8, "alpha_pattern": {"to_q": 2}}), encoding="utf-8"
    )
    with pytest.raises(ValueError, match=r"adapter_model\.safetensors: alpha_pattern = .*one lora_alpha"):
        loaders.lora.apply_lora(animator, beside, 1.0)


def test_keys_that_fit_no_layer_are_named(loaders, animator, pairs, tmp_path):
    path = tmp_path / "camera.safetensors"
    tensors = peft_names(pairs, "unet.")
    tensors["unet.nowhere.to_q.lora_A.weight"] = torch.zeros(4, 8)
    save_file(tensors, path)
    with pytest.raises(ValueError, match=r"camera\.safetensors: keys that fit no layer of tiny: unet\.nowhere"):
        loaders.lora.apply_lora(animator, path, 1.0)


def test_other_shapes_are_named(loaders, animator, pairs, tmp_path):
    path = tmp_path / "camera.safetensors"
    a, b = pairs[LAYER]
    save_file(peft_names({LAYER: (a[:, :-1].contiguous(), b)}, "unet."), path)
    with pytest.raises(ValueError, match=rf"camera\.safetensors: {LAYER}\.weight: got \[.*allowed"):
        loaders.lora.apply_lora(animator, path, 1.0)


def test_a_lora_with_nothing_in_it_is_refused(loaders, animator, tmp_path):
    path = tmp_path / "camera.safetensors"
    for tensors in ({}, {f"unet.{LAYER}.lora_A.weight": torch.zeros(0, 32)}):
        save_file(tensors, path)
        with pytest.raises(ValueError, match=rf"camera\.safetensors: {len(tensors)} tensors with nothing in them"):
            loaders.lora.apply_lora(animator, path, 1.0)


def test_numbers_that_are_not_finite_are_named(loaders, animator, pairs, tmp_path):
    path = tmp_path / "camera.safetensors"
    tensors = peft_names(pairs, "unet.")
    save_file(tensors, path)
    with pytest.raises(ValueError, match="weight: got nan, allowed a finite number"):
        loaders.lora.apply_lora(animator, path, float("nan"))
    key = next(iter(tensors))
    tensors[key] = torch.full_like(tensors[key], torch.nan)
    save_file(tensors, path)
    with pytest.raises(ValueError, match=rf"camera\.safetensors: {key}: NaN or infinity"):
        loaders.lora.apply_lora(animator, path, 1.0)
