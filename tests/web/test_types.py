"""The types that the browser's modules say in their comments."""

from pathlib import Path

from npm import run_from_npm

MODULES = Path(__file__).absolute().parents[2] / "web" / "js"
TYPESCRIPT = "typescript@7.0.2"


def test_every_module_is_checked_and_every_type_is_right():
    for module in MODULES.rglob("*.js"):
        assert module.read_text(encoding="utf-8").startswith("// @ts-check\n"), module
    run_from_npm(TYPESCRIPT, "tsc", "--project", MODULES / "jsconfig.json", "--pretty", "false")
