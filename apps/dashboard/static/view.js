// How one looks at the picture: zoom, pan, full screen, and the pixel under the pointer.

import { $, toast } from "./page.js";

const MOST_ZOOM = 64;
const STEP = 1.25;
const PAN = 40;

export class View {
  constructor(picture) {
    this.picture = picture;
    this.frame = $("picture");
    this.canvas = $("events");
    this.zoom = 1;
    this.x = 0;
    this.y = 0;
    this.pointers = new Map();
    this.onRegion = null; // takes [left, top, width, height] in cells, once
    const on = (name, work, options) => this.frame.addEventListener(name, work, options);
    on("wheel", (event) => this._wheel(event), { passive: false });
    on("pointerdown", (event) => this._down(event));
    on("pointermove", (event) => this._move(event));
    on("pointerup", (event) => this._up(event));
    on("pointercancel", (event) => this._up(event));
    on("pointerleave", () => this._tell(null));
    on("keydown", (event) => this._key(event));
    on("dblclick", (event) => { if (event.target === this.canvas) this.reset(); });
    $("zoom-reset").addEventListener("click", () => this.reset());
    $("full").addEventListener("click", () => this._full());
    document.addEventListener("fullscreenchange", () => this._fulled());
    if (!document.fullscreenEnabled) $("full").hidden = true;
    new ResizeObserver(() => this._place()).observe(this.frame);
    this._place();
  }

  /** The box of the picture within the frame, before it is zoomed: in full screen there are margins. */
  _box() {
    const { clientWidth: width, clientHeight: height } = this.frame;
    const scale = Math.min(width / this.canvas.width, height / this.canvas.height) || 1;
    const [w, h] = [this.canvas.width * scale, this.canvas.height * scale];
    return { left: (width - w) / 2, top: (height - h) / 2, scale };
  }

  /** The cell under a place on the screen, as real numbers. */
  _cell({ clientX, clientY }) {
    const frame = this.frame.getBoundingClientRect();
    const box = this._box();
    const at = (client, edge, pan, margin) => ((client - edge - pan) / this.zoom - margin) / box.scale;
    return [
      at(clientX, frame.left + this.frame.clientLeft, this.x, box.left),
      at(clientY, frame.top + this.frame.clientTop, this.y, box.top),
    ];
  }

  _place() {
    const { clientWidth: width, clientHeight: height } = this.frame;
    const bounded = (value, side) => Math.min(0, Math.max(side * (1 - this.zoom), value));
    this.x = bounded(this.x, width);
    this.y = bounded(this.y, height);
    this.canvas.style.transform = this.zoom === 1 ? "" : `translate(${this.x}px, ${this.y}px) scale(${this.zoom})`;
    this.frame.toggleAttribute("data-zoomed", this.zoom > 1);
    // Enlarged pixels have sharp edges; of a picture that is made smaller no pixel may get lost.
    const enlarged = this._box().scale * this.zoom * (devicePixelRatio || 1) >= 1;
    this.canvas.toggleAttribute("data-sharp", enlarged);
    $("zoom-reset").hidden = this.zoom === 1;
    $("zoom-reset").textContent = `${this.zoom.toFixed(1)}×`;
    this.onPlace?.();
  }

  /** Zoom by a factor; the place (x, y) in the frame stays where it is. */
  _zoomBy(factor, x, y) {
    const zoom = Math.min(MOST_ZOOM, Math.max(1, this.zoom * factor));
    this.x = x - ((x - this.x) * zoom) / this.zoom;
    this.y = y - ((y - this.y) * zoom) / this.zoom;
    this.zoom = zoom;
    this._place();
  }

  reset() {
    this.zoom = 1;
    this.x = this.y = 0;
    this._place();
  }

  _inFrame({ clientX, clientY }) {
    const { left, top } = this.frame.getBoundingClientRect();
    return [clientX - left - this.frame.clientLeft, clientY - top - this.frame.clientTop];
  }

  // A wheel that is turned over the page scrolls the page, until the picture is looked at.
  _wheel(event) {
    const mine = event.ctrlKey || this.zoom > 1 || this.frame.contains(document.activeElement) || document.fullscreenElement;
    if (!mine) return;
    event.preventDefault();
    this._zoomBy(STEP ** (-Math.sign(event.deltaY) * Math.min(3, Math.abs(event.deltaY) / 60)), ...this._inFrame(event));
  }

  _down(event) {
    if (event.button !== 0 || event.target.closest("button")) return;
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.onRegion || this.zoom > 1) this.frame.setPointerCapture(event.pointerId);
    if (this.onRegion) {
      event.preventDefault();
      this.from = this._cell(event);
      this._band(event);
    }
  }

  _move(event) {
    this._tell(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    if (this.from) {
      this._band(event);
      return;
    }
    const now = [event.clientX, event.clientY];
    this.pointers.set(event.pointerId, now);
    if (this.pointers.size === 1) {
      this.x += now[0] - before[0];
      this.y += now[1] - before[1];
      this._place();
      return;
    }
    const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    const apart = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]);
    const middle = { clientX: (now[0] + other[0]) / 2, clientY: (now[1] + other[1]) / 2 };
    this._zoomBy(apart(now) / Math.max(1, apart(before)), ...this._inFrame(middle));
  }

  _up(event) {
    this.pointers.delete(event.pointerId);
    if (!this.from) return;
    const region = this._region(event);
    const { onRegion } = this;
    this.stopRegion();
    if (event.type === "pointerup" && region[2] > 1 && region[3] > 1) onRegion(region);
  }

  // -- a region --------------------------------------------------------------------------------

  /** Let the next drag choose a region; `then` takes it, in cells. */
  askRegion(then) {
    this.onRegion = then;
    this.frame.toggleAttribute("data-region", true);
  }

  stopRegion() {
    this.onRegion = this.from = null;
    this.frame.toggleAttribute("data-region", false);
    $("band").hidden = true;
  }

  _region(event) {
    const to = this._cell(event);
    const { width, height } = this.canvas;
    const within = (value, most) => Math.min(most, Math.max(0, value));
    const [left, right] = [this.from[0], to[0]].sort((a, b) => a - b).map((value) => within(value, width));
    const [top, bottom] = [this.from[1], to[1]].sort((a, b) => a - b).map((value) => within(value, height));
    const [x, y] = [Math.floor(left), Math.floor(top)];
    return [x, y, Math.ceil(right) - x, Math.ceil(bottom) - y];
  }

  _band(event) {
    const [x, y, width, height] = this._region(event);
    this.outline($("band"), x, y, width, height);
    $("band").hidden = false;
    $("band").textContent = `${width * this.picture.scale} × ${height * this.picture.scale}`;
  }

  /** Put an element round cells of the picture. */
  outline(element, x, y, width, height) {
    const { left, top, side } = this.spot(x, y);
    element.style.left = `${left}px`;
    element.style.top = `${top}px`;
    element.style.width = `${width * side}px`;
    element.style.height = `${height * side}px`;
  }

  /** Where a cell is within the frame. */
  spot(x, y) {
    const box = this._box();
    const at = (cells, margin, pan) => (cells * box.scale + margin) * this.zoom + pan;
    return { left: at(x, box.left, this.x), top: at(y, box.top, this.y), side: box.scale * this.zoom };
  }

  // -- the rest --------------------------------------------------------------------------------

  _tell(event) {
    this.under = event && event.target === this.canvas ? this._cell(event).map(Math.floor) : null;
    this.draw();
  }

  draw() {
    const said = this.under ? this.picture.tell(...this.under) : "";
    if ($("pixel").textContent !== said) $("pixel").textContent = said;
  }

  _key(event) {
    if (event.target !== this.frame || event.ctrlKey || event.metaKey || event.altKey) return;
    const { clientWidth: width, clientHeight: height } = this.frame;
    const moves = { ArrowLeft: [PAN, 0], ArrowRight: [-PAN, 0], ArrowUp: [0, PAN], ArrowDown: [0, -PAN] };
    if (event.key === "+" || event.key === "=") this._zoomBy(STEP, width / 2, height / 2);
    else if (event.key === "-") this._zoomBy(1 / STEP, width / 2, height / 2);
    else if (event.key === "Home") this.reset();
    else if (event.key in moves && this.zoom > 1) {
      this.x += moves[event.key][0];
      this.y += moves[event.key][1];
      this._place();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  _full() {
    const done = document.fullscreenElement ? document.exitFullscreen() : this.frame.requestFullscreen();
    done.catch((error) => toast(`The browser shows nothing in full screen: ${error.message}`, true));
  }

  _fulled() {
    const full = document.fullscreenElement === this.frame;
    $("full").setAttribute("aria-pressed", String(full));
    $("full").setAttribute("aria-label", full ? "Leave full screen" : "Full screen");
    this.reset();
  }
}
