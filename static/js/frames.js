// Puts the server's frames into the page: out-of-band fragments as htmx knows them, by a shorter way than htmx's own,
// which would take longer than laying the page out. Texts are never searched for htmx attributes, regions are.
// Frames that come faster than this machine shows them are put in together: after each the page rests for a few times as
// long as that took, so that scrolling and typing stay smooth however slow the machine is.
// A pause holds frames back: the page stands still, and catches up in one step with nothing lost.
(() => {
  const root = document.documentElement;
  const button = document.querySelector("[data-pause]");
  const tell = (name) => document.dispatchEvent(new CustomEvent(name));
  const running = () => document.getElementById("live-seq") !== null;
  const isPaused = () => root.hasAttribute("data-paused");
  const RESTS = 3, LONGEST_REST_MS = 400, FRAME_MS = 17;
  let waiting = [], timer = 0, restsUntil = 0;

  // A block that holds the reader's selection is not replaced; it comes right with the next load.
  function isSelected(target) {
    const selection = getSelection();
    return !selection.isCollapsed && selection.rangeCount > 0 && selection.getRangeAt(0).intersectsNode(target);
  }
  // `true` replaces the element of the same id, `innerHTML` its content, `beforeend:selector` adds to what that names.
  function place(part) {
    const how = part.getAttribute("hx-swap-oob");
    const target = how.startsWith("beforeend:") ? document.querySelector(how.slice(10)) : document.getElementById(part.id);
    if (!target) return false;
    if (how === "innerHTML") target.replaceChildren(...part.childNodes);
    else if (how !== "true") target.append(...part.childNodes);
    else if (!target.matches(".blk") || !isSelected(target)) {
      part.removeAttribute("hx-swap-oob");
      target.replaceWith(part);
      if (!part.matches(".blk, .prose")) htmx.process(part);
    }
    return true;
  }
  function show(html) {
    tell("fusion:before-frame");
    const parsed = document.createElement("template");
    parsed.innerHTML = html;
    const isWhole = [...parsed.content.children].map(place).every(Boolean);
    tell("fusion:after-frame");
    // A place was missing: the page and the server disagree, so everything is taken anew.
    if (!isWhole) tell("fusion:resync");
  }
  function schedule() {
    clearTimeout(timer);
    if (isPaused() || !waiting.length) return;
    const rest = restsUntil - performance.now();
    if (rest > 0) timer = setTimeout(showWaiting, rest); else showWaiting();
  }
  function showWaiting() {
    const began = performance.now();
    restsUntil = document.hidden ? 0 : began + LONGEST_REST_MS; // unless measured to be less
    show(waiting.splice(0).join(""));
    requestAnimationFrame(() => setTimeout(() => {
      const now = performance.now();
      restsUntil = now + Math.min(LONGEST_REST_MS, Math.max(0, now - began - FRAME_MS) * RESTS);
      schedule();
    }));
  }
  document.addEventListener("fusion:receive", (event) => {
    waiting.push(event.detail);
    schedule();
  });
  // Who connects anew is sent all that the page does not show yet: what waits would come twice.
  document.addEventListener("fusion:restart", () => { waiting = []; });

  function settle() {
    button.hidden = !running();
    button.querySelector("[data-pause-word]").textContent = isPaused() ? "Resume live updates" : "Pause live updates";
  }
  function resume() {
    root.removeAttribute("data-paused");
    restsUntil = 0;
    schedule();
    settle();
  }
  button.addEventListener("click", () => {
    if (isPaused()) { resume(); return; }
    root.setAttribute("data-paused", "");
    settle();
  });
  // Who steers the run wants to see what comes of it.
  document.addEventListener("submit", (event) => { if (isPaused() && event.submitter?.hasAttribute("data-act")) resume(); });
  document.addEventListener("fusion:frame", () => { if (!running()) settle(); });
  settle();
})();
