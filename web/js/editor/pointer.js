/** Mouse, touch and pen. A gesture is {move(at, event), up(at), cancel()}; one runs at a time, from press to release. */
import { BRUSHES, stroke } from "./brush.js";
import { distance, hits, inside, panned, simplified, toImage, within, zoomAt } from "./geometry.js";
import * as arrows from "./state.js";

const DOUBLE_CLICK_MS = 350;
const REACH_PX = { mouse: 9, pen: 11, touch: 18 };
const STILL_PX = { mouse: 4, pen: 5, touch: 9 };
const WHEEL_NOTCH_PX = 50;

/**
 * Listens on `canvas` until `signal` aborts. `host` as in editor.js. `isFocused()` says whether the wheel is the editor's, `focus()` makes it so.
 */
export function listen(canvas, model, { signal, host, isFocused, focus }) {
  const touches = new Map(); // pointer id -> place
  let gesture = null;
  let lastClick = { time: -Infinity, at: [0, 0] };
  let turned = 0;

  const place = (event) => {
    const rect = canvas.getBoundingClientRect(); // also where the graph is zoomed
    const [x, y] = [(event.clientX - rect.left) / rect.width, (event.clientY - rect.top) / rect.height];
    return [x * canvas.clientWidth, y * canvas.clientHeight];
  };
  const hitsAt = (at, event) =>
    model.shown ? hits(model.state.arrows, at, model.box, REACH_PX[event.pointerType] ?? REACH_PX.mouse) : [];

  const drop = () => {
    gesture?.cancel?.();
    gesture = null;
    model.cancel();
  };

  function down(event) {
    if (host.pans?.()) return;
    event.stopPropagation();
    focus();
    model.seal();
    const at = place(event);
    touches.set(event.pointerId, at);
    if (event.pointerType === "touch" && touches.size === 2) {
      drop();
      gesture = pinch(model, touches);
    } else if (event.button === 1 && model.view.zoom === 1) {
      host.pan?.(event);
      return;
    } else if (event.button === 1 || event.button === 2) {
      gesture = pan(model, at);
    } else if (event.button === 0 && !gesture && !model.problem && model.tool in BRUSHES) {
      gesture = stroke(model, at, event);
    } else if (event.button === 0 && !gesture && !model.problem) {
      const found = hitsAt(at, event);
      const still = STILL_PX[event.pointerType] ?? STILL_PX.mouse;
      gesture = withStart(press(model, at, event, found), at, still, (up) => {
        const double = event.timeStamp - lastClick.time < DOUBLE_CLICK_MS && distance(lastClick.at, up) < 2 * still;
        lastClick = double ? { time: -Infinity, at: up } : { time: event.timeStamp, at: up };
        return double;
      });
    }
    canvas.setPointerCapture(event.pointerId);
  }

  function move(event) {
    const at = place(event);
    if (touches.has(event.pointerId)) touches.set(event.pointerId, at);
    if (gesture) {
      gesture.move(at, event);
      return;
    }
    if (model.tool in BRUSHES) {
      canvas.style.cursor = "none";
      model.hover = null;
      model.brushAt = at;
      model.onView();
      return;
    }
    const hover = model.problem ? null : (preferred(hitsAt(at, event), model.selected) ?? null);
    canvas.style.cursor = hover ? (hover.point === undefined ? "move" : "grab") : model.tool === "select" ? "default" : "crosshair";
    if (hover?.id !== model.hover?.id) {
      model.hover = hover;
      model.onView();
    }
  }

  function up(event) {
    touches.delete(event.pointerId);
    const ending = gesture;
    gesture = null;
    ending?.up?.(place(event));
  }

  function lost(event) {
    if (touches.delete(event.pointerId)) drop();
  }

  function wheel(event) {
    const zooms = event.ctrlKey || event.metaKey;
    const at = place(event);
    const brushes = model.tool in BRUSHES;
    const over = !brushes && hitsAt(at, event).some(({ id }) => model.selected.has(id));
    if (!(over && !zooms) && !isFocused()) {
      host.wheel?.(event);
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    const delta = event.deltaY || event.deltaX; // Shift turns the wheel sideways
    if (brushes && event.shiftKey) {
      model.resizeBrush(Math.exp(-delta * 0.002));
      return;
    }
    if (!over || zooms) {
      model.view = zoomAt(model.stage, model.size ?? [512, 512], model.view, at, Math.exp(-delta * (zooms ? 0.01 : 0.002)));
      model.onView();
      return;
    }
    turned = Math.abs(delta) >= WHEEL_NOTCH_PX ? Math.sign(delta) * WHEEL_NOTCH_PX : turned + delta;
    if (Math.abs(turned) < WHEEL_NOTCH_PX) return;
    model.changeStrength(-Math.sign(turned) * (event.shiftKey ? 0.01 : 0.1));
    turned = 0;
  }

  const leave = () => {
    if (!model.hover && !model.brushAt) return;
    model.hover = model.brushAt = null;
    model.onView();
  };
  const menu = (event) => {
    event.preventDefault();
    event.stopPropagation();
  };
  const handlers = { pointerdown: down, pointermove: move, pointerup: up, pointercancel: lost, lostpointercapture: lost };
  const keepFocus = (event) => event.preventDefault(); // else the press of a mouse takes it away again
  Object.assign(handlers, { pointerleave: leave, contextmenu: menu, mousedown: keepFocus });
  for (const [type, handler] of Object.entries(handlers)) canvas.addEventListener(type, handler, { signal });
  canvas.addEventListener("wheel", wheel, { signal, passive: false });
  return { cancel: drop, isBusy: () => gesture !== null };
}

/** What is under the pointer counts as the selected arrow's first, so that a drag stays with it. */
const preferred = (found, selected) => found.find(({ id }) => selected.has(id)) ?? found[0];

/** Tells clicks from drags: {drag: gesture, click(double)} becomes a gesture. */
function withStart({ drag, click }, start, still, isDouble) {
  let dragging = false;
  return {
    move(at, event) {
      if (!dragging && distance(start, at) < still) return;
      dragging = true;
      drag.move(at, event);
    },
    up(at) {
      if (dragging) drag.up(at);
      else click(isDouble(at));
    },
    cancel: () => dragging && drag.cancel?.(),
  };
}

/** What a press of the main button starts: {drag, click}. */
function press(model, at, event, found) {
  const picked = preferred(found, model.selected);
  const outside = distance(toImage(at, model.box), inside(toImage(at, model.box))) > 0;
  if (event.ctrlKey || event.metaKey) {
    return { drag: band(model, at, [...model.selected]), click: () => picked && toggle(model, picked) };
  }
  if (event.shiftKey) return { drag: freehand(model, at), click: () => picked && toggle(model, picked) };
  if (event.altKey && picked?.point !== undefined) {
    return { drag: still, click: () => model.commit(arrows.pointRemoved(model.state, picked.id, picked.point)) };
  }
  if (picked) return pressOnArrow(model, at, found, picked);
  if (model.tool === "select" || outside) return { drag: band(model, at, []), click: () => model.select([]) };
  const pin = () => model.add([{ points: [toImage(at, model.box)] }]);
  return { drag: model.tool === "curve" ? freehand(model, at) : straight(model, at), click: pin };
}

const still = { move() {}, up() {} };

function pressOnArrow(model, at, found, picked) {
  const alone = model.selected.size === 1 && model.selected.has(picked.id);
  if (!model.selected.has(picked.id)) model.select([picked.id]);
  model.active = picked.point === undefined ? null : { id: picked.id, point: picked.point };
  const bends = picked.point !== undefined && model.selected.size === 1;
  return {
    drag: bends ? bend(model, at, picked) : shift(model, at),
    click(double) {
      const { points } = arrows.find(model.state, picked.id);
      if (double && picked.segment !== undefined) {
        model.commit(arrows.pointInserted(model.state, picked.id, picked.segment, picked.share));
        model.select([picked.id], { id: picked.id, point: picked.segment + 1 });
      } else if (double && points.length > 2) {
        model.commit(arrows.pointRemoved(model.state, picked.id, picked.point));
        model.select([picked.id]);
      } else if (!double && alone && found.length > 1) {
        const next = found[(found.findIndex(({ id }) => id === picked.id) + 1) % found.length];
        model.select([next.id]);
      } else {
        model.select([picked.id], model.active);
      }
    },
  };
}

function toggle(model, { id }) {
  const ids = new Set(model.selected);
  if (!ids.delete(id)) ids.add(id);
  model.select([...ids]);
}

function straight(model, start) {
  const tail = toImage(start, model.box);
  return {
    move(at) {
      model.draft = { id: null, points: [tail, inside(toImage(at, model.box))], strength: 1 };
      model.onView();
    },
    up: () => keepDraft(model),
  };
}

function freehand(model, start) {
  const path = [start];
  return {
    move(at) {
      if (distance(path.at(-1), at) >= 2) path.push(at);
      model.draft = { id: null, points: path.map((point) => inside(toImage(point, model.box))), strength: 1 };
      model.onView();
    },
    up() {
      const points = simplified(path, 2).map((point) => inside(toImage(point, model.box)));
      model.draft = { ...model.draft, points };
      keepDraft(model);
    },
  };
}

function keepDraft(model) {
  const { draft } = model;
  model.draft = null;
  if (draft) model.add([draft]);
}

function bend(model, start, { id, point }) {
  const from = model.state;
  const grip = toImage(start, model.box);
  const home = arrows.find(from, id).points[point];
  const to = (at) => {
    const now = toImage(at, model.box);
    return arrows.pointMoved(from, id, point, [home[0] + now[0] - grip[0], home[1] + now[1] - grip[1]]);
  };
  return { move: (at) => model.preview(to(at)), up: (at) => model.commit(to(at)) };
}

function shift(model, start) {
  const from = model.state;
  const grip = toImage(start, model.box);
  const to = (at) => {
    const now = toImage(at, model.box);
    return arrows.moved(from, [...model.selected], [now[0] - grip[0], now[1] - grip[1]]);
  };
  return { move: (at) => model.preview(to(at)), up: (at) => model.commit(to(at)) };
}

function band(model, start, kept) {
  return {
    move(at) {
      model.band = [start, at];
      model.select([...kept, ...(model.shown ? within(model.state.arrows, start, at, model.box) : [])]);
    },
    up() {
      model.band = null;
      model.onView();
    },
  };
}

function pan(model, start) {
  let last = start;
  return {
    move(at) {
      const { width, height } = model.box;
      model.view = panned(model.view, [(last[0] - at[0]) / width, (last[1] - at[1]) / height]);
      last = at;
      model.onView();
    },
    up() {},
  };
}

function pinch(model, touches) {
  const spread = () => {
    const [a, b] = [...touches.values()];
    return { middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], span: Math.max(distance(a, b), 1) };
  };
  let last = spread();
  return {
    move() {
      if (touches.size < 2) return;
      const now = spread();
      const { width, height } = model.box;
      const by = [(last.middle[0] - now.middle[0]) / width, (last.middle[1] - now.middle[1]) / height];
      const size = model.size ?? [512, 512];
      model.view = zoomAt(model.stage, size, panned(model.view, by), now.middle, now.span / last.span);
      last = now;
      model.onView();
    },
    up() {},
  };
}
