/** Painting the region: the gesture, and how the region and the brush look. */
import { clamp, inside, toImage } from "./geometry.js";
import { pixelsOf, stroked } from "./region.js";

export const BRUSHES = { paint: 1, erase: 0 };
export const SMALLEST = 0.005; // radius, in shares of the picture's longer side
export const LARGEST = 0.3;

export const resized = (radius, factor) => clamp(radius * factor, SMALLEST, LARGEST);

/** A stroke from the press at screen point `start`; Alt turns painting into erasing and back. */
export function stroke(model, start, { altKey }) {
  const before = model.state;
  const options = {
    radius: model.brush,
    value: altKey ? 1 - BRUSHES[model.tool] : BRUSHES[model.tool],
    shape: model.size ?? [512, 512],
  };
  let last = toImage(start, model.box);
  let region = stroked(before.region, last, last, options);
  const show = () => model.preview({ ...before, region });
  const go = (at) => {
    const next = toImage(at, model.box);
    region = stroked(region, last, next, options);
    last = next;
    model.brushAt = at;
  };
  show();
  return {
    move(at) {
      go(at);
      show();
    },
    up(at) {
      go(at);
      model.commit({ ...before, region });
    },
  };
}

/** Paints the picture darker where the region keeps it still; `shade` is a canvas to work on. */
export function regionPainter() {
  const shade = document.createElement("canvas");
  let shown = null;
  return (context, { box, region, tool }) => {
    if (!region) return;
    if (shown !== region) {
      shown = region;
      [shade.width, shade.height] = region.size;
      const work = shade.getContext("2d");
      const image = work.createImageData(...region.size);
      pixelsOf(region).forEach((value, i) => (image.data[4 * i + 3] = value ? 0 : 255));
      work.putImageData(image, 0, 0);
    }
    context.save();
    context.globalAlpha = tool in BRUSHES ? 0.62 : 0.45;
    context.imageSmoothingEnabled = true;
    context.drawImage(shade, box.left, box.top, box.width, box.height);
    context.restore();
  };
}

/** The brush's outline at the pointer. */
export function paintBrush(context, { box, tool, brush, brushAt }) {
  if (!(tool in BRUSHES) || !brushAt) return;
  const [x, y] = brushAt;
  const at = toImage(brushAt, box);
  if (inside(at).some((value, axis) => Math.abs(value - at[axis]) > brush)) return;
  context.beginPath();
  context.arc(x, y, brush * Math.max(box.width, box.height), 0, 2 * Math.PI);
  context.lineWidth = 3;
  context.strokeStyle = "rgba(10, 12, 16, 0.8)";
  context.stroke();
  context.lineWidth = 1.25;
  context.strokeStyle = tool === "paint" ? "#ffffff" : "#ff9a8a";
  context.stroke();
}
