// The simulated person: what it shows, who it is, how far away, in which light.

import { $, allow, el, permits, pretty, toast } from "./page.js";

const SEQUENCE = "sequence";
const HANGING = "hanging";
const NAMED = "gesture:";

export class Sim {
  constructor(wire, refusal) {
    this.wire = wire;
    this.refusal = refusal;
    this.state = null;
    this.listed = "";
    $("sim-gesture").addEventListener("change", () => this._choose($("sim-gesture").value));
    $("sim-person").addEventListener("change", () => {
      const person = Number.parseInt($("sim-person").value, 10);
      if (person >= 0) this._ask($("sim-person"), { person });
    });
    $("sim-distance").addEventListener("change", () => this._ask($("sim-distance"), { distance: Number($("sim-distance").value) }));
    $("sim-light").addEventListener("change", () => this._ask($("sim-light"), { light: 10 ** Number($("sim-light").value) }));
  }

  get there() {
    return this.state !== null && this.refusal("sim") === "";
  }

  /** What the service says about the simulated person; null: there is none. */
  take(state) {
    this.state = state;
    $("sim").hidden = !state;
    if (!state) return;
    this._list(state.gestures);
    const value = !state.hold ? SEQUENCE : state.gesture === null ? HANGING : NAMED + state.gesture;
    const select = $("sim-gesture");
    if (document.activeElement !== select) select.value = value;
    if (document.activeElement !== $("sim-person")) $("sim-person").value = String(state.person);
    $("sim-distance").value = String(state.distance);
    $("sim-light").value = String(Math.log10(state.light));
    this.rules();
  }

  rules() {
    for (const name of ["sim-gesture", "sim-person", "sim-distance", "sim-light"]) allow($(name), this.refusal("sim"));
  }

  _list(gestures) {
    const listed = gestures.join();
    if (listed === this.listed) return;
    this.listed = listed;
    $("sim-gesture").replaceChildren(
      el("option", { value: SEQUENCE, textContent: "one gesture after another" }),
      el("option", { value: HANGING, textContent: "hanging arms (rest)" }),
      ...gestures.map((name) => el("option", { value: NAMED + name, textContent: pretty(name) })),
    );
  }

  _choose(value) {
    if (value === SEQUENCE) this._ask($("sim-gesture"), { hold: false });
    else if (value === HANGING) this._ask($("sim-gesture"), { gesture: null });
    else this._ask($("sim-gesture"), { gesture: value.slice(NAMED.length) });
  }

  _ask(control, fields) {
    if (!permits(control)) return;
    this.tell(fields).catch((error) => toast(error.message, true));
  }

  /** Make a request; resolves when the person has been told. */
  tell(fields) {
    return this.wire.request("sim", fields).then((reply) => this.take(reply.sim));
  }

  /** A lesson begins: the person keeps doing what is taught. Rest is taught with hanging arms. */
  lesson(label) {
    if (!this.there) return Promise.resolve();
    if (label === "rest") return this.tell({ gesture: null });
    if (this.state.hold) return Promise.resolve();
    return this.tell({ hold: true }).then(() => toast("The simulated person keeps doing this. “Show me” changes it."));
  }
}
