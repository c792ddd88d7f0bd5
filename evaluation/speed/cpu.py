"""The built-in model on a CPU: its networks in diffusers' form and ours, and the long video of the example.

In processor time, all threads together, so that other work on the machine counts less: a pass of the UNet over one
segment of 256², the encoding of a picture, the decoding of a chunk of frames. Then the stages of the video, as the
workflow *arrows_to_long_animation* has them.
"""

import copy
import functools
import json
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel
from torch import nn

from ...flow_tools.arrows import parse_arrows
from ...flow_tools.dense import sigma_in_px
from ...model_loaders import memory
from ...model_loaders.animator import load_animator
from ...networks.fast import accelerate
from ...pipeline.animate import animate
from ...pipeline.animate_still import motion_of_arrows
from ...pipeline.extend import extend_animation
from ...pipeline.frames import frames_of
from ...pipeline.motion import encode_motion
from ...pipeline.plan import Plan, plan
from ...pipeline.settings import ExtendSettings, Settings
from ...training.data.prepared_set import read_still, to_unit
from ..host import PACK
from ..output.console import table
from .alone import largest_memory

GIB = 2**30
CHUNK_FRAMES = 7  # 25 frames in chunks of at most 8 are 7 + 6 + 6 + 6
EXAMPLE, PICTURE, SIDE, SEED, GAMMA = "arrows_to_long_animation.json", "example_input.jpg", 256, 7, 0.7


def processor_seconds(run: Callable, repeats: int = 2) -> float:
    """The least of `repeats` runs after one."""
    run()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def parts() -> Iterator[tuple[str, nn.Module, Callable, tuple]]:
    """What it is, the network, how it is called, and with which tensors."""
    animator = PACK / "weights" / "animator"
    unet = UNetSpatioTemporalConditionModel.from_pretrained(animator / "unet").float()
    vae = AutoencoderKLTemporalDecoder.from_pretrained(animator / "vae").float()
    channels, frames = unet.config.out_channels, unet.config.num_frames
    draw = torch.Generator().manual_seed(0)
    latents = torch.randn(CHUNK_FRAMES, channels, 32, 32, generator=draw)
    sample = torch.randn(1, frames, 2 * channels, 32, 32, generator=draw)
    embedding = torch.randn(1, 1, unet.config.cross_attention_dim, generator=draw)
    time_ids, flags = (torch.tensor([0.1]), torch.tensor([[7.0, 127.0, 0.02]])), torch.zeros(1, CHUNK_FRAMES)
    picture = torch.randn(1, 3, SIDE, SIDE, generator=draw)

    def one_pass(network: nn.Module, sample: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        return network(sample, time_ids[0], embedding, time_ids[1], return_dict=False)[0]

    yield "UNet, one pass", unet, one_pass, (sample, embedding)
    yield "encoder, a picture", vae.encoder, lambda network, picture: network(picture), (picture,)
    decoder = f"decoder, {CHUNK_FRAMES} frames"
    yield decoder, vae.decoder, lambda network, latents: network(latents, flags, CHUNK_FRAMES), (latents,)


@torch.no_grad()
def networks() -> str:
    formats = {"fp32": torch.float32} | ({"bf16": torch.bfloat16} if memory.cpu_knows_bf16() else {})
    rows = []
    for name, module, call, inputs in parts():
        expected, plain = call(module, *inputs), processor_seconds(functools.partial(call, module, *inputs))
        for kind, dtype in formats.items():
            fast, given = accelerate(copy.deepcopy(module)).to(dtype), [tensor.to(dtype) for tensor in inputs]
            error = ((call(fast, *given).float() - expected).norm() / expected.norm()).item()
            seconds = processor_seconds(functools.partial(call, fast, *given))
            rows.append([name, kind, f"{plain:.3f}", f"{seconds:.3f}", plain / seconds, f"{error:.0e}"])
    return table(("", "ours in", "diffusers, fp32, s", "ours, s", "times faster", "relative error"), rows)


def video(frames: int) -> str:
    """Processor seconds and seconds of each stage, and the most memory until its end."""
    workflow = json.loads((PACK / "workflows" / EXAMPLE).read_text(encoding="utf-8"))
    drawn = next(node for node in workflow["nodes"] if node["type"] == "DriftfieldDrawMotionArrows")
    picture = to_unit(read_still(PACK / "workflows" / PICTURE))[None]
    image = F.interpolate(picture, size=(SIDE, SIDE), mode="bicubic", antialias=True)
    arrows = parse_arrows(drawn["widgets_values"][0], width=SIDE, height=SIDE)
    rows, before = [], (time.process_time(), time.perf_counter())

    def stage(name: str, run: Callable) -> Any:
        nonlocal before
        result, now = run(), (time.process_time(), time.perf_counter())
        rows.append(
            [name, *(f"{new - old:.1f}" for new, old in zip(now, before, strict=True)), largest_memory() / 2**30]
        )
        before = now
        return result

    def planned_motion() -> Plan:
        motion = motion_of_arrows(arrows, frames=animator.frames, sigma_px=sigma_in_px(0.28, SIDE, SIDE))
        return plan(animator, image, encode_motion(animator, motion), Settings(seed=SEED))

    animator = stage("loading", lambda: load_animator("built-in", "auto", "auto"))
    planned = stage("motion and plan", planned_motion)
    animation = stage("first segment", lambda: animate(animator, planned))
    extension = ExtendSettings(total_frames=frames, gamma=GAMMA, seed=SEED)
    longer = stage("extension", lambda: extend_animation(animation, extension))
    stage("decoding", lambda: sum(len(part) for part in frames_of(longer)))
    return table((f"{frames} frames of {SIDE}²", "processor, s", "s", "most memory, GiB"), rows)


def add_arguments(parser: ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("--frames", type=int, default=125, help="of the video (default: %(default)s)")


def run(arguments: Namespace) -> None:
    print(video(arguments.frames), networks(), sep="\n\n")
