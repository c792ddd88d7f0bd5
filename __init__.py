"""Driftfield: draw arrows on a still picture, get a long animation. Mounted by ComfyUI through `comfy_entrypoint`."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint() -> object:
    from .nodes import DriftfieldExtension, routes  # here, so that importing the package never needs ComfyUI

    routes.serve()
    return DriftfieldExtension()
