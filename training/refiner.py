"""Train the flow refiner T (pix2pix, paper 3.2): `python -m driftfield.training.refiner --data DIR --out DIR`.

On a set of `prepare holynski` the targets are its annotated fields; on others what moves by itself in the clips (the
mean of the estimated flow over a few frames, the camera's motion taken out) and in scenes made of the stills. Each step
draws its own views, colours, directions and hints on the training's device.
`--start DIR` starts from an earlier run's refiner (with a new discriminator), `--resume DIR` goes on with that run
itself.
"""

import json
from collections import defaultdict
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from ..flow_tools.color import flow_to_color
from ..flow_tools.convention import REFERENCE_SIZE
from ..flow_tools.dense import default_sigma_px
from ..model_loaders.refiner import FORMAT, load_refiner
from ..networks.refiner import FlowRefiner, PatchDiscriminator, RefinerConfig
from .data.augmentation import augment
from .data.flow import load_raft
from .data.hints import draw_pixels, draw_sigma, gaussian_fields, hint_maps
from .data.prepared_set import list_names, load, to_unit
from .data.refiner_fields import WINDOW, Fields, Scenes, load_pairs
from .loop.arguments import parse_arguments
from .loop.clock import Clock
from .loop.ema import ExponentialMovingAverage
from .loop.optimizers import Optimizers, learning_rate_factor
from .loop.processes import average_over_processes, make_accelerator
from .loop.randomness import uniform
from .loop.reports import write_report
from .loop.run import Run
from .models.grid import grid

REACHES = (0.2, 0.3, 0.4, 0.5, 0.7, 1.0)  # sigma, times the default, of the Gaussians that it is compared with
SLOW_PX = 0.5  # px/frame at a side of 256 px: errors count as shares of a field's largest speed, or of this if larger
HINTLESS = 0.2  # fraction of the samples whose hints a refiner that sees hints is not shown


@torch.no_grad()
def endpoint_errors(refiner: FlowRefiner, fields: Fields, device: torch.device) -> dict[str, float]:
    """Mean end-point error, px/frame, against the true flow: of no motion, of Gaussians by their reach, refined."""
    generator = torch.Generator().manual_seed(0)
    errors = defaultdict(list)
    for image, true in zip(fields.images.split(32), fields.flow.split(32), strict=True):
        true, image = true.to(device).float(), to_unit(image.to(device))
        pixel, present = draw_pixels(true, generator)
        made = {"no motion": torch.zeros_like(true)}
        for reach in REACHES:
            sigma = true.new_full((len(true),), reach * default_sigma_px(*true.shape[-2:]))
            made[f"Gaussian {reach:g}"] = gaussian_fields(true, pixel, present, sigma)
        made["refined"] = refined_field(refiner, made["Gaussian 1"], image, hint_maps(true, pixel, present))
        for what, field in made.items():
            errors[what].append((field - true).norm(dim=1).flatten())
    return {name: torch.cat(values).mean().item() for name, values in errors.items()}


def refined_field(refiner: nn.Module, dense: Tensor, image: Tensor, hints: tuple[Tensor, Tensor]) -> Tensor:
    config = refiner.config
    return refiner(dense, image if config.image_conditioned else None, hints if config.hints else None)


def build_refiner(options: SimpleNamespace) -> FlowRefiner:
    """A new one by the preset, or the one that an earlier run wrote."""
    if options.start is None:
        names = {field.name for field in fields(RefinerConfig)}
        return FlowRefiner(RefinerConfig(**{name: value for name, value in vars(options).items() if name in names}))
    return load_refiner(options.start / "refiner.safetensors").requires_grad_(True)


def save(folder: Path, refiner: FlowRefiner) -> None:
    metadata = {"format": FORMAT, "config": json.dumps(refiner.config.to_dict())}
    tensors = {k: v.half().contiguous() for k, v in refiner.state_dict().items()}
    save_file(tensors, folder / "refiner.safetensors", metadata=metadata)


@torch.no_grad()
def sheet(refiner: FlowRefiner, fields: Fields) -> Tensor:
    """A picture [3, H, W], 0..1: for a few frames the frame, what hints give, refined, and the truth."""
    device = next(refiner.parameters()).device
    every = -(-len(fields.images) // 6)
    images, true = fields.images[::every].to(device), fields.flow[::every].to(device).float()
    hints = draw_pixels(true, torch.Generator().manual_seed(0))
    dense = gaussian_fields(true, *hints, true.new_full((len(true),), default_sigma_px(*true.shape[-2:])))
    refined = refined_field(refiner, dense, to_unit(images), hint_maps(true, *hints))
    colors = torch.stack([flow_to_color(torch.stack(fields)) for fields in zip(dense, refined, true, strict=True)])
    return grid(torch.cat([images[:, None] / 255, colors], dim=1))


def main(arguments: list[str] | None = None) -> None:
    options = parse_arguments("refiner", __doc__, arguments)
    accelerator, device = make_accelerator(options)
    refiner = build_refiner(options).to(device)
    config = refiner.config
    critic = PatchDiscriminator(config).to(device) if options.adversarial_weight else None
    clock = Clock(options.steps, options.minutes, device)
    raft = load_raft(options.raft, device) if options.raft else None
    clips = load_pairs(options.data, "train", raft, stride=WINDOW // 2).to(device)
    height, width = clips.flow.shape[-2:]
    process = accelerator.process_index
    stills = load(options.data, "stills", "train")[1] if options.scene_share else []
    scene_count = round(options.scene_share * options.batch) if stills else 0
    if scene_count:
        scenes = Scenes(stills, scene_count, height, device, options.seed, process=process)
    unseen = list_names(options.data, "clips", "held_out") if accelerator.is_main_process else []
    held_out = load_pairs(options.data, "held_out", raft) if unseen else None
    average = ExponentialMovingAverage(refiner)
    rates = {"kind": options.optimizer, "learning_rate": options.learning_rate}
    optimizers = Optimizers(list(refiner.parameters()), **rates, weight_decay=options.weight_decay)
    parts = {"refiner": refiner, "average": average, "optimizers": optimizers}
    if critic is not None:
        critic_optimizer = torch.optim.AdamW(critic.parameters(), lr=options.critic_learning_rate, betas=(0.5, 0.999))
        parts |= {"critic": critic, "critic_optimizer": critic_optimizer}

    def save_weights(folder: Path) -> None:
        with average.applied():
            save(folder, refiner)

    def draw_sheet() -> Tensor:
        with average.applied():
            if held_out:
                errors = endpoint_errors(refiner, held_out, device)
                print(f"step {run.step} held out: {errors}", flush=True)
                for name, error in errors.items():
                    run.writer.add_scalar(f"held out {name}", error, run.step)
            return sheet(refiner, held_out or clips)

    run = Run(options, accelerator, clock, parts=parts, save=save_weights, sheet=draw_sheet)
    generator = run.generator(device, process=process)
    unit, slow = config.flow_scale_px * max(height, width) / REFERENCE_SIZE, SLOW_PX * max(height, width) / 256
    for progress in run.steps():
        factor = learning_rate_factor(run.step, progress, floor=options.learning_rate_floor)
        image, true = clips.draw(options.batch - scene_count, generator)
        if scene_count:
            image, true = (torch.cat(pair) for pair in zip((image, true), scenes.of(run.step), strict=True))
        image, true = augment(image, true, generator)
        hints, sigma = draw_pixels(true, generator), draw_sigma(len(true), height, width, generator, device)
        exact = uniform(len(true), generator=generator, device=device) < 0.5
        dense = gaussian_fields(true, *hints, sigma, exact)
        shown = uniform(len(true), 1, 1, 1, generator=generator, device=device) >= HINTLESS
        refined = refined_field(refiner, dense, image, tuple(m * shown for m in hint_maps(true, *hints)))
        error = (refined - true).norm(dim=1).mean((1, 2)) / true.norm(dim=1).amax((1, 2)).clamp_min(slow)
        loss, recorded = error.mean(), {"error": error.mean()}

        if critic is not None:
            for group in critic_optimizer.param_groups:
                group["lr"] = options.critic_learning_rate * factor
            condition = torch.cat([dense / unit, image], dim=1) if config.image_conditioned else dense / unit
            both = torch.cat([true, refined.detach()]) / unit
            real, fake = critic(torch.cat([condition, condition]), both).chunk(2)
            critic_loss = 0.5 * (F.softplus(-real).mean() + F.softplus(fake).mean())
            critic_optimizer.zero_grad(set_to_none=True)
            critic_loss.backward()
            average_over_processes([value.grad for value in critic.parameters()], accelerator)
            critic_optimizer.step()
            critic.requires_grad_(False)
            loss = loss + options.adversarial_weight * F.softplus(-critic(condition, refined / unit)).mean()
            critic.requires_grad_(True)
            recorded["critic"] = critic_loss

        refiner.zero_grad(set_to_none=True)
        loss.backward()
        average_over_processes([value.grad for value in refiner.parameters()], accelerator)
        torch.nn.utils.clip_grad_norm_(refiner.parameters(), 10.0)
        optimizers.step(factor)
        average.update()
        run.record(**recorded)

    if not accelerator.is_main_process:
        return
    run.checkpoint()
    run.draw()
    figures = {"steps": run.step, "minutes": clock.elapsed_minutes, "processes": accelerator.num_processes}
    if held_out:
        with average.applied():
            figures["held_out_epe"] = endpoint_errors(refiner, held_out, device)
    write_report(options, **figures)
    print(f"done: {figures}", flush=True)


if __name__ == "__main__":
    main()
