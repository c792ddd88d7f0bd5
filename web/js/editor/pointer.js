// @ts-check
/**
 * Mouse, touch and pen over the picture. One gesture runs at a time.
 * @import { Host } from "./editor.js"
 * @import { Hit, Point } from "./geometry.js"
 * @import { Session } from "./session.js"
 */
import { BRUSHES, lasso, resized, stroke } from "./brush.js";
import { distance, hits, zoomAt } from "./geometry.js";
import { pan, pinch, preferred, press, withStart } from "./gestures.js";

const DOUBLE_CLICK_MS = 350;
/** @type {Record<string, number>} */
const REACH_PX = { mouse: 9, pen: 11, touch: 18 };
/** @type {Record<string, number>} */
const STILL_PX = { mouse: 4, pen: 5, touch: 9 };
const WHEEL_NOTCH_PX = 50;

/**
 * Listens on `canvas` until `signal` aborts. `isFocused()` says whether the wheel is the editor's, `focus()` makes it so.
 * @param {HTMLCanvasElement} canvas
 * @param {Session} session
 * @param {{ signal: AbortSignal, host: Host, isFocused: () => boolean, focus: () => void }} page
 */
export function listen(canvas, session, { signal, host, isFocused, focus }) {
  /** @type {Map<number, Point>} */
  const touches = new Map(); // pointer id -> point
  /** @type {{ time: number, at: Point }} */
  let lastClick = { time: -Infinity, at: [0, 0] };
  let turned = 0;

  const brushes = () => session.view.tool in BRUSHES;
  /** @type {(event: MouseEvent) => Point} */
  const pointOf = (event) => {
    const rect = canvas.getBoundingClientRect(); // also where the graph is zoomed
    const [x, y] = [(event.clientX - rect.left) / rect.width, (event.clientY - rect.top) / rect.height];
    return [x * canvas.clientWidth, y * canvas.clientHeight];
  };
  /** @type {(at: Point, pointerType?: string) => Hit[]} */
  const hitsAt = (at, pointerType = "mouse") => {
    const reach = REACH_PX[pointerType] ?? REACH_PX.mouse;
    return session.view.shown ? hits(session.document.state.arrows, at, session.box, reach) : [];
  };

  /** @param {PointerEvent} event */
  function down(event) {
    if (host.pans?.()) return;
    event.stopPropagation();
    focus();
    session.document.seal();
    const at = pointOf(event);
    touches.set(event.pointerId, at);
    const draws = event.button === 0 && !session.gesture && !session.document.problem;
    if (event.pointerType === "touch" && touches.size === 2) {
      session.cancel();
      session.gesture = pinch(session, touches);
    } else if (event.button === 1 && session.view.camera.zoom === 1) {
      host.pan?.(event);
      return;
    } else if (event.button === 1 || event.button === 2) {
      session.gesture = pan(session, at);
    } else if (draws && brushes()) {
      session.gesture = stroke(session, at, event);
    } else if (draws && session.view.tool === "lasso") {
      session.gesture = lasso(session, at, event);
    } else if (draws) {
      const found = hitsAt(at, event.pointerType);
      const still = STILL_PX[event.pointerType] ?? STILL_PX.mouse;
      session.gesture = withStart(press(session, at, event, found), at, still, (up) => {
        const double = event.timeStamp - lastClick.time < DOUBLE_CLICK_MS && distance(lastClick.at, up) < 2 * still;
        lastClick = double ? { time: -Infinity, at: up } : { time: event.timeStamp, at: up };
        return double;
      });
    }
    canvas.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  function move(event) {
    const at = pointOf(event);
    if (touches.has(event.pointerId)) touches.set(event.pointerId, at);
    if (session.gesture) {
      session.gesture.move(at);
      return;
    }
    const { tool, selected } = session.view;
    if (brushes()) {
      canvas.style.cursor = "none";
      session.show({ hover: null, brushAt: at });
      return;
    }
    const hover = session.document.problem || tool === "lasso" ? null : (preferred(hitsAt(at, event.pointerType), selected) ?? null);
    canvas.style.cursor = hover ? (hover.point === undefined ? "move" : "grab") : tool === "select" ? "default" : "crosshair";
    if (hover?.id !== session.view.hover?.id) session.show({ hover });
  }

  /** @param {PointerEvent} event */
  function up(event) {
    touches.delete(event.pointerId);
    const ending = session.gesture;
    session.gesture = null;
    ending?.up(pointOf(event));
  }

  /** @param {PointerEvent} event */
  function lost(event) {
    if (touches.delete(event.pointerId)) session.cancel();
  }

  /** @param {WheelEvent} event */
  function wheel(event) {
    const zooms = event.ctrlKey || event.metaKey;
    const at = pointOf(event);
    const { selected, camera, brush } = session.view;
    const over = !brushes() && hitsAt(at).some(({ id }) => selected.has(id));
    if (!(over && !zooms) && !isFocused()) {
      host.wheel?.(event);
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    const delta = event.deltaY || event.deltaX; // Shift turns the wheel sideways
    if (brushes() && event.shiftKey) {
      session.show({ brush: resized(brush, Math.exp(-delta * 0.002)) });
      return;
    }
    if (!over || zooms) {
      const factor = Math.exp(-delta * (zooms ? 0.01 : 0.002));
      session.show({ camera: zoomAt(session.stage, session.shape, camera, at, factor) });
      return;
    }
    turned = Math.abs(delta) >= WHEEL_NOTCH_PX ? Math.sign(delta) * WHEEL_NOTCH_PX : turned + delta;
    if (Math.abs(turned) < WHEEL_NOTCH_PX) return;
    session.changeStrength(-Math.sign(turned) * (event.shiftKey ? 0.01 : 0.1));
    turned = 0;
  }

  const leave = () => {
    const { hover, brushAt } = session.view;
    if (hover || brushAt) session.show({ hover: null, brushAt: null });
  };
  /** @param {MouseEvent} event */
  const menu = (event) => {
    event.preventDefault();
    event.stopPropagation();
  };
  canvas.addEventListener("pointerdown", down, { signal });
  canvas.addEventListener("pointermove", move, { signal });
  canvas.addEventListener("pointerup", up, { signal });
  canvas.addEventListener("pointercancel", lost, { signal });
  canvas.addEventListener("lostpointercapture", lost, { signal });
  canvas.addEventListener("pointerleave", leave, { signal });
  canvas.addEventListener("contextmenu", menu, { signal });
  canvas.addEventListener("mousedown", (event) => event.preventDefault(), { signal }); // or a press takes the focus away again
  canvas.addEventListener("wheel", wheel, { signal, passive: false });
}
