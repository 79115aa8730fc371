// Texts of a page that overlap, or that something cuts: one sentence for each.
() => {
  const faults = [];
  const name = (node) => {
    const of = node.nodeType === 3 ? node.parentElement : node;
    const panel = of.closest("[data-panel]")?.dataset.panel ?? "page";
    return `${panel} ${of.id ? `#${of.id}` : of.className || of.tagName.toLowerCase()} "${(node.textContent || node.value || node.placeholder || "").trim().slice(0, 40)}"`;
  };
  const seen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  // What is only for screen readers is cut on purpose.
  const forEars = (element) => {
    for (let at = element; at; at = at.parentElement) {
      if (getComputedStyle(at).clipPath !== "none" || at.classList.contains("skip")) return true;
    }
    return false;
  };
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const holder = node.parentElement;
    if (!node.textContent.trim() || holder.closest("script, noscript, select, svg") || !seen(holder) || forEars(holder)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      if (box.width > 1 && box.height > 1) texts.push({ node, holder, box });
    }
  }
  // Glyphs are lower than their lines: lines of tight paragraphs touch.
  const inner = ({ left, right, top, bottom }) => ({ left: left + 1, right: right - 1, top: top + (bottom - top) * 0.2, bottom: bottom - (bottom - top) * 0.2 });
  for (const { node, holder, box } of texts) {
    if (box.right > innerWidth + 1 || box.left < -1) faults.push(`${name(node)} leaves the window`);
    for (let at = holder; at && at !== document.documentElement; at = at.parentElement) {
      const style = getComputedStyle(at);
      const place = at.getBoundingClientRect();
      const cuts = (how) => how === "hidden" || how === "clip";
      const small = inner(box);
      if (cuts(style.overflowX) && (small.left < place.left - 1 || small.right > place.right + 1)) faults.push(`${name(node)} is cut sideways by ${name(at)}`);
      if (cuts(style.overflowY) && (small.top < place.top - 1 || small.bottom > place.bottom + 1)) faults.push(`${name(node)} is cut in height by ${name(at)}`);
      if (style.overflowY === "auto" || style.overflowY === "scroll" || style.position === "fixed") break;
    }
  }
  const clear = texts.filter(({ holder }) => !holder.closest(".toasts, .stage"));
  for (let i = 0; i < clear.length; i++) {
    for (let j = i + 1; j < clear.length; j++) {
      if (clear[i].node === clear[j].node) continue;
      const [a, b] = [inner(clear[i].box), inner(clear[j].box)];
      if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom) faults.push(`${name(clear[i].node)} lies on ${name(clear[j].node)}`);
    }
  }
  const context = document.createElement("canvas").getContext("2d");
  for (const field of document.querySelectorAll("select, input[type=text], input:not([type]), input[type=number]")) {
    if (!seen(field) || forEars(field)) continue;
    const style = getComputedStyle(field);
    context.font = style.font;
    const text = field.tagName === "SELECT" ? field.selectedOptions[0]?.textContent ?? "" : field.value || field.placeholder;
    const room = field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    if (context.measureText(text).width > room + 1) faults.push(`${name(field)} has no room for "${text}"`);
  }
  return [...new Set(faults)];
}
