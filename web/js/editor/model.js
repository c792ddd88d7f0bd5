/** What the editor knows, and every change of it; knows nothing of the page. Pointer, keyboard and toolbar all act here. */
import { resized } from "./brush.js";
import { coordStr, readTracks } from "./formats.js";
import { pictureBox } from "./geometry.js";
import { History } from "./history.js";
import { DEFAULTS } from "./preview.js";
import { inverted } from "./region.js";
import * as arrows from "./state.js";
import { texts } from "./texts.js";

const FLOW_VIEWS = ["off", "streaks", "colors"];

export class Model {
  #text = "";
  #history = new History(arrows.empty);
  #preview = null;

  constructor({ onText, onView, t = texts() }) {
    this.t = t; // see texts.js
    this.onText = onText;
    this.onView = onView;
    this.selected = new Set();
    this.active = null; // {id, point}: the point that was taken last
    this.hover = null;
    this.band = null;
    this.draft = null;
    this.tool = "arrow"; // or curve, select, paint, erase
    this.brush = 0.06; // radius, in shares of the picture's longer side
    this.brushAt = null; // screen point
    this.flow = "off"; // see FLOW_VIEWS
    this.flowSettings = {};
    this.playing = false;
    this.shown = true;
    this.numbered = true;
    this.picture = null; // {image, size, aspect}
    this.view = { zoom: 1, center: [0.5, 0.5] };
    this.stage = [1, 1];
    this.problem = null;
    this.note = "";
  }

  /** The state on the screen: while something is dragged, what a release would commit. */
  get state() {
    return this.#preview ?? this.#history.state;
  }

  get text() {
    return this.#text;
  }

  get size() {
    return this.picture?.size ?? this.state.ref ?? null;
  }

  get box() {
    return pictureBox(this.stage, this.size ?? [512, 512], this.view);
  }

  get chosen() {
    return this.state.arrows.filter(({ id }) => this.selected.has(id));
  }

  get canUndo() {
    return this.#history.canUndo;
  }

  get canRedo() {
    return this.#history.canRedo;
  }

  /** Another text from outside; history begins anew unless it is the one that is shown. */
  setText(text) {
    if (text === this.#text && !this.problem) return;
    this.#text = text;
    this.#preview = null;
    this.select([]);
    try {
      this.#history = new History(arrows.parse(text, this.picture?.size));
      this.problem = null;
    } catch (error) {
      if (!(error instanceof arrows.UnreadableError)) throw error;
      this.#history = new History(arrows.empty);
      this.problem = error;
    }
    this.onView();
  }

  setPicture(picture) {
    this.picture = picture;
    if (this.problem instanceof arrows.SizeNeededError && picture) this.setText(this.#text);
    this.onView();
  }

  setFlow(settings) {
    this.flowSettings = settings;
    this.onView();
  }

  /** Shows a state without keeping it. */
  preview(state) {
    this.#preview = state;
    this.onView();
  }

  /** Keeps a state; see History.commit for `key`. Nothing is kept over a text that could not be read. */
  commit(state, key = null) {
    this.#preview = null;
    if (!this.problem) {
      this.#history.commit(state, key);
      this.#write();
    }
    this.onView();
  }

  seal() {
    this.#history.seal();
  }

  cancel() {
    this.#preview = this.band = this.draft = null;
    this.onView();
  }

  undo() {
    this.#preview = null;
    if (this.#history.undo()) this.#write();
    this.#dropGone();
    this.onView();
  }

  redo() {
    this.#preview = null;
    if (this.#history.redo()) this.#write();
    this.#dropGone();
    this.onView();
  }

  #write() {
    const text = arrows.serialize(this.#history.state, this.picture?.size);
    if (text === this.#text) return;
    this.#text = text;
    this.onText(text);
  }

  #dropGone() {
    this.selected = new Set(this.chosen.map(({ id }) => id));
    if (this.active && !(arrows.find(this.state, this.active.id)?.points.length > this.active.point)) this.active = null;
  }

  /** Changes how things are shown: tool, shown, numbered, flow, playing. */
  use(options) {
    Object.assign(this, options);
    this.onView();
  }

  fit() {
    this.view = { zoom: 1, center: [0.5, 0.5] };
    this.onView();
  }

  /** A line of news in place of the help, until something else happens. */
  say(note) {
    this.note = note;
    this.onView();
  }

  select(ids, active = null) {
    this.selected = new Set(ids);
    this.active = active;
    this.onView();
  }

  add(entries) {
    if (this.problem) return;
    const [state, ids] = arrows.added(this.state, entries);
    this.commit(state);
    this.select(ids);
  }

  remove() {
    if (!this.selected.size) return;
    this.commit(arrows.removed(this.state, [...this.selected]));
    this.select([]);
  }

  duplicate() {
    if (!this.selected.size) return;
    const by = [12 / this.box.width, 12 / this.box.height];
    const [state, ids] = arrows.duplicated(this.state, [...this.selected], by);
    this.commit(state);
    this.select(ids);
  }

  /** Empties the editor; the way out of a text that cannot be read, too. */
  clear() {
    if (this.problem) {
      this.problem = null;
      this.#history = new History(arrows.empty);
      this.#write();
    } else if (this.state.arrows.length || this.state.region) {
      this.commit(arrows.cleared(this.state));
    }
    this.select([]);
  }

  setStrength(strength) {
    if (this.selected.size) this.commit(arrows.strengthSet(this.state, [...this.selected], strength), `strength ${[...this.selected]}`);
  }

  changeStrength(by) {
    if (this.selected.size) this.commit(arrows.strengthChanged(this.state, [...this.selected], by), `strength ${[...this.selected]}`);
  }

  /** Swaps what may move and what may not. */
  invertRegion() {
    const { state } = this;
    if (state.region) this.commit({ ...state, region: inverted(state.region) });
    else this.say(this.t("nothingPainted"));
  }

  nextFlow() {
    this.use({ flow: FLOW_VIEWS[(FLOW_VIEWS.indexOf(this.flow) + 1) % FLOW_VIEWS.length] });
  }

  resizeBrush(factor) {
    this.brush = resized(this.brush, factor);
    this.onView();
  }

  /** Moves what is selected by px of the picture (or of the screen, where its size is not known). */
  nudge(x, y, { head = false } = {}) {
    const size = this.size ?? [this.box.width, this.box.height];
    const by = [x / size[0], y / size[1]];
    if (!head) return this.commit(arrows.moved(this.state, [...this.selected], by), `nudge ${[...this.selected]}`);
    const next = this.chosen.reduce((state, { id, points }) => {
      const last = points.at(-1);
      return arrows.pointMoved(state, id, points.length - 1, [last[0] + by[0], last[1] + by[1]]);
    }, this.state);
    this.commit(next, `head ${[...this.selected]}`);
  }

  /** The next (1) or previous (-1) arrow in drawing order. */
  step(by) {
    const all = this.state.arrows;
    if (!all.length) return;
    const at = all.findIndex(({ id }) => this.selected.has(id));
    this.select([all[at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length].id]);
  }

  /** What is selected, or all: the editor's own JSON. */
  copied() {
    const chosen = this.selected.size ? this.chosen : this.state.arrows;
    return arrows.serialize({ ...arrows.empty, arrows: chosen, ref: this.state.ref }, this.picture?.size);
  }

  /** As KJNodes coord_str, with one point a frame or the arrows' own; null where the picture's size is not known. */
  coordinates({ perFrame = false } = {}) {
    const frames = perFrame ? (this.flowSettings.frames ?? DEFAULTS.frames) : 0;
    return this.size && coordStr(this.selected.size ? this.chosen : this.state.arrows, this.size, { frames });
  }

  /** Adds the arrows of a text, ours or another pack's; returns how many, 0 for a text without any. */
  paste(text) {
    try {
      const entries = readTracks(arrows.stripped(text), this.size ?? [512, 512]) ?? arrows.parse(text, [1, 1]).arrows;
      if (entries.length) this.add(entries);
      return this.problem ? 0 : entries.length;
    } catch (error) {
      if (!(error instanceof arrows.UnreadableError)) throw error;
      return 0;
    }
  }
}
