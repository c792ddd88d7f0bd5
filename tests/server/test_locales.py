"""The texts in locales/: ComfyUI serves them, and they speak of what the nodes have."""

import json

from make_locales import ENGLISH, english


def keys(texts, path=()) -> set:
    if not isinstance(texts, dict):
        return {path}
    return {key for name, value in texts.items() for key in keys(value, (*path, name))}


def test_the_english_texts_are_the_nodes_own(object_info):
    written = json.loads(ENGLISH.read_text(encoding="utf-8"))
    assert written == english(object_info), "python scripts/make_locales.py brings them up to date"


def test_the_chinese_texts_are_complete_and_served(client, object_info):
    served = client.request("/i18n")
    assert set(served) >= {"en", "zh"}
    chinese = served["zh"]["nodeDefs"]
    ours = {kind: texts for kind, texts in chinese.items() if kind.startswith("Driftfield")}
    assert keys(ours) == keys(english(object_info))
    assert all(any("\u4e00" <= c <= "\u9fff" for c in texts["display_name"]) for texts in ours.values())
    categories = {
        part
        for info in object_info.values()
        if "Driftfield" in info["category"]
        for part in info["category"].split("/")
    }
    assert categories <= set(served["zh"]["nodeCategories"])
