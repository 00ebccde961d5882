// Keeps the reader's place around every frame: what is focused, selected or in view stays so.
(() => {
  const root = document.documentElement;
  const running = () => document.getElementById("live-seq") !== null;
  const final = document.getElementById("run-final");
  const answers = document.getElementById("run-answers");
  const debate = document.getElementById("run-debate");
  const pill = document.querySelector("[data-final-pill]");
  if (!final || !answers) return;
  let before = null;

  // --- selection: a text only grows, so the same characters are the same place --------------------------------------
  function offsetIn(root, node, offset) {
    const range = document.createRange();
    range.setStart(root, 0);
    range.setEnd(node, offset);
    return range.toString().length;
  }
  function pointAt(root, offset) {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (offset <= node.length) return [node, offset];
      offset -= node.length;
    }
    return null;
  }
  let known = null; // the selection as it was counted last: counting is slow, so it is done once for each
  const isAt = (was, range) => was.startNode === range.startContainer && was.startAt === range.startOffset
    && was.endNode === range.endContainer && was.endAt === range.endOffset;
  function selected() {
    const selection = getSelection();
    if (!selection.rangeCount || selection.isCollapsed) return null;
    const range = selection.getRangeAt(0);
    if (!known || !isAt(known, range)) known = counted(range);
    return known.id ? known : null;
  }
  function counted(range) {
    const place = { startNode: range.startContainer, startAt: range.startOffset, endNode: range.endContainer, endAt: range.endOffset };
    const inside = range.commonAncestorContainer;
    const scope = (inside.nodeType === Node.ELEMENT_NODE ? inside : inside.parentElement)?.closest("[data-follow] > .prose");
    if (!scope) return place;
    return {
      ...place,
      id: scope.id,
      text: range.toString(),
      start: offsetIn(scope, range.startContainer, range.startOffset),
      end: offsetIn(scope, range.endContainer, range.endOffset),
    };
  }
  function isUntouched(was) {
    const selection = getSelection();
    return selection.rangeCount > 0 && isAt(was, selection.getRangeAt(0)) && was.startNode.isConnected && was.endNode.isConnected;
  }
  function reselect(was) {
    if (isUntouched(was)) return;
    const scope = document.getElementById(was.id);
    if (!scope || getSelection().toString() === was.text || scope.textContent === null) return;
    const start = pointAt(scope, was.start), end = pointAt(scope, was.end);
    if (!start || !end) return;
    const range = document.createRange();
    range.setStart(...start);
    range.setEnd(...end);
    if (range.toString() !== was.text) return;
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  }

  // --- scroll: what is in view does not move when something above it grows --------------------------------------------
  function anchor() {
    if (scrollY === 0) return null;
    const lowestFirst = root.hasAttribute("data-watching") ? [final, debate, answers] : [answers, debate, final];
    return lowestFirst.find((element) => element && element.getBoundingClientRect().top <= innerHeight * 0.4) ?? null;
  }

  document.addEventListener("fusion:before-frame", () => {
    const element = anchor();
    before = {
      focus: document.activeElement === document.body ? "" : document.activeElement?.id,
      selection: selected(),
      element,
      top: element?.getBoundingClientRect().top,
      ready: document.querySelector("#final-head[data-phase=ready]:not([data-kept], [data-partial])") !== null,
    };
  });

  document.addEventListener("fusion:after-frame", () => {
    if (!before) return;
    const { focus, selection, element, top, ready } = before;
    before = null;
    if (selection) reselect(selection);
    if (focus && document.activeElement === document.body) document.getElementById(focus)?.focus({ preventScroll: true });
    if (element) {
      const moved = element.getBoundingClientRect().top - top;
      if (Math.abs(moved) >= 1) scrollBy({ top: moved, behavior: "instant" });
    }
    const isReady = document.querySelector("#final-head[data-phase=ready]:not([data-kept], [data-partial])") !== null;
    if (isReady && !ready && !inView()) pill.hidden = false;
    document.dispatchEvent(new CustomEvent("fusion:frame", { detail: { running: running() } }));
  });

  // The final counts as seen once it reaches well into the window; its head alone says nothing yet.
  function inView() {
    const { top, bottom } = final.getBoundingClientRect();
    return top < innerHeight * 0.6 && bottom > innerHeight * 0.1;
  }
  pill.addEventListener("click", () => { pill.hidden = true; });
  document.addEventListener("scroll", () => { if (!pill.hidden && inView()) pill.hidden = true; }, { passive: true });
})();
