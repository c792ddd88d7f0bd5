"""The denoising loss, what its modes leave out, and gradient checkpointing."""

import copy
from types import SimpleNamespace

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from noise import randn
from tiny import seeded, tiny_image_encoder, tiny_unet

from driftfield.networks.motion_unet import AdapterConfig, MotionAdapter, MotionUNet
from driftfield.training.data.batches import BARE, FULL, STRENGTH_ALONE, UNCONDITIONAL
from driftfield.training.models.denoising import DenoisingLoss, checkpoint_blocks

SIZE, FRAMES, CLIPS, CHANNELS = 64, 5, 4, 4
OPTIONS = SimpleNamespace(log_sigma_mean=0.3, log_sigma_std=1.2, batch=CLIPS, scaling_factor=1.0, fps=8)


@pytest.fixture(scope="module")
def loss():
    unet = tiny_unet(latent_channels=CHANNELS)
    adapter = seeded(lambda: MotionAdapter(AdapterConfig.for_unet(unet, base_channels=8, reference="warped")), 3)
    for i, linear in enumerate((*adapter.outputs, adapter.strength)):
        linear.weight.copy_(0.1 * randn(*linear.weight.shape, seed=i))
    return DenoisingLoss(MotionUNet(unet, adapter), tiny_image_encoder(), OPTIONS).requires_grad_(False)


def make_batch(mode: int) -> dict[str, torch.Tensor]:
    side = SIZE // 8
    return {
        "latents": randn(CLIPS, FRAMES, CHANNELS, side, side),
        "warped": randn(CLIPS, FRAMES, CHANNELS, side, side, seed=1),
        "flow": 2 * randn(CLIPS, FRAMES - 1, 2, SIZE, SIZE, seed=2),
        "pixels": randn(CLIPS, 3, 224, 224, seed=3),
        "strength": torch.tensor([20.0, 60.0, 100.0, 300.0]),
        "mode": torch.full((CLIPS,), mode),
        "log_sigma": torch.linspace(-2, 2, CLIPS),
        "noise": randn(CLIPS, FRAMES, CHANNELS, side, side, seed=4),
        "augmentation": torch.tensor([0.0, 0.02, 0.05, 0.1]),
        "reference_noise": randn(CLIPS, 1, CHANNELS, side, side, seed=5),
    }


def predict(loss: DenoisingLoss, batch: dict) -> tuple[torch.Tensor, torch.Tensor, tuple]:
    """The losses, the UNet's prediction and what the UNet was given."""
    seen = []
    hook = loss.network.unet.register_forward_hook(lambda module, args, output: seen.append((args, output.sample)))
    losses = loss(**batch)
    hook.remove()
    ((args, prediction),) = seen
    return losses, prediction, args


def test_it_is_the_edm_loss(loss):
    """λ(σ)‖D − x0‖² with D = c_skip·x + c_out·v and λ = 1/c_out²: equally, v against (x0 − c_skip·x)/c_out."""
    batch = make_batch(FULL)
    losses, v, (sample, timestep, *_) = predict(loss, batch)
    for i, sigma in enumerate(batch["log_sigma"].exp()):
        x0 = batch["latents"][i]
        x = x0 + sigma * batch["noise"][i]
        c_skip, c_out, c_in = 1 / (sigma**2 + 1), -sigma / (sigma**2 + 1).sqrt(), 1 / (sigma**2 + 1).sqrt()
        torch.testing.assert_close(sample[i, :, :CHANNELS], c_in * x)
        assert timestep[i] == pytest.approx(0.25 * sigma.log().item())
        denoised = c_skip * x + c_out * v[i]
        torch.testing.assert_close(losses[i], ((denoised - x0) / c_out).square().mean(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(losses[i], (v[i] - (x0 - c_skip * x) / c_out).square().mean(), rtol=1e-4, atol=1e-5)


def change(batch: dict, *names: str) -> dict:
    return batch | {name: batch[name].flip(0) + 0.5 for name in names}


@pytest.mark.parametrize("mode", [FULL, STRENGTH_ALONE, BARE, UNCONDITIONAL])
def test_what_a_mode_sees(loss, mode):
    batch = make_batch(mode)
    _, base, (sample, _, _, ids) = predict(loss, batch)

    def depends_on(name: str) -> bool:
        return not torch.equal(predict(loss, change(batch, name))[1], base)

    assert depends_on("flow") == (mode == FULL)
    assert depends_on("warped") == (mode == FULL)
    assert depends_on("pixels") == depends_on("reference_noise") == (mode != UNCONDITIONAL)
    assert depends_on("strength")  # the bare UNet reads it in its motion bucket, the others in their columns:
    assert torch.equal(ids[:, 1], torch.tensor([20.0, 60, 100, 255]) if mode == BARE else torch.full((CLIPS,), 127.0))
    reference = sample[:, :, CHANNELS:]
    if mode == UNCONDITIONAL:
        assert not reference.any()
    else:
        source = batch["warped"] if mode == FULL else batch["latents"][:, :1].expand_as(batch["latents"])
        noise = batch["augmentation"].view(-1, 1, 1, 1, 1) * batch["reference_noise"]
        torch.testing.assert_close(reference, source + noise)


def test_the_bare_mode_is_the_unet_alone(loss):
    """Whatever the adapter has learnt."""
    _, base, (sample, timestep, embedding, ids) = predict(loss, make_batch(BARE))
    plain = tiny_unet(latent_channels=CHANNELS)(sample, timestep, embedding, ids).sample
    torch.testing.assert_close(base, plain, atol=1e-5, rtol=1e-4)


def test_attention_to_the_one_token_of_the_image_is_diffusers_own(loss):
    """test_the_bare_mode_is_the_unet_alone says it for whole predictions."""
    attention = loss.network.unet.down_blocks[0].attentions[0].transformer_blocks[0].attn2
    tokens, embedding = randn(3, 7, 32), randn(3, 1, attention.cross_attention_dim, seed=1)
    ours = attention(tokens, encoder_hidden_states=embedding)
    theirs = AttnProcessor2_0()(attention, tokens, encoder_hidden_states=embedding)
    torch.testing.assert_close(ours, theirs)


def test_half_precision_is_close(loss):
    batch = make_batch(FULL)
    half = copy.deepcopy(loss).bfloat16()
    torch.testing.assert_close(half(**batch), loss(**batch), rtol=0.02, atol=0.02)
    half.requires_grad_(True)(**batch).mean().backward()
    idle = [name for name, p in half.named_parameters() if p.grad is None]
    unused = ("attn2.to_q.weight", "attn2.to_k.weight", "norm2.weight", "norm2.bias")  # one token needs no query
    assert [name for name in idle if "transformer_blocks." not in name or not name.endswith(unused)] == []


def test_gradient_checkpointing_changes_no_gradient(loss):
    plain, saving = copy.deepcopy(loss).requires_grad_(True), copy.deepcopy(loss).requires_grad_(True)
    checkpoint_blocks(saving)
    inside = []
    block = saving.network.unet.mid_block.attentions[0].temporal_transformer_blocks[0]
    block.norm1.register_forward_hook(lambda *_: inside.append(torch.is_grad_enabled()))
    for module in (plain, saving):
        module(**make_batch(FULL)).mean().backward()
    assert len(inside) == 2  # once forwards, once more for the backward pass
    for (name, first), second in zip(plain.named_parameters(), saving.parameters(), strict=True):
        assert (first.grad is None) == (second.grad is None), name
        assert first.grad is None or torch.equal(first.grad, second.grad), name


def test_latents_are_scaled_and_references_are_not(loss):
    """SVD's VAE: the sampled latents are multiplied by 0.18215, the concatenated ones are not."""
    batch = make_batch(FULL)
    scaled = copy.deepcopy(loss)
    scaled.scaling_factor = 0.5
    losses, v, (sample, *_) = predict(scaled, batch)
    expected, w, (same, *_) = predict(loss, batch | {"latents": 0.5 * batch["latents"]})
    assert torch.equal(losses, expected) and torch.equal(v, w) and torch.equal(sample, same)
    batch = make_batch(STRENGTH_ALONE)
    _, _, (sample, *_) = predict(scaled, batch)
    noise = batch["augmentation"].view(-1, 1, 1, 1, 1) * batch["reference_noise"]
    torch.testing.assert_close(sample[:, :, CHANNELS:], batch["latents"][:, :1] + noise.expand_as(batch["latents"]))


def test_an_adapter_with_a_repeated_reference_sees_no_warped_one():
    unet = tiny_unet(latent_channels=CHANNELS)
    adapter = seeded(lambda: MotionAdapter(AdapterConfig.for_unet(unet, base_channels=8)), 3)
    repeated = DenoisingLoss(MotionUNet(unet, adapter), tiny_image_encoder(), OPTIONS).requires_grad_(False)
    batch = make_batch(FULL)
    _, _, (sample, *_) = predict(repeated, batch)
    noise = batch["augmentation"].view(-1, 1, 1, 1, 1) * batch["reference_noise"]
    torch.testing.assert_close(sample[:, :, CHANNELS:], batch["latents"][:, :1] + noise.expand_as(batch["latents"]))


def test_modes_of_one_batch_do_not_mix(loss):
    losses = {mode: loss(**make_batch(mode)) for mode in range(4)}
    mixed = loss(**(make_batch(FULL) | {"mode": torch.arange(4)}))
    torch.testing.assert_close(mixed, torch.stack([losses[mode][mode] for mode in range(4)]), rtol=1e-4, atol=1e-5)
