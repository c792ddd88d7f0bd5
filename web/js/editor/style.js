// @ts-check
/** The editor's looks, in the front end's own colours. The element lives and goes with its editor. */
const CSS = `
.driftfield-editor {
  position: relative; display: flex; flex-direction: column; box-sizing: border-box; width: 100%; height: 100%;
  min-height: 340px; overflow: hidden; pointer-events: auto; border-radius: 8px; outline: none; user-select: none;
  background: #16181c; color: #d5d9df; border: 1px solid rgba(255, 255, 255, 0.09);
  font: 12px/1.3 system-ui, sans-serif;
}
.driftfield-editor:focus-within { border-color: rgba(130, 180, 255, 0.55); }
.driftfield-editor .df-bar {
  display: flex; flex-wrap: wrap; align-items: center; gap: 2px; padding: 3px 4px; background: #1e2126; flex: none;
}
.driftfield-editor .df-gap { width: 1px; height: 16px; margin: 0 3px; background: rgba(255, 255, 255, 0.12); }
.driftfield-editor .df-bar button {
  display: grid; place-items: center; width: 24px; height: 24px; padding: 0; border: 0; border-radius: 5px; cursor: pointer;
  background: transparent; color: #b9c0ca;
}
.driftfield-editor .df-bar button:hover { background: rgba(255, 255, 255, 0.09); color: #fff; }
.driftfield-editor .df-bar button:focus-visible { outline: 2px solid #82b4ff; }
.driftfield-editor .df-bar button[aria-pressed="true"] { background: rgba(110, 165, 255, 0.28); color: #fff; }
.driftfield-editor .df-bar button:disabled { opacity: 0.3; cursor: default; background: transparent; }
.driftfield-editor .df-bar svg { width: 16px; height: 16px; fill: none; stroke: currentColor; stroke-width: 1.6;
  stroke-linecap: round; stroke-linejoin: round; }
.driftfield-editor .df-bar button.df-named {
  display: flex; gap: 4px; align-items: center; width: auto; padding: 0 7px; font: inherit;
}
.driftfield-editor .df-space { flex: 1; }
.driftfield-editor .df-group { display: flex; align-items: center; gap: 6px; }
.driftfield-editor input[type="range"] { width: 76px; height: 16px; margin: 0; accent-color: #6ea5ff; }
.driftfield-editor label { display: flex; align-items: center; gap: 4px; padding-left: 4px; height: 24px; color: #9aa2ad; }
.driftfield-editor input[type="number"] {
  width: 50px; height: 22px; box-sizing: border-box; padding: 0 4px; border-radius: 5px; color: #e6e9ee;
  border: 1px solid rgba(255, 255, 255, 0.14); background: #121418; font: inherit;
}
.driftfield-editor select {
  height: 22px; padding: 0 2px; border-radius: 5px; color: #e6e9ee; border: 1px solid rgba(255, 255, 255, 0.14);
  background: #121418; font: inherit;
}
.driftfield-editor input[type="number"]:disabled, .driftfield-editor select:disabled { opacity: 0.4; }
.driftfield-editor .df-target { padding: 0 4px; white-space: nowrap; }
.driftfield-editor .df-stage { position: relative; flex: 1 1 auto; min-height: 0; overflow: hidden; }
.driftfield-editor canvas { position: absolute; inset: 0; width: 100%; height: 100%; touch-action: none; display: block; }
.driftfield-editor .df-problem {
  position: absolute; inset: auto 12px 12px; padding: 8px 10px; border-radius: 6px; background: #5b1f24; color: #ffe3e3;
  user-select: text;
}
.driftfield-editor .df-scrub { flex-wrap: nowrap; gap: 8px; padding-right: 8px; }
.driftfield-editor .df-scrub input { flex: 1; min-width: 0; }
.driftfield-editor .df-scrub span { min-width: 86px; text-align: right; color: #9aa2ad; font-variant-numeric: tabular-nums; }
.driftfield-editor .df-foot {
  display: flex; gap: 8px; flex: none; padding: 3px 8px; background: #1e2126; color: #8f98a4; font-size: 11px;
}
.driftfield-editor .df-help { flex: 1; overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
.driftfield-editor .df-sink {
  position: absolute; left: 0; top: 0; width: 1px; height: 1px; padding: 0; border: 0; opacity: 0; resize: none;
  pointer-events: none;
}
.driftfield-editor [hidden] { display: none; }
`;

export function styleElement() {
  const style = document.createElement("style");
  style.textContent = CSS;
  return style;
}
