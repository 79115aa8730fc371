// How a recording is replayed: pause, position, speed, loop.

import { $, allow, allowed, el, permits, sayClock, toast } from "./page.js";

const SPEEDS = [["0.001", "1/1000"], ["0.01", "1/100"], ["0.1", "0.1×"], ["0.25", "0.25×"], ["0.5", "0.5×"], ["1", "1×"], ["2", "2×"], ["4", "4×"], ["10", "10×"], ["max", "max"]];

/** Microseconds of `12.3` or `1:02.3`; null if that is no time. */
export function readClock(text) {
  const found = /^(?:(\d+):)?(\d+(?:\.\d*)?)$/.exec(text.trim());
  return found ? Math.round((60 * Number(found[1] ?? 0) + Number(found[2])) * 1e6) : null;
}

export class Replay {
  constructor(wire, refusal, frameUs = () => 40_000) {
    this.frameUs = frameUs;
    this.wire = wire;
    this.refusal = refusal;
    this.state = null;
    this.at = 0; // when `state` came
    this.seeking = false;
    $("speed").append(...SPEEDS.map(([value, textContent]) => el("option", { value, textContent })));
    $("pause").addEventListener("click", () => this._ask($("pause"), { paused: !this.state?.paused }));
    $("loop").addEventListener("click", () => this._ask($("loop"), { loop: !this.state?.loop }));
    $("speed").addEventListener("change", () => {
      const value = $("speed").value;
      this._ask($("speed"), { speed: value === "max" ? null : Number(value) });
    });
    $("step").addEventListener("click", () => this._ask($("step"), { step_us: this.frameUs() }));
    $("goto").addEventListener("change", () => {
      const us = readClock($("goto").value);
      if (us === null) toast("A time of the recording is seconds, or minutes:seconds, such as 0:12.345.", true);
      else if (this._known) this._ask($("seek"), { position_us: Math.min(us, this.state.duration_us) });
      $("goto").value = "";
    });
    $("seek").addEventListener("input", () => {
      if (!this._known) return;
      this.seeking = true;
      this._say(this._sought());
    });
    $("seek").addEventListener("change", () => {
      this.seeking = false;
      if (this._known) this._ask($("seek"), { position_us: this._sought() });
    });
  }

  // Until the recording has been measured nothing says where in it the bar stands.
  get _known() {
    return this.state?.duration_us != null;
  }

  _sought() {
    return Math.round((Number($("seek").value) / Number($("seek").max)) * this.state.duration_us);
  }

  _ask(control, fields) {
    if (!permits(control)) return;
    this.wire.request("replay", fields)
      .then((reply) => this.take(reply.replay))
      .catch((error) => toast(error.message, true));
  }

  /** What the service says about its replay; null: it has none. */
  take(state) {
    if (state === undefined) return;
    this.state = state;
    this.at = performance.now();
    $("replay").hidden = !state;
    if (!state) return;
    $("pause").classList.toggle("paused", state.paused);
    $("pause").setAttribute("aria-label", state.paused ? "Play" : "Pause");
    $("loop").setAttribute("aria-pressed", String(state.loop));
    const speed = state.speed === null ? "max" : String(state.speed);
    if (![...$("speed").options].some((option) => option.value === speed)) {
      $("speed").append(el("option", { value: speed, textContent: `${speed}×` }));
    }
    if (document.activeElement !== $("speed")) $("speed").value = speed;
    const file = state.file.split("/").at(-1);
    $("file").textContent = file;
    $("file").title = state.file;
    $("duration").textContent = this._known ? sayClock(state.duration_us) : "–";
    this.rules();
  }

  rules() {
    const why = this.refusal("replay");
    for (const id of ["pause", "loop", "speed", "step"]) allow($(id), why);
    allow($("seek"), why || (this._known ? "" : "The recording’s length is being measured."));
    $("speed").disabled = Boolean(why);
    $("goto").disabled = Boolean(why) || !this._known;
    $("seek").disabled = !allowed($("seek"));
    // A bar that is disabled while it is moved never says `change`.
    if ($("seek").disabled) this.seeking = false;
  }

  _say(position) {
    const said = sayClock(position);
    if ($("position").textContent === said) return;
    $("position").textContent = said;
    $("seek").setAttribute("aria-valuetext", said);
  }

  draw(now) {
    if (!this.state || this.seeking) return;
    const { paused, speed, position_us, duration_us } = this.state;
    // Between two reports the bar moves on by itself.
    let at = position_us + (paused || speed === null ? 0 : (now - this.at) * 1000 * speed);
    if (this._known) at = Math.min(at, duration_us);
    this._say(at);
    const value = String(duration_us ? Math.round((at / duration_us) * Number($("seek").max)) : 0);
    if ($("seek").value !== value) $("seek").value = value;
  }
}
