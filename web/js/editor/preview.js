// @ts-check
/**
 * What the arrows will do, before anything is sampled: the dense flow as streaks or colours, and the picture moved by it.
 * @import { Field, Mask } from "../flow/field.js"
 * @import { Context } from "./draw.js"
 * @import { Point } from "./geometry.js"
 * @import { Region } from "./region.js"
 * @import { Picture, Scene } from "./session.js"
 */
import { DEFAULTS, defaultSigma, denseField, emptyField, hintsOf, resized } from "../flow/field.js";
import { stepBack, vectorAt, warp } from "../flow/warp.js";
import { hueOf } from "../flow/wheel.js";
import { context2d } from "./dom.js";
import { strokePath } from "./draw.js";
import { centerCut, toScreen } from "./geometry.js";
import { pixelsOf } from "./region.js";

const MOST_CELLS = 96; // on the longer side
const MOST_PIXELS = 400; // of the moving picture, on the longer side
const FPS = 12;
const PAUSE_MS = 700;
const STREAK_AREA = 250; // square CSS px for each
const MOST_STREAKS = 600;
const STREAK_FRAMES = 5;
const LEAST_SPEED = 45; // CSS px a second of the fastest streak

/** @typedef {{ x: number, y: number, age: number, life: number }} Streak position in px of the field's grid, seconds */

/**
 * The moving picture: `back` leads to frame 0, `time` counts frames, `due` is when the next one is shown, ms.
 * @typedef {ReturnType<typeof rasters> & { picture: Picture, field: Field, back: Field, time: number, due: number }} Film
 */

export class FlowPreview {
  /** Whether another frame has to be painted though nothing was changed. */
  moves = false;

  /** @type {{ field: Field, key: unknown[], at: number, cost: number } | null} */
  #made = null;
  /** @type {{ region: Region, mask: Mask } | null} */
  #painted = null;
  /** @type {{ field: Field | null, canvas: HTMLCanvasElement }} */
  #colors = { field: null, canvas: document.createElement("canvas") };
  /** @type {Streak[]} */
  #streaks = [];
  #last = 0;
  /** @type {Film | null} */
  #film = null;

  /**
   * @param {Context} context
   * @param {Scene} scene
   */
  paint(context, scene) {
    const { flow, playing } = scene;
    this.moves = flow === "streaks" || playing;
    if (flow === "off" && !playing) return;
    const field = this.#current(scene);
    if (playing) this.#paintFilm(context, scene, field);
    if (flow === "colors") this.#paintColors(context, scene, field);
    if (flow === "streaks") this.#paintStreaks(context, scene, field);
  }

  /**
   * The field of what is on the screen; while it is costly it is made anew only now and then.
   * @param {Scene} scene
   */
  #current(scene) {
    const { arrows, region, draft, shape, flowSettings } = scene;
    const key = [arrows, region, draft, flowSettings, String(shape)];
    if (this.#made?.key.every((part, i) => part === key[i])) return this.#made.field;
    const now = performance.now();
    if (this.#made && now - this.#made.at < 3 * this.#made.cost) {
      this.moves = true;
      return this.#made.field;
    }
    const field = this.#dense(scene);
    this.#made = { field, key, at: now, cost: performance.now() - now };
    return field;
  }

  /** @param {Scene} scene */
  #dense({ arrows, draft, region: painted, shape, flowSettings }) {
    const settings = { ...DEFAULTS, ...flowSettings };
    const [width, height] = [settings.width || shape[0], settings.height || shape[1]];
    const options = { ...settings, width, height, sigma: settings.sigma || defaultSigma(width, height), most: MOST_CELLS };
    const region = settings.region === "painted" ? this.#paintedRegion(painted, shape) : settings.region;
    const hints = hintsOf(draft ? [...arrows, draft] : arrows, options);
    return denseField(hints, { ...options, region: region && resized(region, width, height) });
  }

  /**
   * The painted region at the picture's size, as the node puts it out.
   * @param {Region | null} region
   * @param {Point} shape
   */
  #paintedRegion(region, shape) {
    if (!region) return null;
    if (this.#painted?.region !== region) {
      const mask = { width: region.size[0], height: region.size[1], data: pixelsOf(region) };
      this.#painted = { region, mask: resized(mask, ...shape) };
    }
    return this.#painted.mask;
  }

  /**
   * @param {Context} context
   * @param {Scene} scene
   * @param {Field} field
   */
  #paintColors(context, { box }, field) {
    const { canvas } = this.#colors;
    if (this.#colors.field !== field) {
      this.#colors.field = field;
      [canvas.width, canvas.height] = [field.cols, field.rows];
      const work = context2d(canvas);
      const image = work.createImageData(field.cols, field.rows);
      const most = fastest(field) || 1;
      for (let i = 0; i < field.x.length; i++) {
        const radius = Math.hypot(field.x[i], field.y[i]) / most;
        if (!radius) continue;
        hueOf(field.x[i], field.y[i]).forEach((value, c) => (image.data[4 * i + c] = 255 * value));
        image.data[4 * i + 3] = 210 * radius;
      }
      work.putImageData(image, 0, 0);
    }
    context.drawImage(canvas, box.left, box.top, box.width, box.height);
  }

  /**
   * @param {Context} context
   * @param {Scene} scene
   * @param {Field} field
   */
  #paintStreaks(context, { box }, field) {
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

  /**
   * @param {Context} context
   * @param {Scene} scene
   * @param {Field} field
   */
  #paintFilm(context, { box, picture, flowSettings }, field) {
    if (!picture?.image) return;
    const now = performance.now();
    const { width, height, cols, rows } = field;
    if (this.#film?.picture !== picture || this.#film.field !== field) {
      const kept = this.#film?.picture === picture ? this.#film : rasters(picture.image, picture.aspect);
      this.#film = { ...kept, picture, field, back: emptyField(width, height, cols, rows), time: 0, due: now };
    }
    const film = this.#film;
    const { frames } = { ...DEFAULTS, ...flowSettings };
    if (now >= film.due) {
      const first = film.time === 0 || film.time >= frames;
      film.back = first ? emptyField(width, height, cols, rows) : stepBack(field, film.back);
      film.time = first ? 1 : film.time + 1;
      film.due = now + (film.time === 1 || film.time === frames ? PAUSE_MS : 1000 / FPS);
      warp(film.source, film.back, film.target);
      context2d(film.canvas).putImageData(film.target, 0, 0);
    }
    context.imageSmoothingQuality = "high";
    context.drawImage(film.canvas, box.left, box.top, box.width, box.height);
  }
}

/** @param {Field} field */
function fastest({ x, y }) {
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

/**
 * The picture as it lies on the stage, as pixels to read, and as many to write.
 * @param {HTMLImageElement} image
 * @param {number} [aspect]
 */
function rasters(image, aspect) {
  const cut = centerCut([image.naturalWidth, image.naturalHeight], aspect);
  const fraction = Math.min(1, MOST_PIXELS / Math.max(cut.width, cut.height));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.round(cut.width * fraction), Math.round(cut.height * fraction)];
  const context = context2d(canvas, { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(image, cut.x, cut.y, cut.width, cut.height, 0, 0, canvas.width, canvas.height);
  const source = context.getImageData(0, 0, canvas.width, canvas.height);
  return { canvas, source, target: context.createImageData(canvas.width, canvas.height) };
}
