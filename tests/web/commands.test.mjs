import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { COMMANDS, GROUPS } from "../../web/js/editor/commands.js";
import { helpOf, keyList } from "../../web/js/editor/help.js";
import { press } from "../../web/js/editor/keyboard.js";
import { Session } from "../../web/js/editor/session.js";
import { ENGLISH, texts } from "../../web/js/editor/texts.js";

const CHINESE = JSON.parse(readFileSync(new URL("../../locales/zh/main.json", import.meta.url), "utf8")).driftfield.editor;
const CHORD = /^(Ctrl\+)?(Alt\+)?(Shift\+)?([^a-z]|[A-Z]\w+)$/;

for (const command of COMMANDS) {
  test(`nothing is missing of the command ${command.name}`, () => {
    const { name, group, keys = [], icon, label, clipboard, run, enabled, pressed } = command;
    assert.ok(group in GROUPS, `group ${group}`);
    if (GROUPS[group].buttons) assert.match(icon ?? "", /^M[\d.]/, "no icon");
    else assert.ok(keys.length && !icon && !label && !enabled && !pressed, `${group} has no buttons, so it needs keys alone`);
    for (const [language, said] of Object.entries({ English: ENGLISH, Chinese: CHINESE })) {
      assert.ok(said[name], `no ${language} text`);
      assert.equal(said[name].includes("{keys}"), keys.length > 0, `{keys} in the ${language} text`);
      assert.ok(!label || said[label], `no ${language} label`);
    }
    for (const chord of keys) assert.match(chord, CHORD);
    assert.ok(!clipboard || keys.length, "the clipboard's keys are named, too");
    assert.equal(typeof run, "function");
  });
}

test("no name and no key is taken twice", () => {
  const names = COMMANDS.map(({ name }) => name);
  assert.deepEqual(names.filter((name, i) => names.indexOf(name) !== i), []);
  const chords = COMMANDS.flatMap(({ name, keys = [] }) => keys.map((chord) => ({ name, chord: chord.toLowerCase() })));
  const clashes = chords.filter(({ chord }, i) => chords.findIndex((other) => other.chord === chord) !== i);
  assert.deepEqual(clashes, []);
});

test("the list of keys has every command with a key, on the line of its group", () => {
  for (const t of [texts(), texts(CHINESE)]) {
    assert.ok(keyList(t).length <= 1024, "Chromium on Windows shows no more of a title");
    const lines = keyList(t).split("\n");
    Object.keys(GROUPS).forEach((group, i) => {
      const commands = COMMANDS.filter((command) => command.group === group && command.keys);
      for (const command of commands) assert.ok(lines[i].includes(helpOf(command, t)), command.name);
    });
  }
  const [redo] = COMMANDS.filter(({ name }) => name === "redo");
  assert.equal(helpOf(redo, texts()), "Redo (Ctrl+Shift+Z, Ctrl+Y)");
});

function editor() {
  const session = new Session({ onView() {} });
  session.stage = [400, 400];
  session.setText('{"version":1,"ref":[100,100],"arrows":[{"id":"a","points":[[0.5,0.5],[0.6,0.5]]},{"id":"b","points":[[0,0]]}]}');
  const key = (name, modifiers = {}) => press(session, { key: name, ...modifiers });
  const paths = () => session.document.state.arrows.map(({ points }) => points);
  return { session, key, paths };
}

test("keys do what they say, whatever else is held", () => {
  const { session, key, paths } = editor();
  const before = paths();
  assert.ok(key(".") && key("ArrowRight", { shiftKey: true }) && key("ArrowUp", { altKey: true }));
  assert.deepEqual(paths()[0], [[0.6, 0.5], [0.7, 0.49]]);
  assert.ok(key("z", { ctrlKey: true }) && key("Z", { metaKey: true }));
  assert.deepEqual(paths(), before);
  assert.ok(key("Z", { ctrlKey: true, shiftKey: true }) && key("y", { ctrlKey: true }));
  assert.deepEqual(paths()[0], [[0.6, 0.5], [0.7, 0.49]]);
  assert.ok(key("a", { ctrlKey: true }) && key("Backspace"));
  assert.deepEqual(paths(), []);
  assert.ok(key("i") && session.view.note === ENGLISH.nothingPainted);
  assert.ok(key("C", { shiftKey: true }) && session.view.tool === "curve");
});

test("keys that are not the editor's are left to the page", () => {
  const { session, key } = editor();
  for (const name of ["x", "Tab", "constructor", "Escape"]) assert.equal(key(name), false, name);
  for (const modifiers of [{ ctrlKey: true }, { altKey: true }]) assert.equal(key("ArrowLeft", modifiers), Boolean(modifiers.altKey));
  for (const name of ["c", "x", "v"]) assert.equal(key(name, { ctrlKey: true }), false, "the clipboard's events bring these");
  assert.equal(key("a", { altKey: true }), false);
  session.select(["a"]);
  assert.equal(key("Escape"), true);
  assert.equal(session.view.selected.size, 0);
});

test("a key ends what is being dragged, and Escape does nothing else", () => {
  const { session, key, paths } = editor();
  const before = paths();
  session.select(["a"]);
  const drag = () => {
    session.gesture = { move() {}, up() {} };
    session.document.preview({ ...session.document.state, arrows: session.document.state.arrows.slice(0, 1) });
  };
  drag();
  assert.ok(key("Escape"));
  assert.deepEqual([paths(), session.gesture, session.view.selected.size], [before, null, 1]);
  drag();
  assert.ok(key("n"));
  assert.deepEqual([paths(), session.gesture, session.view.numbered], [before, null, false]);
});

test("what is gone is not selected, and undo does not select it again", () => {
  const { session, key } = editor();
  session.select(["a", "b"], { id: "a", point: 1 });
  assert.ok(key("Delete"));
  assert.deepEqual([session.view.selected.size, session.view.active], [0, null]);
  assert.ok(key("z", { ctrlKey: true }));
  assert.deepEqual([session.view.selected.size, session.document.state.arrows.length], [0, 2]);
});
