// The composer: sends on Ctrl/⌘+Enter, grows with the text, keeps a draft in this browser, sends once.
(() => {
  const form = document.querySelector("form[data-compose]");
  if (!form) return;
  const box = form.querySelector("textarea[name=prompt]");
  const send = form.querySelector("[data-send]");
  const counter = form.querySelector("[data-count]");
  const DRAFT = "fusion-draft";
  const limit = Number(box.dataset.limit);
  const store = {
    read: () => { try { return localStorage.getItem(DRAFT) ?? ""; } catch { return ""; } },
    write: (text) => { try { if (text) localStorage.setItem(DRAFT, text); else localStorage.removeItem(DRAFT); } catch { /* a full or forbidden store loses only the draft */ } },
  };

  function grow() {
    if (CSS.supports("field-sizing", "content")) return;
    box.rows = Math.min(24, Math.max(5, box.value.split("\n").length + 1));
  }
  function count() {
    const over = box.value.length - limit;
    counter.hidden = box.value.length < limit * 0.8;
    counter.textContent = over > 0 ? `${over.toLocaleString("en")} characters too many` : `${box.value.length.toLocaleString("en")} of ${limit.toLocaleString("en")} characters`;
    counter.classList.toggle("field__error", over > 0);
  }
  // A question that a member has no room for is said before it is sent; rather too many tokens are counted than too few.
  function room() {
    const warning = document.querySelector("[data-room]");
    if (!warning) return;
    const tokens = Math.ceil(box.value.length / 3);
    warning.hidden = tokens <= Number(warning.dataset.room);
    warning.querySelector("[data-room-needed]").textContent = tokens.toLocaleString("en").replaceAll(",", "\u202f");
  }
  document.addEventListener("htmx:afterSettle", room);
  function changed() {
    grow();
    count();
    room();
    store.write(box.value.length <= limit ? box.value : "");
  }

  if (!box.value && !form.dataset.prefilled) box.value = store.read();
  grow();
  count();
  room();
  box.addEventListener("input", changed);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) { event.preventDefault(); form.requestSubmit(send); }
  });
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) { event.preventDefault(); return; }
    if (!navigator.onLine) {
      event.preventDefault();
      document.dispatchEvent(new CustomEvent("fusion:say", { detail: "You are offline. Nothing was sent; your question stays here until you are connected." }));
      return;
    }
    form.dataset.sent = "1";
    send.setAttribute("aria-disabled", "true");
    send.querySelector("[data-send-word]").textContent = "Asking…";
    // The draft goes when the run's page has come (sent.js): a network that dies now must not take it along.
    try { sessionStorage.setItem("fusion-sent", box.value); } catch { /* then the draft stays, which is no loss */ }
  });
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    delete form.dataset.sent;
    send.removeAttribute("aria-disabled");
    send.querySelector("[data-send-word]").textContent = "Ask";
  });
  for (const question of document.querySelectorAll("[data-question]")) {
    question.addEventListener("click", (event) => {
      event.preventDefault();
      if (box.value.trim() && box.value !== question.dataset.filled && box.dataset.typed && !confirm("Replace what you have written?")) return;
      box.value = document.getElementById(question.dataset.question).content.textContent;
      delete box.dataset.typed;
      changed();
      box.focus();
      box.setSelectionRange(0, 0);
      box.scrollTop = 0;
      box.scrollIntoView({ block: "center" });
    });
  }
  box.addEventListener("input", () => { box.dataset.typed = "1"; });
})();
