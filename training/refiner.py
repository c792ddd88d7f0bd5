"""Train the flow refiner T (pix2pix, paper 3.2): `python -m driftfield.training.refiner --data DIR --out DIR`.

On a set of `prepare holynski` the targets are its annotated fields; on others the mean of the estimated flow over a few
frames, and synthetic scenes. `--start DIR` starts from an earlier run's refiner (with a new discriminator), `--resume
DIR` goes on with that run itself.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from ..flow_tools.color import flow_to_color
from ..flow_tools.convention import REFERENCE_SIZE, flip_flow
from ..flow_tools.dense import default_sigma_px, densify
from ..model_loaders.files import load_network
from ..networks.refiner import FlowRefiner, PatchDiscriminator, RefinerConfig
from .common import (
    Average,
    Clock,
    Optimizers,
    learning_rate_factor,
    make_accelerator,
    parse_arguments,
    write_report,
)
from .data import estimate_flows, list_names, load, load_fields, load_raft, read_clip, to_unit
from .run import Run
from .samples import grid
from .scenes import render_scenes

FORMAT = "driftfield.refiner.v1"
WINDOW = 8  # frames over which a clip's flow is averaged: the static field that arrows describe


def load_pairs(folder: Path, split: str, raft: nn.Module | None = None) -> tuple[Tensor, Tensor]:
    """Frames uint8 [S, 3, H, W] with their true flow [S, 2, H, W] px/frame: annotated, or else estimated."""
    if (folder / "fields").is_dir():
        names = list_names(folder, "clips", split)
        first = [read_clip(folder / "clips" / f"{name}.mp4", frames=1) for name in names]
        return torch.cat(first), torch.cat(load_fields(folder, names))
    return clip_fields(load(folder, "clips", split)[1], raft)


def clip_fields(clips: list[Tensor], raft: nn.Module | None = None) -> tuple[Tensor, Tensor]:
    """Frames uint8 [S, 3, H, W] with the mean flow [S, 2, H, W] px/frame of the frames that follow."""
    images, fields_ = [], []
    for clip, flow in zip(clips, estimate_flows(clips, raft), strict=True):
        for start in range(0, len(flow) - WINDOW + 1, WINDOW):
            images.append(clip[start])
            fields_.append(flow[start : start + WINDOW].mean(dim=0))
    return torch.stack(images), torch.stack(fields_)


def scene_fields(stills: list[Tensor], size: int, rounds: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The same of synthetic scenes of size × size px, `rounds` over every still."""
    generator = torch.Generator().manual_seed(1)
    images, fields_ = [], []
    for _ in range(rounds):
        for start in range(0, len(stills), 16):
            pictures = torch.stack([to_unit(still.to(device)) for still in stills[start : start + 16]])
            video, flow = render_scenes(pictures, frames=2, size=size, generator=generator)
            images.append(((video[:, 0] + 1) * 127.5).round().byte().cpu())
            fields_.append(flow[:, 0].cpu())
    return torch.cat(images), torch.cat(fields_)


def draw_hints(flow: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A few hints as a person would place them, mostly where the flow [2, H, W] moves: sparse field and mask.

    One hint in five stands anywhere: on a still place it is a pin.
    """
    height, width = flow.shape[-2:]
    count = int(torch.randint(1, 7, (1,), generator=generator))
    magnitude = flow.norm(dim=0).flatten()
    weight = torch.where(magnitude > 0.5 * magnitude.max(), 1.0, 0.0) + 1e-3
    moving = torch.multinomial(weight, count, generator=generator, replacement=True)
    anywhere = torch.randint(height * width, (count,), generator=generator, device=flow.device)
    place = torch.where(torch.rand(count, generator=generator, device=flow.device) < 0.2, anywhere, moving)
    hints = flow.new_zeros(height * width)
    hints[place] = 1
    hints = hints.view(1, 1, height, width)
    return flow[None] * hints, hints


def densified(flow: Tensor, seed: int) -> Tensor:
    """The Gaussian field [B, 2, H, W], half, that hints drawn from each true flow give; one thread a core.

    sigma lies between a fifth of the default and the default: people set it to the size of the thing that moves.
    """
    largest = default_sigma_px(*flow.shape[-2:])

    def one(i: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed + i)
        hints = draw_hints(flow[i], generator)
        sigma = largest * 5 ** -torch.rand((), generator=generator).item()
        return densify(*hints, sigma_px=sigma, threshold=0.05)[0].half()

    with ThreadPoolExecutor() as pool:
        return torch.stack(list(pool.map(one, range(len(flow)))))


@torch.no_grad()
def endpoint_errors(refiner: FlowRefiner, images: Tensor, flow: Tensor, device: torch.device) -> dict[str, float]:
    """Mean end-point error, px/frame, of the dense input and of the refined field against the true flow."""
    errors = {"dense": [], "refined": []}
    dense = densified(flow, seed=0).float()
    for part, image, true in zip(dense.split(32), images.split(32), flow.to(device).split(32), strict=True):
        part = part.to(device)
        refined = refiner(part, to_unit(image.to(device)) if refiner.config.image_conditioned else None)
        errors["dense"].append((part - true).norm(dim=1).flatten())
        errors["refined"].append((refined - true).norm(dim=1).flatten())
    return {name: torch.cat(values).mean().item() for name, values in errors.items()}


def build_refiner(options) -> FlowRefiner:
    """A new one by the preset, or the one that an earlier run wrote."""
    if options.start is None:
        names = {field.name for field in fields(RefinerConfig)}
        return FlowRefiner(RefinerConfig(**{name: value for name, value in vars(options).items() if name in names}))
    path = options.start / "refiner.safetensors"
    return load_network(path, FORMAT, RefinerConfig, FlowRefiner).requires_grad_(True)


def save(folder: Path, refiner: FlowRefiner) -> None:
    metadata = {"format": FORMAT, "config": json.dumps(refiner.config.to_dict())}
    tensors = {k: v.half().contiguous() for k, v in refiner.state_dict().items()}
    save_file(tensors, folder / "refiner.safetensors", metadata=metadata)


@torch.no_grad()
def sheet(refiner: FlowRefiner, images: Tensor, flow: Tensor) -> Tensor:
    """A picture [3, H, W], 0..1: for a few frames [S, 3, H, W] the frame, what hints give, refined, and the truth."""
    device = next(refiner.parameters()).device
    every = -(-len(images) // 6)
    images, true = images[::every].to(device), flow[::every].to(device)
    dense = densified(true.cpu(), seed=0).float().to(device)
    refined = refiner(dense, to_unit(images) if refiner.config.image_conditioned else None)
    colors = torch.stack([flow_to_color(torch.stack(fields)) for fields in zip(dense, refined, true, strict=True)])
    return grid(torch.cat([images[:, None] / 255, colors], dim=1))


def main(arguments: list[str] | None = None) -> None:
    options = parse_arguments("refiner", __doc__, arguments)
    accelerator, device = make_accelerator(options)
    refiner = build_refiner(options).to(device)
    config = refiner.config
    critic = PatchDiscriminator(config).to(device)
    clock = Clock(options.steps, options.minutes, device)
    raft = load_raft(options.raft, device) if options.raft else None
    images, flow = load_pairs(options.data, "train", raft)
    if options.scenes_per_still:
        stills = load(options.data, "stills", "train")[1]
        scenes = scene_fields(stills, images.shape[-1], options.scenes_per_still, device)
        images, flow = torch.cat([images, scenes[0]]), torch.cat([flow, scenes[1]])
    dense_sets = [densified(flow, seed=draw * len(flow)).to(device) for draw in range(options.hint_draws)]
    images, flow = images.to(device), flow.to(device)
    unseen = list_names(options.data, "clips", "held_out")
    held_out = load_pairs(options.data, "held_out", raft) if unseen else None
    average = Average(refiner)
    rates = {"kind": options.optimizer, "learning_rate": options.learning_rate}
    optimizers = Optimizers(list(refiner.parameters()), **rates, weight_decay=0.0)
    critic_optimizer = torch.optim.AdamW(critic.parameters(), lr=options.critic_learning_rate, betas=(0.5, 0.999))
    parts = {"refiner": refiner, "average": average, "optimizers": optimizers}
    parts |= {"critic": critic, "critic_optimizer": critic_optimizer}

    def save_weights(folder: Path) -> None:
        with average.applied():
            save(folder, refiner)

    def draw_sheet() -> Tensor:
        with average.applied():
            return sheet(refiner, *(held_out or (images, flow)))

    run = Run(options, accelerator, clock, parts=parts, save=save_weights, sheet=draw_sheet)
    generator = run.generator("cpu")
    unit = config.flow_scale_px * max(flow.shape[-2:]) / REFERENCE_SIZE
    for progress in run.steps():
        factor = learning_rate_factor(run.step, progress, floor=options.learning_rate_floor)
        for group in critic_optimizer.param_groups:
            group["lr"] = options.critic_learning_rate * factor
        index = torch.randint(len(flow), (options.batch,), generator=generator).to(device)
        true, image = flow[index], to_unit(images[index])
        dense = dense_sets[run.step % len(dense_sets)][index].float()
        if run.step // len(dense_sets) % 2:
            true, dense, image = flip_flow(true), flip_flow(dense), image.flip(-1)
        condition = torch.cat([dense / unit, image], dim=1) if config.image_conditioned else dense / unit
        refined = refiner(dense, image if config.image_conditioned else None)

        real, fake = critic(condition, true / unit), critic(condition, refined.detach() / unit)
        critic_loss = 0.5 * (F.softplus(-real).mean() + F.softplus(fake).mean())
        critic_optimizer.zero_grad(set_to_none=True)
        critic_loss.backward()
        critic_optimizer.step()

        l1 = (refined - true).abs().mean() / unit
        critic.requires_grad_(False)
        loss = F.softplus(-critic(condition, refined / unit)).mean() + options.l1_weight * l1
        critic.requires_grad_(True)
        refiner.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(refiner.parameters(), 10.0)
        optimizers.step(factor)
        average.update()
        run.record(l1=l1, critic=critic_loss)

    run.checkpoint()
    run.draw()
    figures = {"steps": run.step, "minutes": clock.elapsed_minutes}
    if held_out:
        with average.applied():
            figures["held_out_epe"] = endpoint_errors(refiner, *held_out, device)
    write_report(options.out, "report", **figures, options=vars(options))
    print(f"done: {figures}", flush=True)


if __name__ == "__main__":
    main()
