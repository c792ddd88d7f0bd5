/** Coordinates as other packs write them, in px of the picture. */
import { pathLength, pathUpTo, simplified } from "./geometry.js";

/**
 * Arrows [{points 0..1, strength}], or null for another kind of text: KJNodes coord_str ([{x, y}, ...] or lists of these,
 * single quotes too), DragNUWA ([[[x, y], ...], ...]), Motion-I2V's lines "startX,startY,endX,endY", or ComfyUI's TRACKS
 * {track_path: [[[x, y] of each track] of each frame], track_visibility?}. A track of samples loses those that its line
 * does not need, one that stands still becomes a pin.
 */
export function readTracks(text, size) {
  const tracks = fromLines(text) ?? fromJson(text);
  return tracks && tracks.map(({ points, strength = 1 }) => {
    return { points: thinned(points).map(([x, y]) => [x / size[0], y / size[1]]), strength };
  });
}

/**
 * Arrows as nested KJNodes coord_str, which knows no strength: a track ends where its arrow really leads to. With `frames`
 * it has one point a frame.
 */
export function coordStr(arrows, size, { frames = 0 } = {}) {
  const whole = (value) => Math.round(value * 100) / 100;
  const tracks = arrows.map(({ points, strength }) => {
    const path = points.map(([x, y]) => [x * size[0], y * size[1]]);
    const length = pathLength(path);
    if (frames) return Array.from({ length: frames }, (_, i) => pathUpTo(path, (length * strength * i) / (frames - 1)).at(-1));
    return strength === 1 || path.length === 1 ? path : pathUpTo(path, length * strength);
  });
  return JSON.stringify(tracks.map((path) => path.map(([x, y]) => ({ x: whole(x), y: whole(y) }))));
}

function fromLines(text) {
  const lines = text.trim().split(/\r?\n/);
  const tracks = lines.map((line) => line.split(",").map(Number));
  if (!tracks.every((numbers) => numbers.length === 4 && numbers.every(Number.isFinite))) return null;
  return tracks.map(([x0, y0, x1, y1]) => ({ points: [[x0, y0], [x1, y1]] }));
}

function fromJson(text) {
  const data = parsed(text) ?? parsed(text.replaceAll("'", '"'));
  if (Array.isArray(data?.track_path)) return fromTracks(data);
  if (!Array.isArray(data) || !data.length) return null;
  const tracks = Array.isArray(data[0]) ? data : [data];
  const points = tracks.map((track) => Array.isArray(track) && track.length > 0 && track.map(asPoint));
  return points.every((track) => track && track.every(Boolean)) ? points.map((track) => ({ points: track })) : null;
}

/** The visible part of each track, as an arrow of the same speed. */
function fromTracks({ track_path: path, track_visibility: seen }) {
  const steps = path.length - 1;
  const frames = path.map((frame) => (Array.isArray(frame) ? frame.map(asPoint) : []));
  const count = frames[0]?.length;
  if (steps < 1 || !count || !frames.every((frame) => frame.length === count && frame.every(Boolean))) return null;
  return Array.from({ length: count }, (_, i) => {
    const times = frames.map((_, t) => t).filter((t) => seen?.[t]?.[i] ?? true);
    const shown = times.at(-1) - times[0];
    return { points: times.map((t) => frames[t][i]), strength: shown > 0 ? steps / shown : 1 };
  }).filter(({ points }) => points.length);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function asPoint(value) {
  const point = Array.isArray(value) ? value : [value?.x, value?.y];
  return point.length === 2 && point.every(Number.isFinite) ? point : null;
}

function thinned(points) {
  const few = simplified(points, 0.5);
  const still = points.every((p) => Math.hypot(p[0] - points[0][0], p[1] - points[0][1]) <= 0.5);
  return still ? [points[0]] : few;
}
