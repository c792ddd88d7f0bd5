"""Latents to frames: in chunks that fit in memory, long videos a segment at a time."""

import functools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..model_loaders import memory
from ..model_loaders.animator import Animator

DECODE_BYTES = 3_000  # of activations per pixel that is decoded, in half precision


def decode(animator: Animator, latents: Tensor, *, segment_frames: int, chunk_frames: int = 8) -> Tensor:
    """`decoded` as one tensor [N, 3, H, W]."""
    return torch.cat([*decoded(animator, latents, segment_frames=segment_frames, chunk_frames=chunk_frames)])


@torch.no_grad()
def decoded(
    animator: Animator, latents: Tensor, *, segment_frames: int, chunk_frames: int = 8, on_step: Callable | None = None
) -> Iterator[Tensor]:
    """Scaled latents [N, c, h, w] → frames [n, 3, H, W], about −1..1, a segment at a time.

    At most chunk_frames at once, fewer where the free memory has no room. The decoder smooths over the frames of a
    chunk, so chunks are even and none crosses a join of segments of segment_frames. A GPU is a chunk ahead of what is
    handed out. on_step(i, N) with the last frame that is done, after each chunk. ValueError: a frame is not finite.
    """
    parts = latents.split(segment_frames)
    height, width = (side * animator.latent_factor for side in latents.shape[-2:])
    chunks: Iterator[Tensor] = iter(())
    size = 0

    def segment(part: int, most: int) -> Tensor:
        nonlocal chunks, size
        if size != most:
            chunks, size = decoded_chunks(animator, parts[part:], most), most
        start = done = part * segment_frames
        frames = torch.empty(len(parts[part]), 3, height, width)
        while done < start + len(frames):
            some = next(chunks)
            into = frames[done - start : done - start + len(some)]
            if not into.copy_(some).isfinite().all():
                raise ValueError(
                    f"{animator.name}: NaN or infinity in frames {done}..{done + len(some) - 1}; "
                    "set dtype to fp32 in Load Animation Model"
                )
            done += len(some)
            if on_step is not None:
                on_step(done - 1, len(latents))
        return frames

    most = min(chunk_frames, segment_frames)
    smaller = max(min(2, most - 1), most // 4)  # less than half of `most` may have been what did not fit
    for part in range(len(parts)):
        run = functools.partial(segment, part)
        yield memory.once_smaller(run, size or most, smaller, "frames decoded at once")


def decoded_chunks(animator: Animator, parts: tuple[Tensor, ...], most: int) -> Iterator[Tensor]:
    """The frames of each part, at most `most` at a time, in main memory."""
    from ..networks.fast import accelerate  # here: diffusers takes seconds to import
    from ..networks.fast.transfer import one_behind

    height, width = (side * animator.latent_factor for side in parts[0].shape[-2:])
    each = DECODE_BYTES * height * width * animator.dtype.itemsize // 2
    (vae,) = memory.load(animator.vae, memory_required=most * each)
    vae.decoder = accelerate(vae.decoder)
    size = memory.fitting_in_free_memory(most, each)

    def computed() -> Iterator[Tensor]:
        for part in parts:
            for chunk in part.tensor_split(-(-len(part) // size)):
                memory.check_cancel()
                unscaled = (chunk / animator.scaling_factor).to(memory.device(), animator.dtype)
                yield vae.decode(unscaled, num_frames=len(chunk)).sample

    yield from one_behind(computed())
