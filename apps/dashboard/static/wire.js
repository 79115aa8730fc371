// One conversation of protocol 1, over a WebSocket, that comes back by itself when it is lost.

import { decodeAll, encode } from "./msgpack.js";

// Of these topics a service keeps the last messages.
const KEPT = new Set(["result", "stats", "decision"]);
// These come in one order with the answers to requests: they are subscribed to by themselves.
const ORDERED = new Set(["status", "learning"]);
const GATHER_MS = 40;
const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 5000;
const SILENT_BEATS = 3;
// The service ends the lesson of a page that says nothing for so long.
const LEASE_S = 3;
const BEAT_MS = 1000;
// An older service has no leases: what a lost page taught is taken back when it comes again.
const OWES = "spikewire.owes";
const TOKEN = "spikewire.token";

/** A request that was refused, or lost with the connection; the message is a sentence. */
export class Refused extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(TOKEN, given);
    // A secret should not stay in the address bar.
    history.replaceState(null, "", location.pathname + location.search);
  }
}

/**
 * @param {object} handlers
 *   `state(name, sentence)`: `connecting`, `live`, `lost`, `unreachable`, `ended`, `token`;
 *   `hello(message, again)`; `message(message)`; `resumed(topic, count)`: how many of the next
 *   messages of that topic are old ones.
 */
export class Wire {
  constructor(handlers, pipeline) {
    this.handlers = handlers;
    this.pipeline = pipeline || null;
    this.hello = null;
    this.state = "connecting";
    this.topics = new Map(); // topic -> policy
    this.seen = new Map(); // topic -> number of the last message
    this.run = null;
    this.waiting = new Map();
    this.lastId = 0;
    this.pause = FIRST_PAUSE_MS;
    this.timer = 0;
    this.told = null; // why the connection is about to end, if the service has said so
    takeToken();
  }

  get live() {
    return this.state === "live";
  }

  /** Which topics are wanted, and with which policy. */
  want(topics) {
    const before = this.topics;
    this.topics = new Map(Object.entries(topics));
    if (!this.live) return;
    const gone = [...before.keys()].filter((topic) => !this.topics.has(topic));
    if (gone.length) this.request("unsubscribe", { topics: this._offered(gone) }).catch(() => {});
    this._subscribe([...this.topics.keys()].filter((topic) => !before.has(topic)));
  }

  open() {
    clearTimeout(this.timer);
    this._close();
    this.told = null;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    const mine = (work) => (event) => { if (this.socket === socket) work(event); };
    socket.onopen = mine(() => this._greet());
    socket.onmessage = mine((event) => {
      this._stillHere();
      this._hear(event.data);
    });
    socket.onclose = mine(() => this._lost());
    if (this.state !== "lost" && this.state !== "unreachable" && this.state !== "ended") {
      this._is("connecting", "Connecting to the service ...");
    }
  }

  /** Speak about another pipeline from now on. */
  choose(pipeline) {
    this.pipeline = pipeline;
    this.run = null;
    this.seen.clear();
    this.open();
  }

  giveToken(token) {
    sessionStorage.setItem(TOKEN, token);
    this.state = "connecting";
    this.open();
  }

  /** Make a request; resolves with the reply, or rejects with a sentence. */
  request(type, fields = {}) {
    return new Promise((resolve, reject) => this._ask(type, fields, resolve, reject));
  }

  _ask(type, fields, resolve, reject) {
    if (!this.live) {
      reject(new Refused("There is no connection to the service.", "not_connected"));
      return;
    }
    const id = ++this.lastId;
    this.waiting.set(id, { resolve, reject });
    this._say({ type, id, ...fields });
  }

  /** Name what is shown from now on; null: nothing. */
  teach(label) {
    const leases = this.hello?.beats === true;
    this._keep(leases && label !== null);
    if (label !== null && !leases) sessionStorage.setItem(OWES, "1");
    const reply = this.request("teach", leases && label !== null ? { label, lease_s: LEASE_S } : { label });
    if (label === null) reply.then(() => sessionStorage.removeItem(OWES)).catch(() => {});
    return reply;
  }

  /** What was taught has ended without this page: it owes nothing any more. */
  release() {
    this._keep(false);
    sessionStorage.removeItem(OWES);
  }

  /** Send beats from now on, which keep the lease of a lesson; or send none. */
  _keep(lease) {
    clearInterval(this.beating);
    this.leased = lease && this.live;
    this.saidAt = performance.now();
    if (this.leased) this.beating = setInterval(() => this._beat(), BEAT_MS);
  }

  _beat() {
    this._say({ type: "beat" });
    this.saidAt = performance.now();
  }

  // A machine with too much to do lets a page's timers wait behind its messages.
  _stillHere() {
    if (this.live && this.leased && performance.now() - this.saidAt > BEAT_MS) this._beat();
  }

  _is(state, sentence) {
    this.state = state;
    this.sentence = sentence;
    this.handlers.state(state, sentence);
  }

  _say(message) {
    this.socket.send(encode(message));
  }

  _close() {
    clearTimeout(this.patience);
    this._keep(false);
    const socket = this.socket;
    this.socket = null;
    if (socket) socket.close();
    for (const { reject } of this.waiting.values()) {
      reject(new Refused("The connection was lost before the service answered.", "lost"));
    }
    this.waiting.clear();
  }

  _greet() {
    const hello = { type: "hello", protocol: 1, client: "dashboard" };
    const token = sessionStorage.getItem(TOKEN);
    if (token) hello.token = token;
    if (this.pipeline) hello.pipeline = this.pipeline;
    this._say(hello);
  }

  _hear(data) {
    if (!(data instanceof ArrayBuffer)) return;
    this._listen();
    let messages;
    try {
      messages = decodeAll(new Uint8Array(data));
    } catch (error) {
      this.told = { state: "lost", sentence: `The service sent something unreadable: ${error.message}.` };
      this.socket.close();
      return;
    }
    for (const message of messages) this._take(message);
  }

  // A service that is silent for three heartbeats is gone, whatever the socket says.
  _listen() {
    clearTimeout(this.patience);
    const beats = this.hello?.limits?.heartbeat_s ?? 5;
    if (!beats) return;
    this.patience = setTimeout(() => {
      this.told = { state: "lost", sentence: "The service has gone silent." };
      this._lost();
    }, (SILENT_BEATS * beats + 1) * 1000);
  }

  _take(message) {
    switch (message.type) {
      case "hello": return this._met(message);
      case "reply": return this._answered(message);
      case "message":
        this.seen.set(message.topic, message.seq);
        return this.handlers.message(message);
      case "goodbye": {
        const why = message.reason === "source ended" ? "its source ended" : `it was ${message.reason}`;
        this.told = { state: "ended", sentence: `The service has said goodbye: ${why}.` };
        return;
      }
      case "unreachable":
        this.told = { state: "unreachable", sentence: message.message };
        return;
      case "error": return this._faulted(message);
      default: // a beat, a gap, or something newer
    }
  }

  _met(hello) {
    const again = this.hello !== null && this.run === hello.run;
    if (!again) this.seen.clear();
    this.hello = hello;
    this.run = hello.run;
    this.pause = FIRST_PAUSE_MS;
    this.handlers.hello(hello, again);
    this._is("live", "");
    if (hello.beats) sessionStorage.removeItem(OWES);
    else if (sessionStorage.getItem(OWES)) this.teach(null).catch(() => {});
    this._subscribe([...this.topics.keys()]);
  }

  _offered(topics) {
    return topics.filter((topic) => this.hello.topics.includes(topic));
  }

  _subscribe(topics) {
    const groups = new Map();
    for (const topic of this._offered(topics)) {
      const group = `${ORDERED.has(topic)} ${this.topics.get(topic)}`;
      groups.set(group, [...(groups.get(group) ?? []), topic]);
    }
    for (const names of groups.values()) {
      const policy = this.topics.get(names[0]);
      // Gathered, it costs the service a tenth: a page is drawn 25 to 30 times a second anyway.
      const fields = { topics: names, policy, every_ms: GATHER_MS };
      // From number 0: what the service has kept fills the charts.
      const missed = names.filter((name) => KEPT.has(name));
      if (missed.length) {
        fields.last_seq = Object.fromEntries(missed.map((name) => [name, this.seen.get(name) ?? 0]));
        fields.run = this.run;
      }
      // Not as a promise: what follows the reply may have come together with it.
      this._ask("subscribe", fields, (reply) => {
        for (const [topic, told] of Object.entries(reply.resume ?? {})) {
          this.handlers.resumed(topic, told.resumed);
        }
      }, () => {});
    }
  }

  _answered(reply) {
    const waits = this.waiting.get(reply.id);
    if (!waits) return;
    this.waiting.delete(reply.id);
    if (reply.ok) waits.resolve(reply);
    else waits.reject(new Refused(reply.message, reply.code));
  }

  _faulted({ code, message }) {
    if (code === "wrong_token") {
      const brought = sessionStorage.getItem(TOKEN) !== null;
      sessionStorage.removeItem(TOKEN);
      const sentence = brought ? "The service wants another token." : "The service wants a token.";
      this.told = { state: "token", sentence };
    } else if (code === "unknown_pipeline" && this.pipeline) {
      this.pipeline = null;
      this.told = { state: "lost", sentence: message };
    } else {
      this.told = { state: "lost", sentence: `The service ended the connection: ${message}` };
    }
  }

  _lost() {
    this._close();
    const fresh = this.state === "connecting" || this.state === "live";
    const { state, sentence } = this.told ?? {
      state: fresh ? "lost" : this.state,
      sentence: fresh ? "The connection is lost." : this.sentence, // the first reason tells most
    };
    this.told = null;
    this._is(state, sentence);
    if (state === "token") return;
    this.timer = setTimeout(() => this.open(), this.pause);
    this.pause = Math.min(LONGEST_PAUSE_MS, this.pause * 1.7);
  }
}
