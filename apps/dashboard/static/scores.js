// What is recognised: the class, its scores now as bars, and those of the last 30 s as a strip.

import { $, colours, el, fit, onTheme, pretty, rgb, sayScore } from "./page.js";

const CELL_MS = 100;
const CELLS = 300;
const MOST_LATE = 5; // cells
const VOTE_MS = 1000;
const QUIET_MS = 1500;

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

function argmax(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
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
    this.votes = []; // [time, class]
    this.tops = new Map(); // smoothed scores
    this.low = 0;
    this.high = 1;
    this.last = null;
    this.lastAt = -Infinity;
    this.winner = null;
    this.foot = el("p", { className: "ends" }, el("span", { textContent: "30 s ago" }), el("span", { textContent: "now" }));
    $("scores").append(this.foot);
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
    // A class that was taken back has no score, no vote and no name on the page any more.
    for (const name of this.tops.keys()) if (!classes.includes(name)) this.tops.delete(name);
    this.votes = this.votes.filter(([, name]) => classes.includes(name));
    if (!classes.includes(this.winner)) this.winner = null;
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
    if (result.class !== null) column.best = argmax(column.sums);
    if (result.teaching) column.label = this.classes.indexOf(result.label);
    if (result.truth != null) column.truth = this.classes.indexOf(result.truth);
    if (result.class !== null) this.votes.push([at, result.class]);
    this.fresh = true;
  }

  clear() {
    this.columns = [];
    this.votes = [];
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
    while (this.votes.length && this.votes[0][0] < now - VOTE_MS) this.votes.shift();
    const tally = new Map();
    for (const [, name] of this.votes) tally.set(name, (tally.get(name) ?? 0) + 1);
    let best = null;
    for (const [name, votes] of tally) if (best === null || votes > tally.get(best)) best = name;
    const quiet = now - this.lastAt > QUIET_MS;
    const hero = $("hero");
    hero.classList.toggle("quiet", quiet || best === null);
    if (best !== null) this.winner = best;
    const said = this.winner ? pretty(this.winner) : "–";
    if ($("class").textContent !== said) $("class").textContent = said;
    $("class").dataset.class = this.winner ?? "";
    $("class").dataset.length = said.length > 18 ? "long" : "short";
    const share = best === null ? 0 : tally.get(best) / this.votes.length;
    $("sure").value = share;
    const sure = quiet || best === null ? (this.last ? "quiet scene" : "waiting for results") : `${Math.round(share * 100)} % of the last second`;
    if ($("sure-text").textContent !== sure) $("sure-text").textContent = sure;
    const truth = this.last?.truth;
    const shown = truth != null && !quiet ? `shown: ${pretty(truth)}${best === truth ? "  ✓" : ""}` : "";
    if ($("truth").textContent !== shown) $("truth").textContent = shown;
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
    const span = this.high - this.low;
    const zero = -this.low / span;
    for (const [name, row] of this.rows) {
      const score = this.tops.get(name);
      if (score === undefined) continue;
      const end = Math.max(0, Math.min(1, (score - this.low) / span));
      row.bar.style.transform = `translateX(${Math.min(zero, end) * 100}%) scaleX(${Math.abs(end - zero)})`;
      row.zero.style.left = `${zero * 100}%`;
      const said = sayScore(score);
      if (row.value.textContent !== said) row.value.textContent = said;
      row.element.classList.toggle("best", name === this.winner);
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
