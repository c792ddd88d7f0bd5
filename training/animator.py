"""Train the animator (UNet, image encoder, motion adapter): `python -m driftfield.training.animator --data … --out …`.

`--autoencoder DIR` names the trained autoencoder, `--resume DIR` the output of an earlier run (or the pack's weights)
to start from. Everything is encoded once; a step gathers latents on the device.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler, UNetSpatioTemporalConditionModel
from diffusers.models.attention import Attention, BasicTransformerBlock, TemporalBasicTransformerBlock
from diffusers.models.resnet import ResnetBlock2D, TemporalResnetBlock
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.tensorboard import SummaryWriter
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from ..model_loaders.adapter import FORMAT, load_adapter
from ..networks.animator import AdapterConfig, MotionAdapter, MotionUNet
from ..networks.motion_encoder import ResidualBlock
from ..networks.temporal_convolution import flatten_temporal_convolutions
from .common import (
    Average,
    Clock,
    MasterWeights,
    Optimizers,
    Step,
    channels_last,
    halve,
    learning_rate_factor,
    make_accelerator,
    parse_arguments,
    replacing,
    write_report,
)
from .data import estimate_flows, load, to_unit
from .latents import FLOW_SHARE, LatentClips, from_clips, from_scenes, join

FPS = 8
STILL_BUCKET = 127  # motion_bucket_id where the adapter's strength columns say how strong the motion is
# Shares of the batch, in this order: everything; no flow (strength alone); the bare UNet; the unconditional pass.
FULL, STRENGTH_ALONE, BARE, UNCONDITIONAL = range(4)
SHARES = (0.72, 0.10, 0.13, 0.05)
STILL_SHARE = 0.08  # of the batch: nothing moves, and nothing is to move


def build_unet(options) -> UNetSpatioTemporalConditionModel:
    widths = tuple(options.block_out_channels)
    levels = len(widths)
    return UNetSpatioTemporalConditionModel(
        sample_size=32,
        in_channels=2 * options.latent_channels,
        out_channels=options.latent_channels,
        down_block_types=("CrossAttnDownBlockSpatioTemporal",) * (levels - 1) + ("DownBlockSpatioTemporal",),
        up_block_types=("UpBlockSpatioTemporal",) + ("CrossAttnUpBlockSpatioTemporal",) * (levels - 1),
        block_out_channels=widths,
        layers_per_block=1,
        cross_attention_dim=options.cross_attention_dim,
        num_attention_heads=tuple(width // 32 for width in widths),
        num_frames=options.frames,
    )


def build_image_encoder(projection: int) -> CLIPVisionModelWithProjection:
    sizes = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4}
    return CLIPVisionModelWithProjection(CLIPVisionConfig(**sizes, patch_size=32, projection_dim=projection))


class SingleTokenAttention:
    """diffusers attention processor for cross-attention to one token, the image's embedding.

    A softmax over one key is 1 for every query, so that W_O W_V token is the whole result: no queries, no attention.
    """

    def __call__(self, attention: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor, **_) -> Tensor:
        return attention.to_out[0](attention.to_v(encoder_hidden_states)).expand_as(hidden_states)


def build_models(options) -> tuple[MotionUNet, CLIPVisionModelWithProjection]:
    """New ones by the preset, or those of an earlier run; all parameters in fp32 and trained."""
    if options.resume is None:
        unet, image_encoder = build_unet(options), build_image_encoder(options.cross_attention_dim)
        config = AdapterConfig.for_unet(unet, base_channels=options.motion_channels, reference="warped")
        return MotionUNet(unet, MotionAdapter(config)), image_encoder
    folder = options.resume / "animator"
    unet = UNetSpatioTemporalConditionModel.from_pretrained(folder / "unet").float()
    if unet.config.out_channels != options.latent_channels:
        got, allowed = unet.config.out_channels, options.latent_channels
        raise ValueError(f"{folder}: made for {got} latent channels, but the autoencoder has {allowed}")
    image_encoder = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder").float()
    adapter = load_adapter(options.resume / "motion_adapter.safetensors")
    return MotionUNet(unet, adapter).train().requires_grad_(True), image_encoder.train()


def build_scheduler(options) -> EulerDiscreteScheduler:
    return EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_type="continuous",
        timestep_spacing="leading",
        steps_offset=1,
        use_karras_sigmas=True,
        sigma_min=options.sigma_min,
        sigma_max=options.sigma_max,
    )


def clip_pixels(images: Tensor, processor: CLIPImageProcessor) -> Tensor:
    """uint8 [B, 3, H, W] → what the image encoder sees: antialiased bicubic 224², CLIP's mean and deviation."""
    small = F.interpolate(to_unit(images), size=(224, 224), mode="bicubic", antialias=True)
    mean, std = torch.tensor([processor.image_mean, processor.image_std], device=images.device).view(2, 1, 3, 1, 1)
    return ((small + 1) / 2 - mean) / std


class DenoisingLoss(nn.Module):
    """EDM loss of SVD's v prediction on a batch whose clips differ in what they are conditioned on."""

    def __init__(self, animator: MotionUNet, image_encoder: CLIPVisionModelWithProjection, options):
        super().__init__()
        self.animator, self.image_encoder = animator, image_encoder
        for name, module in animator.unet.named_modules():
            if name.endswith(".attn2"):
                module.set_processor(SingleTokenAttention())
        self.log_sigma_mean, self.log_sigma_std = options.log_sigma_mean, options.log_sigma_std

    def forward(self, latents: Tensor, warped: Tensor, flow: Tensor, pixels: Tensor, strength: Tensor, mode: Tensor,
                log_sigma: Tensor, noise: Tensor, augmentation: Tensor, reference_noise: Tensor) -> Tensor:  # fmt: skip
        """The loss of each clip [B], float32; the networks compute in the dtype of their weights.

        latents, warped, noise [B, L, c, h, w]; flow [B, L−1, 2, H, W] px/frame; pixels [B, 3, 224, 224];
        strength (percent), mode, log_sigma and augmentation (deviation of the reference's noise) [B];
        reference_noise [B, 1, c, h, w]: the same on every frame, as an encoded noisy still would have.
        """
        batch, frames = latents.shape[:2]
        dtype = self.animator.unet.dtype
        conditional = (mode != UNCONDITIONAL).float()
        with_motion = (mode == FULL).float()

        def per_clip(x: Tensor) -> Tensor:
            return x.view(-1, 1, 1, 1, 1)

        sigma = per_clip(log_sigma.exp())
        noisy = latents + sigma * noise
        reference = torch.where(per_clip(mode == FULL), warped, latents[:, :1].expand_as(latents))
        reference = (reference + per_clip(augmentation) * reference_noise) * per_clip(conditional)
        embedding = self.image_encoder(pixels.to(dtype)).image_embeds * conditional[:, None].to(dtype)

        context, unet = self.animator.context, self.animator.unet
        maps = self.animator.adapter.encoder(flow.flatten(0, 1))
        maps = [m.unflatten(0, (batch, frames - 1)) * per_clip(with_motion).to(m.dtype) for m in maps]
        context.maps = tuple(torch.cat([m, m[:, -1:]], dim=1) for m in maps)
        context.scale = 1.0
        context.strength = unet.add_time_proj(strength) * (mode != BARE).float()[:, None]
        bucket = torch.where(mode == BARE, strength.clamp(max=255), torch.full_like(strength, STILL_BUCKET))
        ids = torch.stack([torch.full_like(strength, FPS - 1), bucket, augmentation], dim=1)
        sample = torch.cat([noisy / (sigma**2 + 1).sqrt(), reference], dim=2).to(dtype)
        prediction = unet(sample, 0.25 * log_sigma, embedding[:, None], ids).sample
        # D = c_skip·x + c_out·v with c_out = −σ/√(σ²+1); the loss on v is the EDM-weighted loss on D.
        target = (noisy / (sigma**2 + 1) - latents) * (sigma**2 + 1).sqrt() / sigma
        return (prediction.float() - target).square().mean(dim=(1, 2, 3, 4))


def repeated_blocks(module: nn.Module) -> Iterator[nn.Module]:
    """What torch.compile takes one by one: those of one width share a graph, a third of the whole's operations."""
    kinds = (BasicTransformerBlock, TemporalBasicTransformerBlock, ResnetBlock2D, TemporalResnetBlock, ResidualBlock)
    return (child for child in module.modules() if isinstance(child, kinds))


def draw_batch(clips: LatentClips, options, generator: torch.Generator, device: torch.device) -> dict[str, Tensor]:
    """A batch gathered on the device; the random numbers of the loss are drawn here, so that they can be replayed."""
    batch = options.batch
    index = torch.randint(len(clips), (batch,), generator=generator, device=device)
    still = torch.rand(batch, generator=generator, device=device) < STILL_SHARE
    latents, warped = clips.latents[index].float(), clips.warped[index].float()
    first = latents[:, :1].expand_as(latents)
    latents, warped = (torch.where(still.view(-1, 1, 1, 1, 1), first, x) for x in (latents, warped))
    uniform = torch.rand(batch, generator=generator, device=device)
    flow = F.interpolate(clips.flow[index].flatten(0, 1), scale_factor=FLOW_SHARE, mode="bilinear") * FLOW_SHARE
    flow = flow.unflatten(0, (batch, -1)) * ~still.view(-1, 1, 1, 1, 1)
    noise = torch.randn(latents.shape, generator=generator, device=device)
    reference_noise = torch.randn(latents[:, :1].shape, generator=generator, device=device)
    normal = torch.randn(batch, generator=generator, device=device)
    augmented = torch.rand(batch, generator=generator, device=device)
    return {
        "latents": latents,
        "warped": warped,
        "flow": flow,
        "pixels": clips.images[index],
        "strength": clips.strength_percent[index] * ~still,
        "mode": torch.bucketize(uniform, torch.tensor(SHARES, device=device).cumsum(0)[:-1], right=True),
        "log_sigma": options.log_sigma_mean + options.log_sigma_std * normal,
        "noise": noise,
        "reference_noise": reference_noise,
        "augmentation": (augmented - 0.5).clamp(min=0) * 0.2,
    }


@torch.no_grad()
def preview_factors(clips: LatentClips) -> tuple[Tensor, Tensor]:
    """Least-squares map from latents to colours: factors [c, 3] and bias [3], RGB in −1..1."""
    latents = clips.latents[:256, 0].float()
    colors = F.adaptive_avg_pool2d(to_unit(clips.images[:256]), latents.shape[-2:]).permute(0, 2, 3, 1).flatten(0, 2)
    inputs = latents.permute(0, 2, 3, 1).flatten(0, 2)
    inputs = torch.cat([inputs, torch.ones_like(inputs[:, :1])], dim=1)
    solution = torch.linalg.lstsq(inputs, colors).solution.cpu()
    return solution[:-1], solution[-1]


def save(out: Path, options, animator: MotionUNet, image_encoder, processor, clips: LatentClips) -> None:
    """The layout that StableVideoDiffusionPipeline.from_pretrained loads (but the vae), and the adapter."""
    folder = out / "animator"
    animator.unet.save_pretrained(folder / "unet", max_shard_size="15MB")
    image_encoder.save_pretrained(folder / "image_encoder")
    encoder_config = folder / "image_encoder" / "config.json"  # transformers would run half weights in half
    values = json.loads(encoder_config.read_text()) | {"dtype": "float32"}
    encoder_config.write_text(json.dumps(values, indent=2) + "\n")
    build_scheduler(options).save_pretrained(folder / "scheduler")
    processor.save_pretrained(folder / "feature_extractor")
    index = {
        "_class_name": "StableVideoDiffusionPipeline",
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "unet": ["diffusers", "UNetSpatioTemporalConditionModel"],
        "vae": ["diffusers", "AutoencoderKLTemporalDecoder"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    factors, bias = preview_factors(clips)
    facts = {"frames": options.frames, "size": clips.images.shape[-1], "fps": FPS}
    facts |= {"preview_factors": factors.tolist(), "preview_bias": bias.tolist()}
    (folder / "driftfield.json").write_text(json.dumps(facts) + "\n")
    metadata = {"format": FORMAT, "config": json.dumps(animator.adapter.config.to_dict())}
    tensors = {k: v.contiguous() for k, v in animator.adapter.state_dict().items()}
    save_file(tensors, out / "motion_adapter.safetensors", metadata=metadata)


def main(arguments: list[str] | None = None) -> None:
    options = parse_arguments("animator", __doc__, arguments)
    accelerator, device = make_accelerator(options)
    rank, processes, main_process = accelerator.process_index, accelerator.num_processes, accelerator.is_main_process
    torch.manual_seed(options.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    vae = channels_last(AutoencoderKLTemporalDecoder.from_pretrained(options.autoencoder).to(device, dtype).eval())
    options.latent_channels = vae.config.latent_channels
    animator, image_encoder = (module.to(device) for module in build_models(options))
    processor = CLIPImageProcessor(size={"shortest_edge": 224}, crop_size=224)

    clock = Clock(options.steps, options.minutes, device, checkpoint_minutes=options.checkpoint_minutes)
    generator = torch.Generator(device).manual_seed(options.seed + rank)
    clips, stills = load(options.data, "clips", "train")[1], load(options.data, "stills", "train")[1]
    clips = [clip for clip in clips if len(clip) >= options.frames][rank::processes]  # each process holds its share
    flows, backward = estimate_flows(clips), estimate_flows([clip.flip(0) for clip in clips])
    print(f"flow of {len(clips)} clips: {clock.elapsed_minutes:.2f} min", flush=True)
    parts = from_clips(vae, clips, flows, backward, frames=options.frames, stride=options.clip_stride)
    real = sum(len(part) for part in parts)
    cpu = torch.Generator().manual_seed(options.seed + rank)
    rounds = -(-options.scenes_per_still // processes)
    size = clips[0].shape[-1]
    parts += from_scenes(vae, stills, frames=options.frames, size=size, rounds=rounds, generator=cpu)
    data = join(parts)
    del parts, clips, flows, backward, vae
    print(f"{real} windows of clips, {len(data) - real} scenes: {clock.elapsed_minutes:.2f} min", flush=True)

    loss_module = DenoisingLoss(animator, image_encoder, options)
    flatten_temporal_convolutions(loss_module)
    masters = MasterWeights(loss_module, dtype)
    average = Average(loss_module, source=masters.values)
    if options.compile:
        torch._dynamo.config.recompile_limit = 64  # of one block's code, for every width and place
        for block in repeated_blocks(loss_module):
            block.compile(dynamic=False)
    optimizers = Optimizers(masters.values, learning_rate=options.learning_rate, weight_decay=options.weight_decay)

    def next_batch() -> dict[str, Tensor]:
        batch = draw_batch(data, options, generator, device)
        return batch | {"pixels": clip_pixels(batch["pixels"], processor)}

    take_step = Step(loss_module, next_batch())

    def save_result() -> None:
        with average.applied(), replacing(options.out) as folder:
            halve(loss_module)
            save(folder, options, animator, image_encoder, processor, data)

    writer = SummaryWriter(options.out / "logs") if main_process else None
    step, recent = 0, []
    while (progress := clock.progress(step)) < 1:
        recent.append(take_step(next_batch()))
        masters.take_gradients(accelerator)
        torch.nn.utils.clip_grad_norm_(masters.values, 1.0)
        optimizers.step(learning_rate_factor(step, progress))
        masters.give_values()
        average.update()
        if step % 100 == 0 and main_process:
            mean = torch.stack(recent).mean().item()
            recent.clear()
            writer.add_scalar("loss", mean, step)
            print(f"step {step} {clock.elapsed_minutes:.2f} min loss {mean:.4f}", flush=True)
        step += 1
        if main_process and clock.checkpoint_due():
            save_result()

    if not main_process:
        return
    save_result()
    figures = {"steps": step, "minutes": clock.elapsed_minutes, "processes": processes, "loss": mean}
    write_report(options.out, "report", **figures, clips=real, scenes=len(data) - real, options=vars(options))
    print(f"done: {step} steps on {processes} device(s), {clock.elapsed_minutes:.1f} min", flush=True)


if __name__ == "__main__":
    main()
