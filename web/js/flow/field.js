// @ts-check
/**
 * Arrows -> optical flow, as flow_tools/sparse.py and dense.py have it (eq. 5, 6, 7). Flow is in px/frame on a width x
 * height grid, x right, y down; pixel i lies at i.
 */

/** @typedef {[number, number]} Point [x, y] */

/**
 * `x` and `y` [rows * cols] at the middles of cols x rows cells of the grid, which are the pixels themselves where
 * cols = width.
 * @typedef {{ cols: number, rows: number, width: number, height: number, x: Float32Array, y: Float32Array }} Field
 */
/** @typedef {{ width: number, height: number, data: ArrayLike<number> }} Mask `data` [height * width], 0..1 */
/** @typedef {{ column: number, row: number, x: number, y: number, weight: number }} Hint */

/** @typedef {Omit<import("./living.js").Living, "region"> & { region: Mask | "painted" | null }} LivingSettings null: not known */

/**
 * What the nodes behind the arrows are set to; `width`, `height` and `sigma` as they mean it, `note` says it in words.
 * @typedef {object} FlowSettings
 * @property {number} frames
 * @property {number} width px
 * @property {number} height px
 * @property {number} sigma
 * @property {number} threshold
 * @property {"followed" | "faded" | "normalized" | "sum"} mode
 * @property {Mask | "painted" | null} region
 * @property {readonly LivingSettings[]} [living]
 * @property {string} [note]
 */

/**
 * The nodes' own defaults.
 * @type {FlowSettings}
 */
export const DEFAULTS = { frames: 25, width: 0, height: 0, sigma: 0, threshold: 0.05, mode: "followed", region: "painted" };

export const SAMPLE_SPACING_PX = 0.5; // along a curved arrow
const NO_WEIGHT = 1e-18;
const REFERENCE_SIZE = 512;

/**
 * What the node is given, in px: below 1 a share of the longer side; 0 is the paper's, 170 px at 512 px.
 * @param {number} sigma
 * @param {number} width
 * @param {number} height
 */
export function sigmaInPx(sigma, width, height) {
  const longer = Math.max(width, height);
  return sigma === 0 ? (170 * longer) / REFERENCE_SIZE : sigma < 1 ? sigma * longer : sigma;
}

/**
 * What arrows say, for each pixel that they say it of (eq. 5).
 * @param {readonly { points: Point[], strength: number }[]} arrows with points 0..1
 * @param {{ width: number, height: number, frames: number }} grid
 * @returns {Hint[]}
 */
export function hintsOf(arrows, { width, height, frames }) {
  const hints = new Map(); // pixel -> hint; where two fall on one pixel the later wins
  for (const { points, strength } of arrows) {
    const path = pathPx(points, width, height);
    const lengths = lengthsOf(path);
    const length = lengths.reduce((sum, part) => sum + part, 0);
    const speed = (length * strength) / (frames - 1);
    const samples = path.length > 2 ? Math.floor(length / SAMPLE_SPACING_PX) + 2 : 1;
    const own = new Map();
    for (let i = 0; i < samples; i++) {
      const { at, tangent } = pointAt(path, lengths, samples === 1 ? 0 : i === samples - 1 ? length : (i * length) / (samples - 1));
      const [column, row] = [pixel(at[0], width), pixel(at[1], height)];
      own.set(row * width + column, { column, row, x: tangent[0] * speed, y: tangent[1] * speed });
    }
    for (const [key, hint] of own) hints.set(key, { ...hint, weight: 1 / own.size });
  }
  return [...hints.values()];
}

/**
 * Points in px, without repeated neighbours.
 * @type {(points: Point[], width: number, height: number) => Point[]}
 */
export function pathPx(points, width, height) {
  const path = points.map(([x, y]) => /** @type {Point} */ ([x * width, y * height]));
  return path.filter((point, i) => i === 0 || point[0] !== path[i - 1][0] || point[1] !== path[i - 1][1]);
}

/** @type {(path: readonly Point[]) => number[]} of its segments */
export const lengthsOf = (path) => path.slice(1).map((point, i) => Math.hypot(point[0] - path[i][0], point[1] - path[i][1]));

/**
 * The point at `distance` px along a path (see pathPx), beyond its end straight on; at a corner the tangent is that of the
 * segment to come, of a pin it is zero.
 * @param {readonly Point[]} path
 * @param {readonly number[]} lengths of its segments
 * @param {number} distance
 * @returns {{ at: Point, tangent: Point }}
 */
export function pointAt(path, lengths, distance) {
  if (path.length === 1) return { at: path[0], tangent: [0, 0] };
  let [segment, start] = [0, 0];
  while (segment < lengths.length - 1 && start + lengths[segment] <= distance) start += lengths[segment++];
  const [from, to] = [path[segment], path[segment + 1]];
  /** @type {Point} */
  const tangent = [(to[0] - from[0]) / lengths[segment], (to[1] - from[1]) / lengths[segment]];
  const on = distance - start;
  return { at: [from[0] + tangent[0] * on, from[1] + tangent[1] * on], tangent };
}

/** @type {(position: number, size: number) => number} */
export const pixel = (position, size) => Math.min(Math.max(Math.floor(position + 1e-6), 0), size - 1);

/**
 * The dense field of `hints` (eq. 6, 7); `region` multiplies it. With `most` the field has at most that many cells on its
 * longer side.
 * @param {readonly Hint[]} hints
 * @param {Pick<FlowSettings, "width" | "height" | "sigma" | "threshold" | "mode"> & { region?: Mask | null, most?: number }} options
 */
export function denseField(hints, { width, height, sigma, threshold, mode, region = null, most = Infinity }) {
  const fraction = Math.min(1, most / Math.max(width, height));
  const field = emptyField(width, height, Math.max(1, Math.round(width * fraction)), Math.max(1, Math.round(height * fraction)));
  const { cols, rows } = field;
  if (!hints.length) return field;

  // A Gaussian is separable: the hints of one row are added up along it first, then the rows down the columns.
  const lines = alongRows(hints, field, sigma);
  for (let j = 0; j < rows; j++) {
    const y = middle(j, height, rows);
    const sums = { x: new Float64Array(cols), y: new Float64Array(cols), weight: new Float64Array(cols) };
    const nearest = new Float64Array(cols).fill(Infinity); // squared px
    for (const line of lines) {
      const down = gaussian(y - line.row, sigma);
      const squared = (y - line.row) ** 2;
      for (let i = 0; i < cols; i++) {
        sums.x[i] += down * line.x[i];
        sums.y[i] += down * line.y[i];
        sums.weight[i] += down * line.weight[i];
        const away = squared + line.nearest[i] * line.nearest[i];
        if (away < nearest[i]) nearest[i] = away;
      }
    }
    for (let i = 0; i < cols; i++) {
      const at = j * cols + i;
      const largest = Math.exp(-nearest[i] / sigma ** 2);
      const kept =
        mode === "sum"
          ? Math.hypot(sums.x[i], sums.y[i]) > threshold // eq. 7
          : largest > threshold && sums.weight[i] > 0;
      if (!kept) continue;
      const allowed = region ? regionAt(region, middle(i, width, cols), y, field) : 1;
      const scale = mode === "sum" ? allowed : (allowed / sums.weight[i]) * (mode === "faded" ? largest : 1);
      field.x[at] = sums.x[i] * scale;
      field.y[at] = sums.y[i] * scale;
    }
  }
  return field;
}

/**
 * @param {number} width
 * @param {number} height
 * @param {number} cols
 * @param {number} rows
 * @returns {Field}
 */
export function emptyField(width, height, cols, rows) {
  return { cols, rows, width, height, x: new Float32Array(cols * rows), y: new Float32Array(cols * rows) };
}

/**
 * Where cell i of `cells` has its middle, in px of a grid of `size` pixels.
 * @type {(i: number, size: number, cells: number) => number}
 */
export const middle = (i, size, cells) => ((i + 0.5) * size) / cells - 0.5;

/** @type {(distance: number, sigma: number) => number} */
function gaussian(distance, sigma) {
  const weight = Math.exp(-((distance / sigma) ** 2));
  return weight > NO_WEIGHT ? weight : 0;
}

/**
 * For each row with hints: their weighted sums at each column, and how far along the row the nearest of them is.
 * @param {readonly Hint[]} hints
 * @param {Field} field
 * @param {number} sigma
 */
function alongRows(hints, { cols, width }, sigma) {
  const weights = new Map(); // a hint's column -> its weight at each cell
  const lines = new Map();
  for (const { column, row, x, y, weight } of hints) {
    if (!weights.has(column)) {
      weights.set(column, Float64Array.from({ length: cols }, (_, i) => gaussian(middle(i, width, cols) - column, sigma)));
    }
    if (!lines.has(row)) {
      const [sumX, sumY, sumWeight] = [0, 0, 0].map(() => new Float64Array(cols));
      lines.set(row, { row, x: sumX, y: sumY, weight: sumWeight, nearest: new Float64Array(cols).fill(Infinity) });
    }
    const [across, line] = [weights.get(column), lines.get(row)];
    for (let i = 0; i < cols; i++) {
      const product = across[i] * weight;
      line.x[i] += product * x;
      line.y[i] += product * y;
      line.weight[i] += product;
      const away = Math.abs(middle(i, width, cols) - column);
      if (away < line.nearest[i]) line.nearest[i] = away;
    }
  }
  return [...lines.values()];
}

/**
 * The region, stretched over the field's grid, at a point in px of that grid.
 * @type {(region: Mask, x: number, y: number, field: Field) => number}
 */
export function regionAt({ width, height, data }, x, y, field) {
  const column = ((x + 0.5) * width) / field.width - 0.5;
  const row = ((y + 0.5) * height) / field.height - 0.5;
  return bilinear(data, width, height, column, row);
}

/**
 * `data` [height * width] at a point between its pixels; beyond the border it goes on as it is there.
 * @param {ArrayLike<number>} data
 * @param {number} width
 * @param {number} height
 * @param {number} column
 * @param {number} row
 */
export function bilinear(data, width, height, column, row) {
  const x = Math.min(Math.max(column, 0), width - 1);
  const y = Math.min(Math.max(row, 0), height - 1);
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [right, below] = [Math.min(left + 1, width - 1), Math.min(top + 1, height - 1)];
  const [across, down] = [x - left, y - top];
  const upper = data[top * width + left] * (1 - across) + data[top * width + right] * across;
  const lower = data[below * width + left] * (1 - across) + data[below * width + right] * across;
  return upper * (1 - down) + lower * down;
}

/**
 * A mask stretched to another size, as torch's bilinear interpolation does it.
 * @param {Mask} mask
 * @param {number} width
 * @param {number} height
 * @returns {Mask}
 */
export function resized(mask, width, height) {
  if (mask.width === width && mask.height === height) return mask;
  const data = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const row = ((y + 0.5) * mask.height) / height - 0.5;
    for (let x = 0; x < width; x++) {
      data[y * width + x] = bilinear(mask.data, mask.width, mask.height, ((x + 0.5) * mask.width) / width - 0.5, row);
    }
  }
  return { width, height, data };
}

/** @type {(value: number) => number} as Python rounds */
export const roundedToEven = (value) => (Math.abs(value % 1) === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));
