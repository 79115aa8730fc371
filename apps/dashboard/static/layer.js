// One layer seen closely: how much it fires, a neuron's membrane, a channel's weights, a class' readout.

import { $, colours, count, el, fit, onTheme, pretty, rgb, saySpan } from "./page.js";

const ASK_MS = 2000;
const SHOWN_TICKS = 512;
const MOST_WIDE = 300;
const MOST_TALL = 170;
const RATE_WEIGHT = 0.05;
// Spikes per 1,000 units and tick: thresholds stay between half of what is wanted and twice of it.
const LEAST = 0.5;
const MOST = 2;

const NO_WEIGHTS = { counts: "This layer counts spikes: it has no weights." };

/** Numbers of a message's bytes: four each, with a sign. */
function whole(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Int32Array.from({ length: bytes.byteLength >> 2 }, (_, i) => view.getInt32(4 * i, true));
}

const signed = (bytes) => new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const times = (shape) => shape.join(" × ");

/** Draw tiles of signed numbers beside each other; below zero in one colour, above it in the other. */
function drawTiles(canvas, values, [tiles, rows, columns]) {
  const gap = tiles > 1 ? 1 : 0;
  const wide = Math.max(1, Math.min(tiles, Math.ceil(Math.sqrt((tiles * rows * MOST_WIDE) / (columns * MOST_TALL)))));
  const high = Math.ceil(tiles / wide);
  canvas.width = wide * (columns + gap) - gap;
  canvas.height = high * (rows + gap) - gap;
  const scale = Math.max(1, Math.floor(Math.min(MOST_WIDE / canvas.width, MOST_TALL / canvas.height)));
  canvas.style.width = `${canvas.width * scale}px`;
  canvas.style.aspectRatio = `${canvas.width} / ${canvas.height}`;
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const most = values.reduce((top, value) => Math.max(top, Math.abs(value)), 1);
  for (let i = 0; i < values.length; i++) {
    const tile = Math.floor(i / (rows * columns));
    const row = Math.floor(i / columns) % rows;
    const x = (tile % wide) * (columns + gap) + (i % columns);
    const y = Math.floor(tile / wide) * (rows + gap) + row;
    const part = Math.abs(values[i]) / most;
    const colour = values[i] < 0 ? colours.off : colours.on;
    const at = 4 * (y * canvas.width + x);
    for (let c = 0; c < 3; c++) image.data[at + c] = Math.round(colours.sunk[c] + (colour[c] - colours.sunk[c]) * part);
    image.data[at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

export class LayerCard {
  constructor(wire, refusal, raster, changed) {
    this.wire = wire;
    this.refusal = refusal;
    this.raster = raster;
    this.details = $("look");
    this.told = null; // what the service said of the layer
    this.tickMs = 1;
    this.clear();
    this.details.addEventListener("toggle", () => {
      changed();
      if (this.open) this._choose(this.layer);
      else this._unprobe();
    });
    $("look-layer").addEventListener("change", () => this._choose(Number($("look-layer").value)));
    $("look-channel").addEventListener("change", () => this.ask());
    $("look-class").addEventListener("change", () => this.ask());
    for (const id of ["look-row", "look-column", "look-depth"]) $(id).addEventListener("change", () => this._typed());
    $("look-busiest").addEventListener("click", () => this._busiest());
    $("raster").addEventListener("click", (event) => this._clicked(event));
    onTheme(() => this._show());
    setInterval(() => { if (this.open && !document.hidden) this.ask(); }, ASK_MS);
  }

  get open() {
    return this.details.open && !this.details.hidden && !this.details.closest("[data-folded]");
  }

  clear() {
    this.layer = 0;
    this.neuron = null; // the one that this page chose
    this.row = null; // of the raster, that was clicked
    this.trace = []; // { tick, membrane, bar, spikes }
    this.counts = []; // for each layer its share of units that fire in a tick
    this.lastTick = null;
    this.told = null;
    this.lost = "";
    this.drawn = "";
  }

  /** Another service, or the same one again. */
  met(hello) {
    this.details.hidden = !(hello.offers ?? []).includes("inspect");
    this.tickMs = hello.tick_us / 1000;
    this.setClasses(hello.classes);
    if (this.open) this._choose(this.layer);
  }

  setClasses(classes) {
    const select = $("look-class");
    const before = select.value;
    if (select.children.length === classes.length && [...select.children].every((one, i) => one.value === classes[i])) return;
    select.replaceChildren(...classes.map((name) => el("option", { value: name, textContent: pretty(name) })));
    if (classes.includes(before)) select.value = before;
  }

  /** Take a result: the spikes of each layer since the one before. */
  takeResult(result) {
    const ticks = this.lastTick === null ? 0 : result.tick - this.lastTick;
    this.lastTick = result.tick;
    if (ticks < 1) return;
    result.spikes.forEach((spikes, n) => {
      const units = this.raster.layers[n]?.of;
      if (!units) return;
      const share = spikes / (units * ticks);
      this.counts[n] = this.counts[n] === undefined ? share : this.counts[n] + (share - this.counts[n]) * RATE_WEIGHT;
    });
  }

  /** Take some ticks of the chosen neuron. */
  takeMembrane(message) {
    const key = `${message.layer}:${message.neuron}`;
    const last = this.trace.at(-1);
    if (key !== this.traced || (last && message.first_tick < last.tick - SHOWN_TICKS)) this.trace = [];
    this.traced = key;
    if (message.layer !== this.layer) return;
    const [membrane, bar] = [whole(message.membrane), whole(message.bar)];
    membrane.forEach((value, i) => {
      const tick = message.first_tick + i;
      if (tick > (this.trace.at(-1)?.tick ?? -1)) this.trace.push({ tick, membrane: value, bar: bar[i], spikes: message.spikes[i] });
    });
    this.trace.splice(0, this.trace.length - SHOWN_TICKS);
    this.elsewhere = this.neuron && String(message.neuron) !== String(this.neuron) ? message.neuron : null;
    this.fresh = true;
  }

  // -- asking --------------------------------------------------------------------------------

  ask() {
    if (!this.wire.live || !this.open || this.waits) return;
    const layer = this.layer;
    const fields = { layer, channel: Number($("look-channel").value) || 0 };
    if ($("look-class").value) fields.label = $("look-class").value;
    this.waits = true;
    this.wire.request("inspect", fields).then((reply) => {
      if (this.layer !== layer) return;
      this.told = reply.layer;
      this.lost = "";
      if (this.neuron === null && this.row !== null) this._probe(this._place(this.row));
      else if (this.neuron === null) this._busiest();
      this._show();
    }).catch((error) => { this.lost = error.message; this._show(); }).finally(() => {
      this.waits = false;
      if (this.layer !== layer) this.ask();
    });
  }

  _choose(layer) {
    this.layer = layer;
    this.told = null;
    this.neuron = this.row = null;
    this.trace = [];
    this.ask();
  }

  _probe(neuron) {
    this.neuron = neuron;
    [$("look-row").value, $("look-column").value, $("look-depth").value] = neuron;
    this.trace = [];
    if (this.refusal("probe")) return;
    this.wire.request("probe", { layer: this.layer, neuron }).catch((error) => { this.lost = error.message; this._show(); });
  }

  _unprobe() {
    if (this.wire.live && this.neuron && !this.refusal("probe")) this.wire.request("probe", { layer: null }).catch(() => {});
    this.neuron = null;
  }

  _typed() {
    if (!this.told) return;
    const typed = ["look-row", "look-column", "look-depth"].map((id) => Math.trunc(Number($(id).value)) || 0);
    this._probe(typed.map((value, i) => Math.max(0, Math.min(this.told.neurons[i] - 1, value))));
  }

  // The unit of a raster's row as a neuron: the first one of those that are pooled to it.
  _place(row) {
    const shown = this.raster.layers[this.layer];
    const { units, neurons } = this.told;
    const unit = Math.floor((row * shown.of) / shown.units);
    const place = [Math.floor(unit / (units[1] * units[2])), Math.floor(unit / units[2]) % units[1], unit % units[2]];
    return [0, 1, 2].map((i) => (i < 2 ? Math.min(neurons[i] - 1, Math.floor((place[i] * neurons[i]) / units[i])) : place[i]));
  }

  _busiest() {
    if (!this.told) return;
    const busiest = this.raster.busiest(this.layer);
    this._probe(busiest === null ? this.told.neurons.map((most) => most >> 1) : this._place(busiest));
  }

  _clicked(event) {
    const hit = this.raster.rowAt(event.clientX, event.clientY);
    if (!hit || this.details.hidden) return;
    this.details.open = true;
    $("look-layer").value = String(hit.layer);
    if (hit.layer === this.layer && this.told) {
      this._probe(this._place(hit.row));
      return;
    }
    this._choose(hit.layer);
    this.row = hit.row; // it is a neuron once the layer is known
  }

  // -- showing -------------------------------------------------------------------------------

  _show() {
    const { told } = this;
    $("look-lost").textContent = this.lost;
    $("look-lost").hidden = !this.lost;
    $("look-body").hidden = !told;
    if (!told) return;
    if ($("look-layer").children.length !== told.layers) {
      $("look-layer").replaceChildren(...Array.from({ length: told.layers }, (_, n) => el("option", { value: String(n), textContent: `layer ${n + 1}` })));
    }
    $("look-layer").value = String(this.layer);
    $("look-channel").max = String(told.neurons[2] - 1);
    ["look-row", "look-column", "look-depth"].forEach((id, i) => { $(id).max = String(told.neurons[i] - 1); });
    const neurons = told.neurons.reduce((a, b) => a * b);
    $("look-shape").textContent = `${count(neurons)} neurons: ${times(told.neurons.slice(0, 2))} places, ${told.neurons[2]} channels${told.learns ? "; its weights learn" : ""}`;
    const thresholds = told.thresholds ?? [];
    const mean = Math.round(thresholds.reduce((a, b) => a + b, 0) / Math.max(1, thresholds.length));
    const [low, high] = [Math.min(...thresholds), Math.max(...thresholds)];
    $("look-threshold").textContent = !thresholds.length ? "none: this layer answers instead of firing"
      : low === high ? count(low) : `${count(mean)} on average, ${count(low)} to ${count(high)}`;
    this._showWeights(told);
    this._showReadout(told);
    this.fresh = true;
  }

  _showWeights({ kind, weights }) {
    $("weights").hidden = !weights;
    if (!weights) {
      $("weights-said").textContent = NO_WEIGHTS[kind] ?? "";
      return;
    }
    drawTiles($("weights"), signed(weights.values), weights.shape);
    const [maps, rows, columns] = weights.of;
    const cut = weights.shape[0] < maps ? ` The first ${weights.shape[0]} are shown.` : "";
    const thin = weights.every > 1 ? ` Every ${weights.every}th row and column is shown.` : "";
    $("weights-said").textContent = `${rows} × ${columns} for each of ${maps} input channel${maps === 1 ? "" : "s"}.${cut}${thin}`;
  }

  _showReadout({ readout, read, units }) {
    $("readout").hidden = !readout;
    if (!readout) {
      $("readout-said").textContent = read ? "" : "The answer is not read from this layer.";
      return;
    }
    const values = whole(readout.values);
    const [rows, columns] = readout.shape;
    const strip = units[0] * units[1] === 1;
    drawTiles($("readout"), values, strip ? [columns, 1, 1] : [1, rows, columns]);
    const blank = values.every((value) => value === 0);
    $("readout-said").textContent = blank ? "No lesson has changed these weights yet."
      : strip ? `One square for each of ${readout.of[2]} channels.` : `Summed over ${readout.of[2]} channels of each place.`;
  }

  draw() {
    if (!this.open || !this.told) return;
    this._facts();
    const resized = fit($("membrane"));
    if (this.fresh || resized) this._plot();
    this.fresh = false;
  }

  _facts() {
    const share = this.counts[this.layer];
    const { wanted } = this.told;
    const percent = (part) => `${(100 * part).toFixed(part < 0.0995 ? 1 : 0)} %`;
    const target = wanted == null ? "" : `; wanted are ${percent((LEAST * wanted) / 1000)} to ${percent((MOST * wanted) / 1000)}`;
    const perS = share === undefined ? 0 : (1000 * share) / this.tickMs;
    const said = share === undefined ? "waiting for results"
      : `${perS.toFixed(perS < 10 ? 1 : 0)} times a second, ${percent(share)} of all ticks${target}`;
    if ($("look-rate").textContent !== said) $("look-rate").textContent = said;
    const full = wanted == null ? 100 : (3 * wanted) / 10;
    $("look-share").style.setProperty("--share", String(Math.min(1, (100 * (share ?? 0)) / full)));
    $("look-share").classList.toggle("free", wanted == null);
  }

  _plot() {
    const canvas = $("membrane");
    const context = canvas.getContext("2d");
    const { width, height } = canvas;
    context.clearRect(0, 0, width, height);
    const { trace } = this;
    const why = this.refusal("probe");
    const spikes = trace.filter((one) => one.spikes).length;
    const span = (trace.length * this.tickMs) / 1000;
    $("membrane-said").textContent = this.elsewhere ? `Another page chose the neuron ${this.elsewhere.join(", ")}.`
      : why && !trace.length ? why
      : !trace.length ? "No movement, no trace: it is drawn while the network computes."
      : `The last ${span < 2 ? `${Math.round(span * 1000)} ms` : saySpan(span)}: ${spikes} spike${spikes === 1 ? "" : "s"}. It fires above the dashed line.`;
    if (!trace.length) return;
    const answers = this.told.thresholds === null;
    let low = 0;
    let high = 1;
    for (const { membrane, bar } of trace) {
      low = Math.min(low, membrane);
      high = Math.max(high, membrane, answers ? 0 : bar);
    }
    const pad = (high - low) * 0.08;
    const y = (value) => height - ((value - low + pad) / (high - low + 2 * pad)) * height;
    const x = (i) => ((SHOWN_TICKS - trace.length + i) / (SHOWN_TICKS - 1)) * width;
    const line = (read, colour, thick, dash) => {
      context.strokeStyle = rgb(colour);
      context.lineWidth = thick * (window.devicePixelRatio || 1);
      context.setLineDash(dash);
      context.beginPath();
      trace.forEach((one, i) => (i ? context.lineTo(x(i), y(read(one))) : context.moveTo(x(i), y(read(one)))));
      context.stroke();
    };
    context.fillStyle = rgb(colours.on);
    trace.forEach((one, i) => { if (one.spikes) context.fillRect(x(i) - 1, 0, 2 * (window.devicePixelRatio || 1), height * 0.12); });
    if (!answers) line((one) => one.bar, colours.dim, 1, [5, 4]);
    line((one) => one.membrane, colours.good, 1.4, []);
    context.setLineDash([]);
  }
}
