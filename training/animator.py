"""Train the animator (UNet, image encoder, motion adapter): `python -m driftfield.training.animator --data … --out …`.

Preset `mini` trains everything from nothing, on the latents of the autoencoder that `--autoencoder DIR` names. `svd-xt`
trains the temporal layers of the SVD that `--model PATH` names, and an adapter. `--start DIR` starts from what an
earlier run wrote (or from the pack's weights), `--resume DIR` goes on with that run itself. Everything is encoded once.
"""

from pathlib import Path

import torch
from torch import Tensor

from .data.batches import draw_batch
from .data.latents import joined
from .data.prepared_set import list_names
from .data.training_set import encode_clips, encode_set
from .loop.arguments import parse_arguments
from .loop.clock import Clock
from .loop.precision import channels_last, halve
from .loop.processes import make_accelerator
from .loop.run import Run
from .models.build import build_models, build_processor
from .models.samples import SHEET_CLIPS, sheet
from .models.save import save_animator
from .models.trainer import Trainer

HELD_OUT_CLIPS = 32  # whose loss is reported
PREVIEW_CLIPS = 256  # whose first frames the preview's colours are fitted to


def main(arguments: list[str] | None = None) -> None:
    options = parse_arguments("animator", __doc__, arguments)
    accelerator, device = make_accelerator(options)
    clock = Clock(options.steps, options.minutes, device)
    network, image_encoder, vae = (module.to(device) for module in build_models(options))
    if options.autoencoder is not None and device.type == "cuda":
        vae = vae.bfloat16()  # SVD's stays fp32: in half precision its encoder can overflow
    vae = channels_last(vae)
    processor = build_processor()
    data, counts = encode_set(vae, options, accelerator)
    accelerator.print(f"{counts}: {clock.elapsed_minutes:.2f} min", flush=True)

    trainer = Trainer(network, image_encoder, options, device)
    first = data.take(torch.arange(min(PREVIEW_CLIPS, len(data))), torch.device("cpu"))

    def save_weights(folder: Path) -> None:
        with trainer.average.applied():
            halve(trainer.loss)
            save_animator(folder, options, network, image_encoder, vae, processor, first)

    names = list_names(options.data, "clips", "held_out")[:HELD_OUT_CLIPS] if accelerator.is_main_process else []
    unseen = joined(encode_clips(vae, options, names))
    shown = (first if unseen is None else unseen).evenly_chosen(SHEET_CLIPS, device)

    def draw_sheet() -> Tensor:
        with trainer.average.applied():
            return sheet(network, image_encoder, vae, shown, processor, options)

    run = Run(options, accelerator, clock, parts=trainer.parts(), save=save_weights, sheet=draw_sheet)
    trainer.follow(run, draw_batch, data, unseen, processor, device, **counts)


if __name__ == "__main__":
    main()
