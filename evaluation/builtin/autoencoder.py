"""What pictures lose on their way through the autoencoder, and whether a still flickers."""

import statistics
from argparse import Namespace

from torch import Tensor

from ...model_loaders.animator import Animator
from ...pipeline.decode import decode
from ...pipeline.encode import encode_image
from ..inputs.held_out import held_out_clips, held_out_stills
from ..metrics.frame_change import frame_change
from ..metrics.likeness import likeness
from ..output.console import table
from ..output.results import Bar, Results
from ..shots import load_models, settings_of

LEAST_PSNR_DB = 27.0
LEAST_SSIM = 0.80
MOST_FLICKER = 0.5  # grey levels of 255 from frame to frame


def run(arguments: Namespace) -> list[Bar]:
    """Prints the table, writes autoencoder.json, returns the bars."""
    animator = load_models().animator
    results = Results(arguments.out / "autoencoder.json", settings_of(arguments))
    stills = {
        f"still {name}": image.expand(arguments.frames, -1, -1, -1)
        for name, image in held_out_stills(arguments, animator.size)
    }
    videos = {f"clip {name}": video for name, video in held_out_clips(arguments, animator.size)} | stills

    def figures(key: str) -> dict[str, float]:
        decoded = through_autoencoder(animator, videos[key])
        change = frame_change(decoded) if key in stills else None
        return {**likeness(decoded, videos[key]), "flicker": change}

    rows = results.fill(list(videos), lambda keys: map(figures, keys), lambda row: f"{row['psnr']:.1f} dB")
    print(table(("held-out frames", "psnr", "ssim", "flicker"), [(key, *row.values()) for key, row in rows.items()]))
    means = {
        f"{kind} {figure}": statistics.fmean(
            row[figure] for key, row in rows.items() if (key in stills) == (kind == "stills")
        )
        for kind, figure in (*((k, f) for k in ("clips", "stills") for f in ("psnr", "ssim")), ("stills", "flicker"))
    }
    bars = [
        Bar("autoencoder: PSNR of clips' frames, dB", means["clips psnr"], LEAST_PSNR_DB),
        Bar("autoencoder: PSNR of stills, dB", means["stills psnr"], LEAST_PSNR_DB),
        Bar("autoencoder: SSIM of clips' frames", means["clips ssim"], LEAST_SSIM),
        Bar("autoencoder: SSIM of stills", means["stills ssim"], LEAST_SSIM),
        Bar("autoencoder: flicker of a still, of 255", means["stills flicker"], MOST_FLICKER, at_least=False),
    ]
    results.finish(means, bars)
    return bars


def through_autoencoder(animator: Animator, video: Tensor) -> Tensor:
    """Frames [L, 3, H, W] -1..1, encoded and decoded as one segment."""
    latents = encode_image(animator, video) * animator.scaling_factor
    return decode(animator, latents, segment_frames=len(video)).clamp(-1, 1)
