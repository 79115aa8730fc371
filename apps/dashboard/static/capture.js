// The picture as a file: an image, or a short clip.

import { $, toast } from "./page.js";

const CLIP_MS = 5000;
const CLIP_FPS = 25;
const LEAST_SIDE = 512;
const KINDS = ["video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm", "video/mp4"];

const stamp = () => new Date().toISOString().slice(0, 19).replaceAll(":", "-");

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  toast(`Saved as ${name}`);
}

/** A canvas with the picture, enlarged by a whole number where it is small: programs smooth small ones. */
function enlarged(canvas, made = document.createElement("canvas")) {
  const factor = Math.max(1, Math.ceil(LEAST_SIDE / Math.max(canvas.width, canvas.height)));
  made.width = canvas.width * factor;
  made.height = canvas.height * factor;
  return made;
}

function copy(from, to) {
  const context = to.getContext("2d", { alpha: false });
  context.imageSmoothingEnabled = false;
  context.drawImage(from, 0, 0, to.width, to.height);
}

export class Capture {
  constructor() {
    this.canvas = $("events");
    this.recorder = null;
    $("save-image").addEventListener("click", () => this._image());
    $("save-clip").addEventListener("click", () => this._clip());
  }

  _image() {
    const made = enlarged(this.canvas);
    copy(this.canvas, made);
    made.toBlob((blob) => {
      if (blob) save(blob, `events-${stamp()}.png`);
      else toast("The browser could not make the image.", true);
    }, "image/png");
  }

  _clip() {
    if (this.recorder) {
      this.recorder.stop();
      return;
    }
    const kind = globalThis.MediaRecorder ? KINDS.find((one) => MediaRecorder.isTypeSupported(one)) : undefined;
    if (!kind || !this.canvas.captureStream) {
      toast("This browser records no clips; save images instead.", true);
      return;
    }
    const made = enlarged(this.canvas);
    const copying = setInterval(() => copy(this.canvas, made), 1000 / CLIP_FPS);
    copy(this.canvas, made);
    const parts = [];
    const recorder = new MediaRecorder(made.captureStream(CLIP_FPS), { mimeType: kind, videoBitsPerSecond: 8_000_000 });
    this.recorder = recorder;
    const ends = setTimeout(() => recorder.stop(), CLIP_MS);
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onerror = ({ error }) => toast(`The clip failed: ${error?.message ?? "unknown"}`, true);
    recorder.onstop = () => {
      clearTimeout(ends);
      clearInterval(copying);
      this.recorder = null;
      $("save-clip").setAttribute("aria-pressed", "false");
      const name = `events-${stamp()}.${kind.includes("mp4") ? "mp4" : "webm"}`;
      if (parts.some((part) => part.size)) save(new Blob(parts, { type: kind }), name);
      else toast("The browser recorded nothing.", true);
    };
    recorder.start();
    $("save-clip").setAttribute("aria-pressed", "true");
  }
}
