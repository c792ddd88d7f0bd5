"""The loop that the training commands share: its random numbers, reports, checkpoints, and going on after being killed.

What a step draws depends on the seed and the step's number alone, so that weights, averages, optimizers and the number
of steps are all that a run must keep: killed and resumed, it comes to the weights that it would have come to.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from .checkpoints import Progress, Stateful, load_state, replacing, save_state
from .clock import Alarm, Clock
from .randomness import step_seed

REPORT_STEPS = 100


class Run:
    """One run of a training command; of several processes each has one.

    parts: what the next step depends on (masters, averages, optimizers, discriminators), by name.
    save: writes the weights so far into the folder that it is given.
    sheet: draws samples of them as one picture [3, H, W], 0..1, for TensorBoard.
    """

    def __init__(
        self,
        options: SimpleNamespace,
        accelerator: Accelerator,
        clock: Clock,
        *,
        parts: dict[str, Stateful],
        save: Callable[[Path], None],
        sheet: Callable[[], Tensor] | None = None,
    ):
        """Raises ValueError where options.resume holds no state, or that of another kind of run."""
        self.options, self.accelerator, self.clock = options, accelerator, clock
        self.parts, self.save, self.sheet = parts, save, sheet
        self.step = 0
        self.figures: dict[str, float] = {}  # those of the last report
        self.recorded: dict[str, list[Tensor]] = defaultdict(list)
        self.generators: list[tuple[torch.Generator, int]] = []
        if options.resume is not None:
            self.resume(options.resume)
        self.saving, self.drawing = (Alarm(clock, m) for m in (options.checkpoint_minutes, options.sample_minutes))
        self.writer = SummaryWriter(options.out / "logs", purge_step=self.step) if self.main_process else None

    @property
    def main_process(self) -> bool:
        return self.accelerator.is_main_process

    def generator(self, device: torch.device | str, *, process: int = 0) -> torch.Generator:
        """A generator that every step seeds anew; processes that draw different things name their number."""
        generator = torch.Generator(device)
        self.generators.append((generator, process))
        return generator

    def steps(self) -> Iterator[float]:
        """The run's progress, 0..1, before each step, until it ends; `step` is the step's number."""
        total, resumed = self.options.steps, self.step
        with tqdm(total=total, initial=resumed, disable=None if self.main_process else True, leave=False) as bar:
            while (progress := self.clock.progress(self.step)) < 1:
                for generator, process in self.generators:
                    generator.manual_seed(step_seed(self.options.seed, self.step, process))
                yield progress
                self.step += 1
                bar.update()
                if self.step % REPORT_STEPS == 0 or self.step == resumed + 1:
                    self.report(bar)
                if self.main_process and self.saving.due():
                    self.checkpoint()
                if self.main_process and self.drawing.due():
                    self.draw()
        if self.recorded:
            self.report(bar)

    def record(self, **values: Tensor) -> None:
        """Scalars of this step; the next report has their means."""
        for name, value in values.items():
            self.recorded[name].append(value.detach())

    def report(self, bar: tqdm) -> None:
        """Means over the steps since the last report, and over the processes: into the log, TensorBoard and the bar."""
        means = {name: torch.stack(values).float().mean() for name, values in self.recorded.items()}
        self.recorded.clear()
        self.figures = {name: self.accelerator.reduce(mean, "mean").item() for name, mean in means.items()}
        if not self.main_process:
            return
        for name, value in self.figures.items():
            self.writer.add_scalar(name, value, self.step)
        words = " ".join(f"{name} {value:.4f}" for name, value in self.figures.items())
        bar.set_postfix_str(words)
        bar.write(f"step {self.step} {self.clock.elapsed_minutes:.2f} min {words}")
        sys.stdout.flush()

    def checkpoint(self) -> None:
        """Weights and state take their places in the output folder together."""
        with replacing(self.options.out) as folder:
            self.save(folder)
            save_state(folder, self.parts, Progress(self.step, self.clock.elapsed_minutes, self.clock.trained_minutes))

    def draw(self) -> None:
        """A sheet of samples goes to TensorBoard."""
        if self.sheet is not None:
            self.writer.add_image("samples", self.sheet(), self.step)
            self.writer.flush()

    def resume(self, folder: Path) -> None:
        progress = load_state(folder, self.parts)
        self.step = progress.step
        self.clock.resume(elapsed_minutes=progress.minutes, trained_minutes=progress.trained_minutes)
