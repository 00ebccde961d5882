// Single-key shortcuts, outside of fields only, and the dialog that lists them and can switch them off. With Ctrl, Alt or
// ⌘ every key stays the browser's. Escape closes what is open and never stops a run: too many other things use that key.
(() => {
  const dialog = document.getElementById("shortcuts");
  if (!dialog) return;
  const store = {
    isOn: (name) => { try { return localStorage.getItem(`fusion-${name}`) !== "off"; } catch { return true; } },
    set: (name, on) => { try { if (on) localStorage.removeItem(`fusion-${name}`); else localStorage.setItem(`fusion-${name}`, "off"); } catch { /* then it holds for this page */ } },
  };
  for (const box of dialog.querySelectorAll("[data-setting]")) {
    box.checked = store.isOn(box.dataset.setting);
    box.addEventListener("change", () => store.set(box.dataset.setting, box.checked));
  }
  for (const button of document.querySelectorAll("[data-shortcuts]")) {
    button.hidden = false;
    button.addEventListener("click", open);
  }
  function open() {
    if (!dialog.open) dialog.showModal();
  }

  // --- places ---------------------------------------------------------------------------------------------------------
  const bodies = () => [...document.querySelectorAll(".col__body")];
  const final = () => document.getElementById("final-body");
  const letter = () => document.activeElement?.closest(".col")?.dataset.letter;
  function go(element) {
    if (!element) return false;
    const tab = document.getElementById("tab-answer");
    if (element === final() && tab?.getAttribute("aria-selected") === "false") tab.click();
    element.focus();
    element.closest(".col, .final").scrollIntoView({ block: "nearest", inline: "nearest" });
    return true;
  }
  function step(by) {
    const all = [final(), ...bodies()].filter(Boolean);
    const here = all.findIndex((body) => body.closest(".col, .final").contains(document.activeElement));
    return go(all[here < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, here + by))]);
  }
  // The next or the previous block of the text that has the focus, at the top of what shows it.
  function block(by) {
    const body = document.activeElement?.closest(".col__body, .final__body") ?? final();
    if (!body) return false;
    const top = body.matches(".col__body") ? body.getBoundingClientRect().top : document.querySelector(".topbar").getBoundingClientRect().bottom;
    const margin = 14;
    const blocks = [...body.querySelectorAll(".blk")].map((one) => one.getBoundingClientRect().top - top - margin);
    const to = by > 0 ? blocks.find((at) => at > 2) : blocks.findLast((at) => at < -2);
    if (to === undefined) return false;
    if (body.matches(".col__body")) body.scrollTop += to; else scrollBy(0, to);
    return true;
  }
  function press(id) {
    const button = document.getElementById(id);
    if (!button || button.disabled || !button.checkVisibility()) return false;
    button.click();
    return true;
  }
  const ofAnswer = (deed) => (letter() ? press(`${deed}-${letter()}`) : false);

  const KEYS = {
    "?": open,
    0: () => go(final()), f: () => go(final()),
    "[": () => step(-1), "]": () => step(1),
    j: () => block(1), k: () => block(-1),
    e: () => ofAnswer("expand"), r: () => ofAnswer("retry"), s: () => ofAnswer("stop"),
    c: () => ofAnswer("copy") || (document.activeElement?.closest(".final") ? press("copy-final") : false),
    S: () => press("act-stop"), g: () => press("act-judge-now"), J: () => press("act-rejudge"),
    p: () => { const button = document.querySelector("[data-pause]:not([hidden])"); button?.click(); return Boolean(button); },
  };
  const isTyping = (target) => target.closest?.("input, textarea, select, [contenteditable], dialog, details[open] > .menu__list");
  document.addEventListener("keydown", (event) => {
    const isModified = (event.ctrlKey || event.altKey || event.metaKey) && !event.getModifierState("AltGraph");
    if (isModified || event.defaultPrevented || event.isComposing || event.repeat && !"jk".includes(event.key)) return;
    if (isTyping(event.target) || !store.isOn("shortcuts")) return;
    const deed = /^[1-9]$/.test(event.key) ? () => go(bodies()[Number(event.key) - 1]) : KEYS[event.key];
    if (deed && deed() !== false) event.preventDefault();
  });
})();
