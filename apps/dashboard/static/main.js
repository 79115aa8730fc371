// The dashboard: what the service says goes to the parts of the page, which are redrawn steadily.

import { $, Clock, allow, count, el, memory, permits, pretty, sayBytes, sayMicros, saySpan, toast, wantsCalm } from "./page.js";
import { Latency, Rate } from "./charts.js";
import { LayerCard } from "./layer.js";
import { Picture } from "./picture.js";
import { Files } from "./files.js";
import { Filters } from "./filters.js";
import { Marks } from "./marks.js";
import { Capture } from "./capture.js";
import { View } from "./view.js";
import { Raster } from "./raster.js";
import { Statistics } from "./statistics.js";
import { Replay } from "./replay.js";
import { Confusion } from "./confusion.js";
import { Scores } from "./scores.js";
import { Sim } from "./sim.js";
import { Stage } from "./stage.js";
import { Teaching } from "./teach.js";
import { Wire } from "./wire.js";

const SHOWN = { status: "drop_oldest", learning: "drop_oldest", stats: "drop_oldest", result: "drop_oldest", decision: "drop_oldest", events: "latest", picture: "latest", intervals: "latest", spikes: "latest" };
const HIDDEN = { status: "drop_oldest", learning: "drop_oldest", stats: "drop_oldest" };
const FRAME_MS = 1000 / 30 - 2;
const CALM_FRAME_MS = 160;
// Counters of sources that count no losses.
const HARMLESS = new Set(["events", "packets", "datagrams", "timestamps", "connections", "loops", "frames", "not_shown"]);
// Topics of which each message has the tick that it belongs to.
const TIMED = new Set(["result", "decision", "events", "picture"]);
const STATES = { connecting: "connecting", live: "live", lost: "reconnecting", unreachable: "no service", ended: "ended", token: "locked" };

const picture = new Picture();
const view = new View(picture);
new Capture();
const scores = new Scores();
const rate = new Rate();
const latency = new Latency();
const raster = new Raster();
const clock = new Clock();
const backlog = new Map(); // topic -> { left, held }: messages from before this page looked

const wire = new Wire({ state: changed, hello: met, message: heard, resumed }, memory.get("pipeline", null));
const sim = new Sim(wire, (request) => teaching.refusal(request));
const teaching = new Teaching(wire, sim);
const filters = new Filters(wire, (request) => teaching.refusal(request), picture, view);
new Marks(picture, view, filters);
const statistics = new Statistics(picture.tally, () => wants());
const files = new Files(wire, (request) => teaching.refusal(request));
const confusion = new Confusion();
const stage = new Stage();
const card = new LayerCard(wire, (request) => teaching.refusal(request), raster, () => wants());
const replay = new Replay(wire, (request) => teaching.refusal(request), () => picture.frameUs);
let status = null;

// -- what the service says -----------------------------------------------------------------------

function changed(state, sentence) {
  document.body.dataset.state = state;
  $("connection-text").textContent = STATES[state];
  const told = state === "live" || state === "connecting" ? "" : sentence;
  const waits = told && state !== "token" ? " It is tried again until it works." : "";
  say(told ? told + waits : "", state);
  $("token-form").hidden = state !== "token";
  if (state === "token") $("token").focus();
  if (state !== "live") $("undo").blur();
  teaching.connected();
  replay.rules();
  sim.rules();
  filters.rules();
  files.rules();
  rules();
}

function say(sentence) {
  if ($("notice-text").textContent !== sentence) $("notice-text").textContent = sentence;
  $("notice").hidden = !sentence;
}

function met(hello, again) {
  if (!again) for (const part of [scores, rate, statistics, latency, raster, picture, confusion, card]) part.clear();
  backlog.clear();
  status = null;
  scores.setClasses(hello.classes);
  teaching.setClasses(hello.classes);
  teaching.setLearning(null);
  clock.tickMs = hello.tick_us / 1000;
  clock.offset = null;
  raster.setTick(hello.tick_us);
  card.met(hello);
  $("source").textContent = hello.source;
  $("source").title = hello.source;
  $("software").textContent = `${hello.software} · protocol ${hello.protocol} · ticks of ${hello.tick_us / 1000} ms · network input ${hello.input.join(" × ")}`;
  $("run").textContent = `run ${hello.run}`;
  const pipelines = hello.pipelines ?? [];
  $("pipeline-pick").hidden = pipelines.length < 2;
  $("pipeline").replaceChildren(...pipelines.map((name) => el("option", { value: name, textContent: name })));
  $("pipeline").value = hello.pipeline ?? "";
  wants(); // of the two topics with pictures, the better one that this service has
  const missing = hello.topics.includes("events") ? "Waiting for events ..." : "This service sends no pictures.";
  $("events-hint").textContent = missing;
  $("raster-hint").textContent = hello.topics.includes("spikes") ? "Waiting for spikes ..." : "This service sends no spikes.";
}

function resumed(topic, left) {
  if (left > 0) backlog.set(topic, { left, held: [] });
}

function heard(message) {
  const old = backlog.get(message.topic);
  if (!old) {
    const now = performance.now();
    take(message, TIMED.has(message.topic) ? clock.at(message.tick, now) : now);
    return;
  }
  old.held.push(message);
  if (--old.left > 0) return;
  backlog.delete(message.topic);
  takeOld(message.topic, old.held);
}

// Old messages are put at the times at which they came, as far as their ticks tell.
function takeOld(topic, held) {
  const now = performance.now();
  const last = held.at(-1);
  const tickMs = wire.hello.tick_us / 1000;
  for (const message of held) {
    const ago = topic === "stats" ? (last.uptime_s - message.uptime_s) * 1000 : (last.tick - message.tick) * tickMs;
    take(message, now - ago);
  }
}

function take(message, at) {
  switch (message.topic) {
    case "result":
      teaching.lessons.shown(message.truth);
      card.takeResult(message);
      return scores.take(message, at);
    case "decision":
      confusion.take(message);
      return scores.decide(message, at);
    case "events":
    case "picture":
      rate.takePicture(message, at);
      return picture.take(message);
    case "membrane": return card.takeMembrane(message);
    case "intervals": return statistics.take(message);
    case "spikes": return raster.take(message);
    case "stats": return takeStats(message, at);
    case "status": return takeStatus(message);
    case "learning": return teaching.setLearning(message);
    default:
  }
}

function takeStatus(message) {
  status = message;
  // A recording is no live camera, and the page says so.
  if (wire.live) $("connection-text").textContent = message.source.replay || !message.source.live ? "replay" : STATES.live;
  document.body.toggleAttribute("data-replay", Boolean(message.source.replay || !message.source.live));
  scores.setClasses(message.classes);
  card.setClasses(message.classes);
  teaching.setClasses(message.classes);
  teaching.setStatus(message);
  replay.take(message.source.replay ?? null);
  sim.take(message.source.sim ?? null);
  filters.take(message.source.filters ?? null);
  files.take(message.source, message.source.name);
  const recording = message.recording ?? null;
  $("record").setAttribute("aria-pressed", String(recording !== null));
  $("record-text").textContent = recording === null ? "Record" : "Stop recording";
  const { state, error } = message.source;
  const sentence = {
    stalled: "The source has sent nothing for a while.",
    ended: "The source is over. What it showed last is still here.",
    failed: `The source failed: ${error}`,
    stopped: "The source has been stopped.",
  }[state] ?? (message.state === "draining" ? "The service is stopping." : message.checkpoint?.error ?? message.recording_error ?? "");
  if (wire.live) say(sentence);
  rules();
}

function takeStats(stats, at) {
  rate.takeStats(stats, at);
  latency.take(stats, at);
  if (stats.replay !== undefined) replay.take(stats.replay);
  filters.take(stats.filters);
  raster.quiet(stats.tick);
  $("p50").textContent = sayMicros(stats.latency_us?.p50);
  $("p99").textContent = sayMicros(stats.latency_us?.p99);
  $("busy").textContent = `${Math.round(stats.busy * 100)} %`;
  $("uptime").textContent = `up ${saySpan(stats.uptime_s)}`;
  $("spikes-rate").textContent = `${count(Math.round(stats.ticks_per_s))} ticks/s`;
  const lost = [
    ...Object.entries(stats.drops),
    ...Object.entries(stats.source).filter(([name]) => !HARMLESS.has(name) && !name.startsWith("filter_")).map(([name, value]) => [`source: ${name}`, value]),
    ["unlearned events", stats.unlearned_events],
    ["messages to slow readers", stats.subscribers.dropped],
  ].filter(([, value]) => value > 0);
  const rows = lost.flatMap(([name, value]) => [
    el("dt", { className: "lost", textContent: pretty(name) }), el("dd", { textContent: count(value) }),
  ]);
  const sum = lost.reduce((all, [, value]) => all + value, 0);
  $("lossless").textContent = sum ? `${count(sum)} lost` : "✓ nothing lost";
  $("lossless").classList.toggle("bad", sum > 0);
  for (const [name, value] of [["events computed", stats.events], ["results", stats.results], ["weight updates", stats.updates], ["connections", stats.connections]]) {
    rows.push(el("dt", { textContent: name }), el("dd", { textContent: count(value) }));
  }
  $("losses").replaceChildren(...rows);
}

// -- what a person does --------------------------------------------------------------------------

function rules() {
  allow($("record"), teaching.refusal("record"));
  allow($("save"), teaching.refusal("checkpoint"));
}

$("record").addEventListener("click", () => {
  if (!permits($("record"))) return;
  const on = (status?.recording ?? null) === null;
  wire.request("record", { on })
    .then((reply) => toast(on ? `Recording to ${reply.path}` : `Recorded in ${reply.path}`))
    .catch((error) => toast(error.message, true));
});

$("save").addEventListener("click", () => {
  if (!permits($("save"))) return;
  wire.request("checkpoint")
    .then((reply) => toast(`Saved in ${reply.path} (${sayBytes(reply.bytes)})`))
    .catch((error) => toast(error.message, true));
});

$("pipeline").addEventListener("change", () => {
  memory.set("pipeline", $("pipeline").value);
  teaching.stop();
  wire.choose($("pipeline").value);
});

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  wire.giveToken($("token").value.trim());
  $("token").value = "";
});

const folded = new Set(memory.get("folded", []));
for (const panel of document.querySelectorAll(".panel")) {
  const name = panel.querySelector("h2").textContent;
  const button = el("button", { type: "button", className: "fold" });
  button.innerHTML = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="m4 6 4 4 4-4"/></svg>';
  const show = () => {
    const closed = folded.has(panel.dataset.panel);
    panel.toggleAttribute("data-folded", closed);
    button.setAttribute("aria-expanded", String(!closed));
    button.setAttribute("aria-label", `${name}: ${closed ? "show" : "hide"}`);
  };
  button.addEventListener("click", () => {
    if (!folded.delete(panel.dataset.panel)) folded.add(panel.dataset.panel);
    memory.set("folded", [...folded]);
    show();
    wants();
  });
  panel.querySelector("header").append(button);
  show();
}

// -- the rhythm ----------------------------------------------------------------------------------

// What nobody can see is not asked for.
function wants() {
  const topics = { ...(document.hidden ? HIDDEN : SHOWN) };
  const unseen = folded.has("see") && folded.has("rate");
  const better = wire.hello?.topics.includes("picture") ?? true;
  if (folded.has("rate") || !statistics.open) delete topics.intervals;
  if (unseen || better) delete topics.events;
  if (unseen || !better) delete topics.picture;
  if (folded.has("spikes")) delete topics.spikes;
  if (card.open && !document.hidden) topics.membrane = "drop_oldest";
  wire.want(topics);
}

let drawnAt = 0;

function frame(now) {
  requestAnimationFrame(frame);
  if (now - drawnAt < (wantsCalm() ? CALM_FRAME_MS : FRAME_MS)) return;
  drawnAt = now;
  if (!folded.has("see")) {
    picture.draw(now);
    view.draw();
  }
  if (!folded.has("say")) scores.draw(now);
  if (!folded.has("rate")) {
    rate.draw(now);
    statistics.draw();
  }
  if (!folded.has("service")) latency.draw(now);
  if (!folded.has("spikes")) raster.draw(now);
  card.draw();
  stage.draw();
  teaching.draw(now);
  confusion.draw();
  replay.draw(now);
}

document.addEventListener("visibilitychange", wants);
window.addEventListener("online", () => { if (!wire.live) wire.open(); });
wants();
wire.open();
requestAnimationFrame(frame);
