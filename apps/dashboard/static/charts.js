// Two small charts: events by polarity, and latency.

import { $, colours, fit, onTheme, rgb, sayRate } from "./page.js";

const BIN_MS = 200;
const BINS = 150;

/** Events of the last 30 s: ON above the axis, OFF below. */
export class Rate {
  constructor() {
    this.canvas = $("rate");
    this.context = this.canvas.getContext("2d");
    this.bins = new Map(); // number of the bin -> [on, off], finely
    this.top = 0;
    this.stats = null;
    onTheme(() => { this.stale = true; });
  }

  _add(bin, on, off) {
    const held = this.bins.get(bin);
    if (held) {
      held[0] += on;
      held[1] += off;
    } else {
      this.bins.set(bin, [on, off]);
      for (const old of this.bins.keys()) if (old < bin - 2 * BINS) this.bins.delete(old);
    }
  }

  /** A picture's events, which arrived at `at`. */
  takePicture(message, at) {
    const bin = Math.floor(at / BIN_MS);
    this._add(bin, message.on_events, message.off_events);
  }

  /** A second's statistics, which are exact: a reader as slow as a page can miss pictures. */
  takeStats(stats, at) {
    const before = this.stats;
    this.stats = stats;
    if (before && stats.on_events >= before.on_events && stats.off_events >= before.off_events) {
      const on = stats.on_events - before.on_events;
      const off = stats.off_events - before.off_events;
      this._correct(Math.floor(at / BIN_MS), stats.interval_s, [on, off]);
      const share = Math.round((100 * on) / Math.max(1, on + off));
      this.split = on + off > 0 ? `ON ${share} % · OFF ${100 - share} %` : "quiet";
    }
    $("rate-now").textContent = sayRate(stats.events_per_s);
    $("rate-split").textContent = this.split ?? "";
  }

  // What the pictures of a second lack is spread over its bins, in their proportions.
  _correct(last, seconds, truth) {
    const many = Math.max(1, Math.round((seconds * 1000) / BIN_MS));
    const bins = [];
    for (let bin = last - many; bin < last; bin++) {
      this._add(bin, 0, 0);
      bins.push(this.bins.get(bin));
    }
    for (const side of [0, 1]) {
      const sum = bins.reduce((all, bin) => all + bin[side], 0);
      for (const bin of bins) bin[side] = sum > 0 ? (bin[side] * truth[side]) / sum : truth[side] / many;
    }
  }

  clear() {
    this.bins.clear();
    this.stats = null;
  }

  draw(now) {
    const resized = fit(this.canvas);
    const at = now / BIN_MS;
    const step = Math.floor((at / BINS) * this.canvas.width);
    if (step === this.step && !resized && !this.stale) return;
    this.step = step;
    this.stale = false;
    const { context, canvas } = this;
    const { width, height } = canvas;
    context.clearRect(0, 0, width, height);
    const first = Math.floor(at) - BINS - 1;
    let most = 1;
    for (let bin = first; bin < at; bin++) {
      const held = this.bins.get(bin);
      if (held) most = Math.max(most, held[0], held[1]);
    }
    this.top += (most * 1.08 - this.top) * (most > this.top ? 0.5 : 0.05);
    const middle = Math.round(height / 2);
    const x = (bin) => ((bin - at + BINS + 1) / BINS) * width;
    for (const [side, sign, colour] of [[0, -1, colours.on], [1, 1, colours.off]]) {
      context.beginPath();
      context.moveTo(x(first), middle);
      const last = Math.floor(at) - 1; // the one that is being filled is not shown
      for (let bin = first; bin <= last; bin++) {
        const value = this.bins.get(bin)?.[side] ?? 0;
        context.lineTo(x(bin + 0.5), middle + sign * (value / this.top) * (middle - 2));
      }
      context.lineTo(x(last + 0.5), middle);
      context.closePath();
      const shade = context.createLinearGradient(0, middle, 0, sign < 0 ? 0 : height);
      shade.addColorStop(0, rgb(colour, 0.35));
      shade.addColorStop(1, rgb(colour, 0.95));
      context.fillStyle = shade;
      context.fill();
    }
    context.fillStyle = rgb(colours.line);
    context.fillRect(0, middle, width, 1);
  }
}

const SECONDS = 60;

/** p50 and p99 of each of the last 60 s. */
export class Latency {
  constructor() {
    this.canvas = $("latency");
    this.context = this.canvas.getContext("2d");
    this.points = []; // [time, p50, p99]
    onTheme(() => { this.stale = true; });
  }

  take(stats, at) {
    if (stats.latency_us) this.points.push([at, stats.latency_us.p50, stats.latency_us.p99]);
    while (this.points.length && this.points[0][0] < at - (SECONDS + 2) * 1000) this.points.shift();
    this.stale = true;
  }

  clear() {
    this.points = [];
    this.stale = true;
  }

  draw(now) {
    if (!fit(this.canvas) && !this.stale) return;
    this.stale = false;
    const { context, canvas } = this;
    const { width, height } = canvas;
    context.clearRect(0, 0, width, height);
    if (!this.points.length) return;
    const top = Math.max(...this.points.map(([, , p99]) => p99)) * 1.15;
    const scale = Math.min(3, devicePixelRatio || 1);
    const x = (at) => width - ((now - at) / (SECONDS * 1000)) * width;
    const y = (us) => height - 2 - (us / top) * (height - 6);
    context.lineWidth = 1.6 * scale;
    context.lineJoin = "round";
    for (const [which, colour] of [[2, colours.faint], [1, colours.good]]) {
      context.beginPath();
      this.points.forEach((point, i) => context[i ? "lineTo" : "moveTo"](x(point[0]), y(point[which])));
      context.strokeStyle = rgb(colour);
      context.stroke();
      const [at, ...values] = this.points.at(-1);
      context.fillStyle = rgb(colour);
      context.beginPath();
      context.arc(Math.min(width - 3 * scale, x(at)), y(values[which - 1]), 2.6 * scale, 0, 7);
      context.fill();
    }
  }
}
