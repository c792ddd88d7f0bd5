/** What the arrows will do, before anything is sampled: the dense flow as streaks or colours, and the picture moved by it. */
import { defaultSigma, denseField, emptyField, hintsOf, resized } from "../flow/field.js";
import { stepBack, vectorAt, warp } from "../flow/warp.js";
import { hueOf } from "../flow/wheel.js";
import { centerCut, toScreen } from "./geometry.js";
import { pixelsOf } from "./region.js";

/** Densify Flow's own defaults; sigma, width and height 0 as the nodes mean it, `region` "painted", null, or {width, height, data}. */
export const DEFAULTS = { frames: 25, width: 0, height: 0, sigma: 0, threshold: 0.05, mode: "faded", region: "painted" };

const MOST_CELLS = 96; // on the longer side
const MOST_PIXELS = 400; // of the moving picture, on the longer side
const FPS = 12;
const PAUSE_MS = 700;
const STREAK_AREA = 250; // square CSS px for each
const MOST_STREAKS = 600;
const STREAK_FRAMES = 5;
const LEAST_SPEED = 45; // CSS px a second of the fastest streak

export class FlowPreview {
  #field = null;
  #made = { key: [], at: 0, cost: 0 };
  #painted = { region: null };
  #colors = { field: null, canvas: document.createElement("canvas") };
  #streaks = [];
  #last = 0;
  #film = { field: null, picture: null };

  constructor(model) {
    this.model = model;
  }

  /** Whether another frame has to be painted though nothing was changed. */
  get moves() {
    return this.#late || this.model.flow === "streaks" || this.model.playing;
  }

  #late = false;

  paint(context, scene) {
    const { flow, playing } = this.model;
    this.#late = false;
    if (flow === "off" && !playing) return;
    const field = this.#current();
    if (playing) this.#paintFilm(context, scene, field);
    if (flow === "colors") this.#paintColors(context, scene, field);
    if (flow === "streaks") this.#paintStreaks(context, scene, field);
  }

  /** The field of what is on the screen; while it is costly it is made anew only now and then. */
  #current() {
    const { state, draft, size, flowSettings } = this.model;
    const key = [state.arrows, state.region, draft, flowSettings, String(size)];
    if (this.#field && key.every((part, i) => part === this.#made.key[i])) return this.#field;
    const now = performance.now();
    if (this.#field && now - this.#made.at < 3 * this.#made.cost) {
      this.#late = true;
      return this.#field;
    }
    const arrows = draft ? [...state.arrows, draft] : state.arrows;
    this.#field = this.#dense(arrows, size ?? [512, 512], { ...DEFAULTS, ...flowSettings });
    this.#made = { key, at: now, cost: performance.now() - now };
    return this.#field;
  }

  #dense(arrows, size, settings) {
    const [width, height] = [settings.width || size[0], settings.height || size[1]];
    const options = { ...settings, width, height, sigma: settings.sigma || defaultSigma(width, height), most: MOST_CELLS };
    const region = settings.region === "painted" ? this.#paintedRegion(size) : settings.region;
    return denseField(hintsOf(arrows, options), { ...options, region: region && resized(region, width, height) });
  }

  /** The painted region at the picture's size, as the node puts it out. */
  #paintedRegion(size) {
    const { region } = this.model.state;
    if (region && this.#painted.region !== region) {
      const mask = { width: region.size[0], height: region.size[1], data: pixelsOf(region) };
      this.#painted = { region, mask: resized(mask, ...size) };
    }
    return region ? this.#painted.mask : null;
  }

  #paintColors(context, { box }, field) {
    const { canvas } = this.#colors;
    if (this.#colors.field !== field) {
      this.#colors.field = field;
      [canvas.width, canvas.height] = [field.cols, field.rows];
      const work = canvas.getContext("2d");
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

  #paintStreaks(context, { box }, field) {
    const now = performance.now();
    const seconds = Math.min((now - this.#last) / 1000, 0.1);
    this.#last = now;
    const scale = box.width / field.width; // CSS px per px
    const most = fastest(field);
    if (!most) return;
    const gain = Math.max(1, LEAST_SPEED / (most * FPS * scale));
    const lines = new Map(); // colour -> points in pairs
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
      const at = (px, py) => toScreen([(px + 0.5) / field.width, (py + 0.5) / field.height], box);
      const hue = Math.round((Math.atan2(y, x) * 8) / Math.PI);
      if (!lines.has(hue)) lines.set(hue, { vector: [Math.cos((hue * Math.PI) / 8), Math.sin((hue * Math.PI) / 8)], points: [] });
      lines.get(hue).points.push([at(streak.x - x * back, streak.y - y * back), at(streak.x, streak.y)]);
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
      for (const [style, width] of [["rgba(8, 10, 14, 0.35)", 3.2], [`rgb(${pale})`, 1.6]]) {
        context.strokeStyle = style;
        context.lineWidth = width;
        context.stroke();
      }
    }
    context.restore();
  }

  #paintFilm(context, { box, picture }, field) {
    if (!picture?.image) return;
    const film = this.#film;
    if (film.picture !== picture) Object.assign(film, rasters(picture), { picture, field: null });
    const now = performance.now();
    if (film.field !== field) Object.assign(film, { field, time: 0, due: now });
    const { frames } = { ...DEFAULTS, ...this.model.flowSettings };
    if (now >= film.due) {
      const { width, height, cols, rows } = field;
      const first = film.time === 0 || film.time >= frames;
      film.back = first ? emptyField(width, height, cols, rows) : stepBack(field, film.back);
      film.time = first ? 1 : film.time + 1;
      film.due = now + (film.time === 1 || film.time === frames ? PAUSE_MS : 1000 / FPS);
      warp(film.source, film.back, film.target);
      film.canvas.getContext("2d").putImageData(film.target, 0, 0);
    }
    context.imageSmoothingQuality = "high";
    context.drawImage(film.canvas, box.left, box.top, box.width, box.height);
  }
}

function fastest({ x, y }) {
  let most = 0;
  for (let i = 0; i < x.length; i++) most = Math.max(most, x[i] * x[i] + y[i] * y[i]);
  return Math.sqrt(most);
}

/** A streak somewhere on the picture, by preference where something moves. */
function born(field) {
  let place;
  for (let attempt = 0; attempt < 4; attempt++) {
    place = [Math.random() * field.width, Math.random() * field.height];
    if (Math.hypot(...vectorAt(field, ...place)) > 0) break;
  }
  return { x: place[0], y: place[1], age: -Math.random() * 0.5, life: 0.8 + Math.random() };
}

/** The picture as it lies on the stage, as pixels to read, and as many to write. */
function rasters({ image, aspect }) {
  const cut = centerCut([image.naturalWidth, image.naturalHeight], aspect);
  const share = Math.min(1, MOST_PIXELS / Math.max(cut.width, cut.height));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.round(cut.width * share), Math.round(cut.height * share)];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(image, cut.x, cut.y, cut.width, cut.height, 0, 0, canvas.width, canvas.height);
  const source = context.getImageData(0, 0, canvas.width, canvas.height);
  return { canvas, source, target: context.createImageData(canvas.width, canvas.height) };
}
