"""What the launchers share: sizes of blocks, and calls that keep what a gradient needs only where one is wanted."""

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

TILE = 8192  # numbers that one program of a kernel holds
HAS_DESCRIPTORS = find_spec("triton.tools.tensor_descriptor") is not None  # since Triton 3.4


def blocks(count: int, size: int) -> int:
    return -(-count // size)


def power_of_two(count: int) -> int:
    return 1 << max(0, count - 1).bit_length()


def call(function: type[Function], *arguments: Any) -> Any:
    """function's result, with its gradient where one is wanted; else straight, without autograd's bookkeeping."""
    tensors = [one for one in arguments if isinstance(one, Tensor)]
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return function.apply(*arguments)
    return function.forward(None, *arguments)


def hopper_copies(x: Tensor) -> bool:
    """Whether the copy engine of a Hopper GPU reads x, in half precision."""
    halves = x.dtype in (torch.float16, torch.bfloat16) and x.data_ptr() % 16 == 0
    return HAS_DESCRIPTORS and halves and torch.cuda.get_device_capability(x.device) == (9, 0)
