// What is taken for what: by the source's truth, or by taps on right and wrong.

import { $, el, pretty } from "./page.js";

const MOST = 6;

export class Confusion {
  constructor() {
    this.clear();
    for (const [id, right] of [["tap-right", true], ["tap-wrong", false]]) {
      $(id).addEventListener("click", () => this._tap(right));
    }
  }

  clear() {
    this.shown = new Map(); // what is shown -> Map of answers to their number
    this.taps = new Map(); // answer -> { right, wrong }
    this.decision = null;
    this.stale = true;
  }

  /** Count an answer of the service, which comes ten times a second; lessons count for nothing. */
  take(decision) {
    this.decision = decision;
    if (decision.truth == null || decision.label != null) return;
    const answers = this.shown.get(decision.truth) ?? new Map();
    answers.set(decision.class, (answers.get(decision.class) ?? 0) + 1);
    this.shown.set(decision.truth, answers);
    this.stale = true;
  }

  _tap(right) {
    const name = this.decision?.class;
    if (!name) return;
    const counts = this.taps.get(name) ?? { right: 0, wrong: 0 };
    counts[right ? "right" : "wrong"]++;
    this.taps.set(name, counts);
    this.stale = true;
    this.draw();
  }

  draw() {
    if (!this.stale || !$("confused").open) return;
    this.stale = false;
    const rows = [...this._byTruth(), ...this._byTaps()];
    $("pairs").replaceChildren(...rows.slice(0, MOST).map((text) => el("li", { textContent: text })));
    const known = this.shown.size || this.taps.size;
    $("confused-why").textContent = rows.length ? "Since this page was opened, lessons left out:"
      : known ? "Nothing so far." : "Nothing is known yet of what is really shown: tap right or wrong.";
  }

  _byTruth() {
    const pairs = [];
    for (const [shown, answers] of this.shown) {
      const all = [...answers.values()].reduce((sum, n) => sum + n, 0);
      for (const [name, n] of answers) {
        if (name === shown || name === "nothing") continue;
        const said = name === "unknown" ? "was unknown" : `was taken for ${pretty(name)}`;
        pairs.push([n / all, `${pretty(shown)} ${said}: ${Math.round((100 * n) / all)} % of the time`]);
      }
    }
    return pairs.filter(([share]) => share >= 0.01).sort((a, b) => b[0] - a[0]).map(([, text]) => text);
  }

  _byTaps() {
    return [...this.taps].filter(([, { wrong }]) => wrong > 0)
      .sort((a, b) => b[1].wrong - a[1].wrong)
      .map(([name, { right, wrong }]) => `${pretty(name)} was wrong ${wrong} of ${right + wrong} times`);
  }
}
