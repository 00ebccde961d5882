// Buttons of the run form stand outside of it (form="…"), where htmx does not see which one was pressed.
(() => {
  document.addEventListener("htmx:configRequest", (event) => {
    const form = event.target;
    const button = event.detail.triggeringEvent?.submitter;
    if (!form.matches?.("form[data-actions]") || !button) return;
    if (button.hasAttribute("formaction")) event.detail.path = button.getAttribute("formaction");
    if (button.name) event.detail.parameters[button.name] = button.value;
  });
  // What was pressed says so until the next state of the run replaces it.
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button?.hasAttribute("data-act")) return;
    setTimeout(() => { button.disabled = true; }, 0);
    const enable = () => { button.disabled = false; };
    setTimeout(enable, 8000);
    document.addEventListener("htmx:responseError", enable, { once: true });
    document.addEventListener("htmx:sendError", enable, { once: true });
  });
  // One question is sent once, however often the button is pressed.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-once]")) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    addEventListener("pageshow", () => { delete form.dataset.sent; }, { once: true });
  });
  document.addEventListener("click", (event) => {
    const expand = event.target.closest("[data-expand]");
    if (expand) {
      const on = document.getElementById(expand.dataset.expand).classList.toggle("is-expanded");
      expand.setAttribute("aria-pressed", String(on));
    }
    const more = event.target.closest("[data-clamp-toggle]");
    if (more) {
      const prompt = document.getElementById(more.dataset.clampToggle);
      const clamped = prompt.toggleAttribute("data-clamp");
      prompt.classList.toggle("is-long", !clamped);
      more.setAttribute("aria-expanded", String(!clamped));
      more.textContent = clamped ? "Whole question" : "Less";
    }
  });
  for (const more of document.querySelectorAll("[data-clamp-toggle]")) {
    const prompt = document.getElementById(more.dataset.clampToggle);
    more.hidden = prompt.scrollHeight <= prompt.clientHeight + 2;
  }
})();
// A replaced head does not know that its column is expanded.
document.addEventListener("fusion:shown", () => {
  for (const button of document.querySelectorAll("[data-expand]")) {
    const on = document.getElementById(button.dataset.expand).classList.contains("is-expanded");
    if (on) button.setAttribute("aria-pressed", "true");
  }
});
