// Who fired: a raster for each layer that moves with the network's time.

import { $, colours, el, fit, onTheme, rgb, wantsCalm } from "./page.js";

const SHOWN_TICKS = 3000;
const WINDOW = 600; // columns that are shown
const COLUMNS = 700; // columns that are held, in a ring: those that the edge has not reached yet, too
const TICKS = SHOWN_TICKS / WINDOW; // in one column
const MOST_HEIGHT = 92;
const LEAST_HEIGHT = 30;
const GAP = 6;

class Layer {
  constructor(units, of) {
    this.units = units;
    this.of = of;
    this.cells = new Uint8Array(units * COLUMNS);
    this.height = Math.max(LEAST_HEIGHT, Math.min(MOST_HEIGHT, Math.round(units * 0.72)));
    this.canvas = el("canvas", { width: COLUMNS, height: units });
    this.context = this.canvas.getContext("2d");
    this.image = this.context.createImageData(COLUMNS, units);
    this.rate = 0;
  }
}

export class Raster {
  constructor() {
    this.canvas = $("raster");
    this.context = this.canvas.getContext("2d");
    this.layers = [];
    this.newest = 0; // the tick after the last one taken
    this.shown = 0; // the tick at the right edge
    this.drawnAt = performance.now();
    this.tickMs = 1;
    onTheme(() => { this.repaint = true; });
  }

  setTick(us) {
    this.tickMs = us / 1000;
  }

  clear() {
    for (const layer of this.layers) layer.cells.fill(0);
    this.newest = this.shown = 0;
    this.repaint = true;
  }

  _shape(layers) {
    this.layers = layers.map(({ units, of }) => new Layer(units, of));
    this.total = this.layers.reduce((sum, layer) => sum + layer.height + GAP, -GAP);
    this.canvas.style.height = `${this.total}px`;
    $("layers").replaceChildren(...this.layers.map((layer, index) => {
      layer.said = el("span", { textContent: `${layer.of} units` });
      const place = el("div", {}, el("b", { textContent: `layer ${index + 1}` }), layer.said);
      place.style.height = `${layer.height}px`;
      return place;
    }));
    $("raster-hint").hidden = true;
  }

  take(message) {
    const same = message.layers.length === this.layers.length
      && message.layers.every((layer, i) => layer.units === this.layers[i].units && layer.of === this.layers[i].of);
    if (!same) this._shape(message.layers);
    const end = message.first_tick + message.ticks;
    if (end < this.newest - SHOWN_TICKS) this.clear(); // another run, or another segment
    this._advance(end);
    const first = message.first_tick;
    message.layers.forEach((layer, index) => {
      const mine = this.layers[index];
      for (let i = 0; i < layer.tick.length; i++) {
        const column = Math.floor((first + layer.tick[i]) / TICKS) % COLUMNS;
        const at = layer.unit[i] * COLUMNS + column;
        if (mine.cells[at] < 255) mine.cells[at]++;
      }
      const share = layer.units && message.ticks ? layer.tick.length / (layer.units * message.ticks) : 0;
      mine.rate += (share - mine.rate) * 0.1;
    });
    this.fresh = true;
  }

  // Columns that come into use again are emptied.
  _advance(end) {
    const from = Math.floor(this.newest / TICKS) + 1;
    const to = Math.floor((end - 1) / TICKS);
    if (end <= this.newest) return;
    if (to - from >= COLUMNS) {
      for (const layer of this.layers) layer.cells.fill(0);
    } else {
      for (let column = from; column <= to; column++) {
        for (const layer of this.layers) {
          for (let at = column % COLUMNS; at < layer.cells.length; at += COLUMNS) layer.cells[at] = 0;
        }
      }
    }
    this.newest = end;
  }

  /** Time that passes without spikes moves the raster, too. */
  quiet(tick) {
    if (tick > this.newest && this.layers.length) this._advance(tick);
  }

  /** The row of a layer that fired most in the time that is held; null if none did. */
  busiest(index) {
    const layer = this.layers[index];
    if (!layer) return null;
    let [best, most] = [null, 0];
    for (let row = 0; row < layer.units; row++) {
      let spikes = 0;
      for (let at = row * COLUMNS; at < (row + 1) * COLUMNS; at++) spikes += layer.cells[at];
      if (spikes > most) [best, most] = [row, spikes];
    }
    return best;
  }

  /** The layer and its row at a place of the window; null between layers. */
  rowAt(x, y) {
    const place = this.canvas.getBoundingClientRect();
    if (!place.height || !this.layers.length) return null;
    let down = ((y - place.top) / place.height) * this.total;
    for (const [index, layer] of this.layers.entries()) {
      if (down < layer.height) return down < 0 ? null : { layer: index, row: Math.min(layer.units - 1, Math.floor((down / layer.height) * layer.units)) };
      down -= layer.height + GAP;
    }
    return null;
  }

  draw(now) {
    const passed = now - this.drawnAt;
    this.drawnAt = now;
    if (!this.layers.length) return;
    const behind = this.newest - this.shown;
    const resized = fit(this.canvas);
    if (!this.fresh && !this.repaint && !resized && behind <= 0) return;
    // The edge glides after the newest tick instead of jumping to each message.
    if (wantsCalm() || behind > 400 || behind < 0) this.shown = this.newest;
    else this.shown = Math.min(this.newest, this.shown + (passed / this.tickMs) * (behind > 90 ? 1.3 : 1));
    if (this.fresh || this.repaint) this._paint();
    this.fresh = this.repaint = false;
    const { context, canvas } = this;
    const scale = canvas.height / this.total;
    context.imageSmoothingEnabled = false;
    context.clearRect(0, 0, canvas.width, canvas.height);
    const edge = this.shown / TICKS;
    const wide = canvas.width / WINDOW;
    const first = (((edge - WINDOW) % COLUMNS) + COLUMNS) % COLUMNS;
    const piece = Math.min(WINDOW, COLUMNS - first);
    let y = 0;
    for (const layer of this.layers) {
      const height = layer.height * scale;
      context.fillStyle = rgb(colours.sunk);
      context.fillRect(0, y, canvas.width, height);
      context.drawImage(layer.canvas, first, 0, piece, layer.units, 0, y, piece * wide, height);
      if (piece < WINDOW) {
        const rest = WINDOW - piece;
        context.drawImage(layer.canvas, 0, 0, rest, layer.units, piece * wide, y, rest * wide, height);
      }
      y += height + GAP * scale;
    }
  }

  _paint() {
    const tints = [colours.off, colours.good, colours.on, colours.teach];
    this.layers.forEach((layer, index) => {
      const [r, g, b] = tints[index % tints.length];
      const data = layer.image.data;
      const { cells } = layer;
      for (let i = 0, at = 0; i < cells.length; i++, at += 4) {
        const spikes = cells[i];
        if (spikes) {
          data[at] = r; data[at + 1] = g; data[at + 2] = b;
          data[at + 3] = Math.min(255, 110 + spikes * 60);
        } else data[at + 3] = 0;
      }
      layer.context.putImageData(layer.image, 0, 0);
      const said = `${layer.of} units · ${(layer.rate * 100).toFixed(1)} %`;
      if (layer.said.textContent !== said) layer.said.textContent = said;
    });
  }
}
