// The filters of the source: listed with what they take away, switched, changed, added, removed.

import { $, allow, count, el, permits, toast } from "./page.js";

// One of each kind, with a value that suits most scenes.
const KINDS = ["refractory:1ms", "background:5ms", "hot:20", "polarity:on", "rate:200k", "downsample:2", "flip:x", "transpose"];

export class Filters {
  constructor(wire, refusal, picture, view) {
    this.wire = wire;
    this.refusal = refusal;
    this.picture = picture;
    this.view = view;
    this.rows = new Map(); // number -> { row, on, text, removed }
    this.hot = [];
    this.listeners = new Set();
    $("filter-add").append(el("option", { value: "", textContent: "Add a filter ..." }), ...KINDS.map((value) => el("option", { value, textContent: value })));
    $("filter-add").addEventListener("change", () => {
      const add = $("filter-add").value;
      $("filter-add").value = "";
      if (add) this._ask($("filter-add"), { add });
    });
    $("region").addEventListener("click", () => this._region());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.view.onRegion) this._regionOver();
    });
  }

  async _ask(control, fields) {
    if (!permits(control)) return;
    try {
      this.take((await this.wire.request("filter", fields)).filters);
    } catch (error) {
      toast(error.message, true);
      this.take(this.told, true); // what was typed is not what holds
    }
  }

  // -- a region --------------------------------------------------------------------------------

  _region() {
    if (!permits($("region"))) return;
    if (this.view.onRegion) {
      this._regionOver();
      return;
    }
    $("region").setAttribute("aria-pressed", "true");
    this.view.askRegion((cells) => {
      this._regionOver();
      const { scale, size } = this.picture;
      const [x, y] = [cells[0] * scale, cells[1] * scale];
      const [width, height] = [Math.min(cells[2] * scale, size[0] - x), Math.min(cells[3] * scale, size[1] - y)];
      this._ask($("region"), { add: `crop:${x},${y},${width}x${height}` });
    });
  }

  _regionOver() {
    this.view.stopRegion();
    $("region").setAttribute("aria-pressed", "false");
  }

  // -- what the service says -------------------------------------------------------------------

  /** The filters as the service tells them; null: its source takes none. */
  take(filters, again = false) {
    if (filters === undefined) return;
    this.told = filters;
    $("filtering").hidden = !filters;
    this.rules();
    const there = new Set((filters ?? []).map(({ number }) => number));
    for (const [number, { row }] of this.rows) {
      if (there.has(number)) continue;
      row.remove();
      this.rows.delete(number);
    }
    for (const one of filters ?? []) this._show(one, again);
    this.hot = (filters ?? []).flatMap(({ hot }) => hot ?? []);
    for (const listener of this.listeners) listener();
  }

  _show(one, again) {
    const made = this.rows.get(one.number) ?? this._row(one.number);
    made.on.checked = one.on;
    if (again || (document.activeElement !== made.text && made.text.value !== one.filter)) made.text.value = one.filter;
    const hot = one.hot?.length ? ` · ${one.hot.length / 2} hot` : "";
    made.removed.textContent = `−${count(one.removed)}${hot}`;
    made.removed.title = `${count(one.removed)} events taken away; ${one.size.join(" × ")} pixels leave it`;
    made.on.setAttribute("aria-label", `Use ${one.filter}`);
    made.gone.setAttribute("aria-label", `Remove ${one.filter}`);
    made.row.classList.toggle("unused", !one.on);
  }

  _row(number) {
    const on = el("input", { type: "checkbox" });
    const text = el("input", { type: "text", maxLength: 64, spellcheck: false });
    text.setAttribute("aria-label", "Filter and value");
    const removed = el("span");
    const gone = el("button", { type: "button", className: "quiet small", textContent: "×" });
    const row = el("li", {}, on, text, removed, gone);
    const made = { row, on, text, removed, gone };
    on.addEventListener("change", () => this._ask(on, { number, on: on.checked }));
    text.addEventListener("change", () => this._ask(text, { number, to: text.value.trim() || " " }));
    gone.addEventListener("click", () => this._ask(gone, { number, remove: true }));
    $("filters").append(row);
    this.rows.set(number, made);
    return made;
  }

  rules() {
    const why = this.refusal("filter");
    for (const { on, text, gone } of this.rows.values()) for (const control of [on, text, gone]) allow(control, why);
    allow($("region"), why);
    allow($("filter-add"), why);
    for (const { on, text } of this.rows.values()) on.disabled = text.disabled = Boolean(why);
    $("filter-add").disabled = Boolean(why);
  }
}
