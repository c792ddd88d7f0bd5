"""ComfyUI's face of the pack: one V3 node = schema + unpack, one call, wrap."""

from comfy_api.latest import ComfyExtension, io

from .animate import AnimateImage, EncodeMotion
from .any_model import FollowFlow, JoinSegments, PhasedSharedNoiseSampler, WarpImageAlongFlow
from .arrows import ArrowsToSparseFlow, ArrowsToTracks, DrawMotionArrows
from .enliven import Enliven
from .extend import DecodeAnimation, ExtendAnimation
from .flow import DensifyFlow, EstimateFlow, MotionStrength, PreviewFlow, RefineFlow
from .loaders import ApplyCameraLoRA, LoadAnimationModel, LoadFlowRefiner
from .objects import GatherObjects
from .other_methods import ExtendAnimationOtherMethods
from .save import SaveAnimation


class DriftfieldExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            DrawMotionArrows,
            GatherObjects,
            ArrowsToSparseFlow,
            ArrowsToTracks,
            DensifyFlow,
            LoadFlowRefiner,
            RefineFlow,
            Enliven,
            EstimateFlow,
            MotionStrength,
            PreviewFlow,
            LoadAnimationModel,
            ApplyCameraLoRA,
            EncodeMotion,
            AnimateImage,
            ExtendAnimation,
            ExtendAnimationOtherMethods,
            DecodeAnimation,
            SaveAnimation,
            WarpImageAlongFlow,
            FollowFlow,
            PhasedSharedNoiseSampler,
            JoinSegments,
        ]
