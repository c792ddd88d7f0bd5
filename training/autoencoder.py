"""Train the built-in model's video autoencoder: `python -m driftfield.training.autoencoder --data DIR --out DIR`.

With `--start DIR` it starts from that autoencoder's weights. With `--autoencoder DIR` too, but the encoder stays as it
is: the decoder alone goes on training, while others may already train on the latents. `--resume DIR` goes on with the
run that wrote DIR.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLTemporalDecoder
from diffusers.models.resnet import TemporalResnetBlock
from torch import Tensor, nn

from ..networks.fast.temporal_convolution import flatten_temporal_convolutions
from .data.prepared_set import load, to_unit
from .loop.arguments import parse_arguments
from .loop.clock import Clock
from .loop.ema import ExponentialMovingAverage
from .loop.optimizers import Optimizers, learning_rate_factor
from .loop.precision import MasterWeights, channels_last, halve
from .loop.processes import average_over_processes, make_accelerator
from .loop.reports import write_report
from .loop.run import Run
from .models.grid import grid


class GroupSampler:
    """Groups of consecutive frames: from clips, and from stills that pan by a whole number of pixels a frame."""

    def __init__(self, clips: list[Tensor], stills: list[Tensor], device: torch.device, generator: torch.Generator):
        self.clips = [clip.to(device) for clip in clips]
        self.stills = [still.to(device) for still in stills]
        self.generator = generator

    def draw(self, low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (1,), generator=self.generator))

    def group(self, frames: int, crop: int) -> Tensor:
        """uint8 [frames, 3, crop, crop]; two of three from a clip, and a quarter of the others without any motion."""
        if self.clips and (self.draw(0, 2) > 0 or not self.stills):
            clip = self.clips[self.draw(0, len(self.clips) - 1)]
            start = self.draw(0, len(clip) - frames)
            top, left = (self.draw(0, size - crop) for size in clip.shape[-2:])
            group = clip[start : start + frames, :, top : top + crop, left : left + crop]
        else:
            still = self.stills[self.draw(0, len(self.stills) - 1)]
            steps = max(frames - 1, 1)
            room = [min((size - crop) // steps, 6) if self.draw(0, 1) else 0 for size in still.shape[-2:]]
            dy, dx = (self.draw(-r, r) for r in room)
            ends = [(still.shape[-2] - crop, dy * (frames - 1)), (still.shape[-1] - crop, dx * (frames - 1))]
            top, left = (self.draw(max(0, -way), min(space, space - way)) for space, way in ends)
            spots = [(top + i * dy, left + i * dx) for i in range(frames)]
            group = torch.stack([still[:, y : y + crop, x : x + crop] for y, x in spots])
        return group.flip(-1) if self.draw(0, 1) else group

    def batch(self, pictures: int, frames: int, crop: int) -> Tensor:
        """[pictures, 3, crop, crop], −1..1: groups of `frames` one after another."""
        return to_unit(torch.cat([self.group(frames, crop) for _ in range(pictures // frames)]))


class Reconstruction(nn.Module):
    """One pass through the autoencoder, as one module so that it can be distributed and compiled."""

    def __init__(self, vae: AutoencoderKLTemporalDecoder, *, train_encoder: bool, latent_noise: float = 0.05):
        super().__init__()
        self.vae, self.train_encoder, self.latent_noise = vae, train_encoder, latent_noise

    def forward(self, pictures: Tensor, frames: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """[B·frames, 3, H, W] → reconstruction, mean KL divergence. The latents' noise comes from the generator."""
        with torch.set_grad_enabled(self.train_encoder):
            posterior = self.vae.encode(pictures).latent_dist
        mean = posterior.mean
        noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        if self.train_encoder:
            latents = mean + posterior.std * noise
            divergence = posterior.kl().mean()
        else:  # the sampler's latents are never perfect
            latents = mean + self.latent_noise * noise
            divergence = latents.new_zeros(())
        return self.vae.decode(latents, num_frames=frames).sample, divergence


def reconstruction_loss(output: Tensor, target: Tensor, frames: int, *, still_weight: float) -> Tensor:
    """L1 on pixels, their gradients, two coarser scales and the change between the frames of a group.

    [B·frames, 3, H, W]. The change counts 1 + still_weight times where nothing moves: there all of it is flicker.
    """
    error = output - target
    loss = error.abs().mean() + 2 * error.square().mean()
    loss = loss + error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    loss = loss + 0.5 * sum(F.avg_pool2d(error, size).abs().mean() for size in (4, 16))
    if frames == 1:
        return loss
    change, motion = (x.unflatten(0, (-1, frames)).diff(dim=1).abs().mean(dim=(1, 2, 3, 4)) for x in (error, target))
    return loss + 2 * (change * (1 + still_weight * (motion == 0))).mean()


class Discriminator(nn.Sequential):
    """70×70 PatchGAN over frames."""

    def __init__(self, width: int = 48):
        layers = [nn.Conv2d(3, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for i, stride in enumerate((2, 2, 1)):
            before, after = width * 2**i, width * 2 ** (i + 1)
            layers += [nn.Conv2d(before, after, 4, stride, 1), nn.GroupNorm(8, after), nn.LeakyReLU(0.2)]
        super().__init__(*layers, nn.Conv2d(width * 8, 1, 4, padding=1))


@torch.no_grad()
def whiten(vae: AutoencoderKLTemporalDecoder, pictures: Tensor) -> None:
    """Fold the latents' mean and deviation into the weights: unit variance, scaling factor 1."""
    latents = torch.cat([vae.encode(chunk).latent_dist.mean for chunk in pictures.split(64)])
    mean, std = latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
    convolution = vae.quant_conv
    channels = len(mean)
    convolution.bias[:channels] -= mean
    convolution.weight[:channels] /= std[:, None, None, None]
    convolution.bias[:channels] /= std
    convolution.bias[channels:] -= 2 * std.log()
    entry = vae.decoder.conv_in
    entry.bias += (entry.weight * mean[None, :, None, None]).sum(dim=(1, 2, 3))
    entry.weight *= std[None, :, None, None]


@torch.no_grad()
def evaluate(vae: AutoencoderKLTemporalDecoder, clips: list[Tensor], frames: int = 8) -> dict[str, float]:
    """Mean PSNR over held-out frames, and the flicker of a repeated still in grey levels of 255."""
    scores, flicker = [], []
    for clip in clips:
        pictures = to_unit(clip[:frames].to(vae.device))
        for name, batch in (("psnr", pictures), ("flicker", pictures[:1].expand(frames, -1, -1, -1))):
            output = vae.decode(vae.encode(batch).latent_dist.mean, num_frames=frames).sample.clamp(-1, 1)
            if name == "psnr":
                scores.append(-10 * ((output - batch) / 2).square().mean().log10().item())
            else:
                flicker.append(output.diff(dim=0).abs().mean().item() * 127.5)
    return {"psnr": sum(scores) / len(scores), "flicker": sum(flicker) / len(flicker)}


@torch.no_grad()
def sheet(vae: AutoencoderKLTemporalDecoder, clips: list[Tensor], frames: int = 6) -> Tensor:
    """A picture [3, H, W], 0..1: the first frames of four clips, each row over what comes back of it."""
    rows = []
    for clip in clips[:4]:
        pictures = to_unit(clip[:frames].to(vae.device))
        output = vae.decode(vae.encode(pictures).latent_dist.mean, num_frames=len(pictures)).sample
        rows += [pictures, output]
    return grid(((torch.stack(rows) + 1) / 2).clamp(0, 1))


def build_vae(options: SimpleNamespace) -> AutoencoderKLTemporalDecoder:
    """A new one by the preset, or the one to go on with."""
    if options.autoencoder and options.start:
        raise ValueError("--autoencoder and --start: both name the weights to start from, allowed: one of them")
    if folder := options.autoencoder or options.start:
        return AutoencoderKLTemporalDecoder.from_pretrained(folder).float()
    vae = AutoencoderKLTemporalDecoder(
        block_out_channels=options.block_out_channels,
        down_block_types=("DownEncoderBlock2D",) * len(options.block_out_channels),
        layers_per_block=1,
        latent_channels=options.latent_channels,
        sample_size=256,
        scaling_factor=1.0,
    )
    # The temporal layers start as the identity: at first, frames that are alike come back alike.
    for module in vae.decoder.modules():
        if isinstance(module, TemporalResnetBlock):
            nn.init.zeros_(module.conv2.weight)
            nn.init.zeros_(module.conv2.bias)
    nn.init.dirac_(vae.decoder.time_conv_out.weight)
    nn.init.zeros_(vae.decoder.time_conv_out.bias)
    return vae


def main(arguments: list[str] | None = None) -> None:
    options = parse_arguments("autoencoder", __doc__, arguments)
    accelerator, device = make_accelerator(options)
    refine_decoder = options.autoencoder is not None
    vae = channels_last(build_vae(options).to(device))
    if refine_decoder:
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    clips, stills = load(options.data, "clips", "train")[1], load(options.data, "stills", "train")[1]
    if not clips and not stills:
        raise ValueError(f"{options.data}: nothing to train on, needed: clips or stills")
    held_out = load(options.data, "clips", "held_out")[1] if accelerator.is_main_process else []
    firsts = [clip[0] for clip in clips] or stills
    picks = torch.randperm(len(firsts), generator=torch.Generator().manual_seed(options.seed))[:256].tolist()
    typical = [firsts[i] for i in picks]
    flatten_temporal_convolutions(vae)
    fused, dtype = device.type == "cuda", torch.bfloat16 if device.type == "cuda" else torch.float32
    masters = MasterWeights(vae, dtype)
    average = ExponentialMovingAverage(vae, source=masters.values)

    if options.compile:
        vae.encoder.compile(dynamic=False)
        vae.decoder.compile(dynamic=False)
    reconstruct = Reconstruction(vae, train_encoder=not refine_decoder)
    trained = [value for value in masters.values if value.requires_grad]
    optimizers = Optimizers(trained, kind=options.optimizer, learning_rate=options.learning_rate, weight_decay=1e-4)
    parts = {"masters": masters, "average": average, "optimizers": optimizers}
    adversarial = refine_decoder and options.adversarial_weight > 0
    critic = channels_last(Discriminator().to(device)) if adversarial else None
    if critic:
        critic_optimizer = torch.optim.AdamW(critic.parameters(), lr=2e-4, betas=(0.5, 0.99), fused=fused)
        parts |= {"critic": critic, "critic_optimizer": critic_optimizer}

    @contextmanager
    def result() -> Iterator[None]:
        """Inside, the autoencoder is what the run has come to: averaged, and whitened where the encoder learns."""
        with average.applied(), torch.compiler.set_stance("force_eager"):
            if not refine_decoder:
                whiten(vae, to_unit(torch.stack(typical).to(device)))
            yield

    def save(folder: Path) -> None:
        with result():
            halve(vae)
            vae.save_pretrained(folder)

    def draw_sheet() -> Tensor:
        with result():
            return sheet(vae, held_out or clips or [still[None] for still in stills])

    clock = Clock(options.steps, options.minutes, device)
    run = Run(options, accelerator, clock, parts=parts, save=save, sheet=draw_sheet)
    process = accelerator.process_index
    sampler = GroupSampler(clips, stills, device, run.generator("cpu", process=process))
    noise = run.generator(device, process=process)
    for progress in run.steps():
        frames = options.frames[run.step % len(options.frames)]
        pictures = sampler.batch(options.pictures, frames, options.crop)
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        output, divergence = reconstruct(pictures.to(dtype), frames, noise)
        output = output.float()
        loss = reconstruction_loss(output, pictures, frames, still_weight=options.still_weight)
        loss = loss + options.kl_weight * divergence.float()
        if critic and progress > 0.25:
            with torch.autocast(device.type, torch.bfloat16, enabled=fused):
                critic.requires_grad_(False)
                loss = loss - options.adversarial_weight * critic(output).float().mean()
                critic.requires_grad_(True)
        vae.zero_grad(set_to_none=True)
        loss.backward()
        masters.take_gradients(accelerator)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizers.step(learning_rate_factor(run.step, progress, floor=options.learning_rate_floor))
        masters.give_values()
        average.update()
        if critic and progress > 0.15:
            with torch.autocast(device.type, torch.bfloat16, enabled=fused):
                real, fake = critic(pictures), critic(output.detach())
            critic_loss = F.relu(1 - real.float()).mean() + F.relu(1 + fake.float()).mean()
            critic_optimizer.zero_grad(set_to_none=True)
            critic_loss.backward()
            average_over_processes([value.grad for value in critic.parameters()], accelerator)
            critic_optimizer.step()
        with torch.no_grad():
            run.record(loss=loss, psnr=-10 * ((output - pictures) / 2).square().mean().log10())

    if not accelerator.is_main_process:
        return
    run.checkpoint()
    run.draw()
    figures = {"steps": run.step, "minutes": clock.elapsed_minutes, "processes": accelerator.num_processes}
    if held_out:
        with result():
            figures |= evaluate(vae, held_out)
    write_report(options, **figures)
    print(f"done: {figures}", flush=True)


if __name__ == "__main__":
    main()
