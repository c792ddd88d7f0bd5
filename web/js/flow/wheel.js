// @ts-check
/** The colours of flow: the Middlebury wheel (Baker et al., IJCV 2011), as flow_tools/color.py has it. */

const HUE_STEPS = [15, 6, 4, 11, 13, 6]; // from red (right) by yellow (down), green, cyan (left), blue, magenta (up) to red
const HUES = [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1], [1, 0, 0]];
const WHEEL = HUE_STEPS.flatMap((steps, run) =>
  Array.from({ length: steps }, (_, i) => HUES[run].map((from, c) => from + ((HUES[run + 1][c] - from) * i) / steps)),
);

/**
 * [r, g, b] 0..1, full colour, of the direction of a vector.
 * @param {number} x
 * @param {number} y
 */
export function hueOf(x, y) {
  const turn = (Math.atan2(y, x) / (2 * Math.PI) + 1) % 1; // 0 right, 1/4 down
  const position = turn * (WHEEL.length - 1);
  const index = Math.floor(position);
  const next = WHEEL[(index + 1) % WHEEL.length];
  return WHEEL[index].map((from, c) => from + (next[c] - from) * (position - index));
}
