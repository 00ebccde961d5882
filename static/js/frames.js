// Puts the server's frames into the page: out-of-band fragments as htmx knows them, by a shorter way than htmx's own,
// which would take longer than laying the page out. Texts are never searched for htmx attributes, regions are.
// What came is put in column by column, with each frame that the browser draws as many as there is time for; what came
// meanwhile goes in together then, and if a drawn frame was missed the page rests, so that scrolling and typing stay
// smooth however slow the machine is. The mark of where the page stands goes in last: what has begun is always finished.
// A pause holds frames back: the page stands still, and catches up with nothing lost.
(() => {
  const root = document.documentElement;
  const button = document.querySelector("[data-pause]");
  const tell = (name) => document.dispatchEvent(new CustomEvent(name));
  const running = () => document.getElementById("live-seq") !== null;
  const isPaused = () => root.hasAttribute("data-paused");
  const BUDGET_MS = 6, LOOKS = 12, FRAME_MS = 17, RESTS = 7, LONGEST_REST_MS = 400, STARVED_MS = 1000;
  let waiting = []; // frames, as they came
  let begun = []; // steps of those that are being put in: the fragments of one column, in their order
  let mark = null, isWhole = true;
  let asked = 0, starved = 0, resting = 0, steppedAt = 0, restsUntil = 0;
  let costs = []; // what a step took, the last few times: the least of them is the machine's speed, the rest its other work

  // --- one fragment ---------------------------------------------------------------------------------------------------
  // A block that holds the reader's selection is not replaced; it comes right with the next load. The selection is looked
  // at before anything changes: asked in between, the browser lays the page out each time to answer.
  let chosen = null;
  function lookAtSelection() {
    const selection = getSelection();
    chosen = selection.isCollapsed || !selection.rangeCount ? null : selection.getRangeAt(0);
  }
  const how = (part) => part.getAttribute("hx-swap-oob");
  // `true` replaces the element of the same id, `innerHTML` its content, `delete` takes it away, `beforeend:selector`
  // adds to what that names.
  function place(part) {
    const way = how(part);
    const target = way.startsWith("beforeend:") ? document.querySelector(way.slice(10)) : document.getElementById(part.id);
    if (!target) isWhole = false;
    else if (target.matches(".blk") && !way.startsWith("beforeend:") && chosen?.intersectsNode(target)) return;
    else if (way === "innerHTML") target.replaceChildren(...part.childNodes);
    else if (way === "delete") target.remove();
    else if (way !== "true") target.append(...part.childNodes);
    else {
      part.removeAttribute("hx-swap-oob");
      target.replaceWith(part);
      if (part.querySelector("[hx-get], [hx-post]") && !part.matches(".blk, .prose")) htmx.process(part);
    }
  }

  // --- many frames at once --------------------------------------------------------------------------------------------
  // A column's ids carry its letter: `head-A`, `text-A-b3`. Fragments of different columns do not touch one another.
  const column = (part) => /-([A-Z])\b/.exec(part.id || how(part))?.[1] ?? "";
  const isMark = (part) => part.id === "live-seq" || part.id === "live";
  // What a later fragment writes over anyway is left out; what one adds to is not.
  function isOverwritten(part, later) {
    const way = how(part), after = later.get(part.id);
    if (way.startsWith("beforeend:")) {
      later.delete(/[\w-]+/.exec(way.slice(10))[0]);
      return false;
    }
    later.set(part.id, after === "true" ? after : way);
    return after === "true" || (after === "innerHTML" && way === "innerHTML");
  }
  function begin() {
    const parsed = document.createElement("template");
    parsed.innerHTML = waiting.splice(0).join("");
    const steps = new Map(), later = new Map();
    for (const part of [...parsed.content.children].reverse()) {
      if (isMark(part)) { mark ??= part; continue; }
      if (isOverwritten(part, later)) continue;
      const parts = steps.get(column(part));
      if (parts) parts.push(part); else steps.set(column(part), [part]);
    }
    begun = [...steps.values()].reverse().map((parts) => parts.reverse());
  }
  // So many steps as one change of the page; with the last one all that was begun is in.
  function show(count) {
    tell("fusion:before-frame");
    lookAtSelection();
    begun.splice(0, count).flat().forEach(place);
    const isDone = !begun.length;
    // Where a place was missing the page does not stand where the mark says.
    if (isDone && mark && isWhole) place(mark);
    if (isDone) mark = null;
    tell("fusion:after-frame");
    if (!isDone) return;
    const wasWhole = isWhole;
    isWhole = true;
    tell("fusion:shown");
    // A place was missing: the page and the server disagree, so everything is taken anew.
    if (!wasWhole) tell("fusion:resync");
  }
  const hasBegun = () => begun.length > 0 || mark !== null;
  function finish() {
    if (hasBegun()) show(begun.length);
  }
  function catchUp() {
    cancelAnimationFrame(asked);
    clearTimeout(starved);
    clearTimeout(resting);
    asked = resting = steppedAt = 0;
    finish();
    if (waiting.length && !isPaused()) { begin(); finish(); }
  }

  // --- at what pace -----------------------------------------------------------------------------------------------------
  function schedule() {
    if (isPaused() || (!hasBegun() && !waiting.length)) return;
    if (document.hidden) { catchUp(); return; }
    if (asked || resting) return;
    const rest = restsUntil - performance.now();
    if (rest > FRAME_MS) { resting = setTimeout(wake, rest - FRAME_MS); return; }
    ask();
  }
  function ask() {
    asked = requestAnimationFrame(draw);
    starved = setTimeout(catchUp, STARVED_MS); // where no frames are drawn though the page is not hidden
  }
  function wake() {
    clearTimeout(resting);
    resting = 0;
    schedule();
  }
  function draw(at) {
    asked = 0;
    clearTimeout(starved);
    const late = steppedAt ? at - steppedAt - FRAME_MS : 0;
    if (late > 0) restsUntil = at + Math.min(LONGEST_REST_MS, late * RESTS);
    steppedAt = 0;
    if (at >= restsUntil && !isPaused() && (hasBegun() || waiting.length)) step(at);
    if (steppedAt) ask(); else schedule();
  }
  function step(at) {
    const room = Math.max(1, Math.floor(BUDGET_MS / Math.min(...costs, BUDGET_MS)));
    if (!hasBegun()) {
      begin();
      if (room === 1) return; // reading what came is enough for one drawn frame
    }
    const began = performance.now(), steps = Math.max(1, Math.min(begun.length, room));
    show(steps);
    costs = [(performance.now() - began) / steps, ...costs.slice(0, LOOKS - 1)];
    steppedAt = at;
  }
  document.addEventListener("fusion:receive", (event) => {
    waiting.push(event.detail);
    schedule();
  });
  // Who connects anew is sent all that the page does not show yet: what waits would come twice.
  document.addEventListener("fusion:restart", () => {
    finish();
    waiting = [];
  });
  document.addEventListener("visibilitychange", () => { if (document.hidden) catchUp(); });

  // --- the pause ---------------------------------------------------------------------------------------------------------
  function settle() {
    button.hidden = !running();
    button.querySelector("[data-pause-word]").textContent = isPaused() ? "Resume live updates" : "Pause live updates";
  }
  function resume() {
    root.removeAttribute("data-paused");
    restsUntil = 0;
    wake();
    settle();
  }
  button.addEventListener("click", () => {
    if (isPaused()) { resume(); return; }
    finish();
    root.setAttribute("data-paused", "");
    settle();
  });
  // Who steers the run wants to see what comes of it.
  document.addEventListener("submit", (event) => { if (isPaused() && event.submitter?.hasAttribute("data-act")) resume(); });
  document.addEventListener("fusion:shown", () => { if (!running()) settle(); });
  settle();
})();
