"""What an install from ComfyUI's registry holds, that links in the documents lead somewhere, and how text is read."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).absolute().parents[2]
DOCUMENTS = [
    path for pattern in ("*.md", "docs/**/*.md", "weights/*.md", "web/docs/*.md") for path in ROOT.glob(pattern)
]
NOT_INSTALLED = {".ci", ".github", "evaluation", "scripts", "tests", "training"}
NOT_INSTALLED |= {".pre-commit-config.yaml", "CONTRIBUTING.md", "RELEASE.md"}


def listed(*options: str) -> set[str]:
    """The files that git tracks, with options of ls-files."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no git, or not a checkout")
    command = ["git", "-c", "safe.directory=*", "ls-files", *options]
    return set(subprocess.check_output(command, cwd=ROOT, text=True).splitlines())


def test_the_registry_gets_all_that_runs_and_no_more():
    """The registry's client leaves out what .comfyignore names in the way of .gitignore, at any depth."""
    left_out = listed("-c", "-i", "-X", ".comfyignore")
    assert left_out == {name for name in listed() if name.split("/")[0] in NOT_INSTALLED}


def test_every_guide_and_page_of_results_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")} - {"README.md"}
    assert {page for page in pages if f"({page})" not in index} == set()


def test_the_version_has_one_place_and_the_changelog_speaks_of_it():
    (version,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert version == next(heading for heading in headings if heading != "Unreleased")
    sources = [ROOT / name for name in listed() if Path(name).suffix in (".py", ".js", ".mjs", ".sh", ".yml")]
    assert [path for path in sources if version in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    targets = re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8"))
    local = [target.split("#")[0] for target in targets if not re.match(r"[a-z]+:", target)]
    missing = [target for target in local if target and not (document.parent / target).exists()]
    assert missing == []
    if document.relative_to(ROOT).parts[0] not in NOT_INSTALLED:
        inside = [(document.parent / target).resolve().relative_to(ROOT).parts for target in local if target]
        assert [parts for parts in inside if parts and parts[0] in NOT_INSTALLED] == [], "not in the registry's package"
    if document.is_relative_to(ROOT / "web"):  # ComfyUI serves these alone
        assert [target for target in local if ".." in target] == []


def without_encoding(source: str) -> list[int]:
    """Lines of calls that read or write text in whatever encoding the machine has: on Windows that is not UTF-8."""
    lines = []
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        if any(keyword.arg == "encoding" for keyword in call.keywords):
            continue
        method = call.func.attr if isinstance(call.func, ast.Attribute) else None
        built_in = isinstance(call.func, ast.Name) and call.func.id == "open"
        if method in ("read_text", "write_text"):
            lines.append(call.lineno)
        elif built_in or method == "open":  # open(file, mode), Path.open(mode); av.open and the like take a file first
            named = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
            given = call.args[1:2] or named if built_in else call.args or named
            is_text = not given
            if given and isinstance(given[0], ast.Constant) and isinstance(given[0].value, str):
                is_text = set(given[0].value) <= set("rwxat+")
            if is_text:
                lines.append(call.lineno)
    return lines


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("path.read_text()", True),
        ("path.write_text(text)", True),
        ("path.read_text(encoding='utf-8')", False),
        ("open(path)", True),
        ("open(path, 'rb')", False),
        ("open(path, mode='w')", True),
        ("path.open()", True),
        ("path.open('a')", True),
        ("path.open('wb')", False),
        ("av.open(str(path), 'w')", False),
        ("av.open(str(path), mode='w')", False),
    ],
)
def test_a_missing_encoding_is_found(source, found):
    assert bool(without_encoding(source)) == found


def test_text_is_read_and_written_as_utf8_on_every_machine():
    sources = [path for path in ROOT.rglob("*.py") if not path.relative_to(ROOT).parts[0].startswith(".")]
    assert len(sources) > 100
    missing = {
        str(path.relative_to(ROOT)): lines
        for path in sources
        if (lines := without_encoding(path.read_text(encoding="utf-8")))
    }
    assert missing == {}
