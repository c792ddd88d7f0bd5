"""How the animator and its LoRA are trained: networks and optimizers, a step, and the whole run."""

from collections.abc import Callable
from types import SimpleNamespace

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from transformers import CLIPImageProcessor

from ...networks.fast import accelerate
from ...networks.motion_unet import MotionUNet
from ..data.latent_files import StoredClips
from ..data.latents import LatentClips
from ..loop.ema import ExponentialMovingAverage
from ..loop.optimizers import Optimizers, learning_rate_factor
from ..loop.precision import MasterWeights
from ..loop.reports import write_report
from ..loop.run import Run
from ..loop.step import Step
from .denoising import DenoisingLoss, checkpoint_blocks

HELD_OUT_BATCHES = 8  # whose loss is reported


class Trainer:
    """Networks, their masters, averages and optimizers, and the step that they take together."""

    def __init__(self, network: MotionUNet, image_encoder: nn.Module, options: SimpleNamespace, device: torch.device):
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        self.loss = DenoisingLoss(network, image_encoder, options)
        accelerate(network)
        if options.gradient_checkpointing:
            checkpoint_blocks(self.loss)
        self.masters = MasterWeights(self.loss, dtype)
        self.average = ExponentialMovingAverage(self.loss, source=self.masters.values)
        self.options, self.step_module = options, None
        self.optimizers = Optimizers(
            self.masters.values,
            kind=options.optimizer,
            learning_rate=options.learning_rate,
            weight_decay=options.weight_decay,
        )

    def parts(self) -> dict:
        return {"masters": self.masters, "average": self.average, "optimizers": self.optimizers}

    def step(self, batch: dict[str, Tensor], accelerator: Accelerator, factor: float) -> Tensor:
        """One step of all processes on their batches; this one's mean loss."""
        if self.step_module is None:
            self.step_module = Step(self.loss, batch, graph=not self.options.gradient_checkpointing)
        loss = self.step_module(batch)
        self.masters.take_gradients(accelerator)
        torch.nn.utils.clip_grad_norm_(self.masters.values, 1.0)
        self.optimizers.step(factor)
        self.masters.give_values()
        self.average.update()
        return loss

    @torch.no_grad()
    def held_out_loss(self, draw: Callable[..., dict], clips: LatentClips, processor: CLIPImageProcessor) -> float:
        """Of the averaged weights, on seeded batches that `draw` (as `draw_batch`) takes from the clips."""
        generator = torch.Generator(clips.latents.device).manual_seed(0)
        batches = (draw(clips, self.options, generator, processor) for _ in range(HELD_OUT_BATCHES))
        with self.average.applied():
            return torch.cat([self.loss(**batch) for batch in batches]).mean().item()

    def follow(
        self,
        run: Run,
        draw: Callable[..., dict],
        data: LatentClips | StoredClips,
        unseen: LatentClips | None,
        processor: CLIPImageProcessor,
        device: torch.device,
        **figures,
    ) -> None:
        """The whole run, on batches that `draw` (as `draw_batch`) takes from data, to its last checkpoint and report.

        The report has the given figures, the run's own, and the losses on the unseen clips before and after.
        """
        options, accelerator, generator = run.options, run.accelerator, run.generator(device)
        where = {"process": accelerator.process_index, "processes": accelerator.num_processes}
        if unseen is not None:
            figures["held_out_loss_before"] = self.held_out_loss(draw, unseen, processor)
        for progress in run.steps():
            batch = draw(data, options, generator, processor, **where)
            factor = learning_rate_factor(run.step, progress, floor=options.learning_rate_floor)
            run.record(loss=self.step(batch, accelerator, factor))
        if not accelerator.is_main_process:
            return
        run.checkpoint()
        run.draw()
        if unseen is not None:
            figures["held_out_loss"] = self.held_out_loss(draw, unseen, processor)
        figures |= run.figures
        figures |= {"steps": run.step, "minutes": run.clock.elapsed_minutes, "processes": accelerator.num_processes}
        write_report(options, **figures)
        print(f"done: {figures}", flush=True)
