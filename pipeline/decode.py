"""Latents to frames: in chunks that fit in memory, long videos a segment at a time."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..model_loaders import memory
from ..model_loaders.animator import Animator

DECODE_BYTES = 3_000  # of activations per pixel that is decoded, in half precision


@torch.no_grad()
def decode(
    animator: Animator, latents: Tensor, *, segment_frames: int, chunk_frames: int = 8, on_step: Callable | None = None
) -> Tensor:
    """Scaled latents [N, c, h, w] → frames [N, 3, H, W], about −1..1.

    At most chunk_frames at once, fewer where the free memory has no room. The decoder smooths over the frames of a
    chunk, so chunks are even and none crosses a join of segments of segment_frames. on_step(i, total) after each
    chunk. ValueError where a frame is not finite.
    """
    from ..networks.fast import accelerate  # here: diffusers takes seconds to import
    from ..networks.fast.transfer import one_behind

    height, width = (side * animator.latent_factor for side in latents.shape[-2:])
    each = DECODE_BYTES * height * width * animator.dtype.itemsize // 2

    def run(most: int) -> Tensor:
        (vae,) = memory.load(animator.vae, memory_required=most * each)
        vae.decoder = accelerate(vae.decoder)
        size = memory.fitting_in_free_memory(most, each)
        chunks = [chunk for part in latents.split(segment_frames) for chunk in part.tensor_split(-(-len(part) // size))]

        def computed() -> Iterator[Tensor]:
            for chunk in chunks:
                memory.check_cancel()
                unscaled = (chunk / animator.scaling_factor).to(memory.device(), animator.dtype)
                yield vae.decode(unscaled, num_frames=len(chunk)).sample

        frames, first = torch.empty(len(latents), 3, height, width), 0
        for i, part in enumerate(one_behind(computed())):
            end = first + len(part)
            if not frames[first:end].copy_(part).isfinite().all():
                raise ValueError(
                    f"{animator.name}: NaN or infinity in frames {first}..{end - 1}; "
                    "set dtype to fp32 in Load Animation Model"
                )
            first = end
            if on_step is not None:
                on_step(i, len(chunks))
        return frames

    most = min(chunk_frames, segment_frames)
    smaller = max(min(2, most - 1), most // 4)  # less than half of `most` may have been what did not fit
    return memory.once_smaller(run, most, smaller, "frames decoded at once")


def decoded(
    animator: Animator, latents: Tensor, *, segment_frames: int, chunk_frames: int = 8, on_step: Callable | None = None
) -> Iterator[Tensor]:
    """Scaled latents [N, c, h, w] → frames [n, 3, H, W], about −1..1, a segment at a time; see `decode`.

    on_step(i, N) with the last frame that is done, after each chunk.
    """
    first = 0
    for part in latents.split(segment_frames):

        def report(i: int, chunks: int, first: int = first, count: int = len(part)) -> None:
            if on_step is not None:
                on_step(first + count * (i + 1) // chunks - 1, len(latents))

        yield decode(animator, part, segment_frames=segment_frames, chunk_frames=chunk_frames, on_step=report)
        first += len(part)
