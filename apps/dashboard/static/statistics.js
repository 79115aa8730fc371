// Where the events are, and how long after each other: by column, by row, and by pixel.

import { $, colours, fit, rgb, sayMicros } from "./page.js";

const SMALLEST = 3; // bins up to 8 us are shown as one

/** Events of each column and each row of a tally: { columns: [on, off], rows: [on, off] }. */
export function profiles({ last, columns, rows }) {
  const make = (length) => [new Float64Array(length), new Float64Array(length)];
  const found = { columns: make(columns), rows: make(rows) };
  for (let y = 0, at = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, at += 2) {
      const [on, off] = [last[at], last[at + 1]];
      if (!(on | off)) continue;
      found.columns[0][x] += on;
      found.columns[1][x] += off;
      found.rows[0][y] += on;
      found.rows[1][y] += off;
    }
  }
  return found;
}

/** Join values into at most `bars` bars of equal numbers of values, as means. */
export function joined(values, bars) {
  const count = Math.min(bars, values.length);
  return Array.from({ length: count }, (_, n) => {
    const [from, to] = [Math.floor((n * values.length) / count), Math.floor(((n + 1) * values.length) / count)];
    let sum = 0;
    for (let i = from; i < to; i++) sum += values[i];
    return sum / (to - from);
  });
}

export class Statistics {
  constructor(tally, changed) {
    this.tally = tally;
    this.place = $("statistics");
    this.place.addEventListener("toggle", () => {
      changed();
      this.dirty = true;
    });
    this.intervals = null;
    tally.listeners.add(() => { this.dirty = true; });
  }

  get open() {
    return this.place.open;
  }

  take(message) {
    this.intervals = message.counts;
    this.dirty = true;
  }

  clear() {
    this.intervals = null;
    this.dirty = true;
  }

  draw() {
    if (!this.open || !this.dirty) return;
    this.dirty = false;
    const found = profiles(this.tally);
    this._both($("by-column"), found.columns);
    this._both($("by-row"), found.rows);
    this._times();
  }

  _both(canvas, [on, off]) {
    fit(canvas);
    const context = canvas.getContext("2d");
    const { width, height } = canvas;
    context.clearRect(0, 0, width, height);
    const bars = [joined(on, 96), joined(off, 96)];
    const most = Math.max(1e-9, ...bars[0], ...bars[1]);
    const wide = width / bars[0].length;
    [colours.on, colours.off].forEach((colour, p) => {
      context.fillStyle = rgb(colour);
      bars[p].forEach((value, n) => {
        const tall = (value / most) * (height / 2 - 1);
        context.fillRect(n * wide, p ? height / 2 : height / 2 - tall, Math.max(1, wide - 1), tall);
      });
    });
    context.fillStyle = rgb(colours.line);
    context.fillRect(0, height / 2, width, 1);
  }

  _times() {
    const canvas = $("intervals");
    fit(canvas);
    const context = canvas.getContext("2d");
    const { width, height } = canvas;
    context.clearRect(0, 0, width, height);
    const all = this.intervals ?? [];
    const shown = all.slice(SMALLEST);
    shown[0] = all.slice(0, SMALLEST + 1).reduce((sum, value) => sum + value, 0);
    const most = Math.max(1, ...shown.filter(Number.isFinite));
    const wide = width / Math.max(1, shown.length);
    context.fillStyle = rgb(colours.good);
    shown.forEach((value, n) => {
      const tall = (value / most) * (height - 1);
      context.fillRect(n * wide, height - tall, Math.max(1, wide - 1), tall);
    });
    const sum = all.reduce((total, value) => total + value, 0);
    if (!sum) {
      $("intervals-text").textContent = "no pixel fired twice in this second";
      return;
    }
    let passed = 0;
    const median = all.findIndex((value) => (passed += value) * 2 >= sum);
    $("intervals-text").textContent = `half of all within ${sayMicros(2 ** (median + 1))}`;
  }
}
