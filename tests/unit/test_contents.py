"""What an install from ComfyUI's registry holds, and that links in the documents lead somewhere."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).absolute().parents[2]
DOCUMENTS = [
    path for pattern in ("*.md", "docs/**/*.md", "weights/*.md", "web/docs/*.md") for path in ROOT.glob(pattern)
]
NOT_INSTALLED = {".ci", ".github", "docs", "evaluation", "scripts", "tests", "training"}


def test_the_registry_gets_all_that_runs_and_no_more():
    """The registry's client leaves out what .comfyignore names in the way of .gitignore, at any depth."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no git, or not a checkout")

    def listed(*options: str) -> set[str]:
        command = ["git", "-c", "safe.directory=*", "ls-files", *options]
        return set(subprocess.check_output(command, cwd=ROOT, text=True).splitlines())

    tracked, left_out = listed(), listed("-c", "-i", "-X", ".comfyignore")
    assert left_out == {name for name in tracked if name.split("/")[0] in NOT_INSTALLED}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    targets = re.findall(r"\]\(([^)\s]+)\)", document.read_text())
    local = [target.split("#")[0] for target in targets if not re.match(r"[a-z]+:", target)]
    missing = [target for target in local if target and not (document.parent / target).exists()]
    assert missing == []
    if document.is_relative_to(ROOT / "web"):  # ComfyUI serves these alone
        assert [target for target in local if ".." in target] == []
