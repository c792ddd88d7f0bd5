"""The page of `network`."""

from argparse import Namespace
from collections.abc import Sequence

from ..metrics.change_power import SPEEDS
from ..output import markdown
from ..output.publish import command_of, device_name, write_page
from .figures import (
    CLIP,
    COPIED,
    FINAL,
    NETWORK,
    UNEXPLAINED,
    WARP,
    change_line,
    likeness_line,
    region_line,
)
from .made import BEYOND, MOVES, OBJECT, RESTS, UNCOVERED

FILE = "network"
METHODS = (FINAL, NETWORK, WARP, COPIED)
SEEN = (MOVES, RESTS, UNCOVERED, BEYOND)  # regions of a clip


def write(arguments: Namespace, stills: dict[str, dict], clips: dict[str, dict], living: Sequence[str]) -> None:
    """network.md, of the figures of animations by region and of clips by method."""
    all_pixels = sum(row["pixels"] for regions in stills.values() for row in regions.values())
    by_region = [
        (name, *region_line([regions[name] for regions in stills.values()], all_pixels))
        for name in (MOVES, RESTS, OBJECT, UNCOVERED, BEYOND)
    ]
    text = ["# Does the network add anything?", "", "```", command_of(arguments), "```", ""]
    text += ["Arrows on held-out stills, against the still that is merely moved along (*plain warp*):", ""]
    header = ("", "share", *(f"{x}, dB" for x in METHODS[:2]), *(f"sharpness of {x}" for x in METHODS[:2]))
    text += [markdown.table(header, by_region), ""]
    for title, rows in groups(clips, living):
        lines = [(name, *likeness_line(rows, name, SEEN)) for name in METHODS]
        text += [f"{title}, from frame 0 and their own flow, against the clip:", ""]
        text += [markdown.table(("", "PSNR", "SSIM", *(f"PSNR, {region}" for region in SEEN)), lines), ""]
        lines = [(name, *change_line(rows, name)) for name in METHODS[:3]]
        text += ["Power of their change, of the clip's own:", ""]
        text += [markdown.table(("", *(f"{speed}" for speed in SPEEDS), UNEXPLAINED), lines), ""]
    text += [*(f"- {note}" for note in notes(len(stills), living)), "", f"![frames]({FILE}.jpg)"]
    write_page(arguments, FILE, "\n".join(text))


def groups(clips: dict[str, dict], living: Sequence[str]) -> list[tuple[str, list[dict]]]:
    found = [(f"All {len(clips)} held-out clips", list(clips.values()))]
    if living:
        found.append(
            (f"{len(living)} of them with water, fog, smoke, dust or plants", [clips[name] for name in living])
        )
    return found


def notes(animations: int, living: Sequence[str]) -> list[str]:
    slow, middling, fast = (f"{low} to {high}" if high else f"{low} and more" for low, high in SPEEDS.values())
    return [
        f"{animations} animations: on each still one arrow with a painted region, two arrows, an arrow with a pin; and "
        f"made scenes whose things move as objects. Measured on {device_name()}.",
        "dB: of the mean squared difference from the plain warp, over all pixels of the region, frame 0 left out. The "
        "larger, the *less* is added. Sharpness: root mean square of the gradient, over that of the plain warp.",
        f"{NETWORK}: decoded frames before the still's detail is put back.",
        f"Change: power of what changes at a pixel, {slow} (slow), {middling} (middling), {fast} (fast) cycles in the "
        f"frames; {UNEXPLAINED}: of a frame less the one before moved along the clip's flow.",
        f"Chosen by eye: {', '.join(living) or 'none of these clips'}.",
        "On the sheet: still with arrows or clip, plain warp, network alone, finished frame, and four times what the "
        "finished frame differs from the plain warp; the last frame of stills, the middle one of clips.",
    ]


def in_words(row: dict) -> str:
    if CLIP in row:
        return ", ".join(f"{name} {row[name]['likeness']['psnr']:.1f} dB" for name in METHODS)
    line = region_line([row[MOVES]], row[MOVES]["pixels"] or 1)
    return "nothing moves" if line[1] is None else f"{MOVES}: {FINAL} {line[1]:.1f} dB, {NETWORK} {line[2]:.1f} dB"
