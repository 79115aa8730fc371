// Recordings beside the source: one list of all, and files that are dropped on the page.

import { $, allow, el, permits, sayBytes, toast } from "./page.js";

const PIECE = 48 * 1024;

export class Files {
  constructor(wire, refusal) {
    this.wire = wire;
    this.refusal = refusal;
    this.told = null;
    $("show").addEventListener("change", () => this._show($("show").value || null));
    $("file-pick").addEventListener("change", () => this._take($("file-pick").files));
    $("file-open").addEventListener("click", () => { if (permits($("file-open"))) $("file-pick").click(); });
    const has = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    for (const name of ["dragenter", "dragover"]) {
      document.addEventListener(name, (event) => {
        if (!has(event)) return;
        event.preventDefault();
        document.body.toggleAttribute("data-drop", true);
      });
    }
    document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.toggleAttribute("data-drop", false); });
    document.addEventListener("drop", (event) => {
      if (!has(event)) return;
      event.preventDefault();
      document.body.toggleAttribute("data-drop", false);
      this._take(event.dataTransfer.files);
    });
  }

  async _show(name) {
    try {
      this.take(await this.wire.request("show", { name }));
    } catch (error) {
      toast(error.message, true);
      this.take(this.told);
    }
  }

  async _take(files) {
    const why = this.refusal("upload");
    if (why) toast(why, true);
    else if (this.sending) toast("Another file is on its way.", true);
    else {
      this.sending = true;
      // One after the other; the last one is shown.
      for (const file of files) await this._send(file).catch((error) => toast(error.message, true));
      this.sending = false;
      $("file-progress").hidden = true;
    }
    $("file-pick").value = "";
  }

  async _send(file) {
    const most = this.wire.hello?.limits?.upload_bytes ?? 0;
    if (file.size > most) throw new Error(`${file.name} has ${sayBytes(file.size)}; this service takes up to ${sayBytes(most)}.`);
    if (!file.size) throw new Error(`${file.name} is empty.`);
    $("file-progress").hidden = false;
    $("file-progress").max = file.size;
    for (let at = 0; at < file.size; at += PIECE) {
      $("file-progress").value = at;
      const data = new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer());
      await this.wire.request("upload", { name: file.name, size: file.size, at, data });
    }
    await this._show(file.name);
  }

  /** What the service has, and shows: `recordings` (null: none can be shown), `shown`, `fault`. */
  take(told, name = this.name) {
    this.name = name;
    if (told?.recordings === undefined) return;
    if (told.fault && told.fault !== this.told?.fault) toast(told.fault, true);
    this.told = told;
    $("files").hidden = told.recordings === null;
    if (told.recordings === null) return;
    const wanted = ["", ...told.recordings];
    const there = [...$("show").options].map((option) => option.value);
    if (wanted.length !== there.length || wanted.some((value, n) => value !== there[n])) {
      $("show").replaceChildren(...wanted.map((value) => el("option", { value, textContent: value })));
    }
    $("show").options[0].textContent = name ?? "the source";
    if (document.activeElement !== $("show")) $("show").value = told.shown ?? "";
    this.rules();
  }

  rules() {
    const why = this.refusal("show");
    allow($("show"), why);
    $("show").disabled = Boolean(why);
    allow($("file-open"), this.refusal("upload"));
  }
}
