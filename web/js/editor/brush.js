// @ts-check
/**
 * Painting the region, or the selected arrow's object: the gestures, and how the region and the brush look.
 * @import { Painter } from "./draw.js"
 * @import { Point } from "./geometry.js"
 * @import { Region } from "./region.js"
 * @import { Gesture, Session } from "./session.js"
 * @import { Tool } from "./view.js"
 */
import { context2d } from "./dom.js";
import { strokePath } from "./draw.js";
import { clamp, distance, inside, toImage } from "./geometry.js";
import { maskOf, withMask } from "./objects.js";
import { colorOf } from "./outline.js";
import { filled, fine, pixelsOf, stroked } from "./region.js";

/** @type {Readonly<Record<string, 0 | 1>>} what the tools that are brushes set pixels to */
export const BRUSHES = { paint: 1, erase: 0 };
/** @type {(tool: Tool) => boolean} whether it changes masks */
export const paints = (tool) => tool in BRUSHES || tool === "lasso";
export const SMALLEST = 0.005; // radius, in fractions of the picture's longer side
export const LARGEST = 0.3;

/** @type {(radius: number, factor: number) => number} */
export const resized = (radius, factor) => clamp(radius * factor, SMALLEST, LARGEST);

/**
 * A stroke from the press at screen point `start`; Alt turns painting into erasing and back.
 * @param {Session} session
 * @param {Point} start
 * @param {{ altKey: boolean }} event
 * @returns {Gesture}
 */
export function stroke(session, start, { altKey }) {
  const { tool, brush } = session.view;
  const before = session.document.state;
  const options = { radius: brush, value: altKey ? 1 - BRUSHES[tool] : BRUSHES[tool], shape: session.shape };
  const { target } = session;
  let last = toImage(start, session.box);
  let mask = stroked(canvasOf(session), last, last, options);
  const show = () => session.document.preview(withMask(before, target, mask));
  /** @param {Point} at */
  const go = (at) => {
    const next = toImage(at, session.box);
    mask = stroked(mask, last, next, options);
    last = next;
    session.show({ brushAt: at });
  };
  show();
  return {
    move(at) {
      go(at);
      show();
    },
    up(at) {
      go(at);
      session.document.commit(withMask(before, target, mask));
    },
  };
}

/**
 * What is drawn round from the press at screen point `start`; Alt cuts it out.
 * @param {Session} session
 * @param {Point} start
 * @param {{ altKey: boolean }} event
 * @returns {Gesture}
 */
export function lasso(session, start, { altKey }) {
  const loop = [start];
  return {
    move(at) {
      if (distance(loop[loop.length - 1], at) >= 2) loop.push(at);
      session.show({ loop: [...loop] });
    },
    up() {
      session.show({ loop: null });
      if (loop.length < 3) return;
      const { document, target, shape, box } = session;
      const points = loop.map((at) => toImage(at, box));
      const mask = filled(canvasOf(session), points, { value: altKey ? 0 : 1, shape });
      document.commit(withMask(document.state, target, mask));
    },
  };
}

/** @param {Session} session */
function canvasOf({ document, target, shape }) {
  const mask = maskOf(document.state, target);
  return mask && target !== null ? fine(mask, shape) : mask;
}

/**
 * A painter of the picture darker where the region keeps it still.
 * @returns {Painter}
 */
export function regionPainter() {
  const shade = document.createElement("canvas");
  /** @type {Region | null} */
  let shown = null;
  return (context, { box, region, tool, target }) => {
    if (!region) return;
    if (shown !== region) {
      shown = region;
      [shade.width, shade.height] = region.size;
      const work = context2d(shade);
      const image = work.createImageData(...region.size);
      pixelsOf(region).forEach((value, i) => (image.data[4 * i + 3] = value ? 0 : 255));
      work.putImageData(image, 0, 0);
    }
    context.save();
    context.globalAlpha = paints(tool) && target === null ? 0.62 : 0.45;
    context.imageSmoothingEnabled = true;
    context.drawImage(shade, box.left, box.top, box.width, box.height);
    context.restore();
  };
}

/**
 * The brush's outline at the pointer.
 * @type {Painter}
 */
export function paintBrush(context, scene) {
  const { box, tool, brush, brushAt } = scene;
  if (!(tool in BRUSHES) || !brushAt) return;
  const [x, y] = brushAt;
  const at = toImage(brushAt, box);
  if (inside(at).some((value, axis) => Math.abs(value - at[axis]) > brush)) return;
  context.beginPath();
  context.arc(x, y, brush * Math.max(box.width, box.height), 0, 2 * Math.PI);
  strokePath(context, "rgba(10, 12, 16, 0.8)", 3);
  const painting = scene.target === null ? "#ffffff" : colorOf(scene, scene.target);
  strokePath(context, tool === "paint" ? painting : "#ff9a8a", 1.25);
}
