// node field_values.mjs < cases.json: what the browser makes of each case, as float32 after float32.
// A case: {arrows, width, height, frames, sigma, threshold, mode, region?, most?, steps?}; with `steps` the displacement
// back to frame 0 after so many frames instead of the flow.
import { readFileSync, writeSync } from "node:fs";

import { denseField, emptyField, hintsOf, resized, sigmaInPx } from "../../web/js/flow/field.js";
import { followedField } from "../../web/js/flow/followed.js";
import { stepBack } from "../../web/js/flow/warp.js";

for (const given of JSON.parse(readFileSync(0, "utf8"))) {
  const { arrows, width, height, sigma, region, steps } = given;
  const options = { ...given, sigma: sigmaInPx(sigma, width, height) };
  if (region) options.region = resized(region, width, height);
  const followed = given.mode === "followed";
  const field = followed ? followedField(arrows, options, 0) : denseField(hintsOf(arrows, given), options);
  let shown = field;
  if (steps) {
    shown = emptyField(width, height, field.cols, field.rows);
    for (let t = 0; t < steps; t++) shown = stepBack(field, shown);
  }
  for (const { buffer } of [shown.x, shown.y]) {
    const bytes = new Uint8Array(buffer);
    for (let done = 0; done < bytes.length; ) done += writeSync(1, bytes, done);
  }
}
