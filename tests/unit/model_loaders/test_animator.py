"""The tiny SVD folder loads as diffusers loads it, and leaves again."""

import gc
import json
import shutil
import weakref

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import FRAMES


@pytest.fixture(scope="module")
def animator(plain):
    return plain


@pytest.fixture
def image():
    return torch.rand(1, 3, 64, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_facts(animator):
    assert (animator.frames, animator.fps, animator.latent_channels, animator.latent_factor) == (FRAMES, 7, 4, 8)
    assert (animator.sigma_min, animator.sigma_max, animator.scaling_factor) == (0.002, 700.0, 0.18215)
    assert animator.reference == "repeated" and not animator.has_adapter
    assert len(animator.preview_factors) == 4


def test_weights_are_diffusers(loaders, animator, diffusers_pipeline):
    parts = {"unet": animator.unet, "vae": animator.vae, "image_encoder": animator.image_encoder}
    for name, patcher in parts.items():
        module = loaders.memory.unwrap(patcher)
        module = module.unet if name == "unet" else module
        expected = getattr(diffusers_pipeline, name).state_dict()
        got = module.state_dict()
        assert got.keys() == expected.keys()
        assert all(torch.equal(got[key], expected[key]) for key in expected), name
        assert not any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers())), name


@pytest.mark.skipif(torch.cuda.is_available(), reason="about CPUs")
@pytest.mark.parametrize("choice", ["auto", "fp32", "fp16", "bf16", "fp8"])
def test_a_cpu_computes_in_bf16_where_it_can(loaders, choice, monkeypatch):
    assert loaders.memory.compute_dtype(choice) == torch.float32
    monkeypatch.setattr(loaders.memory, "cpu_knows_bf16", lambda: True)
    expected = torch.float32 if choice in ("fp32", "fp16") else torch.bfloat16
    assert loaders.memory.compute_dtype(choice) == expected


def test_loading_and_using_it_leaves_the_global_random_state(loaders, animator, tiny_folder, image, pipeline):
    before = torch.random.get_rng_state()
    loaded = loaders.animator.load_animator("tiny", "none", "auto")
    pipeline.encode.encode_image(loaded, image)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_unloading_leaves_nothing_of_it(loaders, tiny_folder, image, pipeline):
    from comfy import model_management

    loaded = loaders.animator.load_animator("tiny", "none", "auto")
    pipeline.encode.encode_image(loaded, image)
    pipeline.encode.embed_image(loaded, image)
    mine = (loaded.unet, loaded.vae, loaded.image_encoder)
    assert sum(patcher in mine for patcher in model_management.loaded_models()) == 2
    model_management.unload_all_models()
    assert model_management.loaded_models() == []
    gone = [weakref.ref(loaders.memory.unwrap(patcher)) for patcher in mine]
    del loaded, mine
    gc.collect()
    assert [ref() for ref in gone] == [None, None, None]


def copy_of(tiny_folder, name):
    folder = tiny_folder.with_name(name)
    shutil.copytree(tiny_folder, folder)
    return folder


def test_a_foreign_checkpoint_is_named_with_its_keys(loaders, tiny_folder):
    folder = copy_of(tiny_folder, "wrong_keys")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["conv_in.weight"] = tensors["conv_in.weight"][:, :4].contiguous()
    del tensors["conv_out.bias"]
    save_file(tensors, weights)
    with pytest.raises(ValueError, match=r"wrong_keys.unet: missing keys conv_out\.bias; wrong shapes conv_in\.weight"):
        loaders.animator.load_animator("wrong_keys", "none", "auto")
    shutil.rmtree(folder)


def test_another_schedule_is_refused(loaders, tiny_folder):
    folder = copy_of(tiny_folder, "wrong_schedule")
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text(encoding="utf-8")), "prediction_type": "epsilon"}), encoding="utf-8"
    )
    with pytest.raises(
        ValueError, match=r"scheduler_config\.json: prediction_type = 'epsilon', allowed 'v_prediction'"
    ):
        loaders.animator.load_animator("wrong_schedule", "none", "auto")
    shutil.rmtree(folder)


def test_the_model_s_own_facts_are_read(loaders, tiny_folder):
    folder = copy_of(tiny_folder, "with_facts")
    facts = {"frames": 9, "size": 96, "fps": 12, "preview_factors": [[0.1, 0.2, 0.3]] * 4, "preview_bias": [0, 0, 1]}
    (folder / "driftfield.json").write_text(json.dumps(facts), encoding="utf-8")
    loaded = loaders.animator.load_animator("with_facts", "none", "auto")
    assert (loaded.frames, loaded.size, loaded.fps, loaded.preview_bias) == (9, 96, 12, (0, 0, 1))
    facts["preview_factors"].pop()
    (folder / "driftfield.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(ValueError, match=r"driftfield\.json: preview_factors"):
        loaders.animator.load_animator("with_facts", "none", "auto")
    shutil.rmtree(folder)


def test_old_clip_files_carry_positions_and_load(loaders, tiny_folder):
    folder = copy_of(tiny_folder, "old_clip")
    weights = folder / "image_encoder" / "model.safetensors"
    save_file({**load_file(weights), "vision_model.embeddings.position_ids": torch.arange(50)[None]}, weights)
    loaders.animator.load_animator("old_clip", "none", "auto")
    shutil.rmtree(folder)


def test_adapter_joins_and_says_which_reference_it_wants(loaders, tiny_folder, tiny_adapters, pipeline):
    for reference, name in tiny_adapters.items():
        loaded = loaders.animator.load_animator("tiny", name, "auto")
        assert (loaded.reference, loaded.adapter) == (reference, name)
        maps = pipeline.encode.motion_maps(
            loaded, torch.randn(9, 2, 64, 64, generator=torch.Generator().manual_seed(2))
        )
        assert [tuple(m.shape) for m in maps] == [(1, 9, 32, 8, 8), (1, 9, 64, 4, 4)]


def test_an_adapter_for_another_unet_is_named(loaders, tiny_folder, comfy_base, tiny_adapters):
    path = comfy_base / "models" / "driftfield" / "adapters" / tiny_adapters["warped"]
    config = loaders.files.read_config(path, "driftfield.adapter.v1")
    config["layers"] = config["layers"][1:]
    metadata = {"format": "driftfield.adapter.v1", "config": json.dumps(config)}
    other = path.with_name("other.safetensors")
    tensors = load_file(path)
    save_file(tensors, other, metadata=metadata)
    with pytest.raises(ValueError, match=r"other\.safetensors: unknown keys outputs"):
        loaders.animator.load_animator("tiny", other.name, "auto")
    last = max(int(key.split(".")[1]) for key in tensors if key.startswith("outputs."))
    wrong = {key: value for key, value in tensors.items() if key != f"outputs.{last}.weight"}
    save_file(wrong, other, metadata={**metadata, "config": json.dumps({**config, "base_channels": 4})})
    with pytest.raises(ValueError, match=r"other\.safetensors: .*wrong shapes"):
        loaders.animator.load_animator("tiny", other.name, "auto")
    save_file(tensors, other, metadata={"format": "something else"})
    with pytest.raises(ValueError, match=r"other\.safetensors: format = 'something else'"):
        loaders.animator.load_animator("tiny", other.name, "auto")
    other.unlink()
