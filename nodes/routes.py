"""What the arrow editor asks the server while one draws: the thing under a click, and a picture taken apart."""

import asyncio
import base64
import io
import json
import os
import sys
from collections.abc import Awaitable, Callable

import folder_paths
import numpy as np
import torch
from aiohttp import web
from PIL import Image, ImageOps
from torch import Tensor

from ..flow_tools.arrow_text import are_whole, number, short
from ..flow_tools.arrows import MAX_ARROWS, Point
from ..flow_tools.beyond import continued
from ..flow_tools.grabcut import object_at
from ..flow_tools.layers import split
from ..flow_tools.region import objects_of, painted

MAX_BODY = 2 << 20  # bytes; the arrows' text, which holds the same masks, is at most 1 MB
MAX_PIXELS = 8192 * 8192  # of a picture
MAX_ASPECT = 100
OBJECT_SIDE = 512  # px of a mask's longer side, as the editor's own have it
LAYERS_SIDE = 1024
FOLDERS = ("input", "output", "temp")
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "AVIF")  # none that needs another program, as EPS does


def serve() -> None:
    """Adds the routes to ComfyUI's server, where one runs; ComfyUI answers each under /api, too."""
    server = getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
    if server is not None:
        server.routes.post("/driftfield/object")(_answer(object_under))
        server.routes.post("/driftfield/layers")(_answer(layers_of))


def object_under(asked: dict) -> dict:
    """{"size", "runs"} of the thing at asked["point"] of the picture; ValueError where `object_at` finds none."""
    point = _point(asked.get("point"), "point")
    pins = asked.get("pins", [])
    if not isinstance(pins, list) or len(pins) > MAX_ARROWS:
        raise ValueError(f"pins: got {short(pins)}, allowed a list of at most {MAX_ARROWS} points")
    pins = [_point(pin, f"pin {i + 1}") for i, pin in enumerate(pins)]
    still = _still(asked)
    scale = min(1.0, OBJECT_SIDE / max(still.size))
    width, height = (max(1, round(side * scale)) for side in still.size)
    return painted(object_at(_tensor(still, (width, height)), point, pins))


def layers_of(asked: dict) -> dict:
    """{"still", "plate", "objects"}: data URLs of PNGs of asked["size"]; the objects' colours are not times alpha.

    The plate is continued by asked["margin"] px at its top, bottom, left and right.
    """
    size = asked.get("size")
    if not (are_whole(size) and len(size) == 2 and all(1 <= side <= LAYERS_SIDE for side in size)):
        raise ValueError(f"size: got {short(size)}, allowed [width, height], each 1..{LAYERS_SIDE}")
    width, height = map(int, size)
    margin = asked.get("margin", [0] * 4)
    if not (are_whole(margin) and len(margin) == 4 and max(margin[:2]) <= height and max(margin[2:]) <= width):
        raise ValueError(f"margin: got {short(margin)}, allowed [top, bottom, left, right], each at most the side")
    top, bottom, left, right = map(int, margin)
    masks = objects_of(asked)
    still = _tensor(_still(asked), (width, height))
    layers = split(still, masks)
    plate = continued(layers.plate, (top, bottom, left, right), layers.hole)
    alphas = [cutout[:, 3:] for cutout in layers.cutouts]
    colours = [cutout[:, :3] / alpha.clamp(min=1e-6) for cutout, alpha in zip(layers.cutouts, alphas, strict=True)]
    straight = [torch.cat([colour, 2 * alpha - 1], 1) for colour, alpha in zip(colours, alphas, strict=True)]
    return {"still": _data_url(still), "plate": _data_url(plate), "objects": [_data_url(each) for each in straight]}


def _answer(work: Callable[[dict], dict]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler that works in a thread, one request after the other: 400 for ValueError, 404 for a lost file."""
    turn = asyncio.Lock()

    async def handler(request: web.Request) -> web.Response:
        try:
            asked = await _body(request)
            async with turn:
                return web.json_response(await asyncio.to_thread(work, asked))
        except FileNotFoundError as error:
            return web.json_response({"error": str(error)}, status=404)
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)

    return handler


async def _body(request: web.Request) -> dict:
    body = bytearray()
    async for part in request.content.iter_any():
        body += part
        if len(body) > MAX_BODY:
            raise ValueError(f"request: got more than {MAX_BODY:,} bytes, allowed at most that many")
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"request: not JSON: {error}") from None
    if not isinstance(asked, dict):
        raise ValueError(f"request: got {short(asked)}, allowed an object")
    return asked


def _still(asked: dict) -> Image.Image:
    """The picture that Load Image would load, cut about its middle to asked["aspect"] where there is one."""
    aspect = asked.get("aspect")
    if aspect is not None:
        aspect = number(aspect, "aspect")
        if not 1 / MAX_ASPECT <= aspect <= MAX_ASPECT:
            raise ValueError(f"aspect: got {aspect:g}, allowed 1/{MAX_ASPECT} to {MAX_ASPECT}")
    still = _opened(_file(asked.get("picture")))
    if aspect is None:
        return still
    width, height = min(still.width, still.height * aspect), min(still.height, still.width / aspect)
    left, top = (still.width - width) / 2, (still.height - height) / 2
    left, top, right, bottom = map(round, (left, top, left + width, top + height))
    return still.crop((left, top, max(right, left + 1), max(bottom, top + 1)))


def _file(picture: object) -> str:
    """The path of a file in ComfyUI's folders. ValueError for what names none; FileNotFoundError where it is not there.

    Neither "..", nor an absolute path, nor a link leads out of them.
    """
    if not isinstance(picture, dict):
        raise ValueError(f"picture: got {short(picture)}, allowed an object with 'filename', 'subfolder' and 'type'")
    places = [picture.get("subfolder", ""), picture.get("filename")]
    for key, place in zip(("subfolder", "filename"), places, strict=True):
        if not isinstance(place, str) or "\0" in place:
            raise ValueError(f"picture: {key} = {short(place)}, allowed text")
    kind = picture.get("type", "input")
    if kind not in FOLDERS:
        raise ValueError(f"picture: type = {short(kind)}, allowed {', '.join(FOLDERS)}")
    folder = os.path.realpath(folder_paths.get_directory_by_type(kind))
    path = os.path.realpath(os.path.join(folder, *places))
    if os.path.commonpath([folder, path]) != folder or not os.path.isfile(path):
        raise FileNotFoundError(f"picture: {short(places[-1])} is not in ComfyUI's folder {kind}")
    return path


def _opened(path: str) -> Image.Image:
    """RGB, turned upright. ValueError for what is no picture, or too large a one."""
    name = os.path.basename(path)
    try:
        Image.init()
        with Image.open(path, formats=[each for each in FORMATS if each in Image.OPEN]) as picture:
            if picture.width * picture.height <= MAX_PIXELS:
                upright = ImageOps.exif_transpose(picture)
                if upright.mode == "I":
                    upright = upright.point(lambda value: value * (1 / 255))  # as Load Image reads 16 bits
                return upright.convert("RGB")
            got = f"{picture.width} x {picture.height}"
    except Image.DecompressionBombError:
        got = "more"
    except (OSError, ValueError, SyntaxError) as error:  # SyntaxError is Pillow's for a broken PNG
        raise ValueError(f"picture: {short(name)} cannot be opened as a picture: {type(error).__name__}") from None
    raise ValueError(f"picture: {short(name)} has {got} px, allowed {MAX_PIXELS:,}")


def _tensor(picture: Image.Image, size: tuple[int, int]) -> Tensor:
    """[1, 3, H, W] −1..1 at (width, height)."""
    pixels = np.asarray(picture.resize(size, Image.Resampling.LANCZOS))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


def _data_url(picture: Tensor) -> str:
    """Of [1, 3 or 4, H, W] −1..1, as a PNG."""
    pixels = ((picture[0].permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).byte().numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _point(value: object, where: str) -> Point:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"{where}: got {short(value)}, allowed a pair [x, y]")
    x, y = number(value[0], f"{where}: x"), number(value[1], f"{where}: y")
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise ValueError(f"{where}: got ({x:g}, {y:g}), allowed 0..1")
    return x, y
