"""The arrow editor's own logic, in node's own test runner."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).absolute().parent


def test_the_modules_that_need_no_page():
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < 18:
        pytest.skip(f"node {version} has no test runner")
    tests = sorted(map(str, HERE.glob("*.test.mjs")))
    ran = subprocess.run([node, "--test", *tests], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
