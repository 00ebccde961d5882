// A streaming text is followed only by someone who is at its end; any upward move stops it, reaching the end resumes it.
(() => {
  const NEAR = 80;
  const FRESH_MS = 10000;
  const following = new Map(); // scroller -> boolean
  const place = new Map(); // scroller -> where we, or the reader, left it
  const buttons = new Map(); // scroller -> its "Latest"
  const heights = new Map(); // scroller -> the height of its text when we last looked
  const gap = (box) => box.scrollHeight - box.clientHeight - box.scrollTop;
  const running = () => document.getElementById("live-seq") !== null;

  function refresh(box) {
    const button = buttons.get(box);
    if (!button) return;
    const isHidden = !running() || following.get(box) || gap(box) <= NEAR;
    if (button.hidden !== isHidden) button.hidden = isHidden;
  }
  for (const box of document.querySelectorAll("[data-follow]")) {
    // Who has just asked follows, however much came before the page was there. A page that opens in mid-run shows the
    // beginning of each text: following starts when the reader goes to its end.
    following.set(box, (running() && elapsed() < FRESH_MS) || gap(box) <= NEAR);
    place.set(box, box.scrollTop);
    buttons.set(box, document.querySelector(`[data-latest="${box.id}"]`));
    box.addEventListener("scroll", () => { moved(box); refresh(box); }, { passive: true });
  }
  function elapsed() {
    return Number(document.querySelector("#run-clock [data-elapsed]")?.dataset.elapsed ?? 0);
  }
  // What the reader did since we last looked. A text that shrinks for a moment also moves the box up, but that is not
  // the reader: so a frame notes where it left the box, and only what differs from that counts.
  function moved(box) {
    const up = box.scrollTop < place.get(box) - 1;
    place.set(box, box.scrollTop);
    if (up) following.set(box, false);
    else if (gap(box) <= NEAR) following.set(box, true);
  }
  document.addEventListener("fusion:before-frame", () => {
    for (const box of following.keys()) if (Math.abs(box.scrollTop - place.get(box)) > 1) moved(box);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-latest]");
    if (!button) return;
    const box = document.getElementById(button.dataset.latest);
    following.set(box, true);
    toEnd(box);
    refresh(box);
  });
  function toEnd(box) {
    if (gap(box) > 0) box.scrollTop = box.scrollHeight;
    place.set(box, box.scrollTop);
  }
  // First everything that scrolls, then everything that shows or hides: each change of kind costs a layout.
  document.addEventListener("fusion:frame", (event) => {
    const selection = getSelection();
    const held = selection.isCollapsed ? null : selection.anchorNode;
    const isRunning = event.detail.running;
    const grown = [...following.keys()].filter((box) => heights.get(box) !== box.scrollHeight || !isRunning);
    for (const box of grown) {
      heights.set(box, box.scrollHeight);
      if (following.get(box) && isRunning && !box.contains(held)) toEnd(box); else place.set(box, box.scrollTop);
    }
    for (const box of grown) refresh(box);
  });
})();
