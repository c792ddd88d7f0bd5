"""The rules of the pack's layout: who imports whom, what no file may hold, and what importing it may cost."""

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from npm import run_from_npm

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).absolute().parents[1]
RUN_TIME = {
    "nodes": {"pipeline", "model_loaders", "sampling", "flow_tools"},
    "pipeline": {"model_loaders", "networks", "sampling", "flow_tools"},
    "model_loaders": {"networks", "flow_tools"},
    "sampling": {"flow_tools"},
    "networks": {"flow_tools"},
    "flow_tools": set(),
}
OFFLINE = {part: {"training", "evaluation", *RUN_TIME} - {"nodes"} for part in ("training", "evaluation")}
MAY_IMPORT = RUN_TIME | OFFLINE
COMFYUI = {"comfy", "comfy_api", "comfy_execution", "comfy_extras", "execution", "folder_paths", "latent_preview"}
COMFYUI |= {"node_helpers", "server", "utils"}
PYRIGHT = "pyright@1.1.414"
MAY_IMPORT_COMFYUI = {"nodes", "pipeline", "model_loaders"}


def files(*suffixes: str):
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        outside = any(part.startswith(".") or part in ("build", "runs") for part in parts[:-1])
        if path.suffix in suffixes and path.is_file() and not outside:
            yield path


PACK_FILES = [path for path in files(".py") if path.relative_to(ROOT).parts[0] in MAY_IMPORT]
RUN_TIME_FILES = [path for path in PACK_FILES if path.relative_to(ROOT).parts[0] in RUN_TIME]


def imports(path: Path):
    """(line, absolute module name or None, part of this pack or None) of every import statement, wherever it stands."""
    package = path.relative_to(ROOT).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, None
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, node.module, None
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) + (node.module.split(".") if node.module else [])
            for target in [base] if base else [[alias.name] for alias in node.names]:
                yield node.lineno, None, target[0]


@pytest.mark.parametrize("path", PACK_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_import_law(path):
    part = path.relative_to(ROOT).parts[0]
    for line, module, own_part in imports(path):
        where = f"{path.relative_to(ROOT)}:{line}"
        if own_part is not None:
            assert own_part == part or own_part in MAY_IMPORT[part], f"{where}: {part} imports {own_part}"
            continue
        top = module.split(".")[0]
        assert top != "driftfield" and top not in MAY_IMPORT, f"{where}: {module} is not a relative import"
        assert top not in COMFYUI or part in MAY_IMPORT_COMFYUI, f"{where}: {part} imports {module}"


def modules_imported(path: Path) -> set[Path]:
    """The files of this pack that a file imports names or modules from, in functions and for type checkers, too."""

    def module(place: Path) -> Path | None:
        return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)

    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            found |= {module(base / alias.name) or module(base) for alias in node.names}
    return found - {None}


def test_no_import_circle():
    graph = graphlib.TopologicalSorter({path: modules_imported(path) - {path} for path in PACK_FILES})
    try:
        graph.prepare()
    except graphlib.CycleError as error:
        pytest.fail(" imports ".join(str(path.relative_to(ROOT)) for path in reversed(error.args[1])))


@pytest.mark.parametrize("path", RUN_TIME_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_unpickling_no_code_from_text_and_no_other_program(path):
    for line, module, _ in imports(path):
        banned = {"pickle", "subprocess", "marshal", "shelve", "urllib", "requests", "socket"}
        assert module is None or module.split(".")[0] not in banned, f"{path}:{line}: imports {module}"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            banned = {"eval", "exec", "compile", "torch.load", "os.system"}
            assert called not in banned, f"{path}:{node.lineno}: {called}"


def test_entry_point_alone():
    body = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8")).body
    names = [node.name for node in body if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)]
    names += [target.id for node in body if isinstance(node, ast.Assign) for target in node.targets]
    assert sorted(names) == ["WEB_DIRECTORY", "comfy_entrypoint"]
    old_style = "NODE_CLASS" + "_MAPPINGS"  # with it ComfyUI would ignore the entry point
    assert [str(path) for path in files(".py") if old_style in path.read_text(encoding="utf-8")] == []
    assert (ROOT / "web").is_dir()


@pytest.mark.parametrize("path", list(files(".py", ".js", ".sh")), ids=lambda path: str(path.relative_to(ROOT)))
def test_one_idea_a_file(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_no_file_names_a_package_registry_or_a_path_of_one_machine():
    hosts = ["pypi" + r"\.org", "pythonhosted" + r"\.org", "npmjs" + r"\.(org|com)", r"deb\." + r"debian\.org"]
    hosts += [r"download\." + r"pytorch\.org", "anaconda" + r"\.org", r"registry\." + "comfy", r"proxy\." + "golang"]
    banned = re.compile("|".join(hosts) + r"|(?<![\w./~$}*-])/(?:root|home|work|Users|mnt|opt)/\w")
    text = (".py", ".js", ".sh", ".md", ".toml", ".txt", ".json", ".yml", ".css", ".html", "")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path in files(*text)
        if path.name not in ("LICENSE", ".git")  # a worktree's .git is a file
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for match in [banned.search(line)]
        if match
    ]
    assert found == []


def test_pyproject_agrees_with_the_tree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dependencies"] == (ROOT / "requirements.txt").read_text(encoding="utf-8").split()
    packages = {"driftfield", *(f"driftfield.{'.'.join(p.parent.relative_to(ROOT).parts)}" for p in PACK_FILES)}
    assert set(project["tool"]["setuptools"]["packages"]) == packages
    for package in packages - {"driftfield"}:
        assert (ROOT / Path(*package.split(".")[1:]) / "__init__.py").is_file(), package


def test_ruff_is_clean():
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", str(ROOT)]
    check = subprocess.run(command, capture_output=True, text=True)
    assert check.returncode == 0, check.stdout + check.stderr


def test_every_type_is_right():
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pyright"]["include"]
    assert set(checked) == set(RUN_TIME)
    run_from_npm(PYRIGHT, "pyright", "--project", ROOT, "--pythonpath", sys.executable)


IMPORT_TIME = """
import time
import torch, diffusers
from diffusers import StableVideoDiffusionPipeline
start = time.perf_counter()
import driftfield
import driftfield.flow_tools, driftfield.networks, driftfield.sampling
print(time.perf_counter() - start)
"""


def test_importing_the_pack_needs_no_comfyui_and_is_quick():
    seconds = float(subprocess.check_output([sys.executable, "-c", IMPORT_TIME], text=True).split()[-1])
    assert seconds < 2
