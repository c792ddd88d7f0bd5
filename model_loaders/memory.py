"""Devices and memory, through ComfyUI alone: every module sits in a ModelPatcher, and comes and goes with it."""

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import comfy.model_management as management
import torch
from comfy.model_patcher import ModelPatcher
from comfy.utils import ProgressBar
from torch import nn

OutOfMemory = management.OOM_EXCEPTION
FP8 = "fp8"
DTYPES = {"auto": None, "fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16, FP8: torch.bfloat16}
MEMORY_FRACTION = 0.8  # of the free memory that one batch may fill
PROGRESS_PARTS = 100  # of a bar
LOADING = threading.Lock()  # ComfyUI's list of loaded models is not made for threads
Result = TypeVar("Result")


class Resident(nn.Module):
    """Wraps one module for a ModelPatcher, which writes attributes such as `device` that diffusers' classes forbid."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module


def managed(module: nn.Module, on: torch.device | None = None) -> ModelPatcher:
    """A ModelPatcher around a module that lies in main memory; its parameters are then named `module.…`.

    on: the device it will be loaded onto; None is ComfyUI's own.
    """
    resident = Resident(module.eval().requires_grad_(False))
    return ModelPatcher(resident, load_device=on or device(), offload_device=management.unet_offload_device())


def unwrap(patcher: ModelPatcher) -> Any:
    """The module of the class that `managed` was given."""
    return patcher.model.module


def load(*patchers: ModelPatcher, memory_required: int = 0) -> list[Any]:
    """Brings modules to the device, whole, making room for them and for memory_required bytes; returns them."""
    with LOADING:
        management.load_models_gpu(list(patchers), memory_required=memory_required, force_full_load=True)
    return [unwrap(patcher) for patcher in patchers]


def release() -> None:
    """Sends all loaded modules to main memory, and gives the device's memory back."""
    management.unload_all_models()
    management.cleanup_models_gc()
    management.soft_empty_cache(True)


def device() -> torch.device:
    return management.get_torch_device()


def current(device: torch.device) -> contextlib.AbstractContextManager:
    """In which kernels are started on this device: the current one belongs to a thread."""
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()


def devices(count: int) -> list[torch.device]:
    """ComfyUI's device, then others of its kind. ValueError where this machine has fewer."""
    first = device()
    there = [torch.device(first.type, i) for i in range(torch.cuda.device_count())] if first.type == "cuda" else []
    found = [first, *(other for other in there if other.index != (first.index or 0))]
    if not 1 <= count <= len(found):
        raise ValueError(f"devices: got {count}, allowed 1..{len(found)}: {', '.join(map(str, found))}")
    return found[:count]


def free_bytes() -> int:
    return int(management.get_free_memory(device()))


def compute_dtype(choice: str) -> torch.dtype:
    """ "auto", "fp32", "fp16", "bf16" or "fp8" → torch dtype to compute in. A CPU knows fp32, and some know bf16.

    fp8 is a format to keep weights in; what is computed with them is bf16.
    """
    if choice not in DTYPES:
        raise ValueError(f"dtype: got {choice!r}, allowed {', '.join(DTYPES)}")
    if management.is_device_cpu(device()):
        if choice in ("auto", "bf16", FP8) and cpu_knows_bf16():
            return torch.bfloat16
        if choice not in ("auto", "fp32"):
            logging.info("Driftfield: dtype %s asked for, fp32 used: this CPU has no faster one", choice)
        return torch.float32
    if choice == "auto":
        if management.should_use_fp16(device()):
            return torch.float16
        return torch.bfloat16 if management.should_use_bf16(device()) else torch.float32
    return DTYPES[choice]


def cpu_knows_bf16() -> bool:
    """Whether this CPU has instructions for products in bf16: AVX-512 BF16 or AMX. Older PyTorch cannot say."""
    asked = (getattr(torch.cpu, name, bool) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(ask() for ask in asked)


def check_cancel() -> None:
    """Raises ComfyUI's InterruptProcessingException where the user has pressed Cancel."""
    management.throw_exception_if_processing_interrupted()


def progress() -> Callable[[float], None]:
    """report(share), 0..1, of work that no sampler reports: moves the node's bar, and stops at Cancel."""
    bar = ProgressBar(PROGRESS_PARTS)

    def report(share: float) -> None:
        check_cancel()
        part = round(share * PROGRESS_PARTS)
        if part > bar.current:
            bar.update_absolute(part)

    return report


def fitting(count: int, bytes_each: int) -> int:
    """How many of `count` equal pieces to compute side by side: what fits in the free memory, and one on a CPU."""
    return 1 if management.is_device_cpu(device()) else fitting_in_free_memory(count, bytes_each)


def fitting_in_free_memory(count: int, bytes_each: int) -> int:
    """How many of `count` pieces, 1 or more, the device's free memory has room for."""
    return max(1, min(count, int(MEMORY_FRACTION * free_bytes() // bytes_each)))


def is_out_of_memory(error: BaseException) -> bool:
    """Newer versions of ComfyUI know more kinds of it than one exception class."""
    known = getattr(management, "is_oom", None)
    return known(error) if known else isinstance(error, OutOfMemory)


def once_smaller(run: Callable[[int], Result], size: int, smaller: int, what: str) -> Result:
    """run(size); where that runs out of memory, once more run(smaller), and the log says so."""
    try:
        return run(size)
    except Exception as error:
        if smaller >= size or not is_out_of_memory(error):
            raise
    # Outside the except block, so that the failed attempt's tensors are free.
    logging.warning("Driftfield: out of memory with %s = %d, trying %d", what, size, smaller)
    management.soft_empty_cache()
    return run(smaller)
