"""A custom node file for the test server alone: `/driftfield_probe` says which models ComfyUI holds, and what lives.

And a node that gives a text's conditioning without a text encoder.
"""

import gc
from collections import Counter

import comfy.model_management
import torch
from aiohttp import web
from comfy_api.latest import ComfyExtension, io
from server import PromptServer

WATCHED = {"MotionUNet", "AutoencoderKLTemporalDecoder", "CLIPVisionModelWithProjection", "FlowRefiner"}
WATCHED |= {"ModelPatcher", "Animator", "Animation", "Trajectory"}
WATCHED |= {"WAN21", "DualClock", "Held", "PhasedSharedNoise"}


@PromptServer.instance.routes.get("/driftfield_probe")
async def probe(request):
    gc.collect()
    models = [loaded.model.model for loaded in comfy.model_management.current_loaded_models]
    loaded = [type(getattr(model, "module", model)).__name__ for model in models]
    alive = Counter(type(thing).__name__ for thing in gc.get_objects() if type(thing).__name__ in WATCHED)
    return web.json_response({"loaded": loaded, "alive": dict(alive)})


class ProbeConditioning(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ProbeConditioning",
            category="probe",
            inputs=[io.Int.Input("numbers", default=4096), io.Int.Input("seed", default=0)],
            outputs=[io.Conditioning.Output()],
        )

    @classmethod
    def execute(cls, numbers, seed):
        return io.NodeOutput([[torch.randn(1, 1, numbers, generator=torch.Generator().manual_seed(seed)), {}]])


class Nodes(ComfyExtension):
    async def get_node_list(self):
        return [ProbeConditioning]


def comfy_entrypoint():
    return Nodes()
