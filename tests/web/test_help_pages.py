"""The help pages: their pictures are there, small, and used; the Chinese ones say what the English ones say."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).absolute().parents[2]
HELP = ROOT / "web" / "docs"
CHINESE = json.loads((ROOT / "locales" / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))


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


def shape(text: str) -> list[str]:
    """What a translation keeps: headings, points and rows of tables, one after the other; pictures; code."""
    lines = re.findall(r"^(#+ |- |\|.*)", text, re.MULTILINE)
    kinds = [f"{line.count('|')} bars" if line.startswith("|") else line for line in lines]
    return [*kinds, *re.findall(r"\]\(([^)]+)\)", text), *re.findall(r"```.*?```", text, re.DOTALL)]


def test_every_page_is_there_in_chinese_where_the_front_end_looks_for_it():
    pages = {page.relative_to(HELP).as_posix() for page in HELP.rglob("zh.md")}
    assert pages == {f"{page.stem}/zh.md" for page in HELP.glob("*.md")}


@pytest.mark.parametrize("node", sorted(page.stem for page in HELP.glob("*.md")))
def test_the_chinese_page_is_built_as_the_english_one_and_names_what_the_node_shows(node):
    english = (HELP / f"{node}.md").read_text(encoding="utf-8")
    chinese = (HELP / node / "zh.md").read_text(encoding="utf-8")
    assert shape(chinese) == shape(english)
    texts = CHINESE[node]
    assert chinese.startswith(f"# {texts['display_name']}\n")
    firsts = " ".join(re.findall(r"^\| ([^|]+) \|", chinese, re.MULTILINE))
    missing = [given["name"] for given in texts["inputs"].values() if given["name"] not in firsts]
    assert missing == []
    if "| 输出 |" in chinese:
        assert [made["name"] for made in texts["outputs"].values() if made["name"] not in firsts] == []
