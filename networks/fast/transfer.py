"""Results on their way from the GPU to main memory."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor


def one_behind(results: Iterable[Tensor]) -> Iterator[Tensor]:
    """The same tensors in main memory. A GPU's are handed out, to be used, while it computes the next one.

    At most one is being computed at any time. From other devices each comes as soon as it is there.
    """
    previous = None
    for result in results:
        if not result.is_cuda:
            yield result.cpu()
            continue
        copy = result.to("cpu", non_blocking=True)  # page-locked: PyTorch allocates it so
        if previous is not None:
            yield previous
        torch.cuda.current_stream(result.device).synchronize()
        previous = copy
    if previous is not None:
        yield previous
