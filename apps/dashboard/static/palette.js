// Colours of the events: tables from how much a cell holds, and which polarity, to a pixel.

import { colours } from "./page.js";

const COVERS = 64;
const SHARES = 32;
// From dark to bright; equal steps look equally far apart, also to colour-blind people.
const HEAT = [[8, 8, 32], [66, 10, 104], [147, 38, 103], [221, 81, 58], [252, 165, 10], [252, 255, 164]];

export const PALETTES = {
  page: { name: "page colours", of: () => ({ ground: colours.screen, on: colours.on, off: colours.off }) },
  jaer: { name: "red / green (jAER)", of: () => ({ ground: [0, 0, 0], on: [0, 255, 0], off: [255, 0, 0] }) },
  dark: { name: "dark (Metavision)", of: () => ({ ground: [30, 37, 52], on: [216, 223, 236], off: [64, 126, 201] }) },
  grey: { name: "grey", of: () => ({ ground: [128, 128, 128], on: [255, 255, 255], off: [0, 0, 0] }) },
  surface: { name: "time surface", surface: true, of: () => ({ ground: HEAT[0] }) },
};

// A pixel's bytes lie in the order red, green, blue, alpha on every machine that runs a browser.
const pixel = (r, g, b) => ((255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r)) >>> 0;

function ramp(stops, at) {
  const place = Math.min(stops.length - 1.001, Math.max(0, at * (stops.length - 1)));
  const [low, high] = [stops[Math.floor(place)], stops[Math.floor(place) + 1]];
  return low.map((value, i) => value + (high[i] - value) * (place % 1));
}

export class Palette {
  constructor(name) {
    this.choose(name);
  }

  choose(name) {
    this.name = name in PALETTES ? name : "page";
    this.surface = PALETTES[this.name].surface === true;
    const { ground, on, off } = PALETTES[this.name].of();
    this.ground = pixel(...ground);
    this.css = { ground: `rgb(${ground})`, on: `rgb(${on ?? HEAT[4]})`, off: `rgb(${off ?? HEAT[2]})` };
    this.table = new Uint32Array(COVERS * SHARES);
    for (let cover = 0; cover < COVERS; cover++) {
      for (let share = 0; share < SHARES; share++) {
        const much = cover / (COVERS - 1);
        const ink = this.surface ? ramp(HEAT, much) : ramp([off, on], share / (SHARES - 1));
        const strength = this.surface ? 1 : much;
        const mixed = ink.map((value, i) => ground[i] + (value - ground[i]) * strength);
        this.table[cover * SHARES + share] = pixel(...mixed);
      }
    }
    // How much of the ground is covered, by how much there is: 1 - exp(-x) for x from 0 to 6.
    this.covers = Uint8Array.from({ length: 256 }, (_, n) => {
      const much = this.surface ? n / 255 : 1 - Math.exp((-6 * n) / 255);
      return Math.round(much * (COVERS - 1));
    });
    this.steps = this.surface ? 255 : 255 / 6;
  }

  /** The pixel of a cell with so much ON and OFF, both above or equal to 0. */
  of(on, off, gain) {
    const sum = on + off;
    const much = this.surface ? (on > off ? on : off) : sum * gain;
    const n = much * this.steps;
    return this.table[this.covers[n > 255 ? 255 : n | 0] * SHARES + ((on / sum) * (SHARES - 1) + 0.5 | 0)];
  }
}
