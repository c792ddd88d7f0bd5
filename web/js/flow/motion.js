// @ts-check
/**
 * All that arrows make move, frame by frame: the area field, where it leads back to, the objects' poses, and the exact field
 * of all together. Each is computed when it is first asked for.
 * @import { Field, FlowSettings, Mask } from "./field.js"
 * @import { Mover, Pose } from "./poses.js"
 */
import { bilinear, denseField, emptyField, hintsOf, middle } from "./field.js";
import { followedField } from "./followed.js";
import { farthest, inverse, moved, posesOf, progress } from "./poses.js";
import { stepBack, stepFurtherBack } from "./warp.js";

const STANDS = 0.1 / 256; // of the longer side: what travels less stands

/** @typedef {Mover & { object?: number }} MovingArrow */
/** @typedef {Pick<FlowSettings, "width" | "height" | "frames" | "sigma" | "threshold" | "mode"> & { region?: Mask | null, most?: number }} Grid */

export class Motion {
  #areas;
  #grid;
  /** @type {Field[]} */
  #steps = []; // the area field of each
  /** @type {Field[]} */
  #back = [];
  /** @type {{ t: number, field: Field } | null} */
  #exact = null;

  /**
   * @param {readonly MovingArrow[]} arrows
   * @param {readonly Mask[]} masks of the objects, stretched over the grid
   * @param {Grid} grid
   */
  constructor(arrows, masks, grid) {
    this.#areas = arrows.filter(({ object }) => !object);
    this.#grid = grid;
    this.frames = grid.frames;
    this.masks = masks;
    this.poses = masks.map((_, i) => posesOf(arrows.filter(({ object }) => object === i + 1), grid));
    this.timed = this.#areas.some(({ timing }) => timing);
    /** Whether its exact field is another one at another frame. */
    this.varies = this.timed || arrows.some(({ object, points }) => object && points.length > 1);
  }

  /** @type {(t: number) => Pose[]} */
  posesAt(t) {
    return this.poses.map((pose) => pose(t));
  }

  /** Of each object, whether it is where it is in the picture, always. */
  get stands() {
    const { width, height } = this.#grid;
    const least = STANDS * Math.max(width, height);
    return this.poses.map((pose) => Array.from({ length: this.frames }, (_, t) => farthest(pose(t), width, height)).every((way) => way <= least));
  }

  /** @type {Mask} how fast the area field is at most, of the longer side a frame */
  get speed() {
    const { width, height, cols, rows } = this.area(0);
    const data = new Float32Array(cols * rows);
    for (let t = 0; t < (this.timed ? this.frames - 1 : 1); t++) {
      const { x, y } = this.area(t);
      data.forEach((most, i) => (data[i] = Math.max(most, Math.abs(x[i]), Math.abs(y[i]))));
    }
    return { width: cols, height: rows, data: data.map((most) => most / Math.max(width, height)) };
  }

  /**
   * The area field from frame `t` to the next.
   * @param {number} t
   */
  area(t) {
    const step = this.timed ? t : 0;
    return (this.#steps[step] ??=
      this.#grid.mode === "followed" ? followedField(this.#areas, this.#grid, step) : this.#averaged(step));
  }

  /** @param {number} step */
  #averaged(step) {
    const { frames } = this.#grid;
    const arrows = this.#areas.map((arrow) => {
      const share = progress(arrow.timing, step + 1, frames) - progress(arrow.timing, step, frames);
      return { ...arrow, strength: arrow.strength * share * (frames - 1) };
    });
    return denseField(hintsOf(arrows, this.#grid), this.#grid);
  }

  /**
   * Where what the area field has brought to p at frame `t` was in frame 0, minus p.
   * @param {number} t
   */
  back(t) {
    const { width, height, cols, rows } = this.area(0);
    this.#back[0] ??= emptyField(width, height, cols, rows);
    const further = this.timed ? stepFurtherBack : stepBack;
    while (this.#back.length <= t) this.#back.push(further(this.area(this.#back.length - 1), this.#back[this.#back.length - 1]));
    return this.#back[t];
  }

  /**
   * The field from frame `t` to the next: of the topmost object where there is one, of the area elsewhere.
   * @param {number} t
   */
  exact(t) {
    if (!this.varies && !this.masks.length) return this.area(0);
    if (this.#exact?.t !== t) this.#exact = { t, field: this.#exactAt(t) };
    return this.#exact.field;
  }

  /** @param {number} t */
  #exactAt(t) {
    const area = this.area(t);
    const { width, height, cols, rows } = area;
    const field = { ...area, x: area.x.slice(), y: area.y.slice() };
    this.masks.forEach((mask, i) => {
      const [to, back] = [this.poses[i](t + 1), inverse(this.poses[i](t))];
      for (let row = 0; row < rows; row++) {
        const y = middle(row, height, rows) + 0.5;
        for (let column = 0; column < cols; column++) {
          const x = middle(column, width, cols) + 0.5;
          const from = moved(back, x, y);
          if (from[0] < 0 || from[1] < 0 || from[0] > width || from[1] > height) continue;
          const [u, v] = [(from[0] * mask.width) / width - 0.5, (from[1] * mask.height) / height - 0.5];
          if (bilinear(mask.data, mask.width, mask.height, u, v) <= 0.5) continue;
          const next = moved(to, ...from);
          field.x[row * cols + column] = next[0] - x;
          field.y[row * cols + column] = next[1] - y;
        }
      }
    });
    return field;
  }
}
