"""Try a preset's training step at its real size with random weights and data: `python -m driftfield.training.rehearse`.

`--preset svd-xt` (the default) shows what a GPU needs for it: memory, seconds a step and what is computed in them, and
the losses of some steps with one batch size in all. Started by `accelerate launch` on N GPUs with `--set batch=B/N` it
prints the losses of one.
"""

import json
import time
from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from ..networks.motion_unet import MotionUNet
from .data.batches import draw_batch
from .data.latents import FLOW_FACTOR, KEPT_FLOW_SIZE, LatentClips
from .loop.arguments import parse_arguments
from .loop.optimizers import learning_rate_factor
from .loop.processes import make_accelerator
from .loop.randomness import step_seed
from .models.build import build_image_encoder, build_processor, build_unet, join, new_adapter
from .models.svd import random_svd
from .models.trainer import Trainer

STEPS = 20
WARM_UP = 3  # steps that are not timed
CLIPS = 8
MINI_CHANNELS, SVD_CHANNELS = 16, 4  # of the latents
FACTOR = 8  # pixels of a latent's side


def random_clips(options: SimpleNamespace, generator: torch.Generator) -> LatentClips:
    """Noise where the latents would be, and steady flows, in the shapes of the preset's training set."""
    device, frames, size = generator.device, options.frames, options.size
    grid = size // max(FLOW_FACTOR, size // KEPT_FLOW_SIZE)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=device)

    latents = noise(CLIPS, frames, options.latent_channels, size // FACTOR, size // FACTOR) / options.scaling_factor
    flow = noise(CLIPS, 1, 2, 1, 1).expand(-1, frames - 1, -1, grid, grid)
    images = torch.randint(0, 256, (CLIPS, 3, size, size), generator=generator, device=device, dtype=torch.uint8)
    return LatentClips(latents.half(), latents.half(), flow.half(), images, torch.full((CLIPS,), 100.0, device=device))


def build_random(options: SimpleNamespace, device: torch.device) -> tuple[MotionUNet, nn.Module]:
    """Network and image encoder as the preset has them, trained as it says."""
    svd = not hasattr(options, "block_out_channels")
    options.latent_channels = SVD_CHANNELS if svd else MINI_CHANNELS
    options.scaling_factor = 0.18215 if svd else 1.0
    with device:
        if svd:
            unet, image_encoder = random_svd(device)
        else:
            unet, image_encoder = build_unet(options), build_image_encoder(options.cross_attention_dim)
        adapter = new_adapter(unet, options)
    return join(unet, adapter, image_encoder, options).to(device), image_encoder.to(device)  # some were made elsewhere


def wait(losses: list[Tensor]) -> None:
    """Until the device has caught up: it and the host work side by side, as in training."""
    losses[-1].item()


def main(arguments: list[str] | None = None) -> list[float]:
    """Prints, and returns, the losses."""
    options = parse_arguments("animator", __doc__, arguments, preset="svd-xt", data=False)
    accelerator, device = make_accelerator(options)
    start = time.perf_counter()
    network, image_encoder = build_random(options, device)
    trainer = Trainer(network, image_encoder, options, device)
    generator = torch.Generator(device).manual_seed(options.seed)
    clips = random_clips(options, generator)
    processor = build_processor()
    where = {"process": accelerator.process_index, "processes": accelerator.num_processes}
    accelerator.print(f"built in {time.perf_counter() - start:.1f} s", flush=True)

    def draw(step: int) -> dict[str, Tensor]:
        generator.manual_seed(step_seed(options.seed, step, 0))
        return draw_batch(clips, options, generator, processor, **where)

    losses = []
    for step in tqdm(range(STEPS), disable=None if accelerator.is_main_process else True, leave=False):
        if step == WARM_UP:
            wait(losses)
            start = time.perf_counter()
        factor = learning_rate_factor(step, step / STEPS, floor=options.learning_rate_floor)
        losses.append(accelerator.reduce(trainer.step(draw(step), accelerator, factor), "mean"))
    wait(losses)
    seconds = (time.perf_counter() - start) / (STEPS - WARM_UP)
    losses = [loss.item() for loss in losses]

    parameters = list(trainer.loss.parameters())
    figures = {
        "preset": options.preset,
        "processes": where["processes"],
        "batch of each": options.batch,
        "parameters, millions": round(sum(p.numel() for p in parameters) / 1e6, 1),
        "trained, millions": round(sum(p.numel() for p in parameters if p.requires_grad) / 1e6, 1),
        "seconds a step": round(seconds, 3),
    }
    if device.type == "cuda":
        figures["device"] = torch.cuda.get_device_name(device)
        figures["GiB at most"] = round(torch.cuda.max_memory_allocated(device) / 2**30, 1)
    with FlopCounterMode(display=False) as counter:  # last: a GPU's steps are one graph, recorded before any other pass
        trainer.loss(**draw(0)).mean().backward()
    flops = counter.get_total_flops()
    figures |= {"TFLOP a step": round(flops / 1e12, 2), "TFLOP/s": round(flops / seconds / 1e12, 1)}
    accelerator.print(json.dumps(figures | {"losses": [round(loss, 6) for loss in losses]}), flush=True)
    return losses


if __name__ == "__main__":
    main()
