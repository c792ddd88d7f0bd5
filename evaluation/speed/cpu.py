"""The built-in model's fast form beside diffusers' on the CPU.

A pass of the UNet over one segment of 256², and the decoding of one chunk of its frames; in processor time, so that
other work on the machine counts less.
"""

import copy
import functools
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

import torch
from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel

from ...networks.fast import accelerate
from ..host import PACK
from ..output.console import table

CHUNK_FRAMES = 7  # 25 frames in chunks of at most 8 are 7 + 6 + 6 + 6


def processor_seconds(run: Callable, repeats: int = 2) -> float:
    """The least of `repeats` runs after one."""
    run()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def add_arguments(parser: ArgumentParser) -> None:
    parser.description = __doc__


@torch.no_grad()
def run(arguments: Namespace) -> None:
    animator = PACK / "weights" / "animator"
    unet = UNetSpatioTemporalConditionModel.from_pretrained(animator / "unet").float()
    decoder = AutoencoderKLTemporalDecoder.from_pretrained(animator / "vae").float().decoder
    channels, frames = unet.config.out_channels, unet.config.num_frames
    draw = torch.Generator().manual_seed(0)
    latents = torch.randn(CHUNK_FRAMES, channels, 32, 32, generator=draw)
    sample = torch.randn(1, frames, 2 * channels, 32, 32, generator=draw)
    embedding = torch.randn(1, 1, unet.config.cross_attention_dim, generator=draw)
    inputs = sample, torch.tensor([0.1]), embedding, torch.tensor([[7.0, 127.0, 0.02]])
    flags = torch.zeros(1, CHUNK_FRAMES)
    rows = []
    for name, module, form in (
        ("UNet, one pass", unet, lambda network: network(*inputs, return_dict=False)[0]),
        (f"decoder, {CHUNK_FRAMES} frames", decoder, lambda network: network(latents, flags, CHUNK_FRAMES)),
    ):
        fast = accelerate(copy.deepcopy(module))
        expected = form(module)
        error = ((form(fast) - expected).norm() / expected.norm()).item()
        before, after = (processor_seconds(functools.partial(form, network)) for network in (module, fast))
        rows.append([name, before, after, before / after, f"{error:.0e}"])
    print(table(("", "diffusers, s", "ours, s", "times faster", "relative error"), rows))
