"""What a still loses on its way through the autoencoder, and whether it flickers."""

import statistics
from argparse import Namespace

from ..model_loaders.animator import decode, encode_image
from ..model_loaders.locations import WEIGHTS
from .animations import load_models
from .metrics import frame_change, psnr, ssim
from .report import Bar, Results, digest, table
from .stills import held_out_stills

LEAST_PSNR_DB = 27.0
LEAST_SSIM = 0.80
MOST_FLICKER = 0.5  # grey levels of 255 from frame to frame


def run(arguments: Namespace) -> list[Bar]:
    """Prints the table, writes autoencoder.json, returns the bars."""
    animator = load_models().animator
    settings = {"frames": arguments.frames, "weights": digest(WEIGHTS)}
    results = Results(arguments.out / "autoencoder.json", settings)

    def figures(image) -> dict[str, float]:
        latents = encode_image(animator, image) * animator.scaling_factor
        video = decode(animator, latents.expand(arguments.frames, -1, -1, -1), segment_frames=arguments.frames)
        video = video.clamp(-1, 1)
        target = image.expand_as(video)
        return {"psnr": psnr(video, target), "ssim": ssim(video, target), "flicker": frame_change(video)}

    rows = {}
    for name, image in held_out_stills(arguments, animator.size):
        rows[name] = results.once(name, lambda: figures(image))  # noqa: B023  (called at once)
        print(f"{name}: {rows[name]['psnr']:.1f} dB", flush=True)
    print(table(("still", "psnr", "ssim", "flicker"), [(name, *row.values()) for name, row in rows.items()]))
    means = {key: statistics.fmean(row[key] for row in rows.values()) for key in ("psnr", "ssim", "flicker")}
    bars = [
        Bar("autoencoder: PSNR, dB", means["psnr"], LEAST_PSNR_DB),
        Bar("autoencoder: SSIM", means["ssim"], LEAST_SSIM),
        Bar("autoencoder: flicker of a still, of 255", means["flicker"], MOST_FLICKER, at_least=False),
    ]
    results.finish(means, bars)
    return bars
