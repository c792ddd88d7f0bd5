import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { ENGLISH, texts } from "../../web/js/editor/texts.js";

const ROOT = new URL("../../", import.meta.url);
const read = (path) => readFileSync(new URL(path, ROOT), "utf8");
const CHINESE = JSON.parse(read("locales/zh/main.json")).driftfield.editor;
const SOURCES = ["web/js/", "web/js/editor/"]
  .flatMap((folder) => readdirSync(new URL(folder, ROOT)).map((name) => folder + name))
  .filter((path) => path.endsWith(".js") && !path.endsWith("/texts.js"))
  .map(read)
  .join("\n");
const values = (text) => [...text.matchAll(/\{\w+\}/g)].map(String).sort();

test("the Chinese texts are complete, Chinese, and name the same values", () => {
  assert.deepEqual(Object.keys(CHINESE).sort(), Object.keys(ENGLISH).sort());
  for (const [name, text] of Object.entries(CHINESE)) {
    assert.match(text, /[\u4e00-\u9fff]/, name);
    assert.deepEqual(values(text), values(ENGLISH[name]), name);
  }
});

test("every text is used, and every one that is asked for is there", () => {
  for (const name of Object.keys(ENGLISH)) assert.ok(SOURCES.includes(`"${name}"`), name);
  const asked = [...SOURCES.matchAll(/\bt\("(\w+)"|(?:UnreadableError|SizeNeededError)\("(\w+)"|(?:name|label): "(\w+)"/g)];
  assert.ok(asked.length > 40);
  for (const [, ...names] of asked) assert.ok(names.find(Boolean) in ENGLISH, String(names));
});

test("a text that is not translated is English, and values are put in", () => {
  const say = texts({ arrows: "{count} Pfeile" });
  assert.equal(say("arrows", { count: 3 }), "3 Pfeile");
  assert.equal(say("pasted", { count: 0 }), "pasted 0 arrows");
  assert.equal(say("otherVersion", { saved: "{own}", own: 1 }), "saved by another version of the editor ({own}, this one is 1)");
});
