// @ts-check
/**
 * Paints one frame of the editor. Everything is in CSS px of the canvas; the caller has set the transform.
 * @import { Point } from "./geometry.js"
 * @import { Scene } from "./session.js"
 * @import { Arrow } from "./state.js"
 */
import { context2d } from "./dom.js";
import { centerCut, endOf, pathLength, pathUpTo, toScreen } from "./geometry.js";

/** @typedef {CanvasRenderingContext2D} Context */
/** @typedef {(context: Context, scene: Scene) => void} Painter */

const OUTLINE = "rgba(10, 12, 16, 0.85)";
const ACCENT = "#ffffff";
const PIVOT = "#7fdcff";
const WEAK = [60, 130, 255];
const ONE = [60, 220, 90];
const STRONG = [255, 70, 50];

/**
 * Blue is weak, green strength 1, red 2 and more: the colours of the node's preview.
 * @param {number} strength
 */
export function strengthColor(strength) {
  const position = Math.min(strength, 2);
  const [from, to] = position <= 1 ? [WEAK, ONE] : [ONE, STRONG];
  const fraction = position <= 1 ? position : position - 1;
  return `rgb(${from.map((value, i) => Math.round(value + (to[i] - value) * fraction)).join(", ")})`;
}

/**
 * A painter of the whole; `layers` are further painters, between the picture and the arrows.
 * @param {Painter[]} layers
 * @returns {Painter}
 */
export function scenePainter(layers) {
  const paintResting = restingPainter();
  return (context, scene) => {
    context.clearRect(0, 0, ...scene.stage);
    paintPicture(context, scene);
    for (const layer of layers) layer(context, scene);
    context.globalAlpha = scene.playing ? 0.35 : 1; // the picture moves away from under them
    if (scene.shown) {
      paintResting(context, scene);
      paintArrows(context, scene, ({ id }) => !scene.selected.has(id) && scene.hover?.id === id);
      paintArrows(context, scene, ({ id }) => scene.selected.has(id)); // above all others
    }
    context.globalAlpha = 1;
    if (scene.draft) paintArrow(context, scene.draft, scene, { selected: true });
    if (scene.band) paintBand(context, scene.band);
    if (scene.loop) paintLoop(context, scene.loop);
    if (scene.asked) ring(context, toScreen(scene.asked, scene.box), 13, [5, 4]);
  };
}

/** @type {(arrow: Arrow, scene: Scene) => boolean} */
const touched = ({ id }, { selected, hover }) => selected.has(id) || hover?.id === id;

/**
 * The other arrows, kept as a picture for as long as they stay: drawing many is most of a frame's time.
 * @returns {Painter}
 */
function restingPainter() {
  const kept = document.createElement("canvas");
  /** @type {unknown[]} */
  let drawn = [];
  return (context, scene) => {
    const { width, height } = context.canvas;
    const arrows = scene.arrows.map((arrow) => !touched(arrow, scene) && arrow);
    const held = scene.arrows.filter(({ points, object }) => object && points.length === 1).map(({ object }) => object);
    const wanted = [width, height, ...scene.stage, ...Object.values(scene.box), scene.numbered, String(held), ...arrows];
    if (wanted.length !== drawn.length || wanted.some((value, i) => value !== drawn[i])) {
      drawn = wanted;
      [kept.width, kept.height] = [width, height];
      const inner = context2d(kept);
      inner.setTransform(context.getTransform());
      paintArrows(inner, scene, (_, i) => Boolean(arrows[i]));
    }
    context.drawImage(kept, 0, 0, ...scene.stage);
  };
}

/** @type {Painter} */
function paintPicture(context, { box, picture }) {
  const { left, top, width, height } = box;
  if (picture?.image) {
    const cut = centerCut([picture.image.naturalWidth, picture.image.naturalHeight], picture.aspect);
    context.imageSmoothingQuality = "high";
    context.imageSmoothingEnabled = width / cut.width < 6; // far in, one sees the pixels
    context.drawImage(picture.image, cut.x, cut.y, cut.width, cut.height, left, top, width, height);
  } else {
    context.fillStyle = "#23262b";
    context.fillRect(left, top, width, height);
    context.strokeStyle = "#33373e";
    context.lineWidth = 1;
    context.beginPath();
    for (let i = 1; i < 8; i++) {
      const [x, y] = [Math.round(left + (width * i) / 8) + 0.5, Math.round(top + (height * i) / 8) + 0.5];
      context.moveTo(x, top);
      context.lineTo(x, top + height);
      context.moveTo(left, y);
      context.lineTo(left + width, y);
    }
    context.stroke();
  }
  context.strokeStyle = "rgba(255, 255, 255, 0.18)";
  context.lineWidth = 1;
  context.strokeRect(left - 0.5, top - 0.5, width + 1, height + 1);
}

/** @type {(context: Context, scene: Scene, which: (arrow: Arrow, i: number) => boolean) => void} */
function paintArrows(context, scene, which) {
  scene.arrows.forEach((arrow, i) => {
    if (which(arrow, i)) paintArrow(context, arrow, scene, { number: i + 1, selected: scene.selected.has(arrow.id) });
  });
}

/**
 * @param {Context} context
 * @param {Omit<Arrow, "id"> & { id?: string }} arrow
 * @param {Scene} scene
 * @param {{ number?: number | null, selected?: boolean }} options
 */
function paintArrow(context, arrow, scene, { number = null, selected = false }) {
  const path = arrow.points.map((point) => toScreen(point, scene.box));
  const color = strengthColor(arrow.strength);
  const hovered = arrow.id !== undefined && scene.hover?.id === arrow.id;
  context.lineCap = context.lineJoin = "round";
  if (path.length === 1 && arrow.object) {
    paintPivot(context, path[0], selected || hovered);
  } else if (path.length === 1) {
    dot(context, path[0], selected || hovered ? 7 : 6, "#f2f2f2");
    dot(context, path[0], 2.5, "#20242a", 0);
    if (selected) ring(context, path[0], 10);
  } else {
    const turns = arrow.object && scene.arrows.some(({ points, object }) => object === arrow.object && points.length === 1);
    if (arrow.strength > 1 && !turns) paintReach(context, path, arrow.strength, color);
    const width = selected || hovered ? 4 : 3;
    if (selected) strokeArrow(context, path, "rgba(255, 255, 255, 0.95)", width + 5, width);
    strokeArrow(context, path, OUTLINE, width + 3, width);
    strokeArrow(context, path, color, width, width);
    if (arrow.strength < 1) paintReached(context, path, arrow.strength);
    dot(context, path[0], selected ? 4.5 : 4, color);
    if (selected) {
      path.forEach((point, i) => {
        const active = scene.active?.id === arrow.id && scene.active?.point === i;
        dot(context, point, active ? 6 : 4.5, active ? "#ffd54a" : ACCENT);
      });
    }
  }
  if (scene.numbered && number !== null) label(context, String(number), path, scene);
}

/** @type {(context: Context, style: string, width: number) => void} */
export function strokePath(context, style, width) {
  context.strokeStyle = style;
  context.lineWidth = width;
  context.stroke();
}

/**
 * A polyline with two barbs at its head, along the last stretch that is long enough to give a direction.
 * @param {Context} context
 * @param {Point[]} path
 * @param {string} style
 * @param {number} width
 * @param {number} inner
 */
function strokeArrow(context, path, style, width, inner) {
  const head = endOf(path);
  const size = 7 + inner * 1.5;
  const back = [...path].reverse().find((p) => Math.hypot(p[0] - head[0], p[1] - head[1]) > size * 0.6) ?? path[0];
  const angle = Math.atan2(head[1] - back[1], head[0] - back[0]);
  context.beginPath();
  context.moveTo(...path[0]);
  for (const point of path.slice(1)) context.lineTo(...point);
  for (const side of [-1, 1]) {
    const barb = angle + Math.PI + side * 0.5;
    context.moveTo(...head);
    context.lineTo(head[0] + Math.cos(barb) * size, head[1] + Math.sin(barb) * size);
  }
  strokePath(context, style, width);
}

/**
 * Dashes from the head on to where a strength over 1 leads.
 * @type {(context: Context, path: Point[], strength: number, color: string) => void}
 */
function paintReach(context, path, strength, color) {
  const length = pathLength(path);
  if (!length) return;
  const end = endOf(pathUpTo(path, length * Math.min(strength, 20)));
  context.beginPath();
  context.setLineDash([5, 6]);
  context.moveTo(...endOf(path));
  context.lineTo(...end);
  strokePath(context, OUTLINE, 4);
  strokePath(context, color, 1.75);
  context.setLineDash([]);
  dot(context, end, 3, color);
}

/**
 * A mark on the path where a strength under 1 ends.
 * @type {(context: Context, path: Point[], strength: number) => void}
 */
function paintReached(context, path, strength) {
  const length = pathLength(path);
  if (length) dot(context, endOf(pathUpTo(path, length * strength)), 3, "#ffffff");
}

/**
 * @param {Context} context
 * @param {Point} center
 * @param {number} radius
 * @param {string} color
 */
function dot(context, [x, y], radius, color, edge = 1.5) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  if (edge) strokePath(context, OUTLINE, 2 * edge);
  context.fillStyle = color;
  context.fill();
}

/** @type {(context: Context, center: Point, radius: number, dashes?: number[]) => void} */
function ring(context, [x, y], radius, dashes = []) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  strokePath(context, OUTLINE, 4);
  context.setLineDash(dashes);
  strokePath(context, ACCENT, 2);
  context.setLineDash([]);
}

/**
 * A pin that an object is fixed at or turns about: a hinge.
 * @type {(context: Context, center: Point, marked: boolean) => void}
 */
function paintPivot(context, [x, y], marked) {
  dot(context, [x, y], 2.5, PIVOT);
  context.beginPath();
  context.arc(x, y, marked ? 8 : 7, 0, 2 * Math.PI);
  strokePath(context, OUTLINE, 5);
  strokePath(context, marked ? ACCENT : PIVOT, 2.25);
}

/**
 * The number behind the tail, kept on the stage.
 * @type {(context: Context, text: string, path: Point[], scene: Scene) => void}
 */
function label(context, text, path, { stage }) {
  const [tail, next] = [path[0], path[1] ?? [path[0][0] + 1, path[0][1] + 1]];
  const away = Math.hypot(next[0] - tail[0], next[1] - tail[1]) || 1;
  const x = Math.min(Math.max(tail[0] - (15 * (next[0] - tail[0])) / away, 9), stage[0] - 9);
  const y = Math.min(Math.max(tail[1] - (15 * (next[1] - tail[1])) / away, 9), stage[1] - 9);
  context.font = "600 11px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineWidth = 3.5;
  context.strokeStyle = OUTLINE;
  context.strokeText(text, x, y);
  context.fillStyle = "#ffffff";
  context.fillText(text, x, y);
}

/** @type {(context: Context, loop: Point[]) => void} */
function paintLoop(context, loop) {
  context.beginPath();
  for (const point of loop) context.lineTo(...point);
  context.closePath();
  context.fillStyle = "rgba(120, 180, 255, 0.15)";
  context.fill();
  strokePath(context, OUTLINE, 3.5);
  strokePath(context, ACCENT, 1.5);
}

/** @type {(context: Context, band: [Point, Point]) => void} */
function paintBand(context, [from, to]) {
  /** @type {[number, number, number, number]} */
  const box = [Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])];
  context.fillStyle = "rgba(120, 180, 255, 0.15)";
  context.fillRect(...box);
  context.strokeStyle = "rgba(160, 205, 255, 0.95)";
  context.lineWidth = 1;
  context.setLineDash([4, 3]);
  context.strokeRect(...box);
  context.setLineDash([]);
}
