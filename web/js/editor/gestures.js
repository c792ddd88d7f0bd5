// @ts-check
/**
 * What a press of the pointer starts, from press to release.
 * @import { Hit, Point } from "./geometry.js"
 * @import { Gesture, Session } from "./session.js"
 * @import { Arrow, State } from "./state.js"
 */
import { ask, part } from "./finding.js";
import { distance, inside, panned, simplified, toImage, within, zoomAt } from "./geometry.js";
import { maskOf } from "./objects.js";
import { holds } from "./region.js";
import { find, moved, pointInserted, pointMoved, pointRemoved } from "./state.js";

/** @typedef {{ drag: Gesture, click: (double: boolean) => void }} Press what it is when the pointer moves, and when not */

/**
 * What is under the pointer counts as the selected arrow's first, so that a drag stays with it.
 * @type {(found: Hit[], selected: ReadonlySet<string>) => Hit | undefined}
 */
export const preferred = (found, selected) => found.find(({ id }) => selected.has(id)) ?? found[0];

/**
 * Tells clicks from drags, which begin `still` px from the start.
 * @param {Press} press
 * @param {Point} start
 * @param {number} still
 * @param {(at: Point) => boolean} isDouble
 * @returns {Gesture}
 */
export function withStart({ drag, click }, start, still, isDouble) {
  let dragging = false;
  return {
    move(at) {
      if (!dragging && distance(start, at) < still) return;
      dragging = true;
      drag.move(at);
    },
    up(at) {
      if (dragging) drag.up(at);
      else click(isDouble(at));
    },
  };
}

/**
 * What a press of the main button on `found` starts, with the tools that draw arrows and select.
 * @param {Session} session
 * @param {Point} at
 * @param {PointerEvent} event
 * @param {Hit[]} found
 * @returns {Press}
 */
export function press(session, at, event, found) {
  const { document, view } = session;
  const picked = preferred(found, view.selected);
  const point = toImage(at, session.box);
  const outside = distance(point, inside(point)) > 0;
  const toggled = () => picked && toggle(session, picked);
  if (event.ctrlKey || event.metaKey) return { drag: band(session, at, session.selectedIds), click: toggled };
  const asks = event.altKey || view.tool === "object"; // for what the arrow moves
  if (event.shiftKey) return { drag: freehand(session, at, asks), click: toggled };
  if (view.tool === "object" && event.altKey) return { drag: straight(session, at, asks), click: () => part(session, point, true) };
  if (event.altKey && picked?.point !== undefined) {
    const { id, point } = picked;
    return { drag: nothing, click: () => document.commit(pointRemoved(document.state, id, point)) };
  }
  if (picked) return pressOnArrow(session, at, found, picked);
  if (view.tool === "select" || outside) return { drag: band(session, at, []), click: () => session.select([]) };
  const drag = view.tool === "curve" ? freehand(session, at, asks) : straight(session, at, asks);
  return { drag, click: () => (view.tool === "object" ? part(session, point, false) : pin(session, point)) };
}

/**
 * In the selected arrow's object it belongs to that: what the arrow moves turns about it.
 * @type {(session: Session, point: Point) => void}
 */
function pin(session, point) {
  const { target, document } = session;
  const mask = target && maskOf(document.state, target);
  session.add([{ points: [point], ...(mask && holds(mask, point) && { object: target }) }]);
}

/** @type {Gesture} */
const nothing = { move() {}, up() {} };

/**
 * @param {Session} session
 * @param {Point} at
 * @param {Hit[]} found
 * @param {Hit} picked
 * @returns {Press}
 */
function pressOnArrow(session, at, found, picked) {
  const { document } = session;
  const { id, point, segment, fraction = 0 } = picked;
  const { selected } = session.view;
  const alone = selected.size === 1 && selected.has(id);
  session.select(selected.has(id) ? selected : [id], point === undefined ? null : { id, point });
  const bends = point !== undefined && session.view.selected.size === 1;
  return {
    drag: bends ? bend(session, at, id, point) : shift(session, at),
    click(double) {
      const points = find(document.state, id)?.points ?? [];
      if (double && segment !== undefined) {
        document.commit(pointInserted(document.state, id, segment, fraction));
        session.select([id], { id, point: segment + 1 });
      } else if (double && point !== undefined && points.length > 2) {
        document.commit(pointRemoved(document.state, id, point));
        session.select([id]);
      } else if (!double && alone && found.length > 1) {
        const next = found[(found.findIndex((hit) => hit.id === id) + 1) % found.length];
        session.select([next.id]);
      } else {
        session.select([id], session.view.active);
      }
    },
  };
}

/** @type {(session: Session, hit: Hit) => void} */
function toggle(session, { id }) {
  const ids = new Set(session.view.selected);
  if (!ids.delete(id)) ids.add(id);
  session.select(ids);
}

/** @type {(session: Session, start: Point, asks: boolean) => Gesture} */
function straight(session, start, asks) {
  const tail = toImage(start, session.box);
  return {
    move: (at) => session.show({ draft: { points: [tail, inside(toImage(at, session.box))], strength: 1 } }),
    up: () => keepDraft(session, asks),
  };
}

/** @type {(session: Session, start: Point, asks: boolean) => Gesture} */
function freehand(session, start, asks) {
  const path = [start];
  /** @param {Point[]} points */
  const draw = (points) => {
    session.show({ draft: { points: points.map((point) => inside(toImage(point, session.box))), strength: 1 } });
  };
  return {
    move(at) {
      if (distance(path[path.length - 1], at) >= 2) path.push(at);
      draw(path);
    },
    up() {
      draw(simplified(path, 2));
      keepDraft(session, asks);
    },
  };
}

/** @type {(session: Session, asks: boolean) => void} */
function keepDraft(session, asks) {
  const { draft } = session.view;
  session.show({ draft: null });
  if (draft && session.add([draft]) && asks) ask(session, session.selectedIds, draft.points[0]);
}

/** @type {(session: Session, start: Point, id: string, point: number) => Gesture} */
function bend(session, start, id, point) {
  const from = session.document.state;
  const [x, y] = /** @type {Arrow} */ (find(from, id)).points[point];
  return dragged(session, start, (by) => pointMoved(from, id, point, [x + by[0], y + by[1]]));
}

/** @type {(session: Session, start: Point) => Gesture} */
function shift(session, start) {
  const from = session.document.state;
  return dragged(session, start, (by) => moved(from, session.selectedIds, by));
}

/**
 * Shows what `change` makes of the drag's image vector, and keeps it at the release.
 * @type {(session: Session, start: Point, change: (by: Point) => State) => Gesture}
 */
function dragged(session, start, change) {
  const grip = toImage(start, session.box);
  /** @param {Point} at */
  const changed = (at) => {
    const now = toImage(at, session.box);
    return change([now[0] - grip[0], now[1] - grip[1]]);
  };
  return {
    move: (at) => session.document.preview(changed(at)),
    up: (at) => session.document.commit(changed(at)),
  };
}

/** @type {(session: Session, start: Point, kept: string[]) => Gesture} */
function band(session, start, kept) {
  return {
    move(at) {
      const { shown } = session.view;
      const ids = shown ? within(session.document.state.arrows, start, at, session.box) : [];
      session.show({ band: [start, at] });
      session.select([...kept, ...ids]);
    },
    up: () => session.show({ band: null }),
  };
}

/** @type {(session: Session, start: Point) => Gesture} */
export function pan(session, start) {
  let last = start;
  return {
    move(at) {
      const { width, height } = session.box;
      session.show({ camera: panned(session.view.camera, [(last[0] - at[0]) / width, (last[1] - at[1]) / height]) });
      last = at;
    },
    up() {},
  };
}

/**
 * Two fingers, whose points are in `touches`: they zoom and pan.
 * @type {(session: Session, touches: Map<number, Point>) => Gesture}
 */
export function pinch(session, touches) {
  /** @returns {{ middle: Point, span: number }} */
  const measured = () => {
    const [a, b] = [...touches.values()];
    return { middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], span: Math.max(distance(a, b), 1) };
  };
  let last = measured();
  return {
    move() {
      if (touches.size < 2) return;
      const now = measured();
      const { width, height } = session.box;
      const camera = panned(session.view.camera, [
        (last.middle[0] - now.middle[0]) / width,
        (last.middle[1] - now.middle[1]) / height,
      ]);
      session.show({ camera: zoomAt(session.stage, session.shape, camera, now.middle, now.span / last.span) });
      last = now;
    },
    up() {},
  };
}
