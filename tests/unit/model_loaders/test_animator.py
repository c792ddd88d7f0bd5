"""The tiny SVD folder loads as diffusers loads it, computes what diffusers computes, and leaves again."""

import gc
import json
import shutil
import weakref

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny import FRAMES, tiny_pipeline


@pytest.fixture(scope="module")
def animator(loaders, tiny_folder):
    return loaders.animator.load_animator("tiny", "none", "auto")


@pytest.fixture(scope="module")
def pipeline():
    return tiny_pipeline()


@pytest.fixture
def image():
    return torch.rand(1, 3, 64, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_facts(animator):
    assert (animator.frames, animator.fps, animator.latent_channels, animator.latent_factor) == (FRAMES, 7, 4, 8)
    assert (animator.sigma_min, animator.sigma_max, animator.scaling_factor) == (0.002, 700.0, 0.18215)
    assert animator.reference == "repeated" and not animator.has_adapter
    assert len(animator.preview_factors) == 4


def test_weights_are_diffusers(loaders, animator, pipeline):
    parts = {"unet": animator.unet, "vae": animator.vae, "image_encoder": animator.image_encoder}
    for name, patcher in parts.items():
        module = loaders.memory.unwrap(patcher)
        module = module.unet if name == "unet" else module
        expected = getattr(pipeline, name).state_dict()
        got = module.state_dict()
        assert got.keys() == expected.keys()
        assert all(torch.equal(got[key], expected[key]) for key in expected), name
        assert not any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers())), name


def test_image_embedding_is_diffusers(loaders, animator, pipeline):
    pixels = np.random.default_rng(0).integers(0, 256, (300, 500, 3), np.uint8)
    expected = pipeline._encode_image(Image.fromarray(pixels), "cpu", 1, False)
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
    torch.testing.assert_close(loaders.animator.embed_image(animator, image), expected, atol=1e-5, rtol=0)


def test_reference_latents_are_diffusers(loaders, animator, pipeline, image):
    expected = pipeline._encode_vae_image(image, "cpu", 1, False)
    steps = []
    got = loaders.animator.encode_image(
        animator, image.expand(9, -1, -1, -1), on_step=lambda i, n: steps.append((i, n))
    )
    torch.testing.assert_close(got, expected.expand(9, -1, -1, -1), atol=1e-5, rtol=0)
    assert steps == [(0, 2), (1, 2)]


def test_frames_are_diffusers_where_a_chunk_holds_a_segment(loaders, animator, pipeline):
    latents = torch.randn(2 * FRAMES, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    expected = pipeline.decode_latents(latents.view(2, FRAMES, 4, 8, 8), FRAMES, FRAMES).transpose(1, 2).flatten(0, 1)
    got = loaders.animator.decode(animator, latents, segment_frames=FRAMES, chunk_frames=FRAMES)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


def test_chunks_are_even_and_keep_to_their_segment(loaders, animator):
    sizes = []
    vae = loaders.memory.unwrap(animator.vae)
    decode, vae.decode = (
        vae.decode,
        lambda z, num_frames: (sizes.append(num_frames), decode(z, num_frames=num_frames))[1],
    )
    try:
        loaders.animator.decode(animator, torch.zeros(2 * FRAMES + 1, 4, 8, 8), segment_frames=FRAMES, chunk_frames=4)
    finally:
        del vae.decode
    assert sizes == [3, 2, 3, 2, 1]


def test_a_chunk_is_reported_before_the_next_and_cancel_stops_there(loaders, animator, monkeypatch):
    from comfy import model_management

    log, latents = [], torch.zeros(FRAMES + 1, 4, 8, 8)
    vae = loaders.memory.unwrap(animator.vae)
    decode = vae.decode
    monkeypatch.setattr(vae, "decode", lambda z, num_frames: (log.append(num_frames), decode(z, num_frames))[1])

    def on_step(i, total):
        log.append((i, total))
        if stop_at == i:
            model_management.interrupt_current_processing()

    for stop_at, seen in ((None, [3, (0, 3), 2, (1, 3), 1, (2, 3)]), (0, [3, (0, 3)])):
        log.clear()
        try:
            loaders.animator.decode(animator, latents, segment_frames=FRAMES, chunk_frames=3, on_step=on_step)
        except model_management.InterruptProcessingException:
            assert stop_at is not None
        assert log == seen


def test_nan_is_an_error_and_not_a_black_frame(loaders, animator, image):
    latents = torch.zeros(FRAMES, 4, 8, 8)
    latents[3, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"NaN or infinity in frames 3\.\.4"):
        loaders.animator.decode(animator, latents, segment_frames=FRAMES, chunk_frames=3)
    with pytest.raises(ValueError, match="NaN or infinity in the encoded image"):
        loaders.animator.encode_image(animator, image * torch.inf)


def test_memory_runs_out_once(loaders, animator, monkeypatch, caplog):
    latents = torch.randn(FRAMES, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    expected = loaders.animator.decode(animator, latents, segment_frames=FRAMES, chunk_frames=2)
    vae = loaders.memory.unwrap(animator.vae)
    decode, sizes, fitting = vae.decode, [], 3

    def tight(z, num_frames):
        sizes.append(num_frames)
        if num_frames > fitting:
            raise loaders.memory.OutOfMemory("full")
        return decode(z, num_frames=num_frames)

    monkeypatch.setattr(vae, "decode", tight, raising=False)
    got = loaders.animator.decode(animator, latents, segment_frames=FRAMES, chunk_frames=FRAMES + 1)
    assert sizes == [5, 2, 2, 1] and torch.equal(got, expected)
    assert "out of memory" in caplog.text
    fitting = 1
    with pytest.raises(loaders.memory.OutOfMemory):
        loaders.animator.decode(animator, latents, segment_frames=FRAMES, chunk_frames=10)


def test_fp8_stores_the_unet_alone_and_runs(loaders, tiny_folder, image, monkeypatch, caplog):
    """Where the device computes in bf16, as a GPU does."""
    caplog.set_level("INFO")
    plain = loaders.animator.load_animator("tiny", "none", "fp8")  # a CPU
    assert plain.dtype == torch.float32 and "fp8 asked for, fp32 used" in caplog.text
    monkeypatch.setattr(loaders.memory, "compute_dtype", lambda choice: torch.bfloat16)
    animator = loaders.animator.load_animator("tiny", "none", "fp8")
    formats = {
        name: {p.dtype for p in loaders.memory.unwrap(getattr(animator, name)).parameters()}
        for name in ("unet", "vae", "image_encoder")
    }
    assert formats == {
        "unet": {torch.float8_e4m3fn, torch.bfloat16},
        "vae": {torch.float32, torch.bfloat16},
        "image_encoder": {torch.bfloat16},
    }
    assert all(p.dtype == torch.float32 for p in loaders.memory.unwrap(animator.vae).encoder.parameters())
    settings = loaders.animation.Settings(steps=2, cfg_max=3.0)
    plan = loaders.animation.plan(animator, image, None, settings)
    latents = loaders.animation.animate_planned(animator, plan).latents
    expected = loaders.animation.animate_planned(plain, loaders.animation.plan(plain, image, None, settings)).latents
    assert (latents - expected).std() < 0.25 * expected.std()
    frames = loaders.animator.decode(animator, latents, segment_frames=FRAMES)
    assert frames.isfinite().all() and frames.dtype == torch.float32


def test_chunks_shrink_to_the_free_memory(loaders, animator, image, monkeypatch):
    """A frame decoded takes DECODE_BYTES a pixel (twice in fp32), one encoded ENCODE_BYTES."""
    sizes = []
    vae = loaders.memory.unwrap(animator.vae)
    decode, encode = vae.decode, vae.encode
    monkeypatch.setattr(
        vae, "decode", lambda z, num_frames: (sizes.append(num_frames), decode(z, num_frames=num_frames))[1]
    )
    monkeypatch.setattr(vae, "encode", lambda x: (sizes.append(len(x)), encode(x))[1])
    frame = 2 * loaders.animator.DECODE_BYTES * 64 * 64
    monkeypatch.setattr(loaders.memory, "free_bytes", lambda: int(3.5 * frame / loaders.memory.MEMORY_SHARE))
    loaders.animator.decode(animator, torch.zeros(FRAMES, 4, 8, 8), segment_frames=FRAMES)
    assert sizes == [3, 2]
    sizes.clear()
    frame = loaders.animator.ENCODE_BYTES * 64 * 128
    monkeypatch.setattr(loaders.memory, "free_bytes", lambda: int(0.5 * frame))
    loaders.animator.encode_image(animator, image.expand(2, -1, -1, -1))
    assert sizes == [1, 1]


def test_loading_and_using_it_leaves_the_global_random_state(loaders, animator, tiny_folder, image):
    before = torch.random.get_rng_state()
    loaded = loaders.animator.load_animator("tiny", "none", "auto")
    loaders.animator.encode_image(loaded, image)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_unloading_leaves_nothing_of_it(loaders, tiny_folder, image):
    from comfy import model_management

    loaded = loaders.animator.load_animator("tiny", "none", "auto")
    loaders.animator.encode_image(loaded, image)
    loaders.animator.embed_image(loaded, image)
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


def test_adapter_joins_and_says_which_reference_it_wants(loaders, tiny_folder, tiny_adapters):
    for reference, name in tiny_adapters.items():
        loaded = loaders.animator.load_animator("tiny", name, "auto")
        assert (loaded.reference, loaded.adapter) == (reference, name)
        maps = loaders.animator.encode_motion(
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
