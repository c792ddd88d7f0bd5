"""Where models lie: ComfyUI's folders, `models/driftfield`, and the built-in ones in this repository's `weights`."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import folder_paths

BUILTIN = "built-in"
AUTO = "auto"
NONE = "none"
WEIGHTS = Path(__file__).parent.parent / "weights"
PIPELINE = "StableVideoDiffusionPipeline"
FILE_KINDS = {  # kind → (ComfyUI folder, subfolder) where its files lie, and the built-in file
    "adapter": ([("driftfield", "adapters")], "motion_adapter.safetensors"),
    "refiner": ([("driftfield", "refiners")], "refiner.safetensors"),
    "lora": ([("loras", ""), ("driftfield", "loras")], "camera_lora.safetensors"),
    "checkpoint": ([("checkpoints", "")], None),
}

RAFT = "raft_large"

for own in ("driftfield", "optical_flow"):  # ComfyUI knows the second itself since it has a node that loads from it
    folder_paths.add_model_folder_path(own, os.path.join(folder_paths.models_dir, own))


def animation_models() -> list[str]:
    """The built-in model, every folder in models/diffusers that has a model_index.json, every checkpoint file."""
    names = set()
    for folder, subfolders, files in _walk(_roots([("diffusers", "")])):
        if "model_index.json" in files:
            names.add(folder.as_posix())
            subfolders.clear()
    return [BUILTIN, *sorted(names - {"."}), *_files("checkpoint")]


def adapters() -> list[str]:
    """ "auto" (the built-in one for the built-in model, none for others), "none", then files."""
    return [AUTO, NONE, *_files("adapter")]


def refiners() -> list[str]:
    return [BUILTIN, *_files("refiner")]


def loras() -> list[str]:
    return [BUILTIN, *_files("lora")]


def metrics() -> list[Path]:
    """The folders that the evaluation looks for networks of metrics in."""
    return _roots([("driftfield", "metrics")])


def raft() -> Path:
    """RAFT's weights: driftfield/raft_large.safetensors, else optical_flow's first raft_large*.safetensors, or .pth.

    Raises ValueError naming both places where neither has any.
    """
    own, core = _roots([("driftfield", "")]), _roots([("optical_flow", "")])
    for root in own:
        if (root / f"{RAFT}.safetensors").is_file():
            return root / f"{RAFT}.safetensors"
    found = [root / folder / name for root in core for folder, _, names in _walk([root]) for name in names]
    for suffix in (".safetensors", ".pth"):
        if files := sorted(path for path in found if path.name.startswith(RAFT) and path.suffix == suffix):
            return files[0]
    raise ValueError(
        f"raft: found neither {RAFT}.safetensors in {', '.join(map(str, own))} "
        f"nor {RAFT}*.safetensors or {RAFT}*.pth in {', '.join(map(str, core))}"
    )


def resolve(kind: str, name: str) -> Path:
    """The file ("adapter", "refiner", "lora", "checkpoint") that a name from a graph means.

    "animator": a folder, or a checkpoint where the name ends in .safetensors.

    Raises ValueError naming kind and name: a path that leaves the model folders, another format than safetensors,
    nothing there.
    """
    if kind == "animator":
        return _resolve_animator(name)
    folders, builtin = FILE_KINDS[kind]
    if name == BUILTIN and builtin is not None:
        return _existing_builtin(kind, WEIGHTS / builtin)
    _refuse_escape(kind, name)
    if not name.endswith(".safetensors"):
        raise ValueError(f"{kind} {name!r}: only .safetensors files are read, never {Path(name).suffix or 'others'}")
    return _first_existing(kind, name, _roots(folders), Path.is_file)


def fingerprint(kind: str, name: str | None) -> str:
    """Changes when the file behind a name changes; never raises, so that the node itself can report what is wrong.

    A name that comes through a link is not known yet: None, always the same.
    """
    if not isinstance(name, str):
        return ""
    try:
        path = resolve(kind, name)
        files = sorted(path.rglob("*.json")) + sorted(path.rglob("*.safetensors")) if path.is_dir() else [path]
        if kind == "lora":  # its alpha may be written beside it
            files += path.parent.glob("adapter_config.json")
        return "; ".join(f"{file}:{file.stat().st_mtime_ns}:{file.stat().st_size}" for file in files)
    except (ValueError, OSError) as error:
        return str(error)


def _resolve_animator(name: str) -> Path:
    if name.endswith(".safetensors"):
        return resolve("checkpoint", name)
    if name == BUILTIN:
        folder = _existing_builtin("animation model", WEIGHTS / "animator")
    else:
        _refuse_escape("animation model", name)
        folder = _first_existing("animation model", name, _roots([("diffusers", "")]), Path.is_dir)
    index = folder / "model_index.json"
    if not index.is_file():
        raise ValueError(f"animation model {name!r}: {folder} has no model_index.json, allowed: a diffusers folder")
    pipeline = json.loads(index.read_text(encoding="utf-8")).get("_class_name")
    if pipeline != PIPELINE:
        raise ValueError(f"animation model {name!r}: {index} says it is a {pipeline}, allowed: {PIPELINE}")
    return folder


def _existing_builtin(kind: str, path: Path) -> Path:
    if not path.exists():
        raise ValueError(
            f"{kind} {BUILTIN!r}: {path} is missing; this copy of the pack came without its weights, "
            "get the whole repository (with its weights folder) or choose a file of your own"
        )
    return path


def _refuse_escape(kind: str, name: str) -> None:
    parts = name.replace("\\", "/").split("/")
    if not name or name != name.strip() or ".." in parts or os.path.isabs(name) or ":" in name or "\0" in name:
        raise ValueError(f"{kind}: got {name!r}, allowed: a name inside ComfyUI's model folders")


def _roots(folders: list[tuple[str, str]]) -> list[Path]:
    return [Path(root, subfolder) for folder, subfolder in folders for root in folder_paths.get_folder_paths(folder)]


def _files(kind: str) -> list[str]:
    roots = _roots(FILE_KINDS[kind][0])
    found = (folder / name for folder, _, files in _walk(roots) for name in files)
    return sorted({path.as_posix() for path in found if path.suffix == ".safetensors"})


def _walk(roots: list[Path]) -> Iterator[tuple[Path, list[str], list[str]]]:
    """os.walk of all roots, through links as ComfyUI does; folders are relative to their root."""
    for root in roots:
        for folder, subfolders, files in os.walk(root, followlinks=True):
            yield Path(folder).relative_to(root), subfolders, files


def _first_existing(kind: str, name: str, roots: list[Path], exists: Callable[[Path], bool]) -> Path:
    for root in roots:
        if exists(root / name):
            return root / name
    raise ValueError(f"{kind} {name!r}: not found in {', '.join(map(str, roots))}")
