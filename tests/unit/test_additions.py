"""What is added in one place is in the others, too: docs/architecture.md, "Where to add something"."""

import ast
import inspect
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).absolute().parents[2]
EXTEND, OTHERS = "DriftfieldExtendAnimation", "DriftfieldExtendAnimationOtherMethods"


def text(*path: str) -> str:
    return ROOT.joinpath(*path).read_text(encoding="utf-8")


def table(*path: str) -> str:
    """The rows of a page's tables."""
    return "\n".join(line for line in text(*path).splitlines() if line.startswith("|"))


def node_texts(language: str) -> dict:
    return json.loads(text("locales", language, "nodeDefs.json"))


def check(name: str, places: dict[str, bool]) -> None:
    missing = "".join(f"\n  {place}" for place, is_there in places.items() if not is_there)
    assert not missing, f"{name} is missing in{missing}"


@pytest.fixture(scope="module")
def nodes(node_classes):
    """node id -> class, of the nodes that ComfyUI gets."""
    return {node.GET_SCHEMA().node_id: node for node in node_classes}


def test_every_node_that_is_written_is_listed(nodes):
    listed = {node.__name__ for node in nodes.values()}
    for path in (ROOT / "nodes").glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and "io.ComfyNode" in map(ast.unparse, node.bases):
                check(node.name, {"nodes/__init__.py: the list": node.name in listed})


def test_every_node_is_in_all_its_places(nodes):
    english, chinese = node_texts("en"), node_texts("zh")
    readme, reports = text("README.md"), text("web", "js", "reports.js")
    for node_id, node in nodes.items():
        inputs = {given.id for given in node.GET_SCHEMA().inputs}
        reported = "ui.PreviewText" in inspect.getsource(node)
        places = {
            f"web/docs/{node_id}.md: its help": (ROOT / "web" / "docs" / f"{node_id}.md").is_file(),
            f"web/docs/{node_id}/zh.md: its help in Chinese": (ROOT / "web" / "docs" / node_id / "zh.md").is_file(),
            "README.md: a row of the table": f"(web/docs/{node_id}.md)" in readme,
            "locales/en: python scripts/make_locales.py": inputs == english.get(node_id, {}).get("inputs", {}).keys(),
            "locales/zh/nodeDefs.json: its inputs": inputs == chinese.get(node_id, {}).get("inputs", {}).keys(),
            "web/js/reports.js: its id, where it reports": reported == (f'"{node_id}"' in reports),
        }
        check(node_id, places)


def tooltips(nodes, node_id: str, name: str) -> dict[str, str]:
    (given,) = [given for given in nodes[node_id].GET_SCHEMA().inputs if given.id == name]
    return {
        f"nodes/: the tooltip of {name}": given.tooltip,
        f"locales/zh/nodeDefs.json: the tooltip of {name}": node_texts("zh")[node_id]["inputs"][name]["tooltip"],
    }


def test_every_join_is_explained(nodes):
    from driftfield.sampling import joins

    places = tooltips(nodes, EXTEND, "joins") | {
        "sampling/joins.py: its docstring": joins.__doc__,
        f"web/docs/{EXTEND}.md: a row of the table": table("web", "docs", f"{EXTEND}.md"),
        "docs/long-animations.md: a row of the table": table("docs", "long-animations.md"),
    }
    for name in joins.JOINS:
        check(name, {place: name in said for place, said in places.items()})


def test_every_method_of_long_videos_is_explained(nodes):
    from driftfield.pipeline.baselines import METHODS

    places = tooltips(nodes, OTHERS, "method") | {
        f"web/docs/{OTHERS}.md: a row of the table": table("web", "docs", f"{OTHERS}.md"),
        "README.md: the node's row": "\n".join(row for row in table("README.md").splitlines() if OTHERS in row),
        "docs/long-animations.md": text("docs", "long-animations.md"),
    }
    for name in METHODS:
        check(name, {place: name in said for place, said in places.items()})


def test_every_evaluation_command_stands_in_a_guide(comfy_base):
    from driftfield.evaluation.commands import COMMANDS

    guides = "\n".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")])
    named = set(re.findall(r"python -m driftfield\.evaluation ([a-z]\w*)", guides))
    for command in COMMANDS:
        check(command.name, {"README.md or docs/*.md: its command line": command.name in named})
    assert named == {command.name for command in COMMANDS}, "the guides name what is gone"
