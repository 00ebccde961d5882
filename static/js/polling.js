// Where sockets are blocked the frames of a run are fetched every two seconds, from "fusion:poll" to "fusion:unpoll".
(() => {
  const EVERY_MS = 2_000, GIVE_UP_MS = 15_000;
  const REFUSED = [401, 403, 404, 428];
  const token = () => document.getElementById("live-seq")?.dataset.seq ?? "";
  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));
  let timer = 0, asking = null;

  async function look() {
    const address = document.querySelector("#live[data-poll]")?.dataset.poll;
    if (!address || document.hidden || asking) return;
    const mine = asking = new AbortController();
    const tooLong = setTimeout(() => mine.abort(), GIVE_UP_MS);
    try {
      const after = token();
      const answer = await fetch(`${address}?after=${encodeURIComponent(after)}`, {
        headers: after ? { "If-None-Match": `"${after}"` } : {}, redirect: "error", cache: "no-store", signal: mine.signal,
      });
      const html = answer.status === 200 ? await answer.text() : "";
      if (asking !== mine) return;
      if (REFUSED.includes(answer.status)) { stop(); tell("fusion:refused", 4000 + answer.status); return; }
      tell(answer.ok || answer.status === 304 ? "fusion:reached" : "fusion:unreachable");
      take(html, after);
    } catch {
      if (asking === mine) tell("fusion:unreachable");
    } finally {
      clearTimeout(tooLong);
      if (asking === mine) asking = null;
    }
  }
  function take(html, after) {
    if (!html) return;
    tell("fusion:restart");
    // What was asked for goes on from where the page stood; if it has moved on meanwhile, this would come twice.
    if (token() === after) tell("fusion:receive", html);
  }
  function stop() {
    clearInterval(timer);
    timer = 0;
    asking?.abort();
    asking = null;
  }
  document.addEventListener("fusion:poll", () => {
    if (timer) return;
    timer = setInterval(look, EVERY_MS);
    look();
  });
  document.addEventListener("fusion:unpoll", stop);
  addEventListener("visibilitychange", () => { if (timer && !document.hidden) look(); });
})();
