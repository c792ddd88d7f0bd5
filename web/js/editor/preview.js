// @ts-check
/**
 * What the arrows will do, before anything is sampled: the exact field of a frame as streaks or colours, and the picture
 * moved to that frame.
 * @import { Field, Mask } from "../flow/field.js"
 * @import { Living } from "../flow/living.js"
 * @import { Context } from "./draw.js"
 * @import { Point } from "./geometry.js"
 * @import { Region } from "./region.js"
 * @import { Scene, Session } from "./session.js"
 */
import { DEFAULTS, resized, sigmaInPx } from "../flow/field.js";
import { Motion } from "../flow/motion.js";
import { hueOf } from "../flow/wheel.js";
import { context2d } from "./dom.js";
import { FPS, Film } from "./film.js";
import { isEmpty, pixelsOf } from "./region.js";
import { held } from "./state.js";
import { Streaks, fastest } from "./streaks.js";

const MOST_CELLS = 96; // on the longer side
const PAUSE_MS = 700; // at the first frame and at the last

export class FlowPreview {
  /** Whether another frame has to be painted though nothing was changed. */
  moves = false;
  /** How many frames there are to go through; 1 where all show the same. */
  frames = 1;

  #session;
  #film;
  #streaks = new Streaks();
  /** @type {{ motion: Motion, objects: readonly Region[], living: readonly Living[], key: unknown[], at: number, cost: number } | null} */
  #made = null;
  /** @type {{ region: Region, mask: Mask } | null} */
  #painted = null;
  /** @type {{ field: Field | null, canvas: HTMLCanvasElement }} */
  #colors = { field: null, canvas: document.createElement("canvas") };
  #due = 0; // when the next frame is, ms

  /** @param {Session} session */
  constructor(session) {
    this.#session = session;
    this.#film = new Film(session.host.layers, (news) => {
      session.show({ cutting: news instanceof Error ? news.message : news ? session.t(news) : "" });
    });
  }

  /** Makes ready what is to be painted at this moment, and goes to the next frame when that is due. */
  advance() {
    const { flow, playing } = this.#session.view;
    this.moves = flow === "streaks" || playing;
    this.frames = 1;
    if (flow === "off" && !playing) return;
    const { motion } = this.#current(this.#session.scene);
    if (!playing && !motion.varies) return;
    this.frames = motion.frames;
    const { running, frame } = this.#session.view;
    const now = performance.now();
    const last = this.frames - 1;
    if (frame > last) this.#session.view = { ...this.#session.view, frame: last };
    if (!running) return;
    this.moves = true;
    if (now < this.#due) return;
    const next = frame < last ? frame + 1 : 0;
    this.#due = now + (next === 0 || next === last ? PAUSE_MS : 1000 / FPS);
    this.#session.view = { ...this.#session.view, frame: next };
  }

  /**
   * @param {Context} context
   * @param {Scene} scene
   */
  paint(context, scene) {
    const { flow, playing, box } = scene;
    if (flow === "off" && !playing) return;
    const made = this.#current(scene);
    const { motion, objects, living } = made;
    if (playing) {
      const start = performance.now();
      this.#film.paint(context, scene, motion, objects, living);
      if (living.length) made.cost = Math.max(made.cost, performance.now() - start);
      this.moves ||= this.#film.waits;
    }
    const field = flow === "off" ? null : motion.exact(motion.varies ? scene.frame : 0);
    if (field && flow === "colors") this.#paintColors(context, scene, field);
    if (field && flow === "streaks") this.#streaks.paint(context, box, field);
  }

  /**
   * The motion of what is on the screen; while it is costly it is made anew only now and then.
   * @param {Scene} scene
   */
  #current(scene) {
    const { arrows, region, objects, draft, shape, flowSettings } = scene;
    const key = [arrows, region, draft, flowSettings, String(shape), ...objects];
    if (this.#made?.key.length === key.length && this.#made.key.every((part, i) => part === key[i])) return this.#made;
    const now = performance.now();
    if (this.#made && now - this.#made.at < 3 * this.#made.cost) {
      this.moves = true;
      return this.#made;
    }
    const empty = objects.map(isEmpty);
    const moving = { ...scene, ...held({ objects, arrows: arrows.filter(({ object }) => !object || !empty[object - 1]) }) };
    const motion = this.#motion(moving);
    if (scene.playing) motion.back(scene.frame);
    if (scene.flow !== "off") motion.exact(scene.frame);
    const living = this.#living(scene);
    this.#made = { motion, objects: moving.objects, living, key, at: now, cost: performance.now() - now };
    return this.#made;
  }

  /** @param {Scene} scene */
  #motion({ arrows, draft, region: painted, objects, shape, flowSettings }) {
    const settings = { ...DEFAULTS, ...flowSettings };
    const [width, height] = [settings.width || shape[0], settings.height || shape[1]];
    const region = settings.region === "painted" ? this.#paintedRegion(painted, shape) : settings.region;
    return new Motion(draft ? [...arrows, draft] : arrows, objects.map(maskOf), {
      ...settings,
      width,
      height,
      sigma: sigmaInPx(settings.sigma, width, height),
      most: MOST_CELLS,
      region: region && resized(region, width, height),
    });
  }

  /**
   * What lives, with its regions' masks; a region that nobody painted is the whole picture.
   * @type {(scene: Scene) => Living[]}
   */
  #living({ region: painted, shape, flowSettings }) {
    return (flowSettings.living ?? []).flatMap(({ region, ...living }) => {
      const mask = region === "painted" ? (this.#paintedRegion(painted, shape) ?? { width: 1, height: 1, data: [1] }) : region;
      return mask ? [{ ...living, region: mask }] : [];
    });
  }

  /**
   * The painted region at the picture's size, as the node puts it out.
   * @param {Region | null} region
   * @param {Point} shape
   */
  #paintedRegion(region, shape) {
    if (!region) return null;
    if (this.#painted?.region !== region) this.#painted = { region, mask: resized(maskOf(region), ...shape) };
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
}

/** @type {(mask: Region) => Mask} */
const maskOf = (mask) => ({ width: mask.size[0], height: mask.size[1], data: pixelsOf(mask) });
