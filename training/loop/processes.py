"""The processes that train together, one for each device: set up alike, their gradients averaged."""

import atexit
from datetime import timedelta
from types import SimpleNamespace

import torch
import torch.distributed.nn  # its defaults keep the group that there is when it is imported, as optimizers do later
from accelerate import Accelerator, InitProcessGroupKwargs


def make_accelerator(options: SimpleNamespace) -> tuple[Accelerator, torch.device]:
    """With the device to work on, seeded; what is multiplied in fp32 may be rounded to TF32.

    Lower precision is the commands' own affair, and so are gradients (MasterWeights).
    """
    torch.manual_seed(options.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    patient = InitProcessGroupKwargs(timeout=timedelta(days=1))  # one process may encode for hours longer than another
    accelerator = Accelerator(mixed_precision="no", cpu=options.device == "cpu", kwargs_handlers=[patient])
    atexit.register(accelerator.end_training)  # the group's threads, still there at the end, may abort the process
    device = torch.device(options.device) if options.device else accelerator.device
    if device.type == "cuda":
        torch.cuda.set_device(device.index or 0)
    return accelerator, device


@torch.no_grad()
def average_over_processes(gradients: list[torch.Tensor], accelerator: Accelerator) -> None:
    """Their mean takes the place of every process's own."""
    if accelerator.num_processes > 1:
        together = accelerator.reduce(torch.cat([gradient.flatten() for gradient in gradients]), "mean")
        parts = together.split([gradient.numel() for gradient in gradients])
        torch._foreach_copy_(gradients, [part.view_as(to) for part, to in zip(parts, gradients, strict=True)])
