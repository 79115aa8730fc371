// Events of each cell in the last whole second, and what sticks out of them.

const SPAN_MS = 1000;

export class Tally {
  constructor() {
    this.at = 0;
    this.shape(1, 1);
  }

  shape(columns, rows) {
    this.columns = columns;
    this.rows = rows;
    this.now = new Uint16Array(2 * columns * rows);
    this.last = new Uint16Array(2 * columns * rows);
    this.listeners ??= new Set();
  }

  /** Begin the next second if this one is over. */
  turn(now) {
    if (now - this.at < SPAN_MS) return;
    this.at = now;
    [this.now, this.last] = [this.last, this.now];
    this.now.fill(0);
    for (const listener of this.listeners) listener(this);
  }

  add(cell, on, off) {
    this.now[2 * cell] += on;
    this.now[2 * cell + 1] += off;
  }

  /** Events [ON, OFF] of a cell. */
  of(cell) {
    return [this.last[2 * cell], this.last[2 * cell + 1]];
  }

  clear() {
    this.now.fill(0);
    this.last.fill(0);
  }
}
