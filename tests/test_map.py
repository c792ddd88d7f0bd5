"""docs/architecture.md says what is: the tree, the import law, where each equation is, and files that are there."""

import ast
import re
from pathlib import Path

import pytest
from test_architecture import OFFLINE, RUN_TIME

ROOT = Path(__file__).absolute().parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.+?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
EVERY_FILE = ("nodes", "pipeline", "model_loaders", "flow_tools", "sampling", "networks")  # rooms listed by file
EQUATION = re.compile(r"\beq\. (\d+(?:(?:, |–|-)\d+)*)")
EQUATIONS = range(1, 13)


def rows(section: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def tree() -> dict[str, str]:
    """path -> what the tree says of it."""
    found, folder = {}, ""
    for line in SECTIONS["The tree"].split("```")[1].strip().splitlines():
        name, text = line.strip().split(maxsplit=1)
        if not line.startswith(" "):
            folder = name if name.endswith("/") else ""
        found[name if name == folder or not folder else folder + name] = text
    return found


def equations(text: str) -> set[int]:
    """The numbers in "eq. 5", "eq. 5, 6", "eq. 9-12"; other papers' stand behind a year and do not count."""
    found = set()
    for match in EQUATION.finditer(text):
        if re.search(r"\d{4}, $", text[: match.start()]):
            continue
        for part in match[1].split(", "):
            first, *last = re.split("[–-]", part)
            found |= set(range(int(first), int((last or [first])[0]) + 1))
    return found


def source_of(name: str, source: str) -> str:
    """Of the function, class or constant `name` of a Python file; empty where there is none."""
    for node in ast.parse(source).body:
        names = [getattr(node, "name", None), *(ast.unparse(target) for target in getattr(node, "targets", []))]
        if name in names:
            return "\n".join(source.splitlines()[node.lineno - 1 : node.end_lineno])
    return ""


def folder_of(path: Path) -> str:
    return path.parent.relative_to(ROOT).as_posix()


def test_the_tree_has_every_folder_and_every_file_of_the_rooms_that_run():
    there = {f"{folder_of(path)}/" for room in (*RUN_TIME, *OFFLINE) for path in ROOT.glob(f"{room}/**/*.py")}
    there |= {f"{folder_of(path)}/" for path in ROOT.glob("web/js/**/*.js")}
    for path in [path for room in EVERY_FILE for path in ROOT.glob(f"{room}/*.py") if path.name != "__init__.py"]:
        there.add(f"{folder_of(path)}/{path.name}")
    assert there - tree().keys() == set(), "not in docs/architecture.md"
    gone = [name for name in tree() if not (ROOT / name).exists()]
    assert gone == [], "in docs/architecture.md, but gone"


def test_the_import_law_is_the_tested_one():
    law = {}
    for rooms, allowed in rows("Who may import whom")[:-1]:
        law |= {room: set(re.findall(r"`(\w+)`", allowed)) for room in re.findall(r"`(\w+)`", rooms)}
    assert law == RUN_TIME
    offline, allowed = rows("Who may import whom")[-1]
    assert set(re.findall(r"`(\w+)`", offline)) == set(OFFLINE) and allowed == "anything but `nodes`"


@pytest.mark.parametrize("number", EQUATIONS)
def test_an_equation_is_where_the_page_says(number):
    (where,) = [where for row, _, where in rows("Equations of the paper") if row == str(number)]
    named = re.findall(r"`([\w/]+\.(?:py|js))`(?: `(\w+)`)?", where)
    assert named
    for file, name in named:
        source = (ROOT / file).read_text(encoding="utf-8")
        if name:
            source = source_of(name, source)
        assert number in equations(source), f"{file} {name} does not name eq. {number}"
    for file in [path for room in (*RUN_TIME, "training", "web/js") for path in ROOT.glob(f"{room}/**/*.*")]:
        if file.suffix in (".py", ".js"):
            marks = re.findall(r"(?:#|//) (eq\. .+)", file.read_text(encoding="utf-8"))
            marked = number in set().union(*map(equations, marks))
            listed = file.relative_to(ROOT).as_posix() in [name for name, _ in named]
            assert listed or not marked, f"eq. {number} is in {file.relative_to(ROOT)}, too"


def test_every_path_and_function_that_the_page_names_is_there():
    for path, name in re.findall(r"`([\w./]+/[\w.-]*|[\w/]+\.\w+)`(?: `(\w+)`)?", PAGE):
        file = ROOT / path
        assert file.exists(), path
        if name and file.suffix == ".py":
            assert source_of(name, file.read_text(encoding="utf-8")), f"{path} has no {name}"
