// @ts-check
/**
 * How objects look: an outline in their first arrow's colour, the selected one tinted.
 * @import { Context, Painter } from "./draw.js"
 * @import { Point } from "./geometry.js"
 * @import { Region } from "./region.js"
 * @import { Scene } from "./session.js"
 * @import { State } from "./state.js"
 */
import { sweptAngle } from "../flow/poses.js";
import { strengthColor, strokePath } from "./draw.js";
import { simplified, toScreen } from "./geometry.js";
import { arrowsOf } from "./objects.js";
import { pixelsOf } from "./region.js";

const DARK = "rgba(10, 12, 16, 0.7)";
const TOLERANCE = 0.75; // px of the mask, of what straight lines replace
/** @type {WeakMap<Region, Path2D>} */
const traced = new WeakMap();

/** @type {(state: Pick<State, "arrows">, number: number) => string} that of the object's first arrow, or of its pin */
export function colorOf(state, number) {
  const arrows = arrowsOf(state, number);
  const first = arrows.find(({ points }) => points.length > 1) ?? arrows[0];
  return first ? strengthColor(first.strength) : "#ffffff";
}

/** @type {Painter} */
export function paintObjects(context, scene) {
  const { box, objects, target, shown, playing } = scene;
  if (!shown || !objects.length) return;
  context.save();
  context.globalAlpha = playing ? 0.35 : 1; // as its arrows
  context.lineJoin = "round";
  objects.forEach((mask, i) => {
    const [selected, color] = [i + 1 === target, colorOf(scene, i + 1)];
    const path = new Path2D();
    const [scaleX, scaleY] = [box.width / mask.size[0], box.height / mask.size[1]];
    path.addPath(outlineOf(mask), new DOMMatrix([scaleX, 0, 0, scaleY, box.left, box.top]));
    if (selected && !playing) {
      context.save();
      context.globalAlpha = 0.22;
      context.fillStyle = color;
      context.fill(path, "evenodd");
      context.restore();
    }
    paintTurn(context, scene, i + 1, color);
    for (const [style, width] of /** @type {[string, number][]} */ ([[DARK, selected ? 4.5 : 3.5], [color, selected ? 2.25 : 1.5]])) {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.stroke(path);
    }
  });
  context.restore();
}

/**
 * Dashes along which the tail goes where one arrow and one pin turn the object.
 * @type {(context: Context, scene: Scene, number: number, color: string) => void}
 */
function paintTurn(context, scene, number, color) {
  const arrows = arrowsOf(scene, number);
  const [pin, arrow] = [1, 0].map((pins) => arrows.filter(({ points }) => (points.length === 1) === Boolean(pins)));
  if (pin.length !== 1 || arrow.length !== 1) return;
  const center = toScreen(pin[0].points[0], scene.box);
  const path = arrow[0].points.map((point) => toScreen(point, scene.box));
  const angle = arrow[0].strength * sweptAngle(path, center);
  const [x, y] = [path[0][0] - center[0], path[0][1] - center[1]];
  const start = Math.atan2(y, x);
  context.save();
  context.setLineDash([5, 6]);
  context.beginPath();
  context.arc(...center, Math.hypot(x, y), start, start + angle, angle < 0);
  strokePath(context, DARK, 4);
  strokePath(context, color, 1.75);
  context.restore();
}

/** @param {Region} mask */
function outlineOf(mask) {
  let path = traced.get(mask);
  if (!path) {
    path = new Path2D();
    for (const loop of loopsOf(mask)) {
      loop.forEach(([x, y], i) => (i ? path?.lineTo(x, y) : path?.moveTo(x, y)));
      path.closePath();
    }
    traced.set(mask, path);
  }
  return path;
}

/**
 * The closed lines round what is inside, through the middles of the pixels' edges, in px of the mask.
 * @param {Region} mask
 * @returns {Point[][]}
 */
export function loopsOf(mask) {
  const [width, height] = mask.size;
  const data = pixelsOf(mask);
  const stride = width + 1;
  /** @type {(column: number, row: number) => boolean} */
  const inside = (column, row) => column >= 0 && column < width && row >= 0 && row < height && data[row * width + column] === 1;
  /** @type {Map<number, number[]>} */
  const edges = new Map(); // corner -> the corners that edges lead to from it, what is inside on their right
  /** @type {(from: number, to: number) => void} */
  const edge = (from, to) => void (edges.get(from)?.push(to) ?? edges.set(from, [to]));
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      if (!data[row * width + column]) continue;
      const corner = row * stride + column;
      if (!inside(column, row - 1)) edge(corner, corner + 1);
      if (!inside(column + 1, row)) edge(corner + 1, corner + stride + 1);
      if (!inside(column, row + 1)) edge(corner + stride + 1, corner + stride);
      if (!inside(column - 1, row)) edge(corner + stride, corner);
    }
  }
  const loops = [];
  for (const [start, ends] of edges) {
    while (ends.length) {
      /** @type {Point[]} */
      const loop = [];
      let [from, to] = [start, /** @type {number} */ (ends.pop())];
      for (;;) {
        loop.push([((from % stride) + (to % stride)) / 2, (Math.floor(from / stride) + Math.floor(to / stride)) / 2]);
        if (to === start) break;
        [from, to] = [to, /** @type {number} */ (edges.get(to)?.pop())];
      }
      loops.push(closed(loop));
    }
  }
  return loops;
}

/**
 * The fewest points that say a closed line: its halves, each between two far ends.
 * @param {Point[]} loop
 */
function closed(loop) {
  const [first] = loop;
  const away = loop.map(([x, y]) => Math.hypot(x - first[0], y - first[1]));
  const far = away.indexOf(Math.max(...away));
  const halves = [loop.slice(0, far + 1), [...loop.slice(far), first]];
  return halves.flatMap((half) => simplified(half, TOLERANCE).slice(0, -1));
}
