"""The types that the browser's modules say in their comments."""

import shutil
import subprocess
from pathlib import Path

import pytest

MODULES = Path(__file__).absolute().parents[2] / "web" / "js"
TYPESCRIPT = "typescript@7.0.2"  # npm keeps it in its own cache


def test_every_module_is_checked_and_every_type_is_right():
    for module in MODULES.rglob("*.js"):
        assert module.read_text(encoding="utf-8").startswith("// @ts-check\n"), module
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm on this machine, which would bring TypeScript")
    fetched = [npm, "exec", "--yes", "--prefer-offline", "--package", TYPESCRIPT, "--"]
    project = ["tsc", "--project", MODULES / "jsconfig.json", "--pretty", "false"]
    ran = subprocess.run([*fetched, *project], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
