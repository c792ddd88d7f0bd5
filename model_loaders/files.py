"""Safetensors files and diffusers folders, read strictly: every key and shape must fit, and errors name the file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

Network = Any  # a network of diffusers or transformers, which get config and layers at run time
Module = TypeVar("Module", bound=nn.Module)

SHOWN_KEYS = 5  # in an error message
HEADER_LIMIT = 100_000_000  # bytes, of the format
BEGINNING = 1024  # bytes that show what a file is


def read_json(path: Path) -> dict:
    """Raises ValueError naming the file where it is missing, or not a JSON object."""
    if not path.is_file():
        raise ValueError(f"{path}: missing")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error})") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: got {type(values).__name__}, allowed: a JSON object")
    return values


def read_metadata(path: Path) -> dict[str, str]:
    with open_file(path) as file:
        return file.metadata() or {}


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """{key: shape} of all tensors, from the file's header alone."""
    with open_file(path) as file:
        return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 (not a dict)


def read_config(path: Path, format_tag: str) -> dict:
    """The JSON under "config" in the metadata of one of the pack's own files, whose "format" must be format_tag."""
    metadata = read_metadata(path)
    if metadata.get("format") != format_tag:
        raise ValueError(f"{path}: format = {metadata.get('format')!r} in its metadata, allowed {format_tag!r}")
    try:
        config = json.loads(metadata.get("config", ""))
    except ValueError as error:
        raise ValueError(f"{path}: config in its metadata is not JSON ({error})") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path}: config in its metadata is {type(config).__name__}, allowed: a JSON object")
    return config


def read_tensors(paths: list[Path], dtype_of: Callable[[str, Tensor], torch.dtype]) -> dict[str, Tensor]:
    """All tensors of the files, one at a time so that never two copies of the whole lie in memory.

    Raises ValueError naming file and key where one is not finite in its dtype.
    """
    tensors = {}
    for path in paths:
        with open_file(path) as file:
            for key in file.keys():  # noqa: SIM118 (not a dict)
                if key in tensors:
                    raise ValueError(f"{path}: key {key} is also in another shard")
                tensor = file.get_tensor(key)
                tensors[key] = usable(tensor.to(dtype_of(key, tensor)), key, path)
    return tensors


def usable(tensor: Tensor, key: str, path: Path) -> Tensor:
    """The tensor itself; ValueError where it has NaN or infinity, found in one pass without a copy."""
    if tensor.is_floating_point() and tensor.numel():
        whole = tensor if tensor.dtype.itemsize > 1 else tensor.float()  # fp8 knows no minimum
        if not torch.stack(whole.aminmax()).isfinite().all():
            kind = str(tensor.dtype).removeprefix("torch.")
            raise ValueError(
                f"{path}: {key}: NaN or infinity in {kind}, allowed finite numbers; the file is damaged, its training "
                "went wrong, or it needs the dtype fp32: download it again, or choose another one"
            )
    return tensor


def weight_files(folder: Path) -> list[Path]:
    """The safetensors of one model folder: sharded, whole, or only as fp16 variant; a .bin or .ckpt is refused."""
    for index in (*folder.glob("*.safetensors.index.json"), *folder.glob("*.safetensors.index.fp16.json")):
        names = sorted(set(read_json(index).get("weight_map", {}).values()))
        files = [folder / name for name in names if Path(name).name == name]
        if missing := [name for name in names if not (folder / name).is_file()]:
            raise ValueError(f"{index}: shards {missing} are missing")
        if len(files) != len(names) or not files:
            raise ValueError(f"{index}: weight_map names {names}, allowed: files in the same folder")
        return files
    for stem in ("diffusion_pytorch_model", "model"):
        for name in (f"{stem}.safetensors", f"{stem}.fp16.safetensors"):
            if (folder / name).is_file():
                return [folder / name]
    others = sorted(p.name for p in folder.glob("*") if p.suffix in (".bin", ".ckpt", ".pt", ".pth"))
    raise ValueError(f"{folder}: no .safetensors weights" + (f" ({others} are never read)" if others else ""))


def load_strictly(module: Module, tensors: dict[str, Tensor], source: Path | str, *, ignore: str = "") -> Module:
    """Puts tensors into a module built on the "meta" device. ValueError naming source and keys where they do not fit.

    ignore: one key that old files have although the module rebuilds it.
    """
    tensors = {key: value for key, value in tensors.items() if key != ignore}
    wanted = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    got = {key: tuple(value.shape) for key, value in tensors.items()}
    differing = [key for key in wanted if key in got and got[key] != wanted[key]]
    problems = {
        "missing keys": [key for key in wanted if key not in got],
        "unknown keys": [key for key in got if key not in wanted],
        "wrong shapes": [f"{key} {list(got[key])}, allowed {list(wanted[key])}" for key in differing],
    }
    found = [f"{what} {shorten(keys)}" for what, keys in problems.items() if keys]
    if found:
        raise ValueError(f"{source}: {'; '.join(found)}")
    module.load_state_dict(tensors, assign=True)
    return module


def load_network(path: Path, format_tag: str, config_class: Any, network_class: Callable[[Any], Module]) -> Module:
    """The network that one of the pack's own files has: its config rebuilds it, fp32, in main memory, no gradients.

    Raises ValueError naming the file and what does not fit.
    """
    values = read_config(path, format_tag)
    try:
        config = config_class.from_dict(values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    with torch.device("meta"):
        network = network_class(config).requires_grad_(False)
    return load_strictly(network, read_tensors([path], lambda key, tensor: torch.float32), path)


def shorten(keys: list[str]) -> str:
    more = f" and {len(keys) - SHOWN_KEYS} more" if len(keys) > SHOWN_KEYS else ""
    return ", ".join(keys[:SHOWN_KEYS]) + more


def open_file(path: Path) -> safe_open:
    if path.suffix != ".safetensors":
        raise ValueError(f"{path}: only .safetensors files are read")
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        what = what_it_is(path)
        raise ValueError(f"{path}: not a readable safetensors file ({error}){'; ' if what else ''}{what}") from error


def what_it_is(path: Path) -> str:
    """What a file that is no safetensors file is instead, and what to do; "" where that is unknown."""
    try:
        with path.open("rb") as file:
            start = file.read(BEGINNING)
    except OSError:
        return ""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not start:
        return "it is empty: download it again"
    if text.startswith(b"version https://git-lfs"):
        return "it is a git-lfs pointer, not the file it points to: run `git lfs pull`, or download the file itself"
    if text.startswith((b"<!doctype html", b"<html")) or b"<html" in text:
        return (
            "it is an HTML page, such as a site shows instead of a file that needs a login or another link: download "
            "the file itself"
        )
    if start.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x04")):
        return "it is a PyTorch file (.ckpt, .pt) or another archive with a changed name: get the .safetensors version"
    return _shortness(path)


def _shortness(path: Path) -> str:
    """What to say where the file is shorter than its header promises."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > HEADER_LIMIT:
                return ""
            if size < 8 + length:
                promised = 8 + length
            else:
                tensors = [value for key, value in json.loads(file.read(length)).items() if key != "__metadata__"]
                promised = 8 + length + max(value["data_offsets"][1] for value in tensors)
    except (OSError, ValueError, AttributeError, TypeError, KeyError, IndexError):
        return ""
    least = "" if size >= 8 + length else "at least "
    return f"it has {size} of {least}{promised} bytes: the download was cut short, needed: the whole file"
