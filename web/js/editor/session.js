// @ts-check
/**
 * One editor at work: its document, its view, and what takes both. Pointer, keyboard and toolbar all act here; it knows
 * nothing of the page.
 * @import { Margin } from "../flow/beyond.js"
 * @import { FlowSettings } from "../flow/field.js"
 * @import { Box, Point } from "./geometry.js"
 * @import { Region } from "./region.js"
 * @import { Arrow, State, Timing } from "./state.js"
 * @import { Say } from "./texts.js"
 * @import { View } from "./view.js"
 */
import { DEFAULTS } from "../flow/field.js";
import { Document } from "./document.js";
import { coordStr, readTracks } from "./formats.js";
import { pictureBox } from "./geometry.js";
import { timed } from "./objects.js";
import { UnreadableError, parse, stripped } from "./saved_text.js";
import { added, empty, strengthChanged, strengthSet } from "./state.js";
import { texts } from "./texts.js";
import { initial, selectedOf, withoutGone } from "./view.js";

/** @typedef {{ image: HTMLImageElement | null, size: Point, aspect?: number }} Picture cut to `aspect` about its middle */

/**
 * From press to release; positions are screen points.
 * @typedef {object} Gesture
 * @property {(at: Point) => void} move
 * @property {(at: Point) => void} up
 */

/** @typedef {Session["scene"]} Scene */

/**
 * What the page knows of the picture. What it cannot find or make is an Error that says why.
 * @typedef {object} Finder
 * @property {(point: Point, pins: readonly Point[], signal: AbortSignal) => Promise<Region>} [objectAt] the mask of the
 *   thing at a point; what is at the pins does not belong to it; all points 0..1
 * @property {(size: Point, masks: readonly Region[], margin: Margin, signal: AbortSignal) => Promise<{ still: string, plate: string, objects: string[] }>} [layers]
 *   addresses of pictures of that size: the picture, what is behind the objects of those masks, with a margin of so many px
 *   round it, and each of them, cut out
 */

/** @type {Point} */
const GRID = [512, 512]; // px, for a picture whose size is not known

export class Session {
  #onView;
  /** @type {{ ending: AbortController, state: State } | null} */
  #asking = null;
  /** @type {{ target: number | null, added: Point[], taken: Point[] }} */
  #clicks = { target: null, added: [], taken: [] };
  /** @type {View} */
  view = initial;
  /** @type {Picture | null} */
  picture = null;
  /** @type {Partial<FlowSettings>} */
  flowSettings = {};
  /** @type {Point} */
  stage = [1, 1]; // CSS px of the canvas
  /** @type {Gesture | null} */
  gesture = null; // the one that runs

  /**
   * @param {object} page
   * @param {(text: string) => void} [page.onText] a person changed what is saved
   * @param {() => void} page.onView something looks different
   * @param {(text: string) => void} [page.onCopy] a text is for the clipboard
   * @param {Finder} [page.host]
   * @param {Say} [page.t]
   */
  constructor({ onText = () => {}, onView, onCopy = () => {}, host = {}, t = texts() }) {
    this.#onView = onView;
    this.onCopy = onCopy;
    this.host = host;
    this.t = t;
    this.document = new Document({
      onText,
      onChange: () => {
        if (this.#asking && this.#asking.state !== this.document.state) this.stopAsking();
        this.show(withoutGone(this.view, this.document.state.arrows));
      },
    });
  }

  /** The picture's size in px, known or not. */
  get shape() {
    return this.document.size ?? GRID;
  }

  /** @returns {Box} */
  get box() {
    return pictureBox(this.stage, this.shape, this.view.camera);
  }

  get selectedIds() {
    return [...this.view.selected];
  }

  /** The arrows that are selected. */
  get chosen() {
    return selectedOf(this.document.state.arrows, this.view);
  }

  /** The number of the object whose mask the brushes change, the first selected arrow's; null for the region. */
  get target() {
    return this.chosen.find(({ object }) => object)?.object ?? null;
  }

  /** All that is to be painted. */
  get scene() {
    const { view, stage, box, shape, picture, flowSettings, target } = this;
    const { arrows, region, objects } = this.document.state;
    return { ...view, stage, box, shape, picture, flowSettings, target, arrows, region, objects };
  }

  /** @param {string} text the document's, from outside */
  setText(text) {
    if (text === this.document.text && !this.document.problem) return;
    this.select([]);
    this.document.setText(text);
  }

  /** @param {Picture | null} picture */
  setPicture(picture) {
    this.picture = picture;
    this.document.setPictureSize(picture?.size ?? null);
    this.#onView();
  }

  /** @param {Partial<FlowSettings>} settings */
  setFlow(settings) {
    this.flowSettings = settings;
    this.#onView();
  }

  /**
   * Changes how things are looked at.
   * @param {Partial<View>} changes
   */
  show(changes) {
    this.view = { ...this.view, ...changes };
    this.#onView();
  }

  /**
   * A line of news instead of the help, until something else happens.
   * @param {string} note
   */
  say(note) {
    this.show({ note });
  }

  /**
   * @param {Iterable<string>} ids
   * @param {View["active"]} active
   */
  select(ids, active = null) {
    this.show({ selected: new Set(ids), active });
  }

  /** Ends the gesture that runs, as if it had not begun. */
  cancel() {
    this.gesture = null;
    this.document.cancel();
    this.show({ band: null, draft: null, loop: null });
  }

  /**
   * Asks the page for the thing at a point 0..1, and keeps what `change` makes of its mask. Called off by any other change
   * of what is drawn.
   * @param {Point} point
   * @param {(state: State, mask: Region) => State} change
   * @param {readonly Point[]} others what does not belong to it, beside pins
   */
  async ask(point, change, others = []) {
    this.stopAsking();
    if (!this.host.objectAt || this.document.problem) return this.say(this.t("noFinder"));
    const { state } = this.document;
    const asking = { ending: new AbortController(), state };
    const { signal } = asking.ending;
    this.#asking = asking;
    this.show({ asked: point, note: "" });
    const pins = state.arrows.filter(({ points, object }) => points.length === 1 && !object).map(({ points }) => points[0]);
    try {
      const mask = await this.host.objectAt(point, [...pins, ...others], signal);
      if (signal.aborted) return;
      this.stopAsking();
      this.document.commit(change(state, mask));
    } catch (error) {
      if (signal.aborted) return;
      this.stopAsking();
      this.say(/** @type {Error} */ (error).message);
    }
  }

  /**
   * Where parts were added to an object and taken from it, as long as clicks go to that one.
   * @param {number} target
   */
  clicksOn(target) {
    if (this.#clicks.target !== target) this.#clicks = { target, added: [], taken: [] };
    return this.#clicks;
  }

  /** Whether there was something to call off. */
  stopAsking() {
    const asking = this.#asking;
    if (!asking) return false;
    this.#asking = null;
    asking.ending.abort();
    this.show({ asked: null });
    return true;
  }

  /**
   * @param {Parameters<typeof added>[1]} tracks with points 0..1
   * @param {readonly Region[] | null} masks see added
   * @returns how many were added
   */
  add(tracks, masks = null) {
    if (this.document.problem) return 0;
    const [state, ids] = added(this.document.state, tracks, masks);
    this.document.commit(state);
    this.select(ids);
    return ids.length;
  }

  /** @param {Timing} timing of what is selected */
  setTiming(timing) {
    const ids = this.selectedIds;
    if (ids.length) this.document.commit(timed(this.document.state, ids, timing), `timing ${ids}`);
  }

  /** @param {number} strength of what is selected */
  setStrength(strength) {
    const ids = this.selectedIds;
    if (ids.length) this.document.commit(strengthSet(this.document.state, ids, strength), `strength ${ids}`);
  }

  /** @param {number} by */
  changeStrength(by) {
    const ids = this.selectedIds;
    if (ids.length) this.document.commit(strengthChanged(this.document.state, ids, by), `strength ${ids}`);
  }

  /** @returns {readonly Arrow[]} what is selected, or all */
  get #chosenOrAll() {
    return this.view.selected.size ? this.chosen : this.document.state.arrows;
  }

  /** What is selected, or all: the editor's own JSON. */
  copied() {
    return this.document.textOf(this.#chosenOrAll);
  }

  /** As KJNodes coord_str, with one point a frame or the arrows' own; null where the picture's size is not known. */
  coordinates({ perFrame = false } = {}) {
    const { size } = this.document;
    const frames = perFrame ? (this.flowSettings.frames ?? DEFAULTS.frames) : 0;
    return size && coordStr(this.#chosenOrAll, size, { frames });
  }

  /**
   * Adds the arrows of a text, ours or another pack's; returns how many, 0 for a text without any.
   * @param {string} text
   */
  paste(text) {
    try {
      const tracks = readTracks(stripped(text), this.shape);
      const { arrows, objects } = tracks ? { ...empty, arrows: tracks } : parse(text, [1, 1]);
      return arrows.length && this.add(arrows, objects);
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error;
      return 0;
    }
  }
}
