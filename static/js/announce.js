// Milestones for screen readers: one polite message at most every five seconds, and at once what needs somebody to act.
// Streaming text itself is never live; its box says that it is busy. Both nodes are there from the start.
(() => {
  const node = document.querySelector("[data-announce]");
  const urgent = document.querySelector("[data-announce-now]");
  if (!node) return;
  const EVERY_MS = 5000;
  const BUSY = new Set(["waiting", "asked", "thinking", "streaming", "retrying"]);
  let queue = [], timer = 0, lastAt = 0;
  function look() {
    const heads = [...document.querySelectorAll(".col__head")];
    const over = document.getElementById("live-seq") === null;
    for (const head of heads) {
      const body = document.getElementById(head.id.replace("head-", "body-"));
      const isBusy = BUSY.has(head.dataset.state) && !over;
      if (isBusy === body.hasAttribute("aria-busy")) continue;
      if (isBusy) body.setAttribute("aria-busy", "true"); else body.removeAttribute("aria-busy");
    }
    // A failed answer needs no tall column; while the run is watched the heights change only when all of them failed.
    document.documentElement.toggleAttribute("data-all-failed", heads.every((head) => head.dataset.state === "failed"));
    return {
      done: heads.filter((head) => !BUSY.has(head.dataset.state)).length,
      of: heads.length,
      phase: document.getElementById("final-head")?.dataset.phase,
      kept: document.getElementById("final-head")?.hasAttribute("data-kept"),
      over,
      round: document.getElementById("debate-head")?.dataset.said,
      state: document.querySelector("[data-run-state]")?.textContent,
      problems: [...document.querySelectorAll("#run-notices .notice--bad .notice__title")].map((title) => title.textContent),
    };
  }
  function isWanted() {
    try { return localStorage.getItem("fusion-announcements") !== "off"; } catch { return true; }
  }
  function say() {
    timer = 0;
    if (!queue.length) return;
    if (isWanted()) node.textContent = queue.join(" ");
    queue = [];
    lastAt = Date.now();
  }
  function later(sentence) {
    queue.push(sentence);
    if (!timer) timer = setTimeout(say, Math.max(0, lastAt + EVERY_MS - Date.now()));
  }
  const title = document.title;
  addEventListener("visibilitychange", () => { if (!document.hidden) document.title = title; });
  let said = look();
  document.addEventListener("fusion:shown", () => {
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
    const news = now.problems.filter((problem) => !said.problems.includes(problem));
    if (news.length && isWanted()) urgent.textContent = `${news.join(". ")}.`;
    said = now;
  });
})();
