"""What every training command shares: presets, the clock that ends a run, learning rate, averages, reports."""

import argparse
import json
import math
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import torch
from accelerate import Accelerator, InitProcessGroupKwargs

from .muon import Muon

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

PRESETS = Path(__file__).parent / "presets"


def parse_arguments(
    section: str,
    description: str,
    arguments: list[str] | None = None,
    *,
    preset: str = "mini",
    data: bool = True,
) -> SimpleNamespace:
    """Command line of a training command: `--preset NAME|FILE --data DIR --out DIR --minutes M --set key=value`.

    Returns the preset's section with the overrides, its name as `part`, plus everything else on the command line.
    `arguments` stands for the process's own; `data` says whether --data and --out must be given.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--preset", default=preset, help=f"name in training/presets, or TOML file (default: {preset})")
    parser.add_argument("--data", type=Path, required=data, help="folder written by driftfield.training.prepare")
    parser.add_argument("--out", type=Path, required=data, help="folder for weights, samples and logs")
    parser.add_argument("--autoencoder", type=Path, help="folder of the trained autoencoder (animator, autoencoder)")
    parser.add_argument("--animator", type=Path, help="folder of the trained animator (camera_lora)")
    parser.add_argument("--model", type=Path, help="SVD to start from: a diffusers folder or its single file (svd-xt)")
    parser.add_argument("--start", type=Path, metavar="DIR", help="start from the weights that a run wrote to DIR")
    parser.add_argument(
        "--resume", type=Path, metavar="DIR", help="go on with the run that wrote DIR, where it stopped"
    )
    parser.add_argument("--raft", type=Path, metavar="FILE", help="flow by RAFT with these raft_large weights, not DIS")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="end the run after so long, if that comes first; encoding apart"
    )
    parser.add_argument("--checkpoint-minutes", type=float, default=2, help="write weights and state this often")
    parser.add_argument(
        "--sample-minutes", type=float, default=10, help="draw a contact sheet for TensorBoard this often"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", help="cuda:1, cpu, … (default: what accelerate chooses)")
    parser.add_argument("--compile", action="store_true", help="torch.compile the networks (autoencoder)")
    parser.add_argument(
        "--set", nargs="*", action="extend", default=[], metavar="KEY=VALUE", help="override preset values, as JSON"
    )
    arguments = parser.parse_args(arguments)
    file = Path(arguments.preset) if arguments.preset.endswith(".toml") else PRESETS / f"{arguments.preset}.toml"
    try:
        sections = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        names = ", ".join(sorted(preset.stem for preset in PRESETS.glob("*.toml")))
        parser.error(f"--preset: got {arguments.preset} ({error}), allowed {names} or a TOML file")
    if section not in sections:
        parser.error(f"--preset {arguments.preset}: it has no section [{section}], only {sorted(sections)}")
    values = sections[section]
    for item in arguments.set:
        key, _, value = item.partition("=")
        if key not in values:
            parser.error(f"--set {key}: not in section [{section}] of {file.name}, which has {sorted(values)}")
        try:
            values[key] = json.loads(value)
        except json.JSONDecodeError:
            parser.error(f"--set {key}: got {value}, allowed a JSON value, like {json.dumps(values[key])}")
    if arguments.minutes <= 0:
        parser.error(f"--minutes: got {arguments.minutes:g}, allowed more than 0")
    return SimpleNamespace(part=section, **values, **{k: v for k, v in vars(arguments).items() if k != "set"})


def make_accelerator(options: SimpleNamespace) -> tuple[Accelerator, torch.device]:
    """With the device to work on, seeded; what is multiplied in fp32 may be rounded to TF32.

    Lower precision is the commands' own affair, and so are gradients (MasterWeights).
    """
    torch.manual_seed(options.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    patient = InitProcessGroupKwargs(timeout=timedelta(days=1))  # one process may encode for hours longer than another
    accelerator = Accelerator(mixed_precision="no", cpu=options.device == "cpu", kwargs_handlers=[patient])
    device = torch.device(options.device) if options.device else accelerator.device
    if device.type == "cuda":
        torch.cuda.set_device(device.index or 0)
    return accelerator, device


class Clock:
    """Share of a run that is done, by steps or by minutes, whichever is further.

    Minutes count from the second step on, those of earlier parts of a resumed run included: the learning rate follows
    this share, and what goes before, data and compilation, is not training. With several processes the first one's
    clock counts, so that all of them leave the loop at the same step.
    """

    EVERY = 20  # steps between two looks at the first process's clock

    def __init__(self, steps: int, minutes: float, device: torch.device):
        self.steps, self.minutes, self.device, self.start = steps, minutes, device, time.monotonic()
        self.shared = 0.0
        self.first = None  # the step that the run began with
        self.trained_before = 0.0  # minutes, in earlier parts of the run
        self.prepared = self.start  # when the second step began

    @property
    def elapsed_minutes(self) -> float:
        return (time.monotonic() - self.start) / 60

    @property
    def trained_minutes(self) -> float:
        return self.trained_before + (0.0 if self.first is None else (time.monotonic() - self.prepared) / 60)

    def progress(self, step: int) -> float:
        if self.first is None:
            self.first = step
        if step <= self.first + 1:
            self.prepared = time.monotonic()
        own = min(1.0, max(step / self.steps, self.trained_minutes / self.minutes))
        if self.minutes == math.inf or not torch.distributed.is_initialized():
            return own
        if step % self.EVERY == 0:
            value = torch.tensor(own, device=self.device)
            torch.distributed.broadcast(value, 0)
            self.shared = value.item()
        return min(1.0, max(step / self.steps, self.shared))


class Alarm:
    """Goes off once every so many of a clock's minutes."""

    def __init__(self, clock: Clock, minutes: float):
        self.clock, self.minutes, self.last = clock, minutes, clock.elapsed_minutes

    def due(self) -> bool:
        due = self.clock.elapsed_minutes - self.last >= self.minutes
        if due:
            self.last = self.clock.elapsed_minutes
        return due


class Optimizers:
    """Muon for what is a matrix and AdamW for the rest, or AdamW for all, with one learning rate."""

    def __init__(self, parameters: list[torch.Tensor], *, kind: str, learning_rate: float, weight_decay: float):
        """kind: "muon" or "adamw"; parameters that need no gradient are left out."""
        if kind not in ("muon", "adamw"):
            raise ValueError(f"optimizer: got {kind!r}, allowed 'muon' or 'adamw'")
        parameters = [p for p in parameters if p.requires_grad]
        matrices = [p for p in parameters if p.ndim > 1]
        vectors = [p for p in parameters if p.ndim <= 1]
        self.learning_rate = learning_rate
        adamw = {"lr": learning_rate, "betas": (0.9, 0.99), "fused": parameters[0].device.type == "cuda"}
        if kind == "muon":
            first = Muon(matrices, learning_rate, weight_decay=weight_decay)
        else:
            first = torch.optim.AdamW(matrices, weight_decay=weight_decay, **adamw)
        self.all = [first, torch.optim.AdamW(vectors, weight_decay=0.0, **adamw)] if vectors else [first]

    def step(self, factor: float) -> None:
        """factor: what the learning rate is multiplied with."""
        for optimizer in self.all:
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate * factor
            optimizer.step()

    def state_dict(self) -> dict:
        return {"all": [optimizer.state_dict() for optimizer in self.all]}

    def load_state_dict(self, state: dict) -> None:
        for optimizer, own in zip(self.all, state["all"], strict=True):
            optimizer.load_state_dict(own)


def learning_rate_factor(step: int, progress: float, *, floor: float, warmup: int = 200) -> float:
    """Linear warm-up over steps, then half a cosine over the run's progress down to `floor`; 1 keeps it constant."""
    return min(1.0, (step + 1) / warmup) * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))


@torch.no_grad()
def average_over_processes(gradients: list[torch.Tensor], accelerator: Accelerator) -> None:
    """Their mean takes the place of every process's own."""
    if accelerator.num_processes > 1:
        together = accelerator.reduce(torch.cat([gradient.flatten() for gradient in gradients]), "mean")
        parts = together.split([gradient.numel() for gradient in gradients])
        torch._foreach_copy_(gradients, [part.view_as(to) for part, to in zip(parts, gradients, strict=True)])


class MasterWeights:
    """fp32 copies of a module's parameters, for the optimizer, while the module itself computes in `dtype`.

    Beside autocast this spares casting every weight in every step, and norms that run and hand on in fp32.
    """

    def __init__(self, module: torch.nn.Module, dtype: torch.dtype):
        self.own = list(module.parameters())
        self.values = [p.detach().float().clone().requires_grad_(p.requires_grad) for p in self.own]
        for parameter in self.own:
            parameter.data = parameter.data.to(dtype)

    @torch.no_grad()
    def take_gradients(self, accelerator: Accelerator) -> None:
        """The module's gradients, averaged over the processes, as those of the values; the module keeps its own."""
        pairs = [(v, p.grad) for v, p in zip(self.values, self.own, strict=True) if p.grad is not None]
        values, gradients = zip(*pairs, strict=True)
        for value in values:
            value.grad = torch.empty_like(value) if value.grad is None else value.grad
        mine = [value.grad for value in values]
        torch._foreach_copy_(mine, gradients)
        average_over_processes(mine, accelerator)

    @torch.no_grad()
    def give_values(self) -> None:
        """Rounds the values into the module."""
        pairs = [(p.data, v) for p, v in zip(self.own, self.values, strict=True) if v.requires_grad]
        own, values = zip(*pairs, strict=True)
        torch._foreach_copy_(own, values)

    def state_dict(self) -> dict:
        return {"values": [v.detach() for v in self.values if v.requires_grad]}

    @torch.no_grad()
    def load_state_dict(self, state: dict) -> None:
        torch._foreach_copy_([v for v in self.values if v.requires_grad], state["values"])
        self.give_values()


class Step:
    """Mean loss and gradients of a module on batches of one shape; one CUDA graph on a GPU, for SVD's many layers."""

    def __init__(self, module: torch.nn.Module, batch: dict[str, torch.Tensor], *, graph: bool):
        """graph: whether a GPU is to record its kernels once and repeat them, which pays for small networks."""
        self.module, self.graph = module, None
        if not graph or next(module.parameters()).device.type != "cuda":
            return
        self.batch = {name: value.clone() for name, value in batch.items()}
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.run(self.batch)
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        module.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):  # NCCL's watchdog may look on
            self.loss = self.run(self.batch)

    def run(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        self.module.zero_grad(set_to_none=True)
        loss = self.module(**batch).mean()
        loss.backward()
        return loss.detach()

    def __call__(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        if self.graph is None:
            return self.run(batch)
        for name, value in batch.items():
            self.batch[name].copy_(value)
        self.graph.replay()
        return self.loss.clone()


class Average:
    """Exponential moving average of a module's parameters (EMA), with the usual warm-up of the decay.

    source: what to average instead of the module's own parameters: their fp32 masters.
    """

    def __init__(self, module: torch.nn.Module, decay: float = 0.999, *, source: list[torch.Tensor] | None = None):
        self.module, self.decay, self.count = module, decay, 0
        self.source = list(module.parameters()) if source is None else source
        self.values = [p.detach().clone() if p.requires_grad else p.detach() for p in self.source]
        self.moving = [(v, p.detach()) for v, p in zip(self.values, self.source, strict=True) if p.requires_grad]

    @torch.no_grad()
    def update(self) -> None:
        self.count += 1
        weight = 1 - min(self.decay, (1 + self.count) / (10 + self.count))
        values, sources = zip(*self.moving, strict=True)
        torch._foreach_lerp_(values, sources, weight)

    def state_dict(self) -> dict:
        return {"count": self.count, "values": [value for value, _ in self.moving]}

    def load_state_dict(self, state: dict) -> None:
        self.count = state["count"]
        torch._foreach_copy_([value for value, _ in self.moving], state["values"])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the module holds copies of the averages, to be measured, changed or saved; then its own values again.

        The module's own values are not touched and need no second place in memory.
        """
        own = [p.data for p in self.module.parameters()]
        try:
            for parameter, value in zip(self.module.parameters(), self.values, strict=True):
                parameter.data = value.clone()
            yield
        finally:
            for parameter, value in zip(self.module.parameters(), own, strict=True):
                parameter.data = value


def channels_last(module: torch.nn.Module) -> torch.nn.Module:
    """The memory format that tensor cores want, for the 2-d convolutions."""
    for child in module.modules():
        if isinstance(child, torch.nn.Conv2d):
            child.to(memory_format=torch.channels_last)
    return module


def halve(module: torch.nn.Module) -> None:
    """Half-precision parameters, leaving their gradients as they are."""
    for parameter in module.parameters():
        parameter.data = parameter.data.half()


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """An empty folder to write into; at the end each file and each folder in it takes its place in `out` as a whole.

    Killed before the end, nothing in `out` has changed.
    """
    unfinished, replaced = out / ".unfinished", out / ".replaced"
    for folder in (unfinished, replaced):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    yield unfinished
    for item in sorted(unfinished.iterdir()):
        target = out / item.name
        if target.is_dir():  # a folder cannot be renamed over another
            target.rename(replaced / item.name)
        item.replace(target)
    unfinished.rmdir()
    shutil.rmtree(replaced)
