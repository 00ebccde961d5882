// Milestones for screen readers: one polite message at most every five seconds. Streaming text itself is never live.
(() => {
  const node = document.querySelector("[data-announce]");
  if (!node) return;
  let said = {}, queue = [], timer = 0, lastAt = 0;
  function look() {
    const heads = [...document.querySelectorAll(".col__head")];
    const busy = new Set(["waiting", "asked", "thinking", "streaming", "retrying"]);
    for (const head of heads) {
      const body = document.getElementById(head.id.replace("head-", "body-"));
      const isBusy = busy.has(head.dataset.state) && document.getElementById("live-seq") !== null;
      if (isBusy) body.setAttribute("aria-busy", "true"); else body.removeAttribute("aria-busy");
    }
    return {
      done: heads.filter((head) => !busy.has(head.dataset.state)).length,
      of: heads.length,
      phase: document.getElementById("final-head")?.dataset.phase,
      kept: document.getElementById("final-head")?.hasAttribute("data-kept"),
      over: document.getElementById("live-seq") === null,
      round: document.getElementById("debate-head")?.dataset.said,
      state: document.querySelector("[data-run-state]")?.textContent,
    };
  }
  function say() {
    timer = 0;
    if (!queue.length) return;
    node.textContent = queue.join(" ");
    queue = [];
    lastAt = Date.now();
  }
  function later(sentence) {
    queue.push(sentence);
    if (!timer) timer = setTimeout(say, Math.max(0, lastAt + 5000 - Date.now()));
  }
  const title = document.title;
  addEventListener("visibilitychange", () => { if (!document.hidden) document.title = title; });
  said = look();
  document.addEventListener("fusion:frame", () => {
    const now = look();
    if (now.done > said.done) later(`${now.done} of ${now.of} answers have ended.`);
    if (now.round !== said.round && now.round) later(now.round);
    if (now.phase !== said.phase && now.phase === "debating") later("The debate has begun.");
    if (now.phase !== said.phase && now.phase === "judging") later("The judge has started.");
    if (now.phase !== said.phase && now.phase === "ruling") later("The judge is ruling on the debate.");
    if (now.phase !== said.phase && now.phase === "writing") later("The final is being written.");
    if (now.phase !== said.phase && now.phase === "ready" && now.kept) later("There is no new final; the one before stands.");
    else if (now.phase !== said.phase && now.phase === "ready") {
      const words = document.getElementById("doc-final")?.textContent.trim().split(/\s+/).length ?? 0;
      later(`Final ready, ${words} words.`);
      if (document.hidden) document.title = `✓ ${title}`;
    } else if (now.over && !said.over && now.phase !== "ready") later(`The run has ended: ${now.state}.`);
    said = now;
  });
})();
