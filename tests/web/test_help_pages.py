"""The pictures of the help pages and guides: every one is there, small, and used."""

import re
from pathlib import Path

ROOT = Path(__file__).absolute().parents[2]
HELP = ROOT / "web" / "docs"


def test_every_help_page_has_its_pictures_and_none_is_left_over():
    used = {HELP / "pictures" / f"{page.stem.removeprefix('Driftfield')}.webp" for page in HELP.glob("*.md")}
    for page in HELP.glob("*.md"):
        shown = {HELP / name for name in re.findall(r"!\[[^]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8"))}
        assert HELP / "pictures" / f"{page.stem.removeprefix('Driftfield')}.webp" in shown, page.name
        used |= shown
    assert used == set((HELP / "pictures").iterdir())
    assert all(picture.stat().st_size < 100_000 for picture in used)


def test_help_pages_name_nothing_that_the_registrys_package_lacks():
    left_out = [line.strip("/") for line in (ROOT / ".comfyignore").read_text(encoding="utf-8").split()]
    for page in HELP.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        for folder in left_out:
            assert not re.search(rf"(?<![\w/]){re.escape(folder)}/|driftfield[./]{re.escape(folder)}\b", text), (
                page.name
            )
        links = re.findall(r"\]\(([^)#]+)", text)
        assert all(link.startswith("https://") or (HELP / link).is_file() for link in links), page.name
