"""The tiny model's networks compute what diffusers computes, in chunks that fit, and stop at Cancel."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import FRAMES

from driftfield.networks.fast.blocks import FastDecoder


@pytest.fixture(scope="module")
def animator(plain):
    return plain


@pytest.fixture
def image():
    return torch.rand(1, 3, 64, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_image_embedding_is_diffusers(animator, diffusers_pipeline, pipeline):
    pixels = np.random.default_rng(0).integers(0, 256, (300, 500, 3), np.uint8)
    expected = diffusers_pipeline._encode_image(Image.fromarray(pixels), "cpu", 1, False)
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
    torch.testing.assert_close(pipeline.encode.embed_image(animator, image), expected, atol=1e-5, rtol=0)


def test_reference_latents_are_diffusers(animator, diffusers_pipeline, image, pipeline):
    expected = diffusers_pipeline._encode_vae_image(image, "cpu", 1, False)
    steps = []
    got = pipeline.encode.encode_image(animator, image.expand(9, -1, -1, -1), on_step=lambda i, n: steps.append((i, n)))
    torch.testing.assert_close(got, expected.expand(9, -1, -1, -1), atol=1e-5, rtol=0)
    assert steps == [(0, 2), (1, 2)]


def test_frames_are_diffusers_where_a_chunk_holds_a_segment(loaders, animator, diffusers_pipeline, pipeline):
    latents = torch.randn(2 * FRAMES, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    expected = (
        diffusers_pipeline.decode_latents(latents.view(2, FRAMES, 4, 8, 8), FRAMES, FRAMES)
        .transpose(1, 2)
        .flatten(0, 1)
    )
    got = pipeline.decode.decode(animator, latents, segment_frames=FRAMES, chunk_frames=FRAMES)
    assert isinstance(loaders.memory.unwrap(animator.vae).decoder, FastDecoder)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


def test_chunks_are_even_and_keep_to_their_segment(loaders, animator, pipeline):
    sizes = []
    vae = loaders.memory.unwrap(animator.vae)
    decode, vae.decode = (
        vae.decode,
        lambda z, num_frames: (sizes.append(num_frames), decode(z, num_frames=num_frames))[1],
    )
    try:
        pipeline.decode.decode(animator, torch.zeros(2 * FRAMES + 1, 4, 8, 8), segment_frames=FRAMES, chunk_frames=4)
    finally:
        del vae.decode
    assert sizes == [3, 2, 3, 2, 1]


def test_a_chunk_is_reported_before_the_next_and_cancel_stops_there(loaders, animator, monkeypatch, pipeline):
    from comfy import model_management

    log, latents = [], torch.zeros(FRAMES + 1, 4, 8, 8)
    vae = loaders.memory.unwrap(animator.vae)
    decode = vae.decode
    monkeypatch.setattr(vae, "decode", lambda z, num_frames: (log.append(num_frames), decode(z, num_frames))[1])

    def on_step(i, total):
        log.append((i, total))
        if stop_at == i:
            model_management.interrupt_current_processing()

    for stop_at, seen in ((None, [3, (2, 6), 2, (4, 6), 1, (5, 6)]), (2, [3, (2, 6)])):
        log.clear()
        try:
            list(pipeline.decode.decoded(animator, latents, segment_frames=FRAMES, chunk_frames=3, on_step=on_step))
        except model_management.InterruptProcessingException:
            assert stop_at is not None
        assert log == seen


def test_nan_is_an_error_and_not_a_black_frame(animator, image, pipeline):
    latents = torch.zeros(FRAMES, 4, 8, 8)
    latents[3, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"NaN or infinity in frames 3\.\.4"):
        pipeline.decode.decode(animator, latents, segment_frames=FRAMES, chunk_frames=3)
    with pytest.raises(ValueError, match="NaN or infinity in the encoded image"):
        pipeline.encode.encode_image(animator, image * torch.inf)


def test_memory_runs_out_once(loaders, animator, monkeypatch, caplog, pipeline):
    latents = torch.randn(2 * FRAMES, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    expected = pipeline.decode.decode(animator, latents, segment_frames=FRAMES, chunk_frames=2)
    vae = loaders.memory.unwrap(animator.vae)
    decode, sizes, fitting = vae.decode, [], 3

    def tight(z, num_frames):
        sizes.append(num_frames)
        if num_frames > fitting:
            raise loaders.memory.OutOfMemory("full")
        return decode(z, num_frames=num_frames)

    monkeypatch.setattr(vae, "decode", tight, raising=False)
    got = pipeline.decode.decode(animator, latents, segment_frames=FRAMES, chunk_frames=FRAMES + 1)
    assert sizes == [5, 2, 2, 1, 2, 2, 1] and torch.equal(got, expected)
    assert caplog.text.count("out of memory") == 1
    fitting = 1
    with pytest.raises(loaders.memory.OutOfMemory):
        pipeline.decode.decode(animator, latents, segment_frames=FRAMES, chunk_frames=10)


def test_fp8_stores_the_unet_alone_and_runs(loaders, tiny_folder, image, monkeypatch, caplog, pipeline):
    """Where the device computes in bf16, as a GPU does, and some CPUs."""
    caplog.set_level("INFO")
    plain = loaders.animator.load_animator("tiny", "none", "fp8")  # a CPU
    assert plain.dtype == torch.float32 and "fp8 asked for, fp32 used" in caplog.text
    monkeypatch.setattr(loaders.memory, "cpu_knows_bf16", lambda: True)
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
    settings = pipeline.settings.Settings(steps=2, cfg_max=3.0)
    plan = pipeline.plan.plan(animator, image, None, settings)
    latents = pipeline.animate.animate(animator, plan).latents
    expected = pipeline.animate.animate(plain, pipeline.plan.plan(plain, image, None, settings)).latents
    assert (latents - expected).std() < 0.25 * expected.std()
    frames = pipeline.decode.decode(animator, latents, segment_frames=FRAMES)
    assert frames.isfinite().all() and frames.dtype == torch.float32


def test_chunks_shrink_to_the_free_memory(loaders, animator, image, monkeypatch, pipeline):
    """A frame decoded takes DECODE_BYTES a pixel (twice in fp32), one encoded ENCODE_BYTES."""
    sizes = []
    vae = loaders.memory.unwrap(animator.vae)
    decode, encode = vae.decode, vae.encode
    monkeypatch.setattr(
        vae, "decode", lambda z, num_frames: (sizes.append(num_frames), decode(z, num_frames=num_frames))[1]
    )
    monkeypatch.setattr(vae, "encode", lambda x: (sizes.append(len(x)), encode(x))[1])
    frame = 2 * pipeline.decode.DECODE_BYTES * 64 * 64
    monkeypatch.setattr(loaders.memory, "free_bytes", lambda: int(3.5 * frame / loaders.memory.MEMORY_FRACTION))
    pipeline.decode.decode(animator, torch.zeros(FRAMES, 4, 8, 8), segment_frames=FRAMES)
    assert sizes == [3, 2]
    sizes.clear()
    frame = pipeline.encode.ENCODE_BYTES * 64 * 128
    monkeypatch.setattr(loaders.memory, "free_bytes", lambda: int(0.5 * frame))
    pipeline.encode.encode_image(animator, image.expand(2, -1, -1, -1))
    assert sizes == [1, 1]


def test_a_flow_has_the_same_maps_before_sampling_and_after(loaders, tiny_folder, tiny_adapters, pipeline):
    from driftfield.networks.fast import accelerate

    fresh = loaders.animator.load_animator("tiny", tiny_adapters["warped"], "fp32")
    flow = torch.randn(2, 2, 64, 128, generator=torch.Generator().manual_seed(2))
    before = pipeline.encode.motion_maps(fresh, flow)
    accelerate(loaders.memory.unwrap(fresh.unet))  # as sampling does
    assert all(map(torch.equal, before, pipeline.encode.motion_maps(fresh, flow)))
