import assert from "node:assert/strict";
import { test } from "node:test";

import { History } from "../../web/js/editor/history.js";
import { Session } from "../../web/js/editor/session.js";

test("undo and redo walk the states; a new one forgets what was undone", () => {
  const history = new History("a");
  history.commit("b");
  history.commit("c");
  assert.ok(history.undo() && history.undo());
  assert.equal(history.undo(), false);
  assert.equal(history.state, "a");
  assert.ok(history.redo());
  history.commit("d");
  assert.equal(history.canRedo, false);
  history.undo();
  assert.equal(history.state, "b");
});

test("changes under one key are one step, until they are sealed", () => {
  const history = new History(0);
  for (const state of [1, 2, 3]) history.commit(state, "wheel");
  history.seal();
  for (const state of [4, 5]) history.commit(state, "wheel");
  history.undo();
  assert.equal(history.state, 3);
  history.undo();
  assert.equal(history.state, 0);
});

test("the past has an end", () => {
  const history = new History(0, { limit: 3 });
  for (let i = 1; i < 10; i++) history.commit(i);
  while (history.undo());
  assert.equal(history.state, 6);
});

function session(text = "") {
  const texts = [];
  const made = new Session({ onText: (value) => texts.push(value), onView() {} });
  made.stage = [400, 400];
  made.setText(text);
  return [made, texts];
}

test("every change is written once, and opening a text writes nothing", () => {
  const [made, texts] = session('{"version":1,"arrows":[{"points":[[0.5,0.5]]}]}');
  assert.deepEqual(texts, []);
  made.add([{ points: [[0, 0], [1, 1]] }]);
  made.changeStrength(0.1);
  made.document.undo();
  made.document.undo();
  assert.deepEqual(texts.map((text) => JSON.parse(text).arrows.map(({ strength }) => strength)), [[1, 1], [1, 1.1], [1, 1], [1]]);
});

test("clear all is undone; an editor without arrows writes an empty text", () => {
  const [made, texts] = session();
  made.add([{ points: [[0, 0]] }]);
  made.document.clear();
  assert.equal(texts.at(-1), "");
  made.document.undo();
  assert.equal(made.document.state.arrows.length, 1);
});

test("a text that cannot be read is kept until it is cleared", () => {
  const [made, texts] = session('{"version":9}');
  assert.match(made.document.problem.message, /another version/);
  made.add([{ points: [[0, 0]] }]);
  made.paste("0,0,9,9");
  assert.deepEqual([texts, made.document.text], [[], '{"version":9}']);
  made.document.clear();
  assert.deepEqual([texts, made.document.problem], [[""], null]);
});

test("coordinates in px wait for the picture's size", () => {
  const [made, texts] = session('[[{"x":32,"y":0},{"x":64,"y":64}]]');
  assert.match(made.document.problem.message, /size/);
  made.setPicture({ image: null, size: [64, 64] });
  assert.equal(made.document.problem, null);
  assert.deepEqual(made.document.state.arrows[0].points, [[0.5, 0], [1, 1]]);
  assert.deepEqual(texts, []);
});

test("what is copied can be pasted, into another editor too", () => {
  const [from] = session('{"version":1,"ref":[8,8],"arrows":[{"id":"k","points":[[0.5,0.5],[1,1]],"strength":2}]}');
  const [to] = session();
  assert.equal(to.paste(from.copied()), 1);
  assert.equal(to.paste(from.copied()), 1);
  assert.deepEqual(to.document.state.arrows.map(({ strength }) => strength), [2, 2]);
  assert.equal(to.paste("no arrows"), 0);
});
