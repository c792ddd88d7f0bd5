// @ts-check
/**
 * The moving picture: its layers, and their composition at a frame.
 * @import { Layers, Raster } from "../flow/layers.js"
 * @import { Living } from "../flow/living.js"
 * @import { Motion } from "../flow/motion.js"
 * @import { Context } from "./draw.js"
 * @import { Region } from "./region.js"
 * @import { Finder, Picture, Scene } from "./session.js"
 */
import { compose, cutOut, plainLayers } from "../flow/layers.js";
import { Alive } from "../flow/living.js";
import { stretched } from "../flow/poses.js";
import { context2d } from "./dom.js";
import { centerCut } from "./geometry.js";

export const FPS = 12;
const MOST_PIXELS = 400; // on the longer side
const SETTLED_MS = 300; // masks have stayed for so long

/** @typedef {{ picture: Picture, masks: readonly Region[], layers: Layers, since: number, asked: boolean }} Cut `since` in ms */
/** @typedef {{ picture: Picture, canvas: HTMLCanvasElement, source: ImageData, target: ImageData }} Rasters */

export class Film {
  #layersOf;
  #say;
  /** @type {Rasters | null} */
  #rasters = null;
  /** @type {Cut | null} */
  #cut = null;
  /** @type {AbortController | null} */
  #asking = null;
  /** @type {unknown[]} */
  #shown = [];
  /** @type {{ plate: Raster, motion: Motion, living: readonly Living[], alive: Alive } | null} */
  #alive = null;

  /** Whether the page is still to be asked for better layers. */
  waits = false;

  /**
   * @param {Finder["layers"]} layersOf
   * @param {(news: "cutting" | Error | null) => void} say how asking for layers goes
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
    const layers = this.#layers(picture, masks, motion, source);
    const shown = [source, motion, layers, frame, living];
    if (shown.some((part, i) => part !== this.#shown[i])) {
      this.#shown = shown;
      const { width, height } = motion.area(0);
      const poses = motion.posesAt(frame).map((pose) => stretched(pose, source.width / width, source.height / height));
      const alive = frame && living.length ? this.#living(layers.plate, motion, living) : null;
      if (frame) compose(layers, motion.back(frame), poses, target, alive ? (over) => alive.paint(frame, over) : undefined);
      context2d(canvas).putImageData(frame ? target : source, 0, 0);
    }
    context.imageSmoothingQuality = "high";
    context.drawImage(canvas, box.left, box.top, box.width, box.height);
  }

  /** @type {(plate: Raster, motion: Motion, living: readonly Living[]) => Alive} */
  #living(plate, motion, living) {
    const made = this.#alive;
    if (made?.plate === plate && made.motion === motion && made.living === living) return made.alive;
    this.#alive = { plate, motion, living, alive: new Alive(plate, living, motion) };
    return this.#alive.alive;
  }

  /**
   * By the masks alone until the page has sent better ones.
   * @param {Picture} picture
   * @param {readonly Region[]} masks
   * @param {Motion} motion
   * @param {ImageData} source
   */
  #layers(picture, masks, motion, source) {
    const now = performance.now();
    const cut = this.#cut;
    if (!cut || cut.picture !== picture || cut.masks.length !== masks.length || cut.masks.some((mask, i) => mask !== masks[i])) {
      this.#asking?.abort();
      this.#asking = null;
      const layers = masks.length ? plainLayers(source, motion.masks) : { plate: source, objects: [] };
      this.#cut = { picture, masks, layers, since: now, asked: !masks.length || !this.#layersOf };
      this.#say(this.#cut.asked ? null : "cutting");
    } else if (!cut.asked && now - cut.since > SETTLED_MS) {
      cut.asked = true;
      this.#ask(cut, source);
    }
    this.waits = !this.#cut?.asked;
    return /** @type {Cut} */ (this.#cut).layers;
  }

  /**
   * @param {Cut} cut
   * @param {Raster} source
   */
  async #ask(cut, { width, height }) {
    const asking = (this.#asking = new AbortController());
    try {
      const { plate, objects } = await /** @type {NonNullable<Finder["layers"]>} */ (this.#layersOf)([width, height], cut.masks, asking.signal);
      const [behind, ...things] = await Promise.all([plate, ...objects].map((url) => loaded(url, width, height)));
      if (asking.signal.aborted) return;
      cut.layers = { plate: behind, objects: things.map(cutOut) };
      this.#say(null);
    } catch (error) {
      if (!asking.signal.aborted) this.#say(/** @type {Error} */ (error));
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
