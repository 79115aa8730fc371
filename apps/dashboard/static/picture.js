// The events as a picture: each leaves a trail that fades at a rate of one's own choice.

import { $, colours, memory, onTheme } from "./page.js";

const FAINT = 0.004;
const QUIET_MS = 1500;
const SHORTEST_MS = 8;
const LONGEST_MS = 2000;

// The slider is logarithmic: 0 to 100 for 8 ms to 2 s.
const toMs = (slider) => SHORTEST_MS * (LONGEST_MS / SHORTEST_MS) ** (slider / 100);

export class Picture {
  constructor() {
    this.canvas = $("events");
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.slider = $("tau");
    this.slider.value = memory.get("trail", 42);
    this.slider.addEventListener("input", () => this._chosen());
    this._chosen();
    this._shape(128, 128);
    this.level = 1; // how much a lively cell holds, so that any sensor fills the same range
    this.drawnAt = performance.now();
    onTheme(() => { this.dirty = true; });
  }

  _chosen() {
    const ms = toMs(Number(this.slider.value));
    this.tau = ms;
    const said = ms < 995 ? `${ms < 100 ? Math.round(ms) : Math.round(ms / 10) * 10} ms` : `${(ms / 1000).toFixed(1)} s`;
    $("tau-text").textContent = said;
    this.slider.setAttribute("aria-valuetext", said);
    memory.set("trail", Number(this.slider.value));
  }

  _shape(columns, rows) {
    this.columns = columns;
    this.rows = rows;
    this.on = new Float32Array(columns * rows);
    this.off = new Float32Array(columns * rows);
    this.canvas.width = columns;
    this.canvas.height = rows;
    this.canvas.style.aspectRatio = `${columns} / ${rows}`;
    this.image = this.context.createImageData(columns, rows);
    this.dirty = true;
    this.lively = true;
  }

  take(message) {
    const [columns, rows] = message.shape;
    if (columns !== this.columns || rows !== this.rows) this._shape(columns, rows);
    $("see-size").textContent = `${message.size[0]} × ${message.size[1]}`;
    if (message.on_events + message.off_events === 0) return;
    const { on, off } = this;
    let cells = 0;
    for (let i = 0; i < on.length; i++) {
      const a = message.on[i];
      const b = message.off[i];
      if (a | b) {
        on[i] += a;
        off[i] += b;
        cells++;
      }
    }
    const mean = (message.on_events + message.off_events) / Math.max(1, cells);
    this.level += (Math.max(1, mean) - this.level) * 0.1;
    this.seenAt = performance.now();
    $("events-hint").hidden = true;
    this.lively = true;
  }

  clear() {
    this.on.fill(0);
    this.off.fill(0);
    this.lively = true;
  }

  draw(now) {
    const passed = Math.min(1000, now - this.drawnAt);
    this.drawnAt = now;
    if (this.seenAt && now - this.seenAt > QUIET_MS + 2 * this.tau && $("events-hint").hidden) {
      $("events-hint").textContent = "The scene is quiet.";
      $("events-hint").hidden = false;
    }
    if (!this.lively && !this.dirty) return;
    this.dirty = false;
    const fade = Math.exp(-passed / this.tau);
    const gain = 1.1 / this.level;
    const { on, off } = this;
    const data = this.image.data;
    const [pr, pg, pb] = colours.on;
    const [nr, ng, nb] = colours.off;
    const [br, bg, bb] = colours.screen;
    let most = 0;
    for (let i = 0, at = 0; i < on.length; i++, at += 4) {
      const a = (on[i] *= fade);
      const b = (off[i] *= fade);
      const sum = a + b;
      if (sum > most) most = sum;
      if (sum < FAINT) {
        data[at] = br; data[at + 1] = bg; data[at + 2] = bb;
      } else {
        const cover = 1 - Math.exp(-sum * gain);
        const share = a / sum;
        data[at] = br + (nr + (pr - nr) * share - br) * cover;
        data[at + 1] = bg + (ng + (pg - ng) * share - bg) * cover;
        data[at + 2] = bb + (nb + (pb - nb) * share - bb) * cover;
      }
      data[at + 3] = 255;
    }
    this.lively = most >= FAINT;
    this.context.putImageData(this.image, 0, 0);
  }
}
