// node living_values.mjs < cases.json: the picture of each case as the browser makes it, RGBA as float32 after float32.
// A case: {arrows, living, picture (RGBA bytes), width, height, frames, sigma, threshold, mode, t}.
import { readFileSync, writeSync } from "node:fs";

import { compose } from "../../web/js/flow/layers.js";
import { Alive } from "../../web/js/flow/living.js";
import { Motion } from "../../web/js/flow/motion.js";

for (const { arrows, living, picture, t, ...grid } of JSON.parse(readFileSync(0, "utf8"))) {
  const { width, height } = grid;
  const motion = new Motion(arrows, [], grid);
  const plate = { width, height, data: Uint8ClampedArray.from(picture) };
  const target = { width, height, data: new Uint8ClampedArray(4 * width * height) };
  const alive = new Alive(plate, living, motion);
  compose({ plate, objects: [] }, motion.back(t), [], target, (over) => alive.paint(t, over));
  const bytes = new Uint8Array(Float32Array.from(target.data).buffer);
  for (let done = 0; done < bytes.length; ) done += writeSync(1, bytes, done);
}
