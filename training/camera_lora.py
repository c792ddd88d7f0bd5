"""Train the static-camera LoRA (paper 3.1): `python -m driftfield.training.camera_lora --data … --animator DIR …`.

`--animator DIR` names the animator that it is for: what its training wrote, or the pack's weights; `--model PATH` names
SVD itself instead, with no adapter. `--start` and `--resume` name earlier runs of the LoRA. Low-rank matrices on
the attention projections of the temporal layers learn from what a camera at rest has filmed, and from synthetic scenes
before a background at rest; everything else is frozen. Writes `camera_lora.safetensors` in peft's names.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import torch
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPImageProcessor

from ..model_loaders.files import shorten
from ..networks.motion_unet import MotionUNet
from .data.batches import FULL, draw_batch
from .data.clip_filters import border_motion, static_camera
from .data.latent_files import StoredClips
from .data.latents import LatentClips, joined
from .data.prepared_set import list_names
from .data.training_set import encode_clips, encode_set
from .loop.arguments import parse_arguments
from .loop.clock import Clock
from .loop.processes import make_accelerator
from .loop.run import Run
from .models.build import build_models, build_processor
from .models.samples import SHEET_CLIPS, sheet
from .models.trainer import Trainer

FILE = "camera_lora.safetensors"
# Cross-attention to the image's one token is W_O W_V token: its queries and keys do nothing.
LAYERS = r".*temporal_transformer_blocks\.\d+\.(attn1\.to_[qkv]|attn2\.to_v|attn[12]\.to_out\.0)"
# Fractions of the batch: full, strength alone, bare, unconditional. A flow already says where nothing moves.
MODE_FRACTIONS = (0.30, 0.40, 0.25, 0.05)
# Cameras at rest film little motion. Where no flow is given, half of the batch asks for up to so many times as much:
# the camera is to stay where it is whatever the strength.
EXAGGERATED_FRACTION, MOST_EXAGGERATED = 0.5, 16.0


def add_lora(unet: nn.Module, rank: int) -> dict[str, nn.Parameter]:
    """Joins a LoRA that changes nothing yet to the UNet; {peft's name in the file: parameter}, alone to be trained."""
    unet.requires_grad_(False)
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=LAYERS), unet)
    return {
        "unet." + name.replace(".default.", "."): parameter
        for name, parameter in unet.named_parameters()
        if ".lora_" in name
    }


@torch.no_grad()
def load_lora(path: Path, lora: dict[str, nn.Parameter]) -> None:
    """Raises ValueError where the file's LoRA is of other layers or of another rank."""
    tensors = load_file(path)
    found, needed = ({name: tensor.shape for name, tensor in some.items()} for some in (tensors, lora))
    if found != needed:
        wrong = sorted(name for name in found | needed if found.get(name) != needed.get(name))
        raise ValueError(f"{path}: does not fit this UNet and rank: {shorten(wrong)}")
    for name, parameter in lora.items():
        parameter.copy_(tensors[name])


def holds_still(flow: Tensor) -> bool:
    """Whether a clip with this flow [N, 2, H, W] px/frame was filmed by a camera at rest."""
    return static_camera([border_motion(step) for step in flow.float().cpu().numpy()])


def draw(
    clips: LatentClips | StoredClips,
    options: SimpleNamespace,
    generator: torch.Generator,
    processor: CLIPImageProcessor,
    *,
    process: int = 0,
    processes: int = 1,
) -> dict[str, Tensor]:
    """draw_batch's, in SHARES and with exaggerated strengths."""
    which = {"process": process, "processes": processes}
    batch = draw_batch(clips, options, generator, processor, mode_fractions=MODE_FRACTIONS, **which)
    own = slice(process * options.batch, (process + 1) * options.batch)
    total, device = options.batch * processes, generator.device
    chosen, exponent = (torch.rand(total, generator=generator, device=device)[own] for _ in range(2))
    chosen = (chosen < EXAGGERATED_FRACTION) & (batch["mode"] != FULL)
    return batch | {"strength": batch["strength"] * torch.where(chosen, MOST_EXAGGERATED**exponent, 1.0)}


def save(out: Path, lora: dict[str, nn.Parameter], rank: int) -> None:
    tensors = {name: parameter.detach().half().cpu().contiguous() for name, parameter in lora.items()}
    metadata = {"lora_adapter_metadata": json.dumps({"unet.r": rank, "unet.lora_alpha": rank})}
    save_file(tensors, out / FILE, metadata=metadata)


def build_base(options: SimpleNamespace) -> tuple[MotionUNet, nn.Module, nn.Module]:
    """Network, image encoder and VAE of --animator or --model, frozen."""
    if options.animator is None and options.model is None:
        raise ValueError("--animator: missing, needed: the folder of the animator that the LoRA is for; or --model")
    base = SimpleNamespace(**{**vars(options), "start": options.animator, "trained": "all"})
    parts = tuple(module.requires_grad_(False) for module in build_models(base))
    options.scaling_factor = base.scaling_factor
    return parts


def main(arguments: list[str] | None = None) -> None:
    options = parse_arguments("camera_lora", __doc__, arguments)
    accelerator, device = make_accelerator(options)
    clock = Clock(options.steps, options.minutes, device)
    network, image_encoder, vae = (module.to(device) for module in build_base(options))
    processor = build_processor()
    data, counts = encode_set(vae, options, accelerator, keep=holds_still)
    accelerator.print(f"{counts}: {clock.elapsed_minutes:.2f} min", flush=True)
    held_out = list_names(options.data, "clips", "held_out") if accelerator.is_main_process else []
    unseen = joined(encode_clips(vae, options, held_out, keep=holds_still))
    moving = joined(encode_clips(vae, options, held_out[:SHEET_CLIPS]))

    lora = add_lora(network.unet, options.rank)
    if options.start is not None:
        load_lora(options.start / FILE, lora)
    trainer = Trainer(network, image_encoder, options, device)
    parameters = sum(p.numel() for p in lora.values())

    def save_weights(folder: Path) -> None:
        with trainer.average.applied():
            save(folder, lora, options.rank)

    def draw_sheet() -> Tensor:
        shown = moving.evenly_chosen(SHEET_CLIPS, device)
        with trainer.average.applied():
            return sheet(network, image_encoder, vae, shown, processor, options, with_flow=False)

    sheets = None if moving is None else draw_sheet
    run = Run(options, accelerator, clock, parts=trainer.parts(), save=save_weights, sheet=sheets)
    about = {"rank": options.rank, "parameters": parameters, **counts}
    trainer.follow(run, draw, data, unseen, processor, device, **about)


if __name__ == "__main__":
    main()
