"""An operation is a file, its kernels a file of the same name, and it has a test and a line in the benchmark."""

import ast
import importlib
from pathlib import Path

import pytest

import driftfield.networks.fast as fast
from driftfield.evaluation.speed.operations import LINES

FOLDER = Path(fast.__file__).parent
NO_OPERATIONS = {"__init__", "launch"}
OPERATIONS = sorted({path.stem for path in (FOLDER / "kernels").glob("*.py")} - NO_OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_has_its_files(name):
    assert callable(getattr(importlib.import_module(f"driftfield.networks.fast.{name}"), name))
    assert (Path(__file__).parent / f"test_{name}.py").is_file()


def test_every_operation_has_a_line_in_the_benchmark():
    assert {line.operation for line in LINES} == set(OPERATIONS)


def test_every_operation_is_imported_with_the_kernels():
    tree = ast.parse((FOLDER / "kernels" / "__init__.py").read_text(encoding="utf-8"))
    (imported,) = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert sorted(alias.name for alias in imported.names) == OPERATIONS
