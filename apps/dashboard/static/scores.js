// The answer: its name, the classes' shares as bars, and their scores of the last 30 s as a strip.

import { $, colours, el, fit, memory, onTheme, pretty, rgb, sayScore, saySeconds } from "./page.js";

const CELL_MS = 100;
const CELLS = 300;
const MOST_LATE = 5; // cells
const QUIET_MS = 1500;
// Later than this a person notices, and is told.
const LATE_US = 1e6;
const UNKNOWN = "unknown";
const NOTHING = "nothing";
// Where one of these leads, the answer is unknown.
const OTHER = new Set(["other_gestures"]);
// Margins in hundredths of the spread: hardly ahead below the one, named anew from the other on.
const NEAR = 50;
const CLEAR = 150;

/** The relation of the first two classes, in words. */
export function sayStanding({ class: name, leading, runner_up: second, margin }) {
  if (leading == null || second == null || margin == null || name === NOTHING) return "";
  if (name !== UNKNOWN) return `${margin < CLEAR ? "close to" : "clearly ahead of"} ${pretty(second)}`;
  if (OTHER.has(leading)) return "none of the known gestures";
  return margin < NEAR ? `like ${pretty(leading)}, or ${pretty(second)}` : `most like ${pretty(leading)}`;
}

class Column {
  constructor(at, classes) {
    this.at = at;
    this.sums = new Float64Array(classes);
    this.results = 0;
    this.best = -1;
    this.label = -1;
    this.truth = -1;
  }
}

function put(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

export class Scores {
  constructor() {
    this.table = $("rows");
    this.strip = $("strip");
    this.context = this.strip.getContext("2d");
    this.grain = document.createElement("canvas");
    this.classes = [];
    this.rows = new Map();
    this.columns = []; // of CELL_MS each; at = number of the cell on the wall clock
    this.decision = null; // the service's last answer
    this.answer = -1; // its class among the classes
    this.raw = memory.get("raw", false) === true;
    this.tops = new Map(); // smoothed scores
    this.low = 0;
    this.high = 1;
    this.last = null;
    this.lastAt = -Infinity;
    this.truths = false; // whether the source has named a class
    this.foot = el("p", { className: "ends" }, el("span", { textContent: "30 s ago" }), el("span", { textContent: "now" }));
    $("scores").append(this.foot);
    $("raw").setAttribute("aria-pressed", String(this.raw));
    $("raw").addEventListener("click", () => {
      this.raw = !this.raw;
      memory.set("raw", this.raw);
      $("raw").setAttribute("aria-pressed", String(this.raw));
      this.stale = true;
    });
    onTheme(() => { this.stale = true; });
  }

  setClasses(classes) {
    if (classes.length === this.classes.length && classes.every((name, i) => name === this.classes[i])) return;
    const old = this.classes;
    const move = classes.map((name) => old.indexOf(name));
    const from = (index) => (index < 0 ? -1 : classes.indexOf(old[index]));
    for (const column of this.columns) {
      column.sums = Float64Array.from(move, (at) => (at < 0 ? NaN : column.sums[at]));
      column.best = from(column.best);
      column.label = from(column.label);
      column.truth = from(column.truth);
    }
    this.classes = [...classes];
    // A class that was taken back has no score and no name on the page any more.
    for (const name of this.tops.keys()) if (!classes.includes(name)) this.tops.delete(name);
    this.answer = classes.indexOf(this.decision?.class);
    for (const row of this.rows.values()) row.element.remove();
    this.rows.clear();
    classes.forEach((name, index) => {
      const bar = el("i");
      const zero = el("u");
      const value = el("span", { className: "value", textContent: "–" });
      const element = el("div", { className: "row" },
        el("span", { className: "name", textContent: pretty(name), title: name }),
        el("span", { className: "bar" }, bar, zero), value);
      element.setAttribute("role", "row");
      for (const child of element.children) {
        child.style.gridRow = String(index + 1);
        child.setAttribute("role", "cell");
      }
      element.dataset.class = name;
      this.table.append(element);
      this.rows.set(name, { element, bar, zero, value });
    });
    this.strip.style.gridRow = `1 / span ${Math.max(1, classes.length)}`;
    this.foot.style.gridRow = String(classes.length + 1);
    this.stale = true;
  }

  /** Take a result that came at `at`, in milliseconds of the page's clock. */
  take(result, at) {
    this.last = result;
    this.lastAt = Math.max(this.lastAt, at);
    const names = Object.keys(result.scores);
    if (names.length > this.classes.length) this.setClasses(names);
    const cell = Math.floor(at / CELL_MS);
    let column = this.columns.at(-1);
    if (!column || column.at < cell) {
      column = new Column(cell, this.classes.length);
      this.columns.push(column);
      if (this.columns.length > CELLS + 8) this.columns.splice(0, this.columns.length - CELLS - 8);
    }
    column.results++;
    this.classes.forEach((name, index) => {
      const score = result.scores[name];
      if (score === undefined) return;
      column.sums[index] += score;
      const before = this.tops.get(name) ?? score;
      this.tops.set(name, before + (score - before) * 0.15);
    });
    column.best = this.answer;
    if (result.teaching) column.label = this.classes.indexOf(result.label);
    if (result.truth != null) column.truth = this.classes.indexOf(result.truth);
    this.truths ||= result.truth != null;
    this.fresh = true;
  }

  /** Take an answer that came at `at`: the service decides, and this page only shows it. */
  decide(decision, at) {
    this.decision = decision;
    this.answer = this.classes.indexOf(decision.class);
    const column = this.columns.at(-1);
    if (column && column.at <= Math.floor(at / CELL_MS)) column.best = this.answer;
    this.fresh = true;
  }

  clear() {
    this.columns = [];
    this.decision = null;
    this.answer = -1;
    this.truths = false;
    this.tops.clear();
    this.last = null;
    this.lastAt = -Infinity;
    this.stale = true;
  }

  draw(now) {
    this._hero(now);
    this._bars();
    this._strip(now);
    this.fresh = false;
  }

  _hero(now) {
    const { decision, last } = this;
    const quiet = now - this.lastAt > QUIET_MS;
    const name = decision?.class ?? "";
    const none = name === UNKNOWN || name === NOTHING;
    const hero = $("hero");
    hero.classList.toggle("quiet", quiet || !decision || name === NOTHING);
    hero.classList.toggle("unsure", !quiet && name === UNKNOWN);
    const said = !decision ? "–" : name === NOTHING ? "nothing moves" : pretty(name);
    put("class", said);
    $("class").dataset.class = name;
    $("class").dataset.length = said.length > 18 ? "long" : "short";
    $("sure").value = none || !decision ? 0 : decision.share / 100;
    put("sure-text", this._sure(quiet, name));
    const late = last?.latency_us ?? 0;
    put("late", !quiet && late >= LATE_US ? `${saySeconds(late)} behind` : "");
    const truth = last?.truth;
    put("truth", truth != null && !quiet ? `shown: ${pretty(truth)}${name === truth ? "  ✓" : ""}` : "");
    $("mark-truth").hidden = $("truth").hidden = !this.truths;
  }

  _sure(quiet, name) {
    const { decision } = this;
    if (!decision) return this.last ? "an older service, which gives no answer" : "waiting for results";
    if (quiet) return "no movement since then";
    if (name === NOTHING) return "move in front of the camera";
    const standing = sayStanding(decision);
    return name === UNKNOWN ? standing : `${decision.share} %${standing ? ` · ${standing}` : ""}`;
  }

  _bars() {
    if (!this.fresh && !this.stale) return;
    let low = 0;
    let high = 1;
    for (const score of this.tops.values()) {
      low = Math.min(low, score);
      high = Math.max(high, score);
    }
    // The range follows the scores slowly, so that bars move and not their scale.
    this.low += (low - this.low) * (low < this.low ? 0.3 : 0.02);
    this.high += (high - this.high) * (high > this.high ? 0.3 : 0.02);
    const shares = this.raw ? null : this.decision?.shares;
    const span = shares ? 1 : this.high - this.low;
    const zero = shares ? 0 : -this.low / span;
    const answer = this.decision?.class;
    for (const [name, row] of this.rows) {
      const score = shares ? shares[name] / 100 : this.tops.get(name);
      if (score === undefined || Number.isNaN(score)) continue;
      const end = Math.max(0, Math.min(1, shares ? score : (score - this.low) / span));
      row.bar.style.transform = `translateX(${Math.min(zero, end) * 100}%) scaleX(${Math.abs(end - zero)})`;
      row.zero.style.left = `${zero * 100}%`;
      const said = shares ? `${shares[name]} %` : sayScore(score);
      if (row.value.textContent !== said) row.value.textContent = said;
      row.element.classList.toggle("best", name === answer);
      row.element.classList.toggle("taught", Boolean(this.last?.teaching) && name === this.last.label);
    }
  }

  _strip(now) {
    if (!this.classes.length) return;
    const resized = fit(this.strip);
    const cell = now / CELL_MS;
    // It moves by whole pixels of the screen: no redrawing between.
    const step = Math.floor((cell / CELLS) * this.strip.width);
    if (step === this.step && !this.stale && !resized) return;
    this.step = step;
    this.stale = false;
    const { context, strip } = this;
    const tall = strip.height / this.classes.length;
    const wide = strip.width / CELLS;
    context.clearRect(0, 0, strip.width, strip.height);
    const left = cell - CELLS;
    const [low, high] = this._range();
    const gap = Math.max(1, Math.round(tall * 0.08));
    for (const [index, column] of this.columns.entries()) {
      if (column.at + 1 < left) continue;
      // A result that came a little late leaves no hole.
      const next = this.columns[index + 1]?.at ?? Infinity;
      const end = next - column.at <= MOST_LATE ? next : column.at + 1;
      const x = Math.round((column.at - left) * wide);
      const width = Math.round((end - left) * wide) - x;
      if (width < 1) continue; // on a narrow screen several share a pixel: the last one has it
      for (let i = 0; i < this.classes.length; i++) {
        const score = column.sums[i] / column.results;
        if (Number.isNaN(score)) continue;
        const y = Math.round(i * tall);
        const height = Math.round((i + 1) * tall) - y;
        const strength = Math.max(0, Math.min(1, (score - low) / (high - low)));
        const won = i === column.best;
        context.fillStyle = rgb(won ? colours.good : colours.dim, won ? 0.35 + 0.65 * strength : 0.5 * strength ** 2);
        context.fillRect(x, y + gap, width, height - 2 * gap);
      }
      this._mark(column.truth, colours.ink, x, width, tall, 0.9);
      this._mark(column.label, colours.teach, x, width, tall, 1);
    }
  }

  _range() {
    let low = Infinity;
    let high = -Infinity;
    for (const column of this.columns) {
      for (const sum of column.sums) {
        const score = sum / column.results;
        if (score < low) low = score;
        if (score > high) high = score;
      }
    }
    return high > low ? [low, high] : [low, low + 1];
  }

  _mark(index, colour, x, width, tall, alpha) {
    if (index < 0) return;
    const thick = Math.max(2, Math.round(tall * 0.1));
    this.context.fillStyle = rgb(colour, alpha);
    this.context.fillRect(x, Math.round((index + 1) * tall) - thick, width, thick);
  }
}
