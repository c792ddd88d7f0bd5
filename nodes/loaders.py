"""Models: choosing and loading them."""

from comfy_api.latest import io

from ..model_loaders import locations
from ..model_loaders.animator import Animator, load_animator
from ..model_loaders.lora import apply_lora
from ..model_loaders.memory import DTYPES
from ..model_loaders.refiner import manage_refiner
from .types import (
    ADVANCED,
    AnimatorSocket,
    RefinerSocket,
    aliases,
)

CATEGORY = "Driftfield/models"


class LoadAnimationModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldLoadAnimationModel",
            display_name="Load Animation Model",
            category=CATEGORY,
            **aliases("stable video diffusion", "svd", "load svd"),
            description="Loads Stable Video Diffusion (SVD), or the small model that comes with this pack.",
            inputs=[
                io.Combo.Input(
                    "model",
                    options=locations.animation_models(),
                    default=locations.BUILTIN,
                    tooltip="built-in: small, 256×256, made for a CPU. Or Stable Video Diffusion: svd.safetensors or "
                    "svd_xt.safetensors in models/checkpoints, or a diffusers folder in models/diffusers.",
                ),
                io.Combo.Input(
                    "adapter",
                    options=locations.adapters(),
                    default=locations.AUTO,
                    tooltip="The motion adapter: it makes the model follow the flow. auto: the built-in one for the "
                    "built-in model, none for others. Your own go into models/driftfield/adapters; each fits only the "
                    "model it was trained on.",
                ),
                io.Combo.Input(
                    "dtype",
                    options=list(DTYPES),
                    default="auto",
                    tooltip="Precision of UNet and decoder. auto: fp16 if the GPU is good at it, bf16 on a CPU that "
                    "has it. fp8: the UNet's weights take half the memory of fp16, a little less exact; computed in "
                    "bf16. On other CPUs always fp32.",
                    **ADVANCED,
                ),
            ],
            outputs=[AnimatorSocket.Output("animator", display_name="animator")],
        )

    @classmethod
    def fingerprint_inputs(cls, model: str | None, adapter: str | None, dtype: str | None) -> tuple[str, str]:
        adapter = locations.BUILTIN if adapter == locations.AUTO else adapter
        return locations.fingerprint("animator", model), locations.fingerprint("adapter", adapter)

    @classmethod
    def execute(cls, model: str, adapter: str, dtype: str) -> io.NodeOutput:
        return io.NodeOutput(load_animator(model, adapter, dtype))


class ApplyCameraLoRA(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldApplyCameraLoRA",
            display_name="Apply Camera LoRA",
            category=CATEGORY,
            **aliases("static camera", "lora"),
            description="Applies a LoRA to the animation model, for example one that keeps the camera still.",
            inputs=[
                AnimatorSocket.Input("animator", tooltip="From Load Animation Model."),
                io.Combo.Input(
                    "lora",
                    options=locations.loras(),
                    default=locations.BUILTIN,
                    tooltip="built-in: keeps the camera still, for the built-in model only. Your own go into "
                    "models/loras or models/driftfield/loras: in peft, diffusers or kohya format, trained on this "
                    "model.",
                ),
                io.Float.Input(
                    "weight",
                    default=1.0,
                    min=-4.0,
                    max=4.0,
                    step=0.05,
                    tooltip="Strength of the LoRA. 1: as trained, 0: off, below 0: the opposite.",
                ),
            ],
            outputs=[AnimatorSocket.Output("patched_animator", display_name="animator")],
        )

    @classmethod
    def fingerprint_inputs(cls, lora: str | None, weight: float | None, animator: Animator | None = None) -> str:
        return locations.fingerprint("lora", lora)

    @classmethod
    def execute(cls, animator: Animator, lora: str, weight: float) -> io.NodeOutput:
        return io.NodeOutput(apply_lora(animator, locations.resolve("lora", lora), weight))


class LoadFlowRefiner(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldLoadFlowRefiner",
            display_name="Load Flow Refiner",
            category=CATEGORY,
            **aliases("pix2pix", "load refiner"),
            description="Loads the network that fits a flow to the objects in the image, for Refine Flow.",
            inputs=[
                io.Combo.Input(
                    "refiner_name",
                    display_name="refiner",
                    options=locations.refiners(),
                    default=locations.BUILTIN,
                    tooltip="built-in: comes with this pack. Your own files go into models/driftfield/refiners.",
                ),
            ],
            outputs=[RefinerSocket.Output("refiner", display_name="refiner")],
        )

    @classmethod
    def fingerprint_inputs(cls, refiner_name: str | None) -> str:
        return locations.fingerprint("refiner", refiner_name)

    @classmethod
    def execute(cls, refiner_name: str) -> io.NodeOutput:
        return io.NodeOutput(manage_refiner(locations.resolve("refiner", refiner_name)))
