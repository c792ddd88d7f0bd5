"""The loop of the training commands: what a killed run comes to, reports, checkpoints and samples."""

import math
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from driftfield.training.loop.checkpoints import STATE
from driftfield.training.loop.clock import Clock
from driftfield.training.loop.randomness import step_seed
from driftfield.training.loop.run import Run

STEPS = 8


class Killed(Exception):
    pass


class Toy:
    """A linear layer with momentum that learns from random numbers."""

    def __init__(self, out, *, resume=None, seed=0, steps=STEPS, checkpoint_minutes=0.0, sheet=None):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layer = torch.nn.Linear(3, 2)
        self.optimizer = torch.optim.AdamW(self.layer.parameters(), lr=0.1)
        options = SimpleNamespace(out=out, resume=resume, seed=seed, steps=steps)
        options.checkpoint_minutes = options.sample_minutes = checkpoint_minutes
        clock = Clock(steps, math.inf, torch.device("cpu"))
        self.run = Run(
            options,
            Accelerator(cpu=True),
            clock,
            parts={"layer": self.layer, "optimizer": self.optimizer},
            save=lambda folder: torch.save(self.layer.state_dict(), folder / "weights.pt"),
            sheet=sheet,
        )
        self.generator = self.run.generator("cpu")

    def train(self, *, killed_at=math.inf):
        for progress in self.run.steps():
            if self.run.step == killed_at:
                raise Killed
            for group in self.optimizer.param_groups:
                group["lr"] = 0.1 * (1 - progress)
            loss = self.layer(torch.randn(4, 3, generator=self.generator)).square().mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.run.record(loss=loss)
        return {name: value.clone() for name, value in self.layer.state_dict().items()}


@pytest.mark.parametrize("killed_at", [1, 3, STEPS - 1])
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path, killed_at):
    state = torch.get_rng_state()
    expected = Toy(tmp_path / "whole").train()
    with pytest.raises(Killed):
        Toy(tmp_path / "killed").train(killed_at=killed_at)
    resumed = Toy(tmp_path / "killed", resume=tmp_path / "killed")
    assert resumed.run.step == killed_at
    found = resumed.train()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    written = torch.load(tmp_path / "killed" / "weights.pt", weights_only=True)
    assert all(torch.equal(written[name], expected[name]) for name in expected)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_finished_run_has_no_step_left(tmp_path):
    expected = Toy(tmp_path).train()
    again = Toy(tmp_path, resume=tmp_path, seed=0)
    found = again.train()
    assert again.run.step == STEPS and all(torch.equal(found[name], expected[name]) for name in expected)


def test_other_seeds_draw_other_numbers(tmp_path):
    first, second = Toy(tmp_path / "a").train(), Toy(tmp_path / "b").train()
    third = Toy(tmp_path / "c", seed=1).train()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["weight"], third["weight"])
    seeds = {step_seed(seed, step, process) for seed in range(3) for step in range(5) for process in range(2)}
    assert len(seeds) == 30 and max(seeds) < 2**63


def test_a_state_that_is_missing_or_of_another_run_is_named(tmp_path):
    with pytest.raises(ValueError, match="state.pt is missing; to start from weights alone, give --start"):
        Toy(tmp_path / "out", resume=tmp_path)
    torch.save({"step": 1, "minutes": 0.0, "parts": {"critic": {}}}, tmp_path / STATE)
    with pytest.raises(ValueError, match=r"state of \['critic'\], needed \['layer', 'optimizer'\]"):
        Toy(tmp_path / "out", resume=tmp_path)


def test_reports_and_samples(tmp_path, capsys):
    """Means over the steps since the last report; a picture when it is drawn."""
    toy = Toy(tmp_path, steps=205, checkpoint_minutes=math.inf, sheet=lambda: torch.rand(3, 4, 6))
    for _ in toy.run.steps():
        toy.run.record(number=torch.tensor(float(toy.run.step)))
    toy.run.draw()
    events = EventAccumulator(str(tmp_path / "logs"))
    events.Reload()
    scalars = [(event.step, event.value) for event in events.Scalars("number")]
    assert scalars == [(1, 0.0), (100, 50.0), (200, 149.5), (205, 202.0)]
    assert toy.run.figures == {"number": 202.0}
    (picture,) = events.Images("samples")
    assert (picture.height, picture.width, picture.step) == (4, 6, 205)
    assert "step 205 " in capsys.readouterr().out
