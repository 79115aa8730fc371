// Cells of a picture with the events that they hold, and the bytes in which they come.

/**
 * Call `each(cell, on, off)` for every cell with events of a message of `picture` or, from services
 * that have no such topic, of `events`.
 */
export function eachCell(message, each) {
  if (!message.cells) {
    const { on, off } = message;
    for (let i = 0; i < on.length; i++) if (on[i] | off[i]) each(i, on[i], off[i]);
    return;
  }
  const bytes = message.cells;
  let cell = -1;
  for (let at = 0; at < bytes.length;) {
    const head = bytes[at++];
    let gap = head >> 4;
    if (gap === 15) {
      for (let shift = 1, more = 128; more & 128; shift *= 128) {
        more = bytes[at++];
        gap += (more & 127) * shift;
      }
    }
    cell += gap + 1;
    const kind = head & 15;
    if (kind === 0) {
      each(cell, bytes[at], bytes[at + 1]);
      at += 2;
    } else if (kind === 15) each(cell, 1, 1);
    else if (kind < 8) each(cell, kind, 0);
    else each(cell, 0, kind - 7);
  }
}

/** Events of each cell, and a list of the cells that hold some: the others cost nothing. */
export class Cells {
  constructor(count) {
    this.on = new Float32Array(count);
    this.off = new Float32Array(count);
    this.list = new Int32Array(count);
    this.listed = new Uint8Array(count);
    this.length = 0;
  }

  touch(cell) {
    if (this.listed[cell]) return;
    this.listed[cell] = 1;
    this.list[this.length++] = cell;
  }

  add(cell, on, off) {
    this.on[cell] += on;
    this.off[cell] += off;
    this.touch(cell);
  }

  /** Put a cell's present value in the place of what it held. */
  set(cell, on, off) {
    this.on[cell] = on;
    this.off[cell] = off;
    this.touch(cell);
  }

  /** Let everything fade to `share` of it; `gone(cell)` is told of what is fainter than `faint`. */
  fade(share, faint, gone) {
    const { on, off, list, listed } = this;
    let kept = 0;
    for (let n = 0; n < this.length; n++) {
      const cell = list[n];
      const sum = (on[cell] *= share) + (off[cell] *= share);
      if (sum >= faint) list[kept++] = cell;
      else {
        on[cell] = off[cell] = listed[cell] = 0;
        gone(cell);
      }
    }
    this.length = kept;
  }

  clear() {
    for (let n = 0; n < this.length; n++) {
      const cell = this.list[n];
      this.on[cell] = this.off[cell] = this.listed[cell] = 0;
    }
    this.length = 0;
  }
}
