import assert from "node:assert/strict";
import { test } from "node:test";

import { lasso, stroke } from "../../web/js/editor/brush.js";
import { press as pressPointer } from "../../web/js/editor/gestures.js";
import { helpLine } from "../../web/js/editor/help.js";
import { press } from "../../web/js/editor/keyboard.js";
import { hits, toScreen } from "../../web/js/editor/geometry.js";
import { holds } from "../../web/js/editor/region.js";
import { Session } from "../../web/js/editor/session.js";
import { ENGLISH } from "../../web/js/editor/texts.js";

const rectangle = ([left, top, right, bottom]) => {
  const size = [20, 20];
  const runs = [0];
  let inside = 0;
  for (let i = 0; i < 400; i++) {
    const [x, y] = [i % 20, Math.floor(i / 20)];
    const now = Number(x >= left && x < right && y >= top && y < bottom);
    if (now === inside) runs[runs.length - 1]++;
    else [inside] = [now, runs.push(1)];
  }
  return { size, runs };
};
const [BODY, HEAD] = [rectangle([4, 8, 10, 14]), rectangle([6, 4, 8, 9])];

const rounded = (points) => points.map((point) => point.map((value) => Math.round(value * 100) / 100));

/** An editor whose page finds BODY below and HEAD above the middle, when `answer` is called. */
function editor(host = {}) {
  const asked = [];
  const session = new Session({
    onView() {},
    host: {
      objectAt: (point, pins, signal) =>
        new Promise((resolve, reject) => {
          const answer = async (error) => {
            if (error) reject(new Error(error));
            else resolve(point[1] > 0.4 ? BODY : HEAD);
            await new Promise((done) => setTimeout(done));
          };
          asked.push({ point, pins, signal, answer });
        }),
      ...host,
    },
  });
  session.stage = [420, 420];
  session.setPicture({ image: null, size: [100, 100] });
  const pointer = (points, modifiers = {}) => {
    const [start, ...others] = points.map((point) => toScreen(point, session.box));
    const event = { button: 0, pointerType: "mouse", ...modifiers };
    const { tool } = session.view;
    if (tool === "lasso" || tool === "paint" || tool === "erase") {
      const gesture = (tool === "lasso" ? lasso : stroke)(session, start, event);
      for (const at of others) gesture.move(at);
      gesture.up(others.at(-1) ?? start);
      return;
    }
    const { drag, click } = pressPointer(session, start, event, hits(session.document.state.arrows, start, session.box, 9));
    for (const at of others) drag.move(at);
    if (others.length) drag.up(others.at(-1));
    else click(false);
  };
  const key = (name, modifiers = {}) => press(session, { key: name, ...modifiers });
  const drawn = () => session.document.state.arrows.map(({ object, timing }) => [object ?? null, timing ?? "steady"]);
  const inside = (...points) => points.map((point) => session.document.state.objects.map((mask) => holds(mask, point)));
  return { session, asked, pointer, key, drawn, inside };
}

test("an Alt-drag draws an arrow and asks for the thing under its tail; pins are said", async () => {
  const { session, asked, pointer, drawn, inside } = editor();
  pointer([[0.9, 0.9]]);
  pointer([[0.3, 0.6], [0.7, 0.6]], { altKey: true });
  assert.deepEqual(asked.map(({ point, pins }) => [point.map((value) => Math.round(value * 100)), pins]), [[[30, 60], [[0.9, 0.9]]]]);
  assert.equal(helpLine(session), ENGLISH.finding);
  assert.deepEqual(drawn(), [[null, "steady"], [null, "steady"]]);
  await asked[0].answer();
  assert.deepEqual(drawn(), [[null, "steady"], [1, "steady"]]);
  assert.deepEqual(inside([0.3, 0.6], [0.35, 0.3]), [[true], [false]]);
  assert.deepEqual([session.target, session.view.asked], [1, null]);
  session.document.undo();
  assert.deepEqual(drawn(), [[null, "steady"], [null, "steady"]]);
});

test("the tool adds a part with a click and takes it away with Alt", async () => {
  const { session, asked, pointer, key, inside } = editor();
  pointer([[0.3, 0.6], [0.7, 0.6]]);
  assert.ok(key("o"));
  assert.equal(session.view.tool, "object");
  await asked[0].answer();
  pointer([[0.35, 0.25]]);
  await asked[1].answer();
  assert.deepEqual(inside([0.3, 0.6], [0.35, 0.25]), [[true], [true]]);
  pointer([[0.35, 0.25]], { altKey: true });
  await asked[2].answer();
  assert.deepEqual(inside([0.3, 0.6], [0.35, 0.25]), [[true], [false]]);
  assert.deepEqual(inside([0.35, 0.42]), [[false]], "the part that both had is gone, too");
  assert.deepEqual(asked[2].pins, [], "a click on what was just added is about the same part");
  pointer([[0.3, 0.75]]);
  await asked[3].answer();
  assert.deepEqual(rounded(asked[3].pins), [[0.35, 0.25]], "what was taken away does not belong to what is added");
  pointer([[0.2, 0.9], [0.5, 0.9]]);
  assert.equal(asked.length, 5, "a drag of the tool is an arrow that asks");
});

test("with an arrow that has no object a click says which thing it moves, without any it selects", async () => {
  const { session, asked, pointer, key, drawn } = editor();
  key("o");
  pointer([[0.35, 0.25]]);
  assert.equal(session.view.note, ENGLISH.noArrowSelected);
  key("a");
  pointer([[0.6, 0.2], [0.9, 0.2]]);
  session.show({ tool: "object" });
  pointer([[0.35, 0.25]]);
  await asked[0].answer();
  assert.deepEqual(drawn(), [[1, "steady"]]);
  session.select([]);
  pointer([[0.35, 0.25]]);
  assert.deepEqual([session.target, asked.length], [1, 1]);
});

test("another edit or Escape calls the search off; looking about does not", async () => {
  const { session, asked, pointer, key, drawn } = editor();
  pointer([[0.3, 0.6], [0.7, 0.6]]);
  key("o");
  key("n");
  session.select([]);
  assert.equal(asked[0].signal.aborted, false);
  session.select(["a1"]);
  key("+");
  assert.equal(asked[0].signal.aborted, true);
  await asked[0].answer();
  assert.deepEqual([drawn(), session.view.asked], [[[null, "steady"]], null]);
  key("o");
  assert.ok(key("Escape"));
  assert.deepEqual([asked[1].signal.aborted, session.view.selected.size], [true, 1]);
  await asked[1].answer("too late to be said");
  assert.equal(session.view.note, "");
});

test("what the page cannot find is said", async () => {
  const { session, asked, pointer, drawn } = editor();
  pointer([[0.3, 0.6], [0.7, 0.6]], { altKey: true });
  await asked[0].answer("too much: paint it");
  assert.deepEqual([session.view.note, session.view.asked, drawn()], ["too much: paint it", null, [[null, "steady"]]]);
  const other = editor({ objectAt: undefined });
  other.pointer([[0.3, 0.6], [0.7, 0.6]], { altKey: true });
  assert.equal(other.session.view.note, ENGLISH.noFinder);
  assert.ok(other.key("o"));
  assert.equal(other.session.view.tool, "arrow");
});

test("pins in the object belong to it, and arrows share it by the command", async () => {
  const { session, asked, pointer, key, drawn } = editor();
  pointer([[0.3, 0.6], [0.7, 0.6]], { altKey: true });
  await asked[0].answer();
  pointer([[0.25, 0.5]]);
  assert.deepEqual(drawn(), [[1, "steady"], [1, "steady"]]);
  pointer([[0.9, 0.2]]);
  pointer([[0.1, 0.1], [0.2, 0.1]]);
  assert.deepEqual(drawn().slice(2), [[null, "steady"], [null, "steady"]]);
  session.select(["a1", "a3", "a4"]);
  assert.ok(key("o"));
  assert.deepEqual([drawn().map(([object]) => object), asked.length], [[1, 1, 1, 1], 1]);
  session.select(["a3"]);
  assert.ok(key("r"));
  assert.deepEqual(drawn().map(([object]) => object), [1, 1, null, 1]);
});

test("the brush and the lasso change the selected arrow's object, else the region", () => {
  const { session, pointer, key, inside } = editor({ objectAt: undefined });
  pointer([[0.3, 0.6], [0.7, 0.6]]);
  assert.ok(key("O", { shiftKey: true }));
  assert.equal(session.view.tool, "paint");
  session.show({ brush: 0.05 });
  pointer([[0.2, 0.5], [0.4, 0.5]]);
  assert.deepEqual(inside([0.3, 0.5], [0.3, 0.6]), [[true], [false]]);
  key("l");
  pointer([[0.1, 0.6], [0.4, 0.6], [0.4, 0.9], [0.1, 0.9]]);
  assert.deepEqual(inside([0.3, 0.5], [0.3, 0.7], [0.5, 0.7]), [[true], [true], [false]]);
  pointer([[0.1, 0.7], [0.4, 0.7], [0.4, 0.8], [0.1, 0.8]], { altKey: true });
  assert.deepEqual(inside([0.3, 0.65], [0.3, 0.75]), [[true], [false]]);
  assert.equal(session.document.state.region, null);
  key("i");
  assert.equal(session.view.note, ENGLISH.invertsRegion);
  key("Escape");
  pointer([[0.5, 0.5], [0.9, 0.5], [0.9, 0.9], [0.5, 0.9]]);
  assert.ok(holds(session.document.state.region, [0.7, 0.7]) && !holds(session.document.state.region, [0.7, 0.4]));
  for (let i = 0; i < 4; i++) session.document.undo();
  assert.deepEqual([session.document.state.objects[0].runs.length, session.document.state.region], [1, null]);
});

test("an object whose every pixel is erased stays, empty", () => {
  const { session, pointer, key } = editor();
  pointer([[0.3, 0.6], [0.7, 0.6]]);
  key("O", { shiftKey: true });
  session.show({ brush: 0.1 });
  pointer([[0.3, 0.5]]);
  key("e");
  session.show({ brush: 0.3 });
  pointer([[0.3, 0.5]]);
  assert.deepEqual(session.document.state.objects.map(({ runs }) => runs), [[10000]]);
  key("a");
  assert.match(helpLine(session), /Object 1 is empty/);
});

test("painting is said to do nothing only where neither Densify Flow nor Enliven takes the region", () => {
  const { session, key } = editor();
  key("b");
  const said = (region, living) => {
    session.flowSettings = { region, living };
    return helpLine(session);
  };
  const lake = { kind: "calm water", seed: 0, region: "painted" };
  assert.equal(said(null, []), ENGLISH.helpUnconnected);
  assert.equal(said(null, [{ ...lake, region: null }]), ENGLISH.helpUnconnected);
  assert.equal(said(null, [lake]), ENGLISH.helpPaint);
  assert.equal(said("painted", []), ENGLISH.helpPaint);
});

test("the timing goes round", () => {
  const { session, pointer, key, drawn } = editor();
  pointer([[0.3, 0.6], [0.7, 0.6]]);
  const seen = Array.from({ length: 3 }, () => key("t") && drawn()[0][1]);
  assert.deepEqual(seen, ["ease", "sway", "steady"]);
  session.setTiming("sway");
  session.document.undo();
  assert.deepEqual(drawn(), [[null, "steady"]]);
});
