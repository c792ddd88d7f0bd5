"""The repository's pictures, from real runs in a real ComfyUI. `bash scripts/make_pictures.sh` runs it."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from api_form import to_api_form
from comfy_client import PACK_ROOT, ComfyClient, ComfyError, ComfyServer, make_base_directory, workflow_media
from editor_pictures import EXAMPLE, HELP, demonstration, editor_page, nodes, shot, views
from PIL import Image

WORKFLOWS = PACK_ROOT / "workflows"
DOCS = PACK_ROOT / "docs"
LONG = "arrows_to_long_animation"
FPS = 12  # the workflows' own

# A held-out still of the MIT-licensed template pictures that the built-in model is trained on; with this
# seed the camera moves in (0.5 % a frame) and to the right (0.8 px a frame at the centre).
DRIVING_STILL = "api_meta_muse_image_image_edit-2"
DRIVING_SEED = 622
DRIVING_FRAMES = 33

SETTINGS = {  # of the editor: no introduction, no map, no badges, and text at every zoom
    "Comfy.NodeBadge.NodeSourceBadgeMode": "None",
    "Comfy.TutorialCompleted": True,
    "Comfy.Minimap.Visible": False,
    "Comfy.Graph.CanvasInfo": False,
    "LiteGraph.Canvas.MinFontSizeForLOD": 0,
}
CELL = 256  # px of a picture in a composite

TRACKED = "[[[110, 112], [150, 72], [220, 50], [290, 62]], [[45, 335], [190, 315]], [[310, 230]]]"  # px of the example
TRACKED_FRAMES = 9
TRACKED_ROWS = 400  # of the picture, from the top


def driving_video(data: Path) -> None:
    """workflows/driving_video.mp4: a still set in motion by training/data/scenes.py."""
    import torch

    from driftfield.training.data.prepared_set import read_still, to_unit
    from driftfield.training.data.scenes import render_scenes

    still = to_unit(read_still(data / "stills" / f"{DRIVING_STILL}.webp"))[None]
    generator = torch.Generator().manual_seed(DRIVING_SEED)
    video, _ = render_scenes(still, frames=DRIVING_FRAMES, generator=generator, kind="camera")
    frames = ((video[0] + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    write_h264(WORKFLOWS / "driving_video.mp4", frames)


def write_h264(path: Path, frames: np.ndarray) -> None:
    """frames: uint8 [N, H, W, 3]."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS), options={"crf": "20", "preset": "slow"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    said(path)


def read_video(path: Path) -> list[Image.Image]:
    with av.open(str(path)) as container:
        return [frame.to_image() for frame in container.decode(video=0)]


def results(client: ComfyClient, server: ComfyServer) -> None:
    """Each workflow's picture: its inputs, above and beside frames of what it made; the long video as WebP.

    Of a workflow that needs files of others: frames of the moved image, which its model begins from.
    """
    object_info = client.object_info()
    for file in sorted(WORKFLOWS.glob("*.json")):
        workflow = json.loads(file.read_text(encoding="utf-8"))
        print(f"running {file.name}", file=sys.stderr)
        client.free()  # and the cache: nodes that another workflow has run show nothing again
        prompt = to_api_form(workflow, object_info)
        needs_files = any("Loader" in node["class_type"] for node in prompt.values())
        if needs_files:
            (preview,) = [key for key, node in prompt.items() if node["class_type"] == "DriftfieldPreviewFlow"]
            prompt = needed_for(preview, prompt)
        result = client.run(prompt, workflow=workflow)
        saved = {node: [server.file(entry) for entry in result.files(node)] for node in result.outputs}
        of_type = {node["type"]: saved.get(str(node["id"])) for node in reversed(workflow["nodes"])}
        if needs_files:
            frames = [Image.open(picture) for picture in of_type["DriftfieldPreviewFlow"]]
        else:
            frames = read_video((of_type.get("SaveVideo") or of_type["DriftfieldSaveAnimation"])[0])
        segment = frames if needs_files else frames[:25]
        if "DriftfieldDrawMotionArrows" in of_type:
            cells = [Image.open(of_type["DriftfieldDrawMotionArrows"][0]), segment[0], segment[len(segment) // 2]]
        else:
            flow = Image.open(of_type["DriftfieldPreviewFlow"][0])
            cells = [read_video(WORKFLOWS / "driving_video.mp4")[0], flow, segment[0]]
        save_jpeg(grid([*cells, segment[-1]], columns=2), file.with_suffix(".jpg"), most_kb=80)
        if file.stem == LONG:
            save_webp(frames, DOCS / "result.webp", most_kb=1500)


def needed_for(node: str, prompt: dict) -> dict:
    """The part of a prompt that a node runs on, with itself."""
    sources = [value[0] for value in prompt[node]["inputs"].values() if isinstance(value, list)]
    found = {node: prompt[node]}
    for source in sources:
        found |= needed_for(source, prompt)
    return found


def graph(client: ComfyClient, server: ComfyServer) -> None:
    """The long workflow in the editor, after a run."""
    workflow = json.loads((WORKFLOWS / f"{LONG}.json").read_text(encoding="utf-8"))
    client.free()  # and the cache: a node that does not run again has no preview of its steps
    with editor_page(server, 2000, 1250) as page:
        page.load(workflow)
        page.evaluate("window.app.queuePrompt(0)")
        page.wait_for("document.querySelector('video')?.readyState >= 2", timeout_s=1200)
        page.wait_for("window.app.graph.nodes.filter(n => n.type.includes('Preview')).every(n => n.imgs?.length)")
        page.evaluate("window.app.extensionManager.command.execute('Comfy.Canvas.FitView')")
        page.evaluate("new Promise(done => setTimeout(done, 2000))")  # the view glides there
        picture = shot(page)
    save_jpeg(picture, DOCS / "graph.jpg", most_kb=250)


def help_pages(client: ComfyClient, server: ComfyServer) -> None:
    """web/docs/pictures: the nodes, and the editor's views."""

    def save(picture: Image.Image, path: Path) -> None:
        save_within(60, path, lambda quality: picture.save(path, quality=quality, method=6))

    save(tracks(), HELP / "ArrowsToTracks.webp")
    views(server, save)
    nodes(client, server, save)


def tracks() -> Image.Image:
    """Arrows on the example picture, and on them the points of their tracks, one a frame."""
    import torch

    from driftfield.flow_tools.arrows import parse_arrows
    from driftfield.flow_tools.color import draw_arrows
    from driftfield.flow_tools.interop import arrows_to_tracks

    still = torch.from_numpy(np.array(Image.open(WORKFLOWS / EXAMPLE).convert("RGB"))).permute(2, 0, 1) / 255
    arrows = parse_arrows(TRACKED, width=still.shape[2], height=still.shape[1])
    found, _ = arrows_to_tracks(arrows, frames=TRACKED_FRAMES)
    drawn = (draw_arrows(still, arrows) * 255).round().byte().permute(1, 2, 0).numpy().copy()
    for x, y in found["track_path"].flatten(0, 1).round().int().tolist():
        cv2.circle(drawn, (x, y), 6, (20, 20, 20), -1, cv2.LINE_AA)
        cv2.circle(drawn, (x, y), 5, (255, 255, 255), -1, cv2.LINE_AA)
    return Image.fromarray(drawn[:TRACKED_ROWS])


def editor(_client: ComfyClient, server: ComfyServer) -> None:
    """docs/editor.webp: arrows, flow, region and motion, drawn in the editor."""
    frames, times = demonstration(server)
    save_webp(frames, DOCS / "editor.webp", most_kb=1500, times=times)


def grid(pictures: list[Image.Image], *, columns: int) -> Image.Image:
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * CELL, rows * CELL))
    for i, picture in enumerate(pictures):
        cell = picture.convert("RGB").resize((CELL, CELL), Image.Resampling.LANCZOS)
        sheet.paste(cell, (i % columns * CELL, i // columns * CELL))
    return sheet


def save_jpeg(picture: Image.Image, path: Path, *, most_kb: int) -> None:
    save_within(most_kb, path, lambda quality: picture.save(path, quality=quality, optimize=True))


def save_webp(frames: list[Image.Image], path: Path, *, most_kb: int, times: list[int] | None = None) -> None:
    """`times` of the frames in ms, or FPS."""
    duration = times or round(1000 / FPS)
    options = {"save_all": True, "append_images": frames[1:], "duration": duration, "loop": 0, "method": 4}
    save_within(most_kb, path, lambda quality: frames[0].save(path, quality=quality, **options))


def save_within(most_kb: int, path: Path, save) -> None:
    """save(quality) with the best quality of a few that keeps the file below most_kb."""
    path.parent.mkdir(exist_ok=True)
    for quality in (85, 75, 60, 45, 30):
        save(quality)
        if path.stat().st_size < most_kb * 1000:
            return said(path)
    raise ComfyError(f"{path}: {path.stat().st_size / 1000:.0f} kB, allowed {most_kb}")


def said(path: Path) -> None:
    print(f"{path.relative_to(PACK_ROOT)}: {path.stat().st_size / 1000:.0f} kB")


SERVED = {"results": results, "graph": graph, "help": help_pages, "editor": editor}  # made with a running ComfyUI


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/make_pictures.sh", description=__doc__)
    parser.add_argument("what", nargs="*", choices=["driving_video", *SERVED, []])
    parser.add_argument("--data", type=Path, help="prepared training data, for driving_video")
    arguments = parser.parse_args()
    what = arguments.what or [*SERVED, *(["driving_video"] if arguments.data else [])]
    sys.path.insert(0, str(make_base_directory(Path(os.environ["DRIFTFIELD_BASE"])) / "custom_nodes"))  # driftfield
    if "driving_video" in what:
        if arguments.data is None:
            parser.error("driving_video: needs --data")
        driving_video(arguments.data)
    if not set(SERVED) & set(what):
        return 0
    with tempfile.TemporaryDirectory() as folder:
        base = make_base_directory(Path(folder))
        (base / "user" / "default" / "comfy.settings.json").write_text(json.dumps(SETTINGS), encoding="utf-8")
        with ComfyServer(base, log=base / "server.log") as server, ComfyClient(server.url) as client:
            for file in workflow_media():
                client.upload(file)
            for name, make in SERVED.items():
                if name in what:
                    make(client, server)
    return 0


if __name__ == "__main__":
    sys.exit(main())
