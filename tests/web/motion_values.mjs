// node motion_values.mjs < cases.json: what the browser makes of each case, as float32 after float32.
// A case: {arrows, masks, width, height, frames, sigma, threshold, mode, t, layers?}: the exact field of frame t, or with
// `layers` ({plate, objects}, RGBA bytes of width x height each) the picture of that frame.
import { readFileSync, writeSync } from "node:fs";

import { compose, cutOut } from "../../web/js/flow/layers.js";
import { Motion } from "../../web/js/flow/motion.js";

for (const { arrows, masks, layers, t, ...grid } of JSON.parse(readFileSync(0, "utf8"))) {
  const { width, height } = grid;
  const motion = new Motion(arrows, masks, grid);
  const raster = (data) => ({ width, height, data: Uint8ClampedArray.from(data) });
  let found;
  if (layers) {
    const target = raster(new Uint8ClampedArray(4 * width * height));
    const cut = { plate: raster(layers.plate), objects: layers.objects.map(raster).map(cutOut) };
    compose(cut, motion.back(t), motion.posesAt(t), target);
    found = [target.data];
  } else {
    const { x, y } = motion.exact(t);
    found = [x, y];
  }
  for (const values of found) {
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    for (let done = 0; done < bytes.length; ) done += writeSync(1, bytes, done);
  }
}
