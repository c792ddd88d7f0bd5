"""What is added in one place is in the others, too: docs/architecture.md, "Where to add something"."""

import ast
import asyncio
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).absolute().parents[2]
NODES = ROOT / "nodes"
EXTEND, OTHERS = "DriftfieldExtendAnimation", "DriftfieldExtendAnimationOtherMethods"


def text(*path: str) -> str:
    return ROOT.joinpath(*path).read_text(encoding="utf-8")


def node_definitions(language: str) -> dict:
    return json.loads(text("locales", language, "nodeDefs.json"))


def missing(places: dict[str, bool]) -> list[str]:
    return [place for place, is_there in places.items() if not is_there]


@pytest.fixture(scope="module")
def nodes(comfy_base):
    """node id -> class, of the nodes that ComfyUI gets."""
    import driftfield

    async def load():
        return await (await driftfield.comfy_entrypoint()).get_node_list()

    return {node.GET_SCHEMA().node_id: node for node in asyncio.run(load())}


def test_every_node_that_is_written_is_listed(nodes):
    written = {
        node.name
        for path in NODES.glob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "io.ComfyNode" for base in node.bases)
    }
    assert written == {node.__name__ for node in nodes.values()}, "nodes/__init__.py lists them"


def test_every_node_has_its_page_its_row_its_texts_and_its_report(nodes):
    english, chinese = node_definitions("en"), node_definitions("zh")
    readme, reports = text("README.md"), text("web", "js", "reports.js")
    for node_id, node in nodes.items():
        source = ast.unparse(class_of(node.__name__))
        assert (
            missing(
                {
                    "web/docs: a help page": (ROOT / "web" / "docs" / f"{node_id}.md").is_file(),
                    "README.md: a row of the table": f"(web/docs/{node_id}.md)" in readme,
                    "locales/en: python scripts/make_locales.py": node_id in english,
                    "locales/zh/nodeDefs.json: its texts": node_id in chinese,
                    "web/js/reports.js: its id": ("ui.PreviewText" in source) == (f'"{node_id}"' in reports),
                }
            )
            == []
        ), node_id
        inputs = {given.id for given in node.GET_SCHEMA().inputs}
        assert inputs == english[node_id]["inputs"].keys() == chinese[node_id]["inputs"].keys(), f"{node_id}: locales"


def class_of(name: str) -> ast.ClassDef:
    (found,) = [
        node
        for path in NODES.glob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name == name
    ]
    return found


def tooltips(nodes, node_id: str, name: str) -> dict[str, str]:
    (given,) = [given for given in nodes[node_id].GET_SCHEMA().inputs if given.id == name]
    return {
        f"nodes/: the tooltip of {name}": given.tooltip,
        f"locales/en: the tooltip of {name}": node_definitions("en")[node_id]["inputs"][name]["tooltip"],
        f"locales/zh: the tooltip of {name}": node_definitions("zh")[node_id]["inputs"][name]["tooltip"],
    }


def test_every_join_is_explained(nodes):
    from driftfield.sampling.joins import JOINS
    from driftfield.sampling.joins import __doc__ as module

    places = tooltips(nodes, EXTEND, "joins") | {
        "sampling/joins.py: its docstring": module,
        "web/docs: a row of the table": "\n".join(rows_of("web", "docs", f"{EXTEND}.md")),
        "docs/long-animations.md: a row of the table": "\n".join(rows_of("docs", "long-animations.md")),
    }
    for joins in JOINS:
        assert missing({place: joins in said for place, said in places.items()}) == [], joins


def test_every_method_of_long_videos_is_explained(nodes):
    from driftfield.pipeline.baselines import METHODS

    places = tooltips(nodes, OTHERS, "method") | {
        "web/docs: a row of the table": "\n".join(rows_of("web", "docs", f"{OTHERS}.md")),
        "README.md: the node's row": "\n".join(row for row in rows_of("README.md") if OTHERS in row),
        "docs/long-animations.md": text("docs", "long-animations.md"),
    }
    for method in METHODS:
        assert missing({place: method in said for place, said in places.items()}) == [], method


def rows_of(*path: str) -> list[str]:
    return [line for line in text(*path).splitlines() if line.startswith("|")]


def test_every_evaluation_command_stands_in_a_guide(comfy_base):
    from driftfield.evaluation.commands import COMMANDS

    guides = "\n".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")])
    named = set(re.findall(r"python -m driftfield\.evaluation ([a-z]\w*)", guides))
    assert {command.name for command in COMMANDS} == named
