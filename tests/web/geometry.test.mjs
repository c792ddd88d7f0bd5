import assert from "node:assert/strict";
import { test } from "node:test";

import * as geometry from "../../web/js/editor/geometry.js";

const near = (a, b) => a.forEach((value, i) => assert.ok(Math.abs(value - b[i]) < 1e-9, `${a} is not ${b}`));

test("a picture fits the stage, and image points come back from the screen", () => {
  const box = geometry.pictureBox([420, 220], [200, 100], { margin: 10 });
  assert.deepEqual(box, { left: 10, top: 10, width: 400, height: 200 });
  for (const point of [[0, 0], [1, 1], [0.3, 0.9]]) near(geometry.toImage(geometry.toScreen(point, box), box), point);
});

test("zooming keeps what is under the pointer there, and zooming out again shows the whole picture", () => {
  const [stage, size, at] = [[400, 300], [640, 480], [130, 90]];
  let view = { zoom: 1, center: [0.5, 0.5] };
  const before = geometry.toImage(at, geometry.pictureBox(stage, size, view));
  view = geometry.zoomAt(stage, size, view, at, 3);
  near(geometry.toImage(at, geometry.pictureBox(stage, size, view)), before);
  assert.equal(geometry.zoomAt(stage, size, view, at, 100).zoom, 16);
  assert.deepEqual(geometry.zoomAt(stage, size, view, at, 0.01), { zoom: 1, center: [0.5, 0.5] });
});

test("panning never loses the picture", () => {
  assert.deepEqual(geometry.panned({ zoom: 2, center: [0.5, 0.5] }, [9, -9]).center, [1, 0]);
});

test("simplifying keeps a straight line's ends and a corner", () => {
  const line = Array.from({ length: 50 }, (_, i) => [i, 0.3 * Math.sin(i)]);
  assert.deepEqual(geometry.simplified(line, 1), [line[0], line[49]]);
  const corner = [...Array(20).keys()].map((i) => [i, 0]).concat([...Array(20).keys()].map((i) => [19, i + 1]));
  assert.deepEqual(geometry.simplified(corner, 0.5), [[0, 0], [19, 0], [19, 20]]);
  assert.deepEqual(geometry.simplified([[1, 2]], 1), [[1, 2]]);
});

test("simplifying leaves no sample further away than the tolerance", () => {
  const wave = Array.from({ length: 200 }, (_, i) => [i, 30 * Math.sin(i / 15)]);
  const few = geometry.simplified(wave, 2);
  assert.ok(few.length < 40);
  for (const point of wave) {
    const away = few.slice(1).map((to, i) => geometry.toSegment(point, few[i], to).distance);
    assert.ok(Math.min(...away) <= 2);
  }
});

test("a path is followed to a length, and straight on beyond its end", () => {
  const path = [[0, 0], [10, 0], [10, 10]];
  assert.equal(geometry.pathLength(path), 20);
  assert.deepEqual(geometry.pathUpTo(path, 5), [[0, 0], [5, 0]]);
  assert.deepEqual(geometry.pathUpTo(path, 15), [[0, 0], [10, 0], [10, 5]]);
  assert.deepEqual(geometry.pathUpTo(path, 40), [[0, 0], [10, 0], [10, 30]]);
  assert.deepEqual(geometry.pathUpTo([[1, 1], [1, 1]], 5), [[1, 1]]);
});

test("points are hit before segments, and every overlapping arrow is found once", () => {
  const box = { left: 0, top: 0, width: 100, height: 100 };
  const arrows = [
    { id: "long", points: [[0, 0.5], [1, 0.5]] },
    { id: "short", points: [[0.5, 0.5], [0.5, 0.9]] },
    { id: "pin", points: [[0.52, 0.5]] },
    { id: "far", points: [[0, 0], [1, 0]] },
  ];
  const found = geometry.hits(arrows, [50, 51], box, 9);
  assert.deepEqual(found.map(({ id }) => id), ["short", "pin", "long"]);
  assert.equal(found[0].point, 0);
  assert.equal(found[2].segment, 0);
  assert.ok(Math.abs(found[2].fraction - 0.5) < 1e-9);
});

test("a box takes arrows that have a point in it or cross it", () => {
  const box = { left: 0, top: 0, width: 100, height: 100 };
  const arrows = [
    { id: "in", points: [[0.4, 0.4], [0.9, 0.9]] },
    { id: "through", points: [[0, 0.5], [1, 0.5]] },
    { id: "past", points: [[0, 0.1], [1, 0.1]] },
    { id: "corner", points: [[0, 0.62], [0.62, 0]] },
    { id: "near", points: [[0, 0.55], [0.55, 0]] },
  ];
  assert.deepEqual(geometry.within(arrows, [60, 60], [30, 30], box), ["in", "through", "corner"]);
});

test("a cut to a shape is about the middle", () => {
  assert.deepEqual(geometry.centerCut([300, 100], 1), { x: 100, y: 0, width: 100, height: 100 });
  assert.deepEqual(geometry.centerCut([100, 300], 2), { x: 0, y: 125, width: 100, height: 50 });
  assert.deepEqual(geometry.centerCut([30, 20]), { x: 0, y: 0, width: 30, height: 20 });
});
