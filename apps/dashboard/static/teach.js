// Teaching by hand: a class is taught for as long as its button or its key is held.

import { Lessons } from "./lessons.js";
import { $, allow, allowed, count, el, memory, permits, pretty, toast } from "./page.js";

const ENOUGH_MS = 5000;
const TOO_SHORT_MS = 250;
// A lesson that takes another's place begins this soon after it.
const SUCCESSOR_MS = 300;
// A click this soon after a hold is the hold's own.
const ITS_CLICK_MS = 400;
// What the service refuses in a label: everything that has no shape of its own, but for spaces.
const UNPRINTABLE = /[^\P{C}]|[^\P{Z} ]/u;
const KEYS = "123456789abcdefghijklmnopqrstuvwxyz";

const typing = (target) => target instanceof HTMLElement && (target.matches("input:not([type=range]), select, textarea") || target.isContentEditable);

export class Teaching {
  constructor(wire, sim) {
    this.wire = wire;
    this.sim = sim;
    this.lessons = new Lessons(wire, (request) => this.refusal(request), (button, lessons) => this._undo(button, lessons));
    this.held = null; // { label, button, by, began, known }; known: the service has answered
    this.heldAt = -Infinity; // when a pointer or a key held a button last
    this.keys = memory.get("keys", true) !== false;
    this.classes = [];
    this.buttons = new Map();
    this.learning = null;
    this.status = null;
    this._hold($("new-hold"), () => this._newName());
    this._hold($("rest-hold"), () => "rest");
    $("new").addEventListener("submit", (event) => event.preventDefault());
    $("new-name").addEventListener("input", () => this._rules());
    $("learn").addEventListener("click", () => this._switch());
    $("keys").addEventListener("click", () => this._switchKeys());
    $("keys").setAttribute("aria-checked", String(this.keys));
    $("undo").addEventListener("click", () => this._undo($("undo"), 1));
    document.addEventListener("keydown", (event) => this._key(event));
    document.addEventListener("keyup", (event) => {
      if (this.held && this.held.by === event.code) this.stop();
    });
    // Whatever takes the person's attention away ends the lesson: it can never stay on by itself.
    window.addEventListener("blur", () => this.stop());
    window.addEventListener("pagehide", () => this.stop());
    document.addEventListener("visibilitychange", () => { if (document.hidden) this.stop(); });
  }

  // -- what is known -------------------------------------------------------------------------

  setClasses(classes) {
    if (classes.length === this.classes.length && classes.every((name, i) => name === this.classes[i])) return;
    const grown = this.classes.length > 0;
    this.classes = [...classes];
    for (const [name, button] of this.buttons) {
      if (!classes.includes(name)) {
        if (this.held?.button === button) this.stop();
        button.remove();
        this.buttons.delete(name);
      }
    }
    classes.forEach((name, index) => {
      let button = this.buttons.get(name);
      if (!button) {
        button = el("button", { type: "button", className: "hold" },
          el("span", { className: "fill" }), el("kbd"),
          el("span", { className: "name", textContent: pretty(name) }), el("span", { className: "time" }));
        button.dataset.class = name;
        if (grown) button.classList.add("fresh");
        this._hold(button, () => name);
        this.buttons.set(name, button);
      }
      $("buttons").append(button);
    });
    this._nameKeys();
    this._rules();
  }

  _nameKeys() {
    this.classes.forEach((name, index) => {
      const button = this.buttons.get(name);
      const key = this.keys ? KEYS[index] ?? "" : "";
      button.querySelector("kbd").textContent = key;
      button.querySelector("kbd").hidden = !key;
      button.setAttribute("aria-label", `Hold to teach ${pretty(name)}${key ? `, key ${key}` : ""}`);
      if (key) button.setAttribute("aria-keyshortcuts", key);
      else button.removeAttribute("aria-keyshortcuts");
    });
  }

  setStatus(status) {
    this.status = status;
    this._rules();
    this._show();
  }

  setLearning(learning) {
    this.learning = learning;
    this.lessons.take(learning);
    this._rules();
    this._overtaken();
    this._show();
  }

  // The service has one label. What it says of it leaves in order: all that comes with or after
  // the answer to this page's request knows of that request.
  _overtaken() {
    const { held, learning } = this;
    if (!held?.known || !learning || learning.label === held.label) return;
    this._drop();
    this.wire.release();
    // A service says first that the old lesson is over, then that a new one has begun.
    setTimeout(() => {
      const now = this.learning?.label ?? null;
      toast(now === null || now === held.label ? `The lesson of ${pretty(held.label)} was ended elsewhere.`
        : `Somebody else teaches ${pretty(now)} now.`);
    }, SUCCESSOR_MS);
  }

  /** The connection came or went. */
  connected() {
    if (!this.wire.live) this._drop();
    this._rules();
  }

  get on() {
    return this.learning?.on ?? this.status?.learn ?? false;
  }

  // -- what may be done ----------------------------------------------------------------------

  /** Why a request cannot be made, or nothing. */
  refusal(request) {
    const { hello, live } = this.wire;
    if (!live || !hello) return "There is no connection to the service.";
    if (hello.may === "watch") return "Your token allows to watch only.";
    if (Array.isArray(hello.offers) && !hello.offers.includes(request)) {
      return {
        record: "This service has no folder for recordings.",
        checkpoint: "This service has no folder for checkpoints.",
        undo: "This service keeps no lessons that could be taken back.",
      }[request] ?? `This service does not offer to ${request}.`;
    }
    return "";
  }

  _rules() {
    let why = this.refusal("teach");
    if (!why && this.status?.labels === "source") why = "Here the source names what is shown.";
    const off = why || (this.on ? "" : "Learning is off: switch it on to teach.");
    for (const button of this.buttons.values()) allow(button, off);
    const name = $("new-name").value.trim();
    const unfit = !name ? "Type the new gesture’s name first."
      : UNPRINTABLE.test(name) ? "The name holds signs that cannot be printed everywhere." : "";
    allow($("new-hold"), off || unfit);
    allow($("rest-hold"), off);
    // Not while its own button is held: a button that vanishes ends its lesson.
    const done = this.classes.includes("rest") || (this.learning?.lessons ?? 0) > 0;
    $("first").hidden = this.held?.button.id !== "rest-hold" && (Boolean(off) || done);
    allow($("learn"), this.refusal("learn"));
    const undoable = this.learning ? this.learning.undo : null;
    allow($("undo"), this.refusal("undo") || (undoable == null ? "There is no lesson to take back." : ""));
    $("teach-why").textContent = off || `Hold a gesture’s button${this.keys ? ", or its key," : ""} while you show it: five seconds are enough.`;
    if (this.held && off) this.stop();
  }

  // -- holding -------------------------------------------------------------------------------

  _hold(button, label) {
    button.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !event.isPrimary) return;
      event.preventDefault();
      button.focus({ preventScroll: true });
      if (!this.start(label(), button, event.pointerId)) return;
      button.setPointerCapture(event.pointerId);
    });
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
      button.addEventListener(kind, (event) => {
        if (this.held?.button === button && this.held.by === event.pointerId) this.stop();
      });
    }
    button.addEventListener("contextmenu", (event) => event.preventDefault());
    button.addEventListener("blur", () => { if (this.held?.button === button) this.stop(); });
    button.addEventListener("keydown", (event) => {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault();
      if (!event.repeat) this.start(label(), button, event.code);
    });
    // Some browsers click when the space bar is let go, whatever its keydown was told.
    button.addEventListener("keyup", (event) => { if (event.key === " ") event.preventDefault(); });
    button.addEventListener("click", (event) => {
      if (event.detail === 0) this._activate(label(), button);
    });
    button.setAttribute("aria-description", "Activating it teaches for five seconds.");
  }

  // Speech control and screen readers click without holding anything: that is a lesson of five
  // seconds, or its end.
  _activate(label, button) {
    if (this.held) {
      if (this.held.by === "click" && this.held.button === button) this.stop();
      return;
    }
    if (performance.now() - this.heldAt < ITS_CLICK_MS || !this.start(label, button, "click")) return;
    const { held } = this;
    setTimeout(() => { if (this.held === held) this.stop(); }, ENOUGH_MS);
  }

  _key(event) {
    if (!this.keys || event.repeat || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const index = KEYS.indexOf(event.key.toLowerCase());
    const button = index < 0 ? undefined : this.buttons.get(this.classes[index]);
    if (!button) return;
    event.preventDefault();
    this.start(this.classes[index], button, event.code);
  }

  _newName() {
    return $("new-name").value.trim();
  }

  /** Begin a lesson; tells whether it began. */
  start(label, button, by) {
    if (this.held) return false;
    if (!permits(button)) {
      if (button.id === "new-hold") $("new-name").focus();
      return false;
    }
    const held = { label, button, by, began: performance.now(), isNew: button.id === "new-hold", known: false };
    this.held = held;
    button.classList.add("held");
    button.setAttribute("aria-pressed", "true");
    this.lessons.begin(label);
    // The person before the simulated camera stays with what is taught.
    this.sim.lesson(label).catch(() => {}).then(() => (this.held === held ? this.wire.teach(label) : undefined)).then(() => {
      held.known = true;
      if (this.held === held) this._overtaken();
    }).catch((error) => {
      if (this.held === held) {
        this._drop();
        this.wire.release();
      }
      toast(error.message, true);
    });
    return true;
  }

  /** End the lesson that is held, if there is one. */
  stop() {
    const held = this._drop();
    if (!held) return;
    this.wire.teach(null).then(() => {
      if (held.isNew && $("new-name").value.trim() === held.label) {
        $("new-name").value = "";
        this._rules();
      }
    }).catch(() => {}); // it is said again when the connection is back
    if (performance.now() - held.began < TOO_SHORT_MS) toast("Keep it held while you show the gesture.");
  }

  _drop() {
    const { held } = this;
    this.held = null;
    if (held) {
      this.lessons.end();
      if (held.by !== "click") this.heldAt = performance.now();
      held.button.classList.remove("held");
      held.button.removeAttribute("aria-pressed");
      held.button.querySelector(".fill").style.transform = "";
      const time = held.button.querySelector(".time");
      if (time) time.textContent = "";
    }
    return held;
  }

  // -- the other buttons ---------------------------------------------------------------------

  _switch() {
    if (!permits($("learn"))) return;
    this.wire.request("learn", { on: !this.on }).catch((error) => toast(error.message, true));
  }

  // Letters anywhere are in the way of those who speak to their machine, or miss a key.
  _switchKeys() {
    this.keys = !this.keys;
    memory.set("keys", this.keys);
    $("keys").setAttribute("aria-checked", String(this.keys));
    this._nameKeys();
    this._rules();
  }

  _undo(button, lessons) {
    if (!permits(button)) return;
    this.stop();
    $("warned").hidden = true;
    this.wire.request("undo", lessons > 1 ? { lessons } : {}).then((reply) => {
      toast(lessons > 1 ? `${lessons} lessons are taken back.` : `The lesson of ${pretty(reply.label ?? "")} is taken back.`);
    }).catch((error) => toast(error.message, true));
  }

  // -- showing -------------------------------------------------------------------------------

  _show() {
    $("learn").setAttribute("aria-checked", String(this.on));
    const taught = this.learning?.label ?? this.status?.label ?? null;
    for (const [name, button] of this.buttons) {
      button.classList.toggle("elsewhere", name === taught && this.held?.label !== name);
    }
    const undo = this.learning?.undo;
    if (undo != null && allowed($("undo"))) $("undo").title = `Take back the lesson of ${pretty(undo)}`;
    const said = this._lesson();
    if ($("lesson").textContent !== said.textContent) $("lesson").replaceChildren(...said.childNodes);
  }

  _lesson() {
    const { lesson, lessons } = this.learning ?? {};
    const made = el("p");
    if (!this.learning) made.append("This service does not tell of its lessons.");
    else if (!lesson) made.append("No lesson yet.");
    else {
      const tickUs = this.wire.hello?.tick_us ?? 1000;
      const end = lesson.end_tick ?? this.learning.tick;
      const seconds = ((end - lesson.first_tick) * tickUs) / 1e6;
      const state = lesson.undone ? "taken back" : `${seconds.toFixed(1)} s`;
      made.append(el("b", { textContent: pretty(lesson.label) }), ` · ${state}`,
        el("br"), `${count(lesson.updates)} updates · ${count(lessons)} lesson${lessons === 1 ? "" : "s"}`);
    }
    return made;
  }

  draw(now) {
    const { held } = this;
    if (!held) return;
    const passed = now - held.began;
    held.button.querySelector(".fill").style.transform = `scaleX(${Math.min(1, passed / ENOUGH_MS)})`;
    const time = held.button.querySelector(".time");
    if (time) time.textContent = `${Math.max(0, passed / 1000).toFixed(1)} s`;
    if (!allowed(held.button)) this.stop();
  }
}
