"""A custom node file for the test server alone: `/driftfield_probe` says which models ComfyUI holds, and what lives."""

import gc
from collections import Counter

import comfy.model_management
from aiohttp import web
from comfy_api.latest import ComfyExtension
from server import PromptServer

WATCHED = {"MotionUNet", "AutoencoderKLTemporalDecoder", "CLIPVisionModelWithProjection", "FlowRefiner"}
WATCHED |= {"ModelPatcher", "Animator", "Animation", "Trajectory"}


@PromptServer.instance.routes.get("/driftfield_probe")
async def probe(request):
    gc.collect()
    loaded = [type(loaded.model.model.module).__name__ for loaded in comfy.model_management.current_loaded_models]
    alive = Counter(type(thing).__name__ for thing in gc.get_objects() if type(thing).__name__ in WATCHED)
    return web.json_response({"loaded": loaded, "alive": dict(alive)})


class NoNodes(ComfyExtension):
    async def get_node_list(self):
        return []


def comfy_entrypoint():
    return NoNodes()
