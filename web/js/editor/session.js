// @ts-check
/**
 * One editor at work: its document, its view, and what takes both. Pointer, keyboard and toolbar all act here; it knows
 * nothing of the page.
 * @import { FlowSettings } from "../flow/field.js"
 * @import { Box, Point } from "./geometry.js"
 * @import { Arrow } from "./state.js"
 * @import { Region } from "./region.js"
 * @import { Say } from "./texts.js"
 * @import { View } from "./view.js"
 */
import { DEFAULTS } from "../flow/field.js";
import { Document } from "./document.js";
import { coordStr, readTracks } from "./formats.js";
import { pictureBox } from "./geometry.js";
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

/** @type {Point} */
const GRID = [512, 512]; // px, for a picture whose size is not known

export class Session {
  #onView;
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
   * @param {Say} [page.t]
   */
  constructor({ onText = () => {}, onView, onCopy = () => {}, t = texts() }) {
    this.#onView = onView;
    this.onCopy = onCopy;
    this.t = t;
    this.document = new Document({
      onText,
      onChange: () => this.show(withoutGone(this.view, this.document.state.arrows)),
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

  /** All that is to be painted. */
  get scene() {
    const { view, stage, box, shape, picture, flowSettings } = this;
    const { arrows, region } = this.document.state;
    return { ...view, stage, box, shape, picture, flowSettings, arrows, region };
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
    this.show({ band: null, draft: null });
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
