"""The moving average of a network's weights, and what is done to it while it is applied."""

import pytest
import torch

from driftfield.training.loop.ema import ExponentialMovingAverage
from driftfield.training.loop.precision import halve


def test_average_against_the_sum_written_out():
    module = torch.nn.Linear(1, 1, bias=False)
    average = ExponentialMovingAverage(module, decay=0.5)
    expected = module.weight.item()
    for step, value in enumerate([3.0, -1.0, 4.0, 1.0, 5.0], 1):
        module.weight.data.fill_(value)
        average.update()
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    with average.applied():
        assert module.weight.item() == pytest.approx(expected)
    assert module.weight.item() == 5


def test_what_is_done_to_the_applied_average_does_not_last():
    module = torch.nn.Conv2d(2, 2, 1)
    module(torch.ones(1, 2, 1, 1)).sum().backward()
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    average = ExponentialMovingAverage(module)
    values = [value.clone() for value in average.values]
    with pytest.raises(RuntimeError), average.applied():
        module.weight.data.mul_(2)
        halve(module)
        assert module.weight.dtype == torch.half
        raise RuntimeError
    assert all(torch.equal(p, before[name]) and p.grad.dtype == torch.float32 for name, p in module.named_parameters())
    assert all(map(torch.equal, average.values, values))
