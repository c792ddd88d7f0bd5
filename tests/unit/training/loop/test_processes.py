"""The processes that train together."""

import subprocess
import sys

CODE = """
import gc, weakref
import torch
from driftfield.training.loop.processes import make_accelerator
torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
group = weakref.ref(torch.distributed.group.WORLD)
weight = torch.ones(1, requires_grad=True)
weight.grad = torch.ones(1)
torch.optim.AdamW([weight]).step()
torch.distributed.destroy_process_group()
gc.collect()
print(group())
"""


def test_nothing_keeps_a_group_that_was_left():
    """Else its threads are there when the interpreter ends, and may abort the process."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=200)
    assert done.stdout.strip() == "None", done.stderr
