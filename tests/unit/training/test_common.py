"""What the training commands share: arguments, clock, learning rate, averages, results that are replaced whole."""

import math
from functools import partial

import pytest
import torch
from accelerate import Accelerator

from driftfield.training import common

REQUIRED = ["--data", "d", "--out", "o"]


def test_overrides_and_defaults():
    options = common.parse_arguments("refiner", "", [*REQUIRED, "--set", "steps=3", "image_conditioned=false"])
    assert options.steps == 3 and options.image_conditioned is False
    assert options.checkpoint_minutes == 2 and options.resume is None and options.minutes == math.inf


def test_unknown_overrides_are_named(capsys):
    with pytest.raises(SystemExit):
        common.parse_arguments("refiner", "", [*REQUIRED, "--set", "stepps=3"])
    assert "--set stepps: not in section [refiner] of mini.toml" in capsys.readouterr().err


def test_a_preset_without_the_section_is_named(capsys):
    with pytest.raises(SystemExit):
        common.parse_arguments("autoencoder", "", [*REQUIRED, "--preset", "svd-xt"])
    assert "--preset svd-xt: it has no section [autoencoder], only ['animator'" in capsys.readouterr().err


def test_a_preset_may_be_a_file(tmp_path):
    (tmp_path / "own.toml").write_text("[refiner]\nsteps = 7\n", encoding="utf-8")
    assert common.parse_arguments("refiner", "", [*REQUIRED, "--preset", str(tmp_path / "own.toml")]).steps == 7


@pytest.fixture
def seconds(monkeypatch):
    """A clock that the test sets."""
    now = [100.0]
    monkeypatch.setattr(common.time, "monotonic", lambda: now[0])
    return now


def test_a_run_ends_by_steps_or_minutes(seconds):
    clock = common.Clock(100, 10, torch.device("cpu"))
    assert clock.progress(0) == 0
    assert clock.progress(25) == 0.25
    assert clock.progress(1) == 0.01
    seconds[0] += 5 * 60
    assert clock.elapsed_minutes == 5
    assert clock.progress(25) == 0.5  # the further of the two
    assert clock.progress(75) == 0.75
    assert clock.progress(150) == 1
    seconds[0] += 20 * 60
    assert clock.progress(2) == 1


def test_what_goes_before_the_second_step_is_not_training(seconds):
    clock = common.Clock(1000, 10, torch.device("cpu"))
    seconds[0] += 60
    assert clock.progress(0) == 0
    seconds[0] += 3 * 60
    assert clock.progress(1) == 0.001
    seconds[0] += 3 * 60
    assert clock.progress(2) == 0.3
    seconds[0] += 7 * 60
    assert clock.progress(3) == 1


def test_preparing_for_longer_than_the_limit_leaves_all_of_it(seconds):
    clock = common.Clock(1000, 10, torch.device("cpu"))
    seconds[0] += 3600
    assert clock.progress(0) == 0 and clock.progress(1) == 0.001
    seconds[0] += 5 * 60
    assert clock.progress(2) == 0.5


def test_a_resumed_run_goes_on_with_the_share_that_it_had(seconds):
    clock = common.Clock(1000, 10, torch.device("cpu"))
    clock.trained_before = 8.0
    seconds[0] += 120  # of encoding, again
    assert clock.progress(300) == 0.8 and clock.progress(301) == 0.8
    seconds[0] += 60
    assert clock.progress(302) == pytest.approx(0.9) and clock.trained_minutes == pytest.approx(9)


def test_alarms_go_off_once_in_so_many_minutes(seconds):
    clock = common.Clock(100, math.inf, torch.device("cpu"))
    alarm, never, always = (common.Alarm(clock, minutes) for minutes in (2, math.inf, 0))
    due = []
    for _ in range(11):
        due.append(alarm.due())
        assert always.due()
        seconds[0] += 30
    assert due == [i in (4, 8) for i in range(11)]
    seconds[0] += 1e9
    assert not never.due()


def test_learning_rate():
    factor = partial(common.learning_rate_factor, floor=0.02)
    assert factor(0, 0.0) == pytest.approx(1 / 200)
    assert factor(99, 0.0) == pytest.approx(0.5)
    assert factor(199, 0.0) == factor(5000, 0.0) == 1
    assert factor(5000, 0.5) == pytest.approx(0.02 + 0.98 / 2)
    assert factor(5000, 1.0) == pytest.approx(0.02)
    assert factor(5000, 1.0, floor=0.3) == pytest.approx(0.3)
    assert factor(5000, 0.7, floor=1.0) == 1


def test_average_against_the_sum_written_out():
    module = torch.nn.Linear(1, 1, bias=False)
    average = common.Average(module, decay=0.5)
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
    average = common.Average(module)
    values = [value.clone() for value in average.values]
    with pytest.raises(RuntimeError), average.applied():
        module.weight.data.mul_(2)
        common.halve(module)
        assert module.weight.dtype == torch.half
        raise RuntimeError
    assert all(torch.equal(p, before[name]) and p.grad.dtype == torch.float32 for name, p in module.named_parameters())
    assert all(map(torch.equal, average.values, values))


def test_results_are_replaced_whole(tmp_path):
    for content in ("one", "two"):
        with common.replacing(tmp_path) as folder:
            (folder / "model").mkdir()
            (folder / "model" / content).write_text(content, encoding="utf-8")
            (folder / "card.txt").write_text(content, encoding="utf-8")
        assert [p.name for p in (tmp_path / "model").iterdir()] == [content]
        assert (tmp_path / "card.txt").read_text(encoding="utf-8") == content
    assert sorted(p.name for p in tmp_path.iterdir()) == ["card.txt", "model"]


def test_a_run_killed_while_it_writes_leaves_what_was_there(tmp_path):
    (tmp_path / "card.txt").write_text("whole", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt), common.replacing(tmp_path) as folder:
        (folder / "card.txt").write_text("ha", encoding="utf-8")
        raise KeyboardInterrupt
    assert (tmp_path / "card.txt").read_text(encoding="utf-8") == "whole"
    with common.replacing(tmp_path) as folder:  # and the next one is not in its way
        (folder / "card.txt").write_text("whole again", encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["card.txt"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_master_weights_train_like_the_module_alone(dtype):
    """fp32 is exact; in bf16 steps too small for the module's own rounding still add up."""

    def quadratic() -> torch.nn.Linear:
        module = torch.nn.Linear(1, 1, bias=False)
        module.weight.data.fill_(1.0)
        return module

    accelerator = Accelerator(cpu=True)
    plain, module = quadratic(), quadratic()
    masters = common.MasterWeights(module, dtype)
    average = common.Average(module, source=masters.values)
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
