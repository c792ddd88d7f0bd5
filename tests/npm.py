"""Programs that npm brings, which keeps them in a cache of its own."""

import shutil
import subprocess

import pytest


def run_from_npm(package: str, *command: object) -> None:
    """Fails with what the command says; skips the test where there is no npm to bring it."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"no npm on this machine, which would bring {package}")
    fetched = [npm, "exec", "--yes", "--prefer-offline", "--package", package, "--"]
    ran = subprocess.run([*fetched, *map(str, command)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
