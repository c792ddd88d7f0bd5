"""An animation on its way to a file."""

from datetime import datetime
from pathlib import Path
from typing import Any

import folder_paths
from comfy.cli_args import args
from comfy_api.latest import io, ui

from ..pipeline.animate import Animation
from ..pipeline.file_names import check_prefix, fill_in
from ..pipeline.video_file import COMPATIBLE, CRF, ENCODINGS, video_file
from .extend import ANIMATION, CHUNK, DETAIL, pictures
from .progress import progress
from .types import (
    ADVANCED,
    ANIMATION_CATEGORY,
    AnimationSocket,
    aliases,
    choice,
)


class SaveAnimation(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldSaveAnimation",
            display_name="Save Animation",
            category=ANIMATION_CATEGORY,
            **aliases("save video", "mp4", "video combine"),
            description="Decodes an animation and writes it to a video file as it goes. A long video takes no more "
            "memory than a short one.",
            inputs=[
                AnimationSocket.Input("animation", tooltip=ANIMATION),
                io.String.Input(
                    "filename_prefix",
                    default="video/driftfield",
                    tooltip="File name in ComfyUI's output folder. Subfolders work, and so do Save Image's "
                    "placeholders: %date:yyyy-MM-dd%, %year%, %month%, %day%, and %Node.widget% for another node's "
                    "value.",
                ),
                io.Float.Input(
                    "fps",
                    default=0.0,
                    min=0.0,
                    max=120.0,
                    step=0.5,
                    tooltip="Frame rate of the file. 0: that of Animate Image.",
                ),
                io.Int.Input(
                    "crf",
                    default=CRF,
                    min=0,
                    max=51,
                    tooltip="Quality of the H.264 file. 0: best. 18: looks the same. 23 and more: smaller file. Not "
                    "used by encoding lossless.",
                    **ADVANCED,
                ),
                CHUNK,
                DETAIL,
                io.Combo.Input(
                    "encoding",
                    options=ENCODINGS,
                    default=COMPATIBLE,
                    optional=True,
                    tooltip="plays everywhere: H.264 for phones, browsers and video editors. lossless: every pixel is "
                    "kept; the file is large, and many players cannot show it.",
                    **ADVANCED,
                ),
            ],
            outputs=[],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, filename_prefix: str | None = None) -> bool | str:
        try:
            check_prefix(filename_prefix or "linked")
        except ValueError as error:
            return str(error)
        return True

    @classmethod
    def execute(
        cls,
        animation: Animation,
        filename_prefix: str,
        fps: float,
        crf: int,
        chunk_frames: int,
        detail: float = 1.0,
        encoding: str = COMPATIBLE,
    ) -> io.NodeOutput:
        choice(encoding, ENCODINGS, "encoding")
        check_prefix(filename_prefix)
        filled = fill_in(filename_prefix, cls.hidden and cls.hidden.prompt, datetime.now())
        check_prefix(filled)
        height, width = animation.size
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            filled, folder_paths.get_output_directory(), width, height
        )
        file = Path(folder) / f"{name}_{counter:05}_.mp4"
        with video_file(
            file,
            fps=fps or animation.fps,
            width=width,
            height=height,
            crf=crf,
            encoding=encoding,
            metadata=workflow_of(cls.hidden),
        ) as write:
            for part in pictures(animation, chunk_frames, detail, progress()):
                write(part)
        return io.NodeOutput(ui=ui.PreviewVideo([ui.SavedResult(file.name, subfolder, io.FolderType.output)]))


def workflow_of(hidden: Any) -> dict[str, Any]:
    """What ComfyUI's own Save Video writes into a file, so that it can be dropped into the editor."""
    if args.disable_metadata or hidden is None:
        return {}
    prompt = {} if hidden.prompt is None else {"prompt": hidden.prompt}
    return {**(hidden.extra_pnginfo or {}), **prompt}
