"""Results on their way from the GPU to main memory."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor


def one_behind(results: Iterable[Tensor]) -> Iterator[Tensor]:
    """The same tensors in main memory: each is copied, and used, while the device computes the next one."""
    previous = None
    for result in results:
        copy = result.to("cpu", non_blocking=True)
        done = torch.cuda.Event() if result.is_cuda else None
        if done is not None:
            done.record()
        if previous is not None:
            yield arrived(*previous)
        previous = copy, done
    if previous is not None:
        yield arrived(*previous)


def arrived(copy: Tensor, done: torch.cuda.Event | None) -> Tensor:
    if done is not None:
        done.synchronize()
    return copy
