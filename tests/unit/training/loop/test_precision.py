"""Master weights."""

import pytest
import torch
from accelerate import Accelerator

from driftfield.training.loop.ema import ExponentialMovingAverage
from driftfield.training.loop.precision import MasterWeights


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_master_weights_train_like_the_module_alone(dtype):
    """fp32 is exact; in bf16 steps too small for the module's own rounding still add up."""

    def quadratic() -> torch.nn.Linear:
        module = torch.nn.Linear(1, 1, bias=False)
        module.weight.data.fill_(1.0)
        return module

    accelerator = Accelerator(cpu=True)
    plain, module = quadratic(), quadratic()
    masters = MasterWeights(module, dtype)
    average = ExponentialMovingAverage(module, source=masters.values)
    for network, parameters in ((plain, list(plain.parameters())), (module, masters.values)):
        optimizer = torch.optim.SGD(parameters, lr=2**-11)
        for _ in range(32):
            network(torch.ones(1, 1, dtype=network.weight.dtype)).sum().backward()
            if network is module:
                masters.take_gradients(accelerator)
                network.zero_grad()
            optimizer.step()
            optimizer.zero_grad()
            if network is module:
                masters.give_values()
                average.update()
    assert masters.values[0].item() == plain.weight.item() == 1 - 2**-6
    assert module.weight.dtype == dtype and module.weight.item() == 1 - 2**-6
    with average.applied():
        assert module.weight.dtype == torch.float32 and 1 - 2**-6 < module.weight.item() < 1
    assert module.weight.dtype == dtype
