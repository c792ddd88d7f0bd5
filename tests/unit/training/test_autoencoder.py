"""Training of the autoencoder: groups of frames, whitening, losses, and the command on a toy set."""

import math

import pytest
import torch
from diffusers import AutoencoderKLTemporalDecoder
from tiny import tiny_vae

from driftfield.training import autoencoder
from driftfield.training.autoencoder import GroupSampler, Reconstruction, reconstruction_loss, whiten


def coordinates(height: int, width: int) -> torch.Tensor:
    """uint8 [3, H, W] whose pixels say where they lie: y, x, 0."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([y, x, torch.zeros_like(x)]).byte()


def make_sampler(clips: int, stills: int) -> GroupSampler:
    still, clip = coordinates(80, 100), coordinates(70, 60).expand(9, -1, -1, -1).clone()
    clip[:, 2] = 100 + torch.arange(9)[:, None, None]  # and in clips, when
    return GroupSampler([clip] * clips, [still] * stills, "cpu", torch.Generator().manual_seed(0))


@pytest.mark.parametrize("frames", [1, 2, 8])
def test_groups_are_crops_of_consecutive_frames_or_steady_pans(frames):
    sampler, crop = make_sampler(1, 1), 48
    moved, mirrored, from_clips = set(), set(), 0
    for _ in range(300):
        group = sampler.group(frames, crop).int()
        assert group.shape == (frames, 3, crop, crop)
        mirror = bool(group[0, 1, 0, 0] > group[0, 1, 0, 1])
        mirrored.add(mirror)
        group = group.flip(-1) if mirror else group
        # every picture is a whole crop: its coordinates run on without a gap (and so stay in range)
        corner = group[:, :2, :1, :1]
        y, x = torch.meshgrid(torch.arange(crop), torch.arange(crop), indexing="ij")
        assert torch.equal(group[:, :2], corner + torch.stack([y, x]))
        if group[0, 2, 0, 0]:
            from_clips += 1
            assert (group[:, 2, 0, 0].diff() == 1).all() and (corner == corner[:1]).all()
        else:
            steps = corner.flatten(1).diff(dim=0)
            assert (steps == steps[:1]).all() and steps.abs().max() <= 6 if frames > 1 else True
            moved.add(tuple(steps[0].tolist()) if frames > 1 else (0, 0))
    assert 150 < from_clips < 250 and mirrored == {True, False}
    assert (0, 0) in moved and (frames == 1 or len(moved) > 5)


def test_batches():
    batch = make_sampler(1, 1).batch(8, 4, 32)
    assert batch.shape == (8, 3, 32, 32) and batch.dtype == torch.float32 and batch.abs().max() <= 1


@torch.no_grad()
def test_whitening_changes_the_latents_and_not_the_pictures():
    vae = tiny_vae()
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(6, 3, 128, 128, generator=generator) * 2 - 1
    before = vae.encode(pictures).latent_dist
    decoded = vae.decode(before.mean, num_frames=3).sample
    whiten(vae, pictures)
    after = vae.encode(pictures).latent_dist
    channels = range(after.mean.shape[1])
    torch.testing.assert_close(after.mean.mean(dim=(0, 2, 3)), torch.zeros(len(channels)), atol=1e-4, rtol=0)
    torch.testing.assert_close(after.mean.std(dim=(0, 2, 3)), torch.ones(len(channels)), atol=1e-4, rtol=0)
    # the posterior's own noise shrinks and grows with its mean
    ratio = before.mean.std(dim=(0, 2, 3))
    torch.testing.assert_close(after.std * ratio[:, None, None], before.std, atol=1e-5, rtol=1e-3)
    # The zeros around conv_in's input are no longer the mean: what lies on the border may differ, and through it (by
    # group norm and attention) a little everywhere. Without the border, nothing does.
    entered = []
    hook = vae.decoder.conv_in.register_forward_hook(lambda module, args, output: entered.append(output))
    plain = tiny_vae()
    plain.decoder.conv_in.register_forward_hook(lambda module, args, output: entered.append(output))
    plain.decode(before.mean, num_frames=3)
    vae.decode(after.mean, num_frames=3)
    inside = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(entered[0][inside], entered[1][inside], atol=1e-4, rtol=0)
    hook.remove()
    vae.decoder.conv_in.register_forward_hook(lambda module, args, output: entered[0])
    torch.testing.assert_close(vae.decode(after.mean, num_frames=3).sample, decoded, atol=1e-4, rtol=0)


def test_loss_of_a_perfect_copy_and_of_flicker():
    target = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert reconstruction_loss(target, target, 4, still_weight=4) == 0
    still = target[:1].expand(8, -1, -1, -1)
    flicker = 0.1 * (-1) ** torch.arange(8).view(8, 1, 1, 1)
    change = 0.2  # between any two frames

    def loss(target: torch.Tensor, weight: float, frames: int = 4) -> float:
        return reconstruction_loss(target + flicker, target, frames, still_weight=weight).item()

    assert loss(still, 4) - loss(still, 0) == pytest.approx(2 * 4 * change, rel=1e-4)
    assert loss(target, 4) == pytest.approx(loss(target, 0))  # it moves
    half = torch.cat([still[:4], target[4:]])
    assert loss(half, 4) - loss(half, 0) == pytest.approx(4 * change, rel=1e-4)
    single = loss(target, 4, frames=1)
    assert math.isfinite(single) and single == pytest.approx(loss(target, 0) - 2 * change, rel=1e-4)


def test_a_frozen_encoder_gets_no_gradient():
    pictures = torch.rand(4, 3, 32, 32) * 2 - 1
    for train_encoder in (False, True):
        vae = tiny_vae().requires_grad_(True)
        generator = torch.Generator().manual_seed(0)
        output, divergence = Reconstruction(vae, train_encoder=train_encoder)(pictures, 2, generator)
        (output.mean() + divergence).backward()
        assert output.shape == pictures.shape
        assert all((p.grad is not None) == train_encoder for p in vae.encoder.parameters())
        assert vae.decoder.conv_in.weight.grad.any()


TOY = ["block_out_channels=[32,32,32,32]", "latent_channels=4", "pictures=4", "frames=[1,2,4]", "crop=32", "steps=4"]


def test_command_and_its_continuations(toy_data, tmp_path, run_command):
    def run(out, *more):
        run_command(autoencoder, toy_data, tmp_path / out, *more, "--set", *TOY)
        return AutoencoderKLTemporalDecoder.from_pretrained(tmp_path / out)

    first = run("joint", "--checkpoint-minutes", "0")
    assert (tmp_path / "joint" / "report.json").exists() and not list((tmp_path / "joint").glob(".*"))
    onwards = run("onwards", "--start", str(tmp_path / "joint"))
    decoder = run("decoder", "--autoencoder", str(tmp_path / "joint"))
    name = "encoder.conv_in.weight"
    weights = {
        key: vae.state_dict()[name].float()
        for key, vae in (("first", first), ("onwards", onwards), ("decoder", decoder))
    }
    torch.testing.assert_close(weights["onwards"], weights["first"], atol=2e-3, rtol=0)  # it went on from there,
    assert not torch.equal(weights["onwards"], weights["first"])  # and the encoder with it
    assert torch.equal(weights["decoder"], weights["first"])
    assert not torch.equal(decoder.decoder.conv_in.weight, first.decoder.conv_in.weight)
    with pytest.raises(ValueError, match="--autoencoder and --start"):
        run("both", "--autoencoder", str(tmp_path / "joint"), "--start", str(tmp_path / "joint"))
