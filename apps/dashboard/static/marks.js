// Rings round hot pixels: those that a filter removes, and those with far more events than their
// neighbours.

import { $, colours, fit, memory, rgb } from "./page.js";

// As the filter `hot` has it.
const LEAST = 20;
const FACTOR = 10;
const REACH = 2;
const MOST = 256;

/** Cells with at least so many events in a second, and ten times as many as those round them. */
export function outliers({ last, columns, rows }) {
  const at = (x, y) => last[2 * (y * columns + x)] + last[2 * (y * columns + x) + 1];
  const found = [];
  for (let cell = 0; cell < columns * rows && found.length < MOST; cell++) {
    const own = last[2 * cell] + last[2 * cell + 1];
    if (own < LEAST) continue;
    const [x, y] = [cell % columns, Math.floor(cell / columns)];
    let [sum, most, places] = [0, 0, 0];
    for (let v = Math.max(0, y - REACH); v <= Math.min(rows - 1, y + REACH); v++) {
      for (let u = Math.max(0, x - REACH); u <= Math.min(columns - 1, x + REACH); u++) {
        if (u === x && v === y) continue;
        const events = at(u, v);
        sum += events;
        if (events > most) most = events;
        places++;
      }
    }
    // Without the busiest of them: it may be hot itself.
    if (own * (places - 1) > FACTOR * (sum - most)) found.push([x, y]);
  }
  return found;
}

export class Marks {
  constructor(picture, view, filters) {
    this.picture = picture;
    this.view = view;
    this.filters = filters;
    this.found = [];
    this.shown = memory.get("marks", false) === true;
    $("marks").checked = this.shown;
    $("marks").addEventListener("change", () => {
      this.shown = $("marks").checked;
      memory.set("marks", this.shown);
      this._find();
    });
    picture.tally.listeners.add(() => this._find());
    filters.listeners.add(() => this.draw());
    view.onPlace = () => this.draw();
    this._find();
  }

  _find() {
    if (!this.shown && !this.found.length && $("rings").hidden) return;
    this.found = this.shown ? outliers(this.picture.tally) : [];
    this.draw();
  }

  draw() {
    const canvas = $("rings");
    canvas.hidden = !this.shown;
    const { scale } = this.picture;
    const removed = [];
    for (let n = 0; n < this.filters.hot.length; n += 2) removed.push([this.filters.hot[n] / scale, this.filters.hot[n + 1] / scale]);
    $("marks-text").textContent = this.shown ? `${removed.length} removed, ${this.found.length} left` : "";
    if (!this.shown) return;
    fit(canvas);
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    const dots = canvas.width / Math.max(1, canvas.clientWidth);
    for (const [places, colour] of [[removed, colours.good], [this.found, colours.teach]]) {
      context.strokeStyle = rgb(colour);
      context.lineWidth = 1.5 * dots;
      for (const [x, y] of places) {
        const { left, top, side } = this.view.spot(x, y);
        context.beginPath();
        context.arc((left + side / 2) * dots, (top + side / 2) * dots, (side / 2 + 4) * dots, 0, 7);
        context.stroke();
      }
    }
  }
}
