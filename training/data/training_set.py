"""What animator and LoRA are trained on: windows of the prepared clips and scenes over its stills, encoded once."""

import shutil
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import torch
from accelerate import Accelerator
from diffusers import AutoencoderKLTemporalDecoder
from torch import Tensor
from tqdm import tqdm

from .flow import estimate_flows, load_raft
from .latent_files import StoredClips, fingerprint, store
from .latents import LatentClips, from_clips, from_scenes, joined
from .prepared_set import list_names, load, read

CHUNK = 64  # clips in main memory at once

Keep = Callable[[Tensor], bool]  # whether to keep a clip or a scene with this flow [N, 2, H, W] px/frame


def encode_set(
    vae: AutoencoderKLTemporalDecoder, options: SimpleNamespace, accelerator: Accelerator, *, keep: Keep | None = None
) -> tuple[LatentClips | StoredClips, dict[str, int]]:
    """The training set, and how many clips and scenes it has. Of several processes each encodes its part.

    With options.on_disk it is written under the output folder, where all processes and later runs find it, and read as
    it is needed; else each process has its part on its device. Raises ValueError where there is nothing to train on.
    """
    process, processes = accelerator.process_index, accelerator.num_processes
    names = list_names(options.data, "clips", "train")[process::processes]
    if not options.on_disk:
        clips = list(encode_clips(vae, options, names, keep=keep))
        scenes = list(encode_scenes(vae, options, process, processes, keep=keep))
        counts = {"clips": sum(map(len, clips)), "scenes": sum(map(len, scenes))}
        if not any(counts.values()):
            raise nothing(options)
        return joined(clips + scenes), counts

    def parts() -> Iterator[LatentClips]:
        yield from encode_clips(vae, options, names, keep=keep)
        yield from encode_scenes(vae, options, process, processes, keep=keep)

    names_of_settings = ("frames", "clip_stride", "augmented", "scenes_per_still", "size", "seed")
    settings = [getattr(options, name) for name in names_of_settings]
    folder = options.out / "encoded" / fingerprint(options.data, vae, *settings, keep is None, raft=options.raft)
    complete = folder / "complete"
    if not complete.is_file():
        if accelerator.is_main_process:
            shutil.rmtree(folder, ignore_errors=True)  # parts of a run that did not finish
        accelerator.wait_for_everyone()
        store(folder, parts(), process)
        accelerator.wait_for_everyone()
        complete.touch()
    stored = StoredClips(sorted(folder.glob("part-*.safetensors")))
    if not len(stored):
        raise nothing(options)
    return stored, {"clips and scenes": len(stored)}


def nothing(options: SimpleNamespace) -> ValueError:
    return ValueError(
        f"{options.data}: nothing to train on, needed: clips of {options.frames} or more frames, or stills"
    )


def encode_clips(
    vae: AutoencoderKLTemporalDecoder, options: SimpleNamespace, names: list[str], *, keep: Keep | None = None
) -> Iterator[LatentClips]:
    """Windows of the clips of these names."""
    raft = load_raft(options.raft, vae.device) if options.raft else None
    for start in tqdm(range(0, len(names), CHUNK), desc="encode", disable=None, leave=False):
        clips = read(options.data, "clips", names[start : start + CHUNK])
        if wrong := [clip.shape for clip in clips if tuple(clip.shape[-2:]) != (options.size, options.size)]:
            raise ValueError(f"{options.data}: got clips of {list(wrong[0][-2:])} px, allowed size = {options.size}")
        clips = [clip for clip in clips if len(clip) >= options.frames]
        flows = estimate_flows(clips, raft)
        if keep is not None:
            kept = [(clip, flow) for clip, flow in zip(clips, flows, strict=True) if keep(flow)]
            clips, flows = [clip for clip, _ in kept], [flow for _, flow in kept]
        backward = estimate_flows([clip.flip(0) for clip in clips], raft) if options.augmented else None
        yield from from_clips(vae, clips, flows, backward, frames=options.frames, stride=options.clip_stride)


def encode_scenes(
    vae: AutoencoderKLTemporalDecoder,
    options: SimpleNamespace,
    process: int,
    processes: int,
    *,
    keep: Keep | None = None,
) -> Iterator[LatentClips]:
    """Synthetic scenes over the training stills, as large as the clips."""
    rounds = -(-options.scenes_per_still // processes)
    stills = load(options.data, "stills", "train")[1] if rounds else []
    if not stills:
        return
    generator = torch.Generator().manual_seed(options.seed + process)
    for part in from_scenes(vae, stills, frames=options.frames, size=options.size, rounds=rounds, generator=generator):
        kept = [i for i, flow in enumerate(part.flow) if keep is None or keep(flow)]
        yield part.take(torch.tensor(kept, dtype=torch.long), part.latents.device)
