// @ts-check
/**
 * Giving objects to arrows: by asking the page what lies at a point, by sharing another arrow's, by hand.
 * @import { Point } from "./geometry.js"
 * @import { Region } from "./region.js"
 * @import { Session } from "./session.js"
 * @import { Arrow, State } from "./state.js"
 */
import { arrowsOf, given, maskOf, objectAt, released, shared, withMask } from "./objects.js";
import { blank, combined, sizeFor } from "./region.js";
import { MAX_OBJECTS, TIMINGS } from "./state.js";

/** @type {(session: Session) => Arrow[]} of the selected arrows those that move areas */
const loose = ({ chosen }) => chosen.filter(({ object }) => !object);

/** Whether the selected arrows can share an object that one of them has. */
const canShare = (/** @type {Session} */ session) => session.target !== null && loose(session).length > 0;

/** Whether the command object can do anything on this page. */
export const canFind = (/** @type {Session} */ session) => Boolean(session.host.objectAt) || canShare(session);

/**
 * The selected arrows get an object: the one that one of them has, or the thing under their tail. From then on clicks add
 * to it.
 * @param {Session} session
 */
export function choose(session) {
  if (canFind(session)) session.show({ tool: "object" });
  const arrows = loose(session);
  const ids = arrows.map(({ id }) => id);
  const { target, document } = session;
  if (target !== null && ids.length) document.commit(shared(document.state, ids, target));
  else if (ids.length) ask(session, ids, (arrows.find(({ points }) => points.length > 1) ?? arrows[0]).points[0]);
  else if (!canFind(session)) session.say(session.t("noFinder"));
}

/**
 * Asks for the thing at a point 0..1, which the arrows of `ids` are to move.
 * @type {(session: Session, ids: readonly string[], point: Point) => void}
 */
export function ask(session, ids, point) {
  session.ask(point, (state, mask) => withNew(session, state, ids, mask));
}

/**
 * A click of the tool object: the part there belongs to the selected arrow's object, or does not (`takes`). With an arrow
 * that has none it is its object; with none selected, the object there is.
 * @type {(session: Session, point: Point, takes: boolean) => void}
 */
export function part(session, point, takes) {
  const { target, chosen, document } = session;
  if (target !== null) {
    session.ask(point, (state, mask) => {
      const before = /** @type {Region} */ (maskOf(state, target));
      return withMask(state, target, combined(before, mask, takes ? 0 : 1));
    });
  } else if (chosen.length) {
    ask(session, session.selectedIds, point);
  } else {
    const number = objectAt(document.state, point);
    if (number) session.select(arrowsOf(document.state, number).map(({ id }) => id));
    else session.say(session.t("noArrowSelected"));
  }
}

/**
 * An empty object for the selected arrows, to be painted.
 * @param {Session} session
 */
export function paintOwn(session) {
  const { document, selectedIds } = session;
  if (!selectedIds.length) return session.say(session.t("noArrowSelected"));
  document.commit(withNew(session, document.state, selectedIds, blank(sizeFor(session.shape))));
  session.show({ tool: "paint" });
}

/** @param {Session} session */
export function release({ document, target, selectedIds }) {
  if (target !== null) document.commit(released(document.state, selectedIds));
}

/**
 * The next timing for all selected arrows, counted from the first one's.
 * @param {Session} session
 */
export function nextTiming(session) {
  const [first] = session.chosen;
  if (first) session.setTiming(TIMINGS[(TIMINGS.indexOf(first.timing ?? "steady") + 1) % TIMINGS.length]);
}

/** @type {(session: Session, state: State, ids: readonly string[], mask: Region) => State} */
function withNew(session, state, ids, mask) {
  if (state.objects.length < MAX_OBJECTS) return given(state, ids, mask);
  session.say(session.t("tooManyObjects", { count: MAX_OBJECTS + 1, most: MAX_OBJECTS }));
  return state;
}
