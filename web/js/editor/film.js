// @ts-check
/**
 * The moving picture: its layers, and their composition at a frame.
 * @import { Margin } from "../flow/beyond.js"
 * @import { Held, Layers } from "../flow/layers.js"
 * @import { Living } from "../flow/living.js"
 * @import { Motion } from "../flow/motion.js"
 * @import { Context } from "./draw.js"
 * @import { Point } from "./geometry.js"
 * @import { Region } from "./region.js"
 * @import { Finder, Picture, Scene } from "./session.js"
 */
import { NO_MARGIN, inPx, stepsOut, wider } from "../flow/beyond.js";
import { compose, cutOut, heldStill, plainLayers, withoutMargin } from "../flow/layers.js";
import { Alive } from "../flow/living.js";
import { stretched } from "../flow/poses.js";
import { context2d } from "./dom.js";
import { centerCut } from "./geometry.js";

export const FPS = 12;
const MOST_PIXELS = 400; // on the longer side
const SETTLED_MS = 300; // the motion has stayed for so long

/** @typedef {{ picture: Picture, masks: readonly Region[], still: ImageData, layers: Layers, asked: string }} Cut `asked`: with which margin, "" for none */
/** @typedef {{ motion: Motion, since: number, frames: number, out: Margin }} Outlook what the first frames show from beyond the picture, in steps; `since` in ms */
/** @typedef {{ picture: Picture, canvas: HTMLCanvasElement, source: ImageData, target: ImageData }} Rasters */

export class Film {
  #layersOf;
  #say;
  /** @type {Rasters | null} */
  #rasters = null;
  /** @type {Cut | null} */
  #cut = null;
  /** @type {Outlook | null} */
  #outlook = null;
  /** @type {AbortController | null} */
  #asking = null;
  /** @type {unknown[]} */
  #shown = [];
  /** @type {{ from: unknown[], alive: Alive | null, held: Held | null | undefined } | null} */
  #kept = null;

  /** Whether the page is still to be asked for better layers. */
  waits = false;

  /**
   * @param {Finder["layers"]} layersOf
   * @param {(news: "cutting" | "continuing" | Error | null) => void} say how asking for layers goes
   */
  constructor(layersOf, say) {
    this.#layersOf = layersOf;
    this.#say = say;
  }

  /**
   * @param {Context} context
   * @param {Scene} scene
   * @param {Motion} motion
   * @param {readonly Region[]} masks of its objects
   * @param {readonly Living[]} living
   */
  paint(context, { box, picture, frame }, motion, masks, living) {
    if (!picture?.image) return;
    if (this.#rasters?.picture !== picture) this.#rasters = { picture, ...rasters(picture.image, picture.aspect) };
    const { canvas, source, target } = this.#rasters;
    const { still, layers } = this.#cutOf(picture, masks, motion, source);
    const shown = [still, motion, layers, frame, living, this.waits];
    if (shown.some((part, i) => part !== this.#shown[i])) {
      this.#shown = shown;
      const { width, height } = motion.area(0);
      const poses = motion.posesAt(frame).map((pose) => stretched(pose, source.width / width, source.height / height));
      if (frame) {
        const { alive, held } = this.#keep(still, layers, motion, living);
        compose(layers, motion.back(frame), poses, target, alive && ((over) => alive.paint(frame, over)), held);
      }
      context2d(canvas).putImageData(frame ? target : still, 0, 0);
    }
    context.imageSmoothingQuality = "high";
    context.drawImage(canvas, box.left, box.top, box.width, box.height);
  }

  /**
   * What is the same at every frame. What stands is looked for when the motion has settled: that takes all of its fields.
   * @param {ImageData} still
   * @param {Layers} layers
   * @param {Motion} motion
   * @param {readonly Living[]} living
   */
  #keep(still, layers, motion, living) {
    const from = [still, layers, motion, living];
    if (!this.#kept?.from.every((part, i) => part === from[i])) {
      const alive = living.length ? new Alive(withoutMargin(layers), living, motion) : null;
      this.#kept = { from, alive, held: undefined };
    }
    if (!this.waits && this.#kept.held === undefined) this.#kept.held = heldStill(still, layers, motion, this.#kept.alive?.share);
    return this.#kept;
  }

  /**
   * By the masks alone, and ending at the border, until the page has sent better ones.
   * @param {Picture} picture
   * @param {readonly Region[]} masks
   * @param {Motion} motion
   * @param {ImageData} source
   */
  #cutOf(picture, masks, motion, source) {
    let cut = this.#cut;
    if (!cut || cut.picture !== picture || cut.masks.length !== masks.length || cut.masks.some((mask, i) => mask !== masks[i])) {
      this.#asking?.abort();
      const layers = masks.length ? plainLayers(source, motion.masks) : { plate: source, margin: NO_MARGIN, objects: [] };
      cut = this.#cut = { picture, masks, still: source, layers, asked: "" };
      this.#outlook = null;
      this.#say(masks.length && this.#layersOf ? "cutting" : null);
    }
    this.waits = Boolean(this.#layersOf) && !this.#looked(motion, cut, source);
    return cut;
  }

  /**
   * Looks at one frame more of a motion that has settled, and at the last asks for the layers that all of them show.
   * @type {(motion: Motion, cut: Cut, source: ImageData) => boolean} whether it was the last
   */
  #looked(motion, cut, { width, height }) {
    const now = performance.now();
    if (this.#outlook?.motion !== motion) this.#outlook = { motion, since: now, frames: 0, out: NO_MARGIN };
    const outlook = this.#outlook;
    if (outlook.frames === motion.frames) return true;
    if (now - outlook.since <= SETTLED_MS) return false;
    outlook.out = wider(outlook.out, stepsOut(motion.back(outlook.frames++)));
    if (outlook.frames < motion.frames) return false;
    const margin = inPx(outlook.out, width, height);
    if (!cut.masks.length && !margin.some(Boolean)) this.#say(null);
    else if (cut.asked !== String(margin)) this.#ask(cut, [width, height], margin);
    return true;
  }

  /** @type {(cut: Cut, size: Point, margin: Margin) => Promise<void>} */
  async #ask(cut, [width, height], margin) {
    this.#asking?.abort();
    const { signal } = (this.#asking = new AbortController());
    cut.asked = String(margin);
    this.#say(cut.masks.length ? "cutting" : "continuing");
    try {
      const { still, plate, objects } = await /** @type {NonNullable<Finder["layers"]>} */ (this.#layersOf)([width, height], cut.masks, margin, signal);
      const [above, below, before, after] = margin;
      const [seen, behind, ...things] = await Promise.all([
        loaded(still, width, height),
        loaded(plate, before + width + after, above + height + below),
        ...objects.map((url) => loaded(url, width, height)),
      ]);
      if (signal.aborted) return;
      cut.still = seen;
      cut.layers = { plate: behind, margin, objects: things.map(cutOut) };
      this.#say(null);
    } catch (error) {
      if (signal.aborted) return;
      cut.asked = "";
      this.#say(/** @type {Error} */ (error));
    }
  }
}

/** @type {(url: string, width: number, height: number) => Promise<ImageData>} */
async function loaded(url, width, height) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return drawn(image, { x: 0, y: 0, width: image.naturalWidth, height: image.naturalHeight }, width, height).image;
}

/**
 * The picture as it lies on the stage, as pixels to read, and as many to write.
 * @param {HTMLImageElement} image
 * @param {number} [aspect]
 */
function rasters(image, aspect) {
  const cut = centerCut([image.naturalWidth, image.naturalHeight], aspect);
  const fraction = Math.min(1, MOST_PIXELS / Math.max(cut.width, cut.height));
  const { canvas, context, image: source } = drawn(image, cut, Math.round(cut.width * fraction), Math.round(cut.height * fraction));
  return { canvas, source, target: context.createImageData(canvas.width, canvas.height) };
}

/**
 * @param {HTMLImageElement} picture
 * @param {ReturnType<typeof centerCut>} cut
 * @param {number} width
 * @param {number} height
 */
function drawn(picture, cut, width, height) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = context2d(canvas, { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, cut.x, cut.y, cut.width, cut.height, 0, 0, width, height);
  return { canvas, context, image: context.getImageData(0, 0, width, height) };
}
