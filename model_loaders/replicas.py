"""The animator's network on several devices of one host, and windows of a video spread over them."""

import contextlib
import copy
import itertools
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import torch
from torch import Tensor

from ..sampling.denoiser import Conditioning
from . import memory
from .animator import Animator
from .conditioning import denoisers


def replicas(animator: Animator, devices: Sequence[torch.device]) -> list[Animator]:
    """The animator for each device: itself for the first, copies of its UNet for the others, gone with this list."""
    if len(devices) == 1:
        return [animator]
    (network,) = memory.load(animator.unet)  # with its LoRA, where it has one
    copies = [replace(animator, unet=memory.managed(copy.deepcopy(network).cpu(), on)) for on in devices[1:]]
    return [animator, *copies]


def denoiser_of_windows(
    animators: Sequence[Animator],
    told: Callable[[Sequence[int]], tuple[Conditioning, Tensor]],
    *,
    batch: int,
    answers: dict[tuple[int, int], Tensor],
    on_window: Callable[[Tensor], None] | None = None,
) -> Callable:
    """denoise(windows, sigma, starts) -> estimates, lists of [L, c, h, w] in main memory: `batch` windows in a pass.

    told(starts) -> conditioning and guidance scale of these windows, their tensors [n, L, ...]. Each animator works in
    a thread of its own; what one of them raises ends the call after the passes in flight.
    answers: (call, first frame) -> estimate; what is there is not computed, what is computed is put there. A run that
    was stopped goes on from them. on_window(estimate) after each window.
    """
    calls = itertools.count()
    free = queue.SimpleQueue()
    for animator in animators:
        free.put(animator)

    @torch.no_grad()
    def evaluate(windows: Sequence[Tensor], sigma: Tensor, starts: Sequence[int]) -> list[Tensor]:
        animator = free.get()
        try:
            place = animator.unet.load_device
            with torch.cuda.device(place) if place.type == "cuda" else contextlib.nullcontext():
                _, denoise = denoisers(animator, *told(starts), segments=len(starts))
                return list(denoise(torch.stack(list(windows)).to(place), sigma.to(place)).cpu())
        finally:
            free.put(animator)

    def denoise(windows: Sequence[Tensor], sigma: Tensor, starts: Sequence[int]) -> list[Tensor]:
        call = next(calls)
        missing = [i for i, start in enumerate(starts) if (call, start) not in answers]
        size = max(1, min(batch, -(-len(missing) // len(animators))))
        chunks = [missing[i : i + size] for i in range(0, len(missing), size)]
        asked = [([windows[i] for i in chunk], sigma, [starts[i] for i in chunk]) for chunk in chunks]
        with contextlib.ExitStack() as stack:
            if len(animators) == 1:
                found = itertools.starmap(evaluate, asked)
            else:
                pool = stack.enter_context(ThreadPoolExecutor(len(animators)))
                stack.callback(pool.shutdown, cancel_futures=True)
                found = (future.result() for future in [pool.submit(evaluate, *one) for one in asked])
            for (_, _, which), estimates in zip(asked, found, strict=True):
                for start, estimate in zip(which, estimates, strict=True):
                    answers[call, start] = estimate
                    if on_window is not None:
                        on_window(estimate)
        return [answers[call, start] for start in starts]

    return denoise
