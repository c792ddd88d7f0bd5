"""The rewritten blocks against diffusers' own."""

import pytest
import torch
from noise import randn
from tiny import EMBEDDING, FRAMES, seeded, tiny_unet, tiny_vae

from driftfield.networks.fast import accelerate, in_pieces
from driftfield.networks.fast.blocks import FastResBlock, FastUpsample
from driftfield.networks.motion_unet import AdapterConfig, MotionAdapter, MotionUNet

pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.fixture
def no_grad():
    with torch.no_grad():
        yield


def inputs(batch: int) -> tuple[torch.Tensor, ...]:
    ids = torch.tensor([[6.0, 127.0, 0.02]]).expand(batch, -1)
    return randn(batch, FRAMES, 8, 8, 16), torch.linspace(-1, 1, batch), randn(batch, 1, EMBEDDING, seed=1), ids


def close(got: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5 * expected.abs().max().item())


@pytest.mark.parametrize("size", [(64, 128), (66, 33)])
def test_encoder_is_that_of_diffusers(size):
    vae, image = tiny_vae(), randn(2, 3, *size)
    expected = vae.encode(image).latent_dist.parameters
    vae.encoder = accelerate(vae.encoder)
    close(vae.encode(image).latent_dist.parameters, expected)
    got = vae.encode(image.bfloat16()).latent_dist.parameters
    torch.testing.assert_close(got, expected, rtol=0, atol=0.03 * expected.abs().max().item())


def test_what_a_picture_is_encoded_to_does_not_depend_on_those_beside_it():
    encoder, image = accelerate(tiny_vae().encoder), randn(1, 3, 64, 64)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)  # which share a batch out
        together = encoder(image.expand(5, -1, -1, -1).contiguous())
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(together, together[:1].expand_as(together))


@pytest.mark.parametrize("batch", [1, 3])
def test_unet_is_that_of_diffusers(batch, small_pieces):
    unet = tiny_unet()
    for module in unet.modules():  # away from their start, where the mix of space and time is even
        if hasattr(module, "mix_factor"):
            module.mix_factor.fill_(1.3)
    expected = unet(*inputs(batch)).sample
    names = [(name, value.shape) for name, value in unet.state_dict().items()]
    close(accelerate(unet)(*inputs(batch)).sample, expected)
    assert sum(isinstance(module, FastResBlock) for module in unet.modules()) == 8
    assert [(name, value.shape) for name, value in unet.state_dict().items()] == names
    close(accelerate(unet)(*inputs(batch)).sample, expected)


def test_adapter_and_strength_work_on():
    unet = tiny_unet()
    adapter = seeded(lambda: MotionAdapter(AdapterConfig.for_unet(unet, base_channels=8)), 3)
    for i, linear in enumerate((*adapter.outputs, adapter.strength)):
        linear.weight.copy_(0.1 * randn(*linear.weight.shape, seed=i))
    network = MotionUNet(unet, adapter)
    motion = network.encode_motion(3 * randn(FRAMES - 1, 2, 64, 128, seed=2))
    options = {"motion": motion, "motion_scale": 1.5, "strength_percent": torch.tensor([30.0, 300.0])}
    expected, plain = network(*inputs(2), **options), network(*inputs(2))
    assert (expected - plain).abs().max() > 0.01
    accelerate(network)
    close(network(*inputs(2), **options), expected)
    close(network(*inputs(2)), plain)


@pytest.fixture
def small_pieces(monkeypatch):
    """A frame, or a row of 256 pixels, at a time."""
    monkeypatch.setattr(in_pieces, "PIECE", 1)


@pytest.mark.parametrize("clips", [1, 2])
def test_decoder_is_that_of_diffusers(clips, small_pieces):
    vae, latents = tiny_vae(), randn(clips * 3, 4, 8, 16)
    expected = vae.decode(latents, num_frames=3).sample
    vae.decoder = accelerate(vae.decoder)
    close(vae.decode(latents, num_frames=3).sample, expected)


@pytest.mark.parametrize("size", [(3, 5), None, (6, 10), (7, 11)])
def test_upsampling_is_that_of_diffusers(size):
    module = next(m for m in tiny_unet().modules() if type(m).__name__ == "Upsample2D")
    image = randn(2, 64, 3, 5)
    expected = module(image, size)
    close(FastUpsample(module)(image, size), expected)


def test_more_than_one_token_is_refused():
    sample, time, embedding, ids = inputs(1)
    with pytest.raises(ValueError, match="image embedding: got 2 tokens, allowed 1"):
        accelerate(tiny_unet())(sample, time, embedding.expand(-1, 2, -1), ids)
