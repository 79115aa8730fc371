// Past lessons, each with a picture and a way back; and a warning when a lesson showed two things.

import { $, allow, count, el, pretty } from "./page.js";

const SIDE = 40;

export class Lessons {
  constructor(wire, refusal, undo) {
    this.wire = wire;
    this.refusal = refusal;
    this.undo = undo;
    this.pictures = new Map(); // first tick of a lesson -> a small picture of what was shown
    this.lesson = null; // the one that is being held: { label, truth, warned }
    this.key = "";
  }

  begin(label) {
    this.lesson = { label, truth: undefined, warned: false };
    $("warned").hidden = true;
  }

  /** What the source says is shown, while a lesson goes on. */
  shown(truth) {
    const { lesson } = this;
    if (!lesson || lesson.warned) return;
    if (lesson.truth === undefined) lesson.truth = truth;
    else if (truth !== lesson.truth) {
      lesson.warned = true;
      const name = (what) => (what === null ? "nothing" : pretty(what));
      $("warned").textContent = `The lesson of ${pretty(lesson.label)} showed ${name(lesson.truth)}, then ${name(truth)}. Undo it, and hold the button while one gesture lasts.`;
      $("warned").hidden = false;
    }
  }

  end() {
    this.lesson = null;
  }

  take(learning) {
    const recent = learning?.recent ?? [];
    const newest = recent.at(-1);
    if (newest && newest.end_tick === null && !this.pictures.has(newest.first_tick)) {
      this.pictures.set(newest.first_tick, null); // drawn when it is over: then there is something to see
    } else if (newest && newest.end_tick !== null && this.pictures.get(newest.first_tick) === null) {
      this.pictures.set(newest.first_tick, this._picture());
    }
    const why = this.refusal("undo");
    const key = JSON.stringify([recent.filter((one) => one.end_tick !== null), why]);
    if (key === this.key) return;
    this.key = key;
    const tickUs = this.wire.hello?.tick_us ?? 1000;
    const rows = recent.filter((one) => one.end_tick !== null).reverse().map((one) => this._row(one, tickUs, why));
    $("lessons").replaceChildren(...rows);
  }

  _row(one, tickUs, why) {
    const seconds = ((one.end_tick - one.first_tick) * tickUs) / 1e6;
    const length = seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
    const changed = one.undone ? "taken back" : `${count(one.updates)} changes`;
    const row = el("li", { className: one.undone ? "undone" : "" },
      this.pictures.get(one.first_tick) ?? el("i", { className: "blank" }),
      el("span", {}, el("b", { textContent: pretty(one.label) }), ` ${length} · ${changed}`));
    if (one.undo !== null && !one.undone) {
      const later = one.undo - 1;
      const button = el("button", { type: "button", className: "quiet small", textContent: "undo" });
      button.setAttribute("aria-label", `Undo the lesson of ${pretty(one.label)}`);
      allow(button, why);
      if (!why && later) button.title = `Takes back the ${later === 1 ? "lesson" : `${later} lessons`} after it, too`;
      button.addEventListener("click", () => this.undo(button, one.undo));
      row.append(button);
    }
    return row;
  }

  _picture() {
    const small = el("canvas", { width: SIDE, height: SIDE });
    small.setAttribute("aria-hidden", "true");
    small.getContext("2d").drawImage($("events"), 0, 0, SIDE, SIDE);
    return small;
  }
}
