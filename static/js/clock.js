// Clocks tick between the server's messages. The server's number stays in the attribute; only the shown text moves.
(() => {
  const since = new WeakMap();
  const clock = (ms) => `${Math.floor(ms / 60000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}`;
  function passed(element) {
    if (!since.has(element)) since.set(element, performance.now());
    return performance.now() - since.get(element);
  }
  function tick() {
    if (document.hidden || document.documentElement.hasAttribute("data-paused")) return;
    for (const element of document.querySelectorAll("[data-elapsed]")) {
      const shown = clock(Number(element.dataset.elapsed) + passed(element));
      if (element.textContent !== shown) element.textContent = shown;
    }
    for (const element of document.querySelectorAll("[data-countdown]")) {
      const shown = `${Math.max(0, Math.ceil(Number(element.dataset.countdown) - passed(element) / 1000))} s`;
      if (element.textContent !== shown) element.textContent = shown;
    }
  }
  // All at once and once a second: every change of a text is a layout.
  setInterval(tick, 1000);
  tick();
})();
