// Picture and answer at the top of the window, where one teaches and the panels of both are out of sight.

import { $ } from "./page.js";

const TALL = 112;

export class Stage {
  constructor() {
    this.seen = new Map(); // element -> whether it is in sight
    this.watcher = new IntersectionObserver((entries) => {
      for (const { target, intersectionRatio, isIntersecting } of entries) {
        this.seen.set(target.id, target.id === "buttons" ? isIntersecting : intersectionRatio > 0.6);
      }
      const away = this.seen.get("picture") === false || this.seen.get("class") === false;
      $("stage").hidden = !(away && this.seen.get("buttons"));
    }, { threshold: [0, 0.6, 1] });
    for (const id of ["picture", "class", "buttons"]) this.watcher.observe($(id));
  }

  draw() {
    if ($("stage").hidden) return;
    const from = $("events");
    const small = $("stage-picture");
    const scale = (TALL * Math.min(3, devicePixelRatio || 1)) / Math.max(1, from.height);
    const [width, height] = [Math.max(1, Math.round(from.width * scale)), Math.max(1, Math.round(from.height * scale))];
    if (small.width !== width || small.height !== height) [small.width, small.height] = [width, height];
    const context = small.getContext("2d");
    context.clearRect(0, 0, width, height);
    context.drawImage(from, 0, 0, width, height);
    for (const [to, of] of [["stage-class", "class"], ["stage-sure", "sure-text"]]) {
      if ($(to).textContent !== $(of).textContent) $(to).textContent = $(of).textContent;
    }
    for (const name of ["quiet", "unsure"]) $("stage").classList.toggle(name, $("hero").classList.contains(name));
  }
}
