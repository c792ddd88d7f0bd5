"""Train the static-camera LoRA (paper 3.1): `python -m driftfield.training.camera_lora --data … --animator DIR …`.

`--animator DIR` names the animator that it is for: what its training wrote, or the pack's weights. Low-rank matrices on
the attention projections of the temporal layers learn from what a camera at rest has filmed, and from synthetic scenes
before a background at rest; everything else is frozen. Writes `camera_lora.safetensors` in peft's names.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import torch
from diffusers import AutoencoderKLTemporalDecoder
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from transformers import CLIPImageProcessor

from .animator import DenoisingLoss, build_models, clip_pixels, draw_batch, repeated_blocks
from .clip_filters import border_motion, static_camera
from .common import (
    Average,
    Clock,
    learning_rate_factor,
    make_accelerator,
    parse_arguments,
    replacing,
    write_report,
)
from .data import estimate_flows, load
from .latents import LatentClips, from_clips, from_scenes, join

FILE = "camera_lora.safetensors"
# Cross-attention to the image's one token is W_O W_V token: its queries and keys do nothing.
LAYERS = r".*temporal_transformer_blocks\.\d+\.(attn1\.to_[qkv]|attn2\.to_v|attn[12]\.to_out\.0)"
# Shares of the batch: full, strength alone, bare, unconditional. A flow already says where nothing moves.
SHARES = (0.30, 0.40, 0.25, 0.05)
EVALUATION_BATCHES = 8


def add_lora(unet: nn.Module, rank: int) -> dict[str, nn.Parameter]:
    """Joins a LoRA that changes nothing yet to the UNet; {peft's name in the file: parameter}, alone to be trained."""
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=LAYERS)
    inject_adapter_in_model(config, unet)
    return {
        "unet." + name.replace(".default.", "."): parameter
        for name, parameter in unet.named_parameters()
        if ".lora_" in name
    }


def holds_still(flow: Tensor) -> bool:
    """Whether a clip with this flow [N, 2, H, W] px/frame was filmed by a camera at rest."""
    return static_camera([border_motion(step) for step in flow.float().cpu().numpy()])


def still_scenes(scenes: LatentClips) -> LatentClips:
    """Those before a background at rest; there may be none."""
    chosen = torch.tensor([holds_still(flow) for flow in scenes.flow], device=scenes.latents.device)
    return LatentClips(*(getattr(scenes, name)[chosen] for name in LatentClips.__dataclass_fields__))


def still_clips(vae, clips: list[Tensor], options) -> list[LatentClips]:
    """Windows of the clips whose camera does not move."""
    clips = [clip for clip, flow in zip(clips, estimate_flows(clips), strict=True) if holds_still(flow)]
    flows, backward = estimate_flows(clips), estimate_flows([clip.flip(0) for clip in clips])
    return from_clips(vae, clips, flows, backward, frames=options.frames, stride=options.clip_stride)


def draw(clips: LatentClips, options, generator: torch.Generator, processor: CLIPImageProcessor) -> dict[str, Tensor]:
    """draw_batch's, in SHARES."""
    device = clips.latents.device
    batch = draw_batch(clips, options, generator, device)
    uniform = torch.rand(options.batch, generator=generator, device=device)
    batch["mode"] = torch.bucketize(uniform, torch.tensor(SHARES, device=device).cumsum(0)[:-1], right=True)
    batch["pixels"] = clip_pixels(batch["pixels"], processor)
    return batch


@torch.no_grad()
def mean_loss(module: DenoisingLoss, clips: LatentClips, options, processor: CLIPImageProcessor) -> float:
    generator = torch.Generator(clips.latents.device).manual_seed(0)
    losses = [module(**draw(clips, options, generator, processor)) for _ in range(EVALUATION_BATCHES)]
    return torch.cat(losses).mean().item()


def save(out: Path, lora: dict[str, nn.Parameter], rank: int) -> None:
    tensors = {name: parameter.detach().half().cpu().contiguous() for name, parameter in lora.items()}
    metadata = {"lora_adapter_metadata": json.dumps({"unet.r": rank, "unet.lora_alpha": rank})}
    with replacing(out) as folder:
        save_file(tensors, folder / FILE, metadata=metadata)


def main(arguments: list[str] | None = None) -> None:
    options = parse_arguments("camera_lora", __doc__, arguments)
    if options.animator is None:
        raise ValueError("--animator: missing, needed: the folder of the animator that the LoRA is for")
    accelerator, device = make_accelerator(options)
    rank, processes, main_process = accelerator.process_index, accelerator.num_processes, accelerator.is_main_process
    torch.manual_seed(options.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    vae = AutoencoderKLTemporalDecoder.from_pretrained(options.autoencoder or options.animator / "animator" / "vae")
    vae = vae.float().to(device).eval()
    options.latent_channels = vae.config.latent_channels
    base = SimpleNamespace(resume=options.animator, latent_channels=options.latent_channels)
    animator, image_encoder = (module.to(device).eval().requires_grad_(False) for module in build_models(base))
    processor = CLIPImageProcessor(size={"shortest_edge": 224}, crop_size=224)

    clock = Clock(options.steps, options.minutes, device, checkpoint_minutes=options.checkpoint_minutes)
    generator = torch.Generator(device).manual_seed(options.seed + rank)
    clips, held_out = (load(options.data, "clips", split)[1] for split in ("train", "held_out"))
    clips, held_out = ([clip for clip in some if len(clip) >= options.frames] for some in (clips, held_out))
    parts = still_clips(vae, clips[rank::processes], options)  # each process holds its share
    real = sum(len(part) for part in parts)
    stills, size = load(options.data, "stills", "train")[1], clips[0].shape[-1]
    cpu = torch.Generator().manual_seed(options.seed + rank)
    rounds = -(-options.scenes_per_still // processes)
    scenes = from_scenes(vae, stills, frames=options.frames, size=size, rounds=rounds, generator=cpu)
    data = join([*parts, *map(still_scenes, scenes)])
    if not len(data):
        raise ValueError(f"{options.data}: no clip of {options.frames} or more frames whose camera does not move")
    unseen = still_clips(vae, held_out, options) if main_process else []
    unseen = join(unseen) if unseen else None
    del parts, scenes, clips, held_out, vae
    print(f"{real} windows of clips, {len(data) - real} scenes: {clock.elapsed_minutes:.2f} min", flush=True)

    lora = add_lora(animator.unet, options.rank)
    loss_module = DenoisingLoss(animator, image_encoder, options)
    if device.type == "cuda":
        for parameter in loss_module.parameters():
            if not parameter.requires_grad:
                parameter.data = parameter.data.bfloat16()
    parameters = nn.ParameterList(lora.values())
    average = Average(parameters)
    figures = {"rank": options.rank, "parameters": sum(p.numel() for p in parameters)}
    if unseen:
        figures["held_out_loss_without"] = mean_loss(loss_module, unseen, options, processor)
    if options.compile:
        torch._dynamo.config.recompile_limit = 64
        for block in repeated_blocks(loss_module):
            block.compile()
    step_module = accelerator.prepare(loss_module) if processes > 1 else loss_module
    optimizer = torch.optim.AdamW(parameters, lr=options.learning_rate, weight_decay=options.weight_decay)

    writer = SummaryWriter(options.out / "logs") if main_process else None
    step, recent = 0, []
    while (progress := clock.progress(step)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * learning_rate_factor(step, progress)
        loss = step_module(**draw(data, options, generator, processor)).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        average.update()
        recent.append(loss.detach())
        if step % 100 == 0 and main_process:
            mean = torch.stack(recent).mean().item()
            recent.clear()
            writer.add_scalar("loss", mean, step)
            print(f"step {step} {clock.elapsed_minutes:.2f} min loss {mean:.4f}", flush=True)
        step += 1
        if main_process and clock.checkpoint_due():
            with average.applied():
                save(options.out, lora, options.rank)

    if not main_process:
        return
    with average.applied():
        save(options.out, lora, options.rank)
        if unseen:
            figures["held_out_loss_with"] = mean_loss(loss_module, unseen, options, processor)
    figures |= {"steps": step, "minutes": clock.elapsed_minutes, "processes": processes, "loss": mean}
    write_report(options.out, "report", **figures, clips=real, scenes=len(data) - real, options=vars(options))
    print(f"done: {step} steps on {processes} device(s), {clock.elapsed_minutes:.1f} min, {figures}", flush=True)


if __name__ == "__main__":
    main()
