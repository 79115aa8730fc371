// The events as a picture, at the sensor's resolution: trails that fade, or what fell into a stretch
// of time, or so many events.

import { Cells, eachCell } from "./cells.js";
import { PALETTES, Palette } from "./palette.js";
import { $, count, el, memory, onTheme, sayMicros } from "./page.js";
import { Tally } from "./tally.js";

const FAINT = 0.004;
const QUIET_MS = 1500;
// Both sliders are logarithmic: 0 to 100 for 8 ms to 2 s, and for 100 to 1,000,000 events.
const SPANS = { trail: [8, 2000], time: [1, 2000], count: [100, 1_000_000] };
const chosen = (shows, slider) => {
  const [least, most] = SPANS[shows];
  return least * (most / least) ** (slider / 100);
};
const STARTS = { trail: 42, time: 50, count: 50 };
const rounded = (value) => Number(value.toPrecision(2));

export class Picture {
  constructor() {
    this.canvas = $("events");
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.palette = new Palette(memory.get("palette", "page"));
    this.shows = memory.get("shows", "trail");
    if (!(this.shows in SPANS)) this.shows = "trail";
    this.polarity = memory.get("polarity", "both");
    this.size = [128, 128];
    this.scale = 1;
    this.tally = new Tally();
    $("palette").append(...Object.entries(PALETTES).map(([value, { name }]) => el("option", { value, textContent: name })));
    $("palette").value = this.palette.name;
    $("shows").value = this.shows;
    $("polarity").value = this.polarity;
    $("tau").addEventListener("input", () => this._chosen());
    $("palette").addEventListener("change", () => this._colours($("palette").value));
    $("shows").addEventListener("change", () => {
      this.shows = $("shows").value;
      memory.set("shows", this.shows);
      this._slider();
      this.clear();
    });
    $("polarity").addEventListener("change", () => {
      this.polarity = $("polarity").value;
      memory.set("polarity", this.polarity);
      this.dirty = true;
    });
    this._shape(128, 128);
    this._slider();
    this._colours(this.palette.name);
    this.level = 1; // how much a lively cell holds, so that any sensor fills the same range
    this.drawnAt = performance.now();
    onTheme(() => this._colours(this.palette.name));
  }

  _slider() {
    $("tau").value = memory.get(this.shows, STARTS[this.shows]);
    $("tau-name").textContent = { trail: "Trail", time: "Time", count: "Events" }[this.shows];
    this._chosen();
  }

  _chosen() {
    const span = chosen(this.shows, Number($("tau").value));
    this.span = this.shows === "count" ? rounded(span) : span;
    const ms = span < 100 ? Math.round(span) : Math.round(span / 10) * 10;
    const said = this.shows === "count" ? count(this.span) : ms < 995 ? `${ms} ms` : `${(span / 1000).toFixed(1)} s`;
    $("tau-text").textContent = said;
    $("tau").setAttribute("aria-valuetext", said);
    memory.set(this.shows, Number($("tau").value));
  }

  _colours(name) {
    const surface = this.palette.surface;
    this.palette.choose(name);
    memory.set("palette", this.palette.name);
    this.canvas.parentElement.style.background = this.palette.css.ground;
    $("legend-on").style.background = this.palette.css.on;
    $("legend-off").style.background = this.palette.css.off;
    if (surface !== this.palette.surface) this.clear();
    this.dirty = true;
  }

  _shape(columns, rows) {
    this.columns = columns;
    this.rows = rows;
    this.cells = new Cells(columns * rows); // what is shown
    this.coming = null; // what is shown when its time, or its number of events, is full
    this.canvas.width = columns;
    this.canvas.height = rows;
    this.canvas.style.aspectRatio = `${columns} / ${rows}`;
    this.image = this.context.createImageData(columns, rows);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.tally.shape(columns, rows);
    this.dirty = true;
  }

  /** Event time of one frame: what is shown at once where that is a stretch of time. */
  get frameUs() {
    return this.shows === "time" ? Math.max(1000, Math.round(this.span * 1000)) : 40_000;
  }

  // A time surface shows the time since the last event, whatever else was chosen.
  get _trails() {
    return this.shows === "trail" || this.palette.surface;
  }

  take(message) {
    const [columns, rows] = message.shape;
    if (columns !== this.columns || rows !== this.rows) this._shape(columns, rows);
    this.size = message.size;
    this.scale = message.scale ?? Math.ceil(Math.max(...message.size) / Math.max(columns, rows));
    const less = message.limited ? ` · shown at ${columns} × ${rows}, to save the line` : "";
    $("see-size").textContent = `${message.size[0]} × ${message.size[1]}${less}`;
    const events = message.on_events + message.off_events;
    this.tally.turn(performance.now());
    if (events === 0) return;
    const { tally } = this;
    let lively = 0;
    if (this.palette.surface) {
      const { cells } = this;
      eachCell(message, (cell, on, off) => {
        cells.set(cell, on ? 1 : cells.on[cell], off ? 1 : cells.off[cell]);
        tally.add(cell, on, off);
        lively++;
      });
    } else {
      if (!this._trails) this._begin(message);
      const into = this._trails ? this.cells : this.coming;
      eachCell(message, (cell, on, off) => {
        into.add(cell, on, off);
        tally.add(cell, on, off);
        lively++;
      });
      if (!this._trails) this._full(message, events);
    }
    this.level += (Math.max(1, events / Math.max(1, lively)) - this.level) * 0.1;
    this.seenAt = performance.now();
    $("events-hint").hidden = true;
    this.fresh = true;
  }

  _begin(message) {
    if (this.coming && this.segment === message.segment) return;
    this.coming ??= new Cells(this.columns * this.rows);
    this.coming.clear();
    this.segment = message.segment;
    this.began = message.t_us - message.span_us;
    this.held = 0;
  }

  _full(message, events) {
    this.held += events;
    const full = this.shows === "time" ? message.t_us - this.began >= this.span * 1000 : this.held >= this.span;
    if (!full) return;
    [this.cells, this.coming] = [this.coming, this.cells];
    this.coming.clear();
    this.said = `${sayMicros(message.t_us - this.began)} · ${count(this.held)} events`;
    this.began = message.t_us;
    this.held = 0;
    this.dirty = true;
  }

  clear() {
    this.cells.clear();
    this.coming = null;
    this.tally.clear();
    this.dirty = true;
  }

  draw(now) {
    const passed = Math.min(1000, now - this.drawnAt);
    this.drawnAt = now;
    const tau = this._trails && this.shows !== "trail" ? 200 : this.span;
    if (this.seenAt && now - this.seenAt > QUIET_MS + (this._trails ? 2 * tau : 0) && $("events-hint").hidden && this._trails) {
      $("events-hint").textContent = "The scene is quiet.";
      $("events-hint").hidden = false;
    }
    const { cells, pixels } = this;
    const { ground } = this.palette;
    if (this._trails) {
      if (!cells.length && !this.dirty) return;
      cells.fade(Math.exp(-passed / tau), FAINT, (cell) => { pixels[cell] = ground; });
    } else if (!this.dirty) return;
    if (this.dirty) pixels.fill(ground);
    this.dirty = false;
    this._paint();
    this.context.putImageData(this.image, 0, 0);
  }

  _paint() {
    const { cells, pixels, palette } = this;
    const { on, off, list, length } = cells;
    const gain = 1.1 / this.level;
    const [a, b] = [this.polarity !== "off" ? 1 : 0, this.polarity !== "on" ? 1 : 0];
    for (let n = 0; n < length; n++) {
      const cell = list[n];
      const ons = on[cell] * a;
      const offs = off[cell] * b;
      pixels[cell] = ons + offs >= FAINT ? palette.of(ons, offs, gain) : palette.ground;
    }
  }

  /** What a cell holds, as text: of what is shown, or of the last second where trails fade. */
  tell(column, row) {
    if (column < 0 || row < 0 || column >= this.columns || row >= this.rows) return "";
    const cell = row * this.columns + column;
    const [on, off] = this._trails ? this.tally.of(cell) : [this.cells.on[cell], this.cells.off[cell]];
    const place = this.scale > 1 ? `${column * this.scale}–${(column + 1) * this.scale - 1}, ${row * this.scale}–${(row + 1) * this.scale - 1}` : `${column}, ${row}`;
    return `${place} · ${on} ON · ${off} OFF${this._trails ? " in a second" : ""}`;
  }
}
