"""The second phase of a long video on several GPUs."""

import time
from argparse import ArgumentParser, Namespace

import torch

from ...model_loaders import memory
from ...pipeline.animate import Animation
from ...pipeline.control import Control
from ...pipeline.devices import replicas
from ...pipeline.extend import extend_animation
from ...pipeline.plan import Plan
from ...pipeline.settings import ExtendSettings, Settings
from ...pipeline.still import prepare_still
from ...sampling.conditioning import Conditioning
from ...sampling.guidance import guidance_scales
from ...sampling.phased import window_counts
from ...sampling.schedule import karras_sigmas
from ...sampling.trajectory import Trajectory, euler
from ..options import add_out
from ..output.publish import device_name, publish
from .models import AUGMENTATION, BUCKET, FPS, SIGMAS, SIZES, Models, Size, as_animator

GAMMA = 0.8
REPEATS = 3  # the fastest counts
HEADER = ["joins, frames, GPUs", "seconds", "times faster", "relative difference"]


def add_arguments(parser: ArgumentParser) -> None:
    parser.description += " Random weights of Stable Video Diffusion's size."
    add_out(parser)
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 2, 4], help="how many (default: 1 2 4)")
    parser.add_argument("--total-frames", type=int, nargs="+", default=[125, 250], help="default: 125 250")
    parser.add_argument("--joins", nargs="+", default=["restart", "crossfade"], help="default: restart crossfade")
    parser.add_argument("--size", choices=SIZES, default="full")


def run(arguments: Namespace) -> None:
    size = SIZES[arguments.size]
    animation = random_animation(size)
    rows, limits = [], []
    workers = replicas(animation.animator, memory.devices(max(arguments.devices)))
    for joins in arguments.joins:
        for total in arguments.total_frames:
            settings = ExtendSettings(total, gamma=GAMMA, joins=joins)
            alone = None
            for count in arguments.devices:
                best = float("inf")
                for _ in range(REPEATS):
                    start = time.perf_counter()
                    longer = extend_animation(animation, settings, workers=workers[:count])
                    best = min(best, time.perf_counter() - start)
                alone = alone or (best, longer.latents)
                difference = float((longer.latents - alone[1]).norm() / alone[1].norm())
                windows = window_counts(longer.timeline, steps=size.steps, gamma=GAMMA)
                rows.append([f"{joins}, {total}, {count}", best, alone[0] / best, difference])
                limits.append(f"{rows[-1][0]}: {most_times_faster(windows, count):.3g}")
                print(rows[-1], flush=True)
    notes = [
        f"{size.side} x {size.side} px, segments of {size.frames} frames, {size.steps} steps, γ {GAMMA}, guidance 1 "
        f"to 3, random weights, on {device_name()}. The fastest of {REPEATS} runs; copying the model to other GPUs is "
        "apart.",
        f"Times faster: than with {arguments.devices[0]}. Relative difference: of the latents to that result.",
        f"A window is not divided among GPUs, so that at most so many times faster than with 1 are possible: "
        f"{'; '.join(limits)}.",
    ]
    publish(arguments, "devices", "The second phase on several GPUs", HEADER, rows, notes=notes)


def most_times_faster(windows: list[int], devices: int) -> float:
    """windows: of each step; the busiest device has them divided evenly, and the rest."""
    return sum(windows) / sum(-(-count // devices) for count in windows)


def random_animation(size: Size) -> Animation:
    """Its first segment is noise: the second phase takes as long from anything."""
    models = Models(size, memory.device())
    animator = as_animator(models, "bf16")
    side, channels = size.side // 8, models.vae.config.latent_channels
    generator = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    latents = noise(size.frames, channels, side, side)
    trajectory = Trajectory(
        karras_sigmas(size.steps, **SIGMAS), (latents,) * (size.steps + 1), (latents,) * (size.steps + 1)
    )
    conditioning = Conditioning(
        image_embedding=noise(1, 1, models.unet.config.cross_attention_dim),
        reference=noise(1, channels, side, side).expand(size.frames, -1, -1, -1),
        added_time_ids=torch.tensor([[FPS - 1, BUCKET, AUGMENTATION]]),
    )
    plan = Plan(
        still=prepare_still(torch.zeros(1, 3, size.side, size.side)),
        control=Control("reference repeated"),
        asked=None,
        motion=None,
        composition=None,
        settings=Settings(),
        fps=FPS,
        conditioning=conditioning,
        sigmas=trajectory.sigmas,
        noise=latents,
        start=None,
        guidance_scale=guidance_scales(1.0, 3.0, size.frames),
    )
    return Animation(latents, trajectory, plan, animator, euler, animator.name)
