"""The animator's network on several devices of one host, and windows of a video dealt out to them."""

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..model_loaders import memory
from ..model_loaders.animator import Animator
from ..sampling.conditioning import Conditioning
from .denoise import denoisers


@dataclass(frozen=True)
class Worker:
    """An animator, and the thread that its passes run in; None: the caller's.

    It is one thread from the first pass to the last, for cuDNN's plans belong to threads: a new one makes them again.
    """

    animator: Animator
    thread: ThreadPoolExecutor | None = None


def replicas(animator: Animator, devices: Sequence[torch.device]) -> list[Worker]:
    """A worker for each device: the animator itself for the first, copies of its UNet for the others.

    Copies and threads are gone with this list.
    """
    if len(devices) == 1:
        return [Worker(animator)]
    (network,) = memory.load(animator.unet)  # with its LoRA, where it has one
    copies = [replace(animator, unet=memory.managed(copy.deepcopy(network).cpu(), on)) for on in devices[1:]]
    return [Worker(one, ThreadPoolExecutor(1)) for one in (animator, *copies)]


def denoiser_of_windows(
    workers: Sequence[Worker],
    conditioning: Callable[[Sequence[int]], tuple[Conditioning, Tensor]],
    *,
    batch: int,
    estimates: dict[tuple[int, int], Tensor],
    on_window: Callable[[Tensor], None] | None = None,
) -> Callable:
    """denoise(windows, sigma, starts) -> estimates, lists of [L, c, h, w] in main memory: `batch` windows in a pass.

    conditioning(starts) -> conditioning and guidance scale of these windows, their tensors [n, L, ...]. Workers share
    the passes; what one of them raises ends the call after those in flight.
    estimates: (call, first frame) -> estimate; what is there is not computed, what is computed is put there. A run that
    was stopped goes on from them. on_window(estimate) after each window.
    """
    calls = itertools.count()

    @torch.no_grad()
    def evaluate(animator: Animator, windows: Sequence[Tensor], sigma: Tensor, starts: Sequence[int]) -> list[Tensor]:
        device = animator.unet.load_device
        with memory.current(device):
            _, denoise = denoisers(animator, *conditioning(starts), segments=len(starts))
            return list(denoise(torch.stack(list(windows)).to(device), sigma.to(device)).cpu())

    def denoise(windows: Sequence[Tensor], sigma: Tensor, starts: Sequence[int]) -> list[Tensor]:
        call = next(calls)
        missing = [i for i, start in enumerate(starts) if (call, start) not in estimates]
        size = max(1, min(batch, -(-len(missing) // len(workers))))
        chunks = [missing[i : i + size] for i in range(0, len(missing), size)]
        asked = [([windows[i] for i in chunk], sigma, [starts[i] for i in chunk]) for chunk in chunks]
        for chunk, computed in zip(chunks, in_turns(workers, evaluate, asked), strict=True):
            for i, estimate in zip(chunk, computed, strict=True):
                estimates[call, starts[i]] = estimate
                if on_window is not None:
                    on_window(estimate)
        return [estimates[call, start] for start in starts]

    return denoise


def in_turns(workers: Sequence[Worker], evaluate: Callable, asked: Sequence[tuple]) -> Iterator:
    """evaluate(animator, *one) of each one asked, in order; the workers take turns, each in its thread."""
    threads = [worker.thread for worker in workers if worker.thread is not None]
    if not threads:
        yield from (evaluate(workers[0].animator, *one) for one in asked)
        return
    turns = itertools.cycle(zip(threads, workers, strict=True))
    futures = [
        thread.submit(evaluate, worker.animator, *one) for one, (thread, worker) in zip(asked, turns, strict=False)
    ]
    try:
        yield from (future.result() for future in futures)
    finally:
        for future in futures:
            future.cancel()
        wait(futures)
