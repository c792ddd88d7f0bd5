"""Train the animator (UNet, image encoder, motion adapter): `python -m driftfield.training.animator --data … --out …`.

Preset `mini` trains everything from nothing, on the latents of the autoencoder that `--autoencoder DIR` names. `svd-xt`
trains the temporal layers of the SVD that `--model PATH` names, and an adapter. `--start DIR` starts from what an
earlier run wrote (or from the pack's weights), `--resume DIR` goes on with that run itself. Everything is encoded once.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import CLIPImageProcessor

from ..networks.animator import MotionUNet
from ..networks.fast import accelerate
from .animator_models import build_models, save
from .common import (
    Average,
    Clock,
    MasterWeights,
    Optimizers,
    Step,
    channels_last,
    halve,
    learning_rate_factor,
    make_accelerator,
    parse_arguments,
)
from .data import list_names
from .denoising import DenoisingLoss, checkpoint_blocks, draw_batch
from .latent_files import StoredClips
from .latents import LatentClips, joined
from .reports import write_report
from .run import Run
from .samples import sheet
from .training_set import encode_clips, encode_set

SHEET_CLIPS = 4
HELD_OUT_CLIPS, HELD_OUT_BATCHES = 32, 8  # whose loss is reported
PREVIEW_CLIPS = 256  # whose first frames the preview's colours are fitted to


class Training:
    """Networks, their masters, averages and optimizers, and the step that they take together."""

    def __init__(self, animator: MotionUNet, image_encoder: nn.Module, options, device: torch.device):
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        self.animator, self.image_encoder = animator, image_encoder
        self.loss = DenoisingLoss(animator, image_encoder, options)
        accelerate(animator)
        if options.gradient_checkpointing:
            checkpoint_blocks(self.loss)
        self.masters = MasterWeights(self.loss, dtype)
        self.average = Average(self.loss, source=self.masters.values)
        self.options, self.step_module = options, None
        self.optimizers = Optimizers(
            self.masters.values,
            kind=options.optimizer,
            learning_rate=options.learning_rate,
            weight_decay=options.weight_decay,
        )

    def parts(self) -> dict:
        return {"masters": self.masters, "average": self.average, "optimizers": self.optimizers}

    def step(self, batch: dict[str, Tensor], accelerator, factor: float) -> Tensor:
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
    def held_out_loss(self, draw: Callable[..., dict], clips: LatentClips, processor) -> float:
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
        processor,
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


def main(arguments: list[str] | None = None) -> None:
    options = parse_arguments("animator", __doc__, arguments)
    accelerator, device = make_accelerator(options)
    clock = Clock(options.steps, options.minutes, device)
    animator, image_encoder, vae = (module.to(device) for module in build_models(options))
    if options.autoencoder is not None and device.type == "cuda":
        vae = vae.bfloat16()  # SVD's stays fp32: in half precision its encoder can overflow
    vae = channels_last(vae)
    processor = CLIPImageProcessor(size={"shortest_edge": 224}, crop_size=224)
    data, counts = encode_set(vae, options, accelerator)
    accelerator.print(f"{counts}: {clock.elapsed_minutes:.2f} min", flush=True)

    training = Training(animator, image_encoder, options, device)
    first = data.take(torch.arange(min(PREVIEW_CLIPS, len(data))), torch.device("cpu"))

    def save_weights(folder) -> None:
        with training.average.applied():
            halve(training.loss)
            save(folder, options, animator, image_encoder, vae, processor, first)

    names = list_names(options.data, "clips", "held_out")[:HELD_OUT_CLIPS] if accelerator.is_main_process else []
    unseen = joined(encode_clips(vae, options, names))
    shown = (first if unseen is None else unseen).spread(SHEET_CLIPS, device)

    def draw_sheet() -> Tensor:
        with training.average.applied():
            return sheet(animator, image_encoder, vae, shown, processor, options)

    run = Run(options, accelerator, clock, parts=training.parts(), save=save_weights, sheet=draw_sheet)
    training.follow(run, draw_batch, data, unseen, processor, device, **counts)


if __name__ == "__main__":
    main()
