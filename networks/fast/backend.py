"""Which form of an operation computes: Triton's kernels on a GPU, else torch's operations."""

import functools
import logging
import platform
from types import ModuleType

import torch
from torch import Tensor


@functools.cache
def built() -> ModuleType | None:
    """The Triton kernels with their gradients, or None where they cannot be built: no Triton or no C compiler."""
    try:
        from . import kernels
    except ImportError:
        return None
    try:
        kernels.gated_gelu.launch(torch.ones(16, 16, device="cuda"), None)
    except Exception as error:  # whatever stops the compiler: there are as many as there are systems
        logging.warning("Driftfield: Triton cannot build kernels here (%s); slower torch operations are used", error)
        return None
    return kernels


def kernels_for(x: Tensor) -> ModuleType | None:
    """The kernels if they are for this tensor: on a CUDA GPU."""
    return built() if x.is_cuda else None


def on_cpu(x: Tensor) -> bool:
    """Whether operations are arranged for a CPU: none has a gradient there, and torch.compile makes its own of them."""
    return x.device.type == "cpu" and not torch.is_grad_enabled() and not torch.compiler.is_compiling()


@functools.cache
def formats_of_products() -> tuple[torch.dtype, ...]:
    """Those that oneDNN multiplies in. PyTorch's own products are MKL's in float32, at a third of the speed on AMD."""
    if not torch.backends.mkldnn.is_available() or platform.machine().lower() not in ("x86_64", "amd64"):
        return ()
    return torch.float32, *[torch.bfloat16] * torch.ops.mkldnn._is_mkldnn_bf16_supported()


def has_products(x: Tensor) -> bool:
    """Whether oneDNN is asked for the products of x."""
    return on_cpu(x) and x.dtype in formats_of_products()
