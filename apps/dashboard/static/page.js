// Small things that all parts of the page use.

export const $ = (id) => document.getElementById(id);

/** Make an element; text only ever becomes text. */
export function el(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export const pretty = (name) => name.replaceAll("_", " ");

export function sayRate(perSecond) {
  if (perSecond >= 1e6) return `${(perSecond / 1e6).toFixed(perSecond < 1e7 ? 1 : 0)} Mev/s`;
  if (perSecond >= 1e3) return `${(perSecond / 1e3).toFixed(perSecond < 1e4 ? 1 : 0)} kev/s`;
  return `${Math.round(perSecond)} ev/s`;
}

export function sayMicros(us) {
  if (us == null) return "–";
  if (us < 1e3) return `${Math.round(us)} µs`;
  if (us < 1e6) return `${(us / 1e3).toFixed(us < 1e4 ? 1 : 0)} ms`;
  return `${(us / 1e6).toFixed(2)} s`;
}

/** A time of a second or more: `2.9 s`. */
export const saySeconds = (us) => `${(us / 1e6).toFixed(us < 1e7 ? 1 : 0)} s`;

export function sayClock(us) {
  const tenths = Math.max(0, Math.floor(us / 1e5));
  const minutes = Math.floor(tenths / 600);
  return `${minutes}:${((tenths % 600) / 10).toFixed(1).padStart(4, "0")}`;
}

export function saySpan(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** A score, which can have any size: `−323k`. */
export function sayScore(score) {
  const size = Math.abs(score);
  const sign = score <= -0.5 ? "\u2212" : "";
  if (size < 9999.5) return `${sign}${Math.round(size)}`;
  if (size < 999500) return `${sign}${Math.round(size / 1e3)}k`;
  return `${sign}${(size / 1e6).toFixed(size < 9.95e6 ? 1 : 0)}M`;
}

export const count = (value) => Number(value).toLocaleString("en").replaceAll(",", "\u202f");

export function sayBytes(bytes) {
  if (bytes < 1e3) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Show a sentence for some seconds. */
export function toast(sentence, bad = false) {
  const made = el("p", { className: bad ? "toast bad" : "toast", textContent: sentence });
  $("toasts").append(made);
  while ($("toasts").children.length > 4) $("toasts").firstChild.remove();
  setTimeout(() => made.remove(), bad ? 9000 : 6000);
}

/** Allow a control, or say in its tooltip why it cannot be used. It stays reachable by keyboard. */
export function allow(control, reason) {
  control.setAttribute("aria-disabled", reason ? "true" : "false");
  if (reason) control.title = reason;
  else control.removeAttribute("title");
}

export const allowed = (control) => control.getAttribute("aria-disabled") !== "true";

/** Whether a control may be used; a reason not to is shown. */
export function permits(control) {
  if (allowed(control)) return true;
  toast(control.title);
  return false;
}

/**
 * The page's time at which something happened, from the network's tick: what comes in bursts over
 * a busy line is shown as evenly as it was computed. At other speeds than real time it is the time
 * of arrival.
 */
export class Clock {
  constructor() {
    this.tickMs = 1;
    this.offset = null;
  }

  at(tick, arrived) {
    const since = arrived - tick * this.tickMs;
    if (this.offset === null || Math.abs(since - this.offset) > 1500) this.offset = since;
    else this.offset += (since - this.offset) * 0.01;
    return Math.min(arrived, tick * this.tickMs + this.offset);
  }
}

/** What this browser remembers of the page. */
export const memory = {
  get(name, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(`spikewire.${name}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`spikewire.${name}`, JSON.stringify(value));
    } catch {
      // A browser that keeps nothing shows the page all the same.
    }
  },
};

const calm = matchMedia("(prefers-reduced-motion: reduce)");
export const wantsCalm = () => calm.matches;

/** The theme's colours as [red, green, blue], read again when the theme changes. */
export const colours = {};
const dark = matchMedia("(prefers-color-scheme: dark)");
const themeListeners = new Set();

function readTheme() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["on", "off", "good", "teach", "ink", "dim", "faint", "line", "sunk", "screen", "panel", "warn"]) {
    const hex = style.getPropertyValue(`--${name}`).trim();
    colours[name] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  }
  for (const listener of themeListeners) listener();
}

export function onTheme(listener) {
  themeListeners.add(listener);
}

dark.addEventListener("change", readTheme);
readTheme();

export const rgb = ([r, g, b], alpha = 1) => `rgba(${r},${g},${b},${alpha})`;

const sizes = new WeakMap();
const watcher = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) sizes.set(target, contentRect);
});

/**
 * Fit a canvas's pixels to its place on the screen; tells whether anything changed. To be asked in
 * every frame: the place is watched, because reading it would lay the page out each time.
 */
export function fit(canvas) {
  if (!sizes.has(canvas)) {
    sizes.set(canvas, { width: canvas.clientWidth, height: canvas.clientHeight });
    watcher.observe(canvas);
  }
  const scale = Math.min(3, devicePixelRatio || 1);
  const place = sizes.get(canvas);
  const width = Math.max(1, Math.round(place.width * scale));
  const height = Math.max(1, Math.round(place.height * scale));
  if (canvas.width === width && canvas.height === height) return false;
  canvas.width = width;
  canvas.height = height;
  return true;
}
