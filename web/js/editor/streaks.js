// @ts-check
/**
 * A field as streaks that run along it.
 * @import { Field } from "../flow/field.js"
 * @import { Context } from "./draw.js"
 * @import { Box, Point } from "./geometry.js"
 */
import { vectorAt } from "../flow/warp.js";
import { hueOf } from "../flow/wheel.js";
import { strokePath } from "./draw.js";
import { FPS } from "./film.js";
import { toScreen } from "./geometry.js";

const STREAK_AREA = 250; // square CSS px for each
const MOST_STREAKS = 600;
const STREAK_FRAMES = 5;
const LEAST_SPEED = 45; // CSS px a second of the fastest streak

/** @typedef {{ x: number, y: number, age: number, life: number }} Streak position in px of the field's grid, seconds */

export class Streaks {
  /** @type {Streak[]} */
  #streaks = [];
  #last = 0;

  /**
   * @param {Context} context
   * @param {Box} box
   * @param {Field} field
   */
  paint(context, box, field) {
    const now = performance.now();
    const seconds = Math.min((now - this.#last) / 1000, 0.1);
    this.#last = now;
    const scale = box.width / field.width; // CSS px per px
    const most = fastest(field);
    if (!most) return;
    const gain = Math.max(1, LEAST_SPEED / (most * FPS * scale));
    /** @type {Map<number, { vector: Point, points: [Point, Point][] }>} */
    const lines = new Map(); // by colour
    for (let i = 0; i < (box.width * box.height) / STREAK_AREA && i < MOST_STREAKS; i++) {
      let streak = this.#streaks[i];
      if (!streak || streak.age > streak.life) streak = this.#streaks[i] = born(field);
      const [x, y] = vectorAt(field, streak.x, streak.y);
      streak.age += seconds;
      if (Math.hypot(x, y) < 0.02 * most) {
        streak.age = Infinity;
        continue;
      }
      streak.x += x * gain * FPS * seconds;
      streak.y += y * gain * FPS * seconds;
      const shown = Math.min(1, 4 * Math.min(streak.age, streak.life - streak.age)); // grows and shrinks
      if (shown <= 0) continue;
      const back = STREAK_FRAMES * gain * shown;
      /** @type {(px: number, py: number) => Point} */
      const at = (px, py) => toScreen([(px + 0.5) / field.width, (py + 0.5) / field.height], box);
      const hue = Math.round((Math.atan2(y, x) * 8) / Math.PI);
      const angle = (hue * Math.PI) / 8;
      const line = lines.get(hue) ?? { vector: [Math.cos(angle), Math.sin(angle)], points: [] };
      line.points.push([at(streak.x - x * back, streak.y - y * back), at(streak.x, streak.y)]);
      lines.set(hue, line);
    }
    context.save();
    context.beginPath();
    context.rect(box.left, box.top, box.width, box.height);
    context.clip();
    context.lineCap = "round";
    for (const { vector, points } of lines.values()) {
      context.beginPath();
      for (const [from, to] of points) {
        context.moveTo(...from);
        context.lineTo(...to);
      }
      const pale = hueOf(...vector).map((value) => Math.round(255 * (0.45 + 0.55 * value)));
      strokePath(context, "rgba(8, 10, 14, 0.35)", 3.2);
      strokePath(context, `rgb(${pale})`, 1.6);
    }
    context.restore();
  }
}

/** @param {Field} field */
export function fastest({ x, y }) {
  let most = 0;
  for (let i = 0; i < x.length; i++) most = Math.max(most, x[i] * x[i] + y[i] * y[i]);
  return Math.sqrt(most);
}

/**
 * A streak somewhere on the picture, by preference where something moves.
 * @param {Field} field
 * @returns {Streak}
 */
function born(field) {
  let [x, y] = [0, 0];
  for (let attempt = 0; attempt < 4; attempt++) {
    [x, y] = [Math.random() * field.width, Math.random() * field.height];
    if (Math.hypot(...vectorAt(field, x, y)) > 0) break;
  }
  return { x, y, age: -Math.random() * 0.5, life: 0.8 + Math.random() };
}
