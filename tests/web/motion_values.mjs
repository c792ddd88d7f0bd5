// node motion_values.mjs < cases.json: what the browser makes of each case, as float32 after float32.
// A case: {arrows, masks, width, height, frames, sigma, threshold, mode, t, layers?, living?}: the exact field of frame t, or
// with `layers` ({plate, objects, still?}, RGBA bytes of width x height each, the plate with the motion's margin) the picture of
// that frame, over the plate with what lives, and with `still` where only what stands is; with t null, what it lacks of it.
import { readFileSync, writeSync } from "node:fs";

import { NO_MARGIN, inPx, stepsOut, wider } from "../../web/js/flow/beyond.js";
import { compose, cutOut, heldStill, withoutMargin } from "../../web/js/flow/layers.js";
import { Alive } from "../../web/js/flow/living.js";
import { Motion } from "../../web/js/flow/motion.js";

const raster = (width, height, data) => {
  if (data.length !== 4 * width * height) throw new Error(`${data.length} bytes, not ${width} x ${height} px`);
  return { width, height, data: Uint8ClampedArray.from(data) };
};

for (const { arrows, masks, layers, living = [], t, ...grid } of JSON.parse(readFileSync(0, "utf8"))) {
  const { width, height, frames } = grid;
  const motion = new Motion(arrows, masks, grid);
  let found;
  if (layers) {
    let out = NO_MARGIN;
    for (let frame = 0; frame < frames; frame++) out = wider(out, stepsOut(motion.back(frame)));
    const margin = inPx(out, width, height);
    const [top, bottom, left, right] = margin;
    const target = raster(width, height, new Uint8ClampedArray(4 * width * height));
    const cut = {
      plate: raster(left + width + right, top + height + bottom, layers.plate),
      margin,
      objects: layers.objects.map((data) => cutOut(raster(width, height, data))),
    };
    const alive = new Alive(withoutMargin(cut), living, motion);
    const held = layers.still && heldStill(raster(width, height, layers.still), cut, motion, alive.share);
    if (t !== null) compose(cut, motion.back(t), motion.posesAt(t), target, (over) => alive.paint(t, over), held);
    found = [t === null ? held.lacks : target.data];
  } else {
    const { x, y } = motion.exact(t);
    found = [x, y];
  }
  for (const values of found) {
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    for (let done = 0; done < bytes.length; ) done += writeSync(1, bytes, done);
  }
}
