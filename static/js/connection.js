// The slim bar that says how a run's page is connected: lost, blocked, refused, back, and how much came meanwhile.
(() => {
  const bar = document.querySelector("[data-live-status]");
  if (!bar) return;
  const words = bar.querySelector("[data-live-text]");
  const retry = bar.querySelector("[data-live-retry]");
  const ways = [...bar.querySelectorAll("[data-live-way]")];
  const REFUSED = {
    4401: "You are signed out. Sign in again to watch this run; it continues on the server.",
    4403: "You may no longer read this run. If you should, ask an admin of its team.",
    4404: "This run is not here any more. Your history shows those that are.",
    4428: "This site asks you for two-step sign-in now. Set it up to watch this run; it continues on the server.",
    stale: "This page is from before a change of the server. Load it again to go on watching.",
  };
  const GOES_ON = "Your run continues on the server.";
  let countdown = 0, hiding = 0, fetching = "", reason = "blocked";

  function say(text, { tone = "", button = false, way = 0, forMs = 0 } = {}) {
    clearInterval(countdown);
    clearTimeout(hiding);
    words.textContent = text;
    bar.dataset.tone = tone;
    retry.hidden = !button;
    for (const link of ways) link.hidden = Number(link.dataset.liveWay) !== way;
    bar.hidden = false;
    if (forMs) hiding = setTimeout(quiet, forMs);
  }
  function quiet() {
    clearInterval(countdown);
    bar.hidden = true;
  }
  function on(name, act) {
    document.addEventListener(`fusion:${name}`, ({ detail }) => act(detail));
  }
  on("lost", (seconds) => {
    const until = Date.now() + seconds * 1000;
    const text = () => `Connection lost. ${GOES_ON} Retrying in ${Math.max(0, Math.ceil((until - Date.now()) / 1000))} s`;
    say(text(), { button: true });
    countdown = setInterval(() => { words.textContent = text(); }, 500);
  });
  // While frames are fetched each attempt says whether the server is there; words change only with that.
  const FETCHING = {
    blocked: "Live updates are blocked on this network; looking every 2 seconds.",
    crowded: "You have too many runs open for live updates, so this page looks every 2 seconds. Close some of the others.",
    unreachable: `Connection lost. ${GOES_ON} Trying every 2 seconds`,
  };
  function sayFetching(how) {
    if (fetching === how) return;
    fetching = how;
    say(FETCHING[how], { button: true });
  }
  on("poll", (why) => {
    reason = why ?? "blocked";
    if (fetching !== "unreachable") sayFetching(reason);
  });
  on("unpoll", () => { fetching = ""; });
  on("reached", () => sayFetching(reason));
  on("unreachable", () => sayFetching("unreachable"));
  on("refused", (code) => say(REFUSED[code], { tone: "bad", way: code }));
  addEventListener("offline", () => say(`You are offline. ${GOES_ON}`, { button: true }));

  // What came while the connection was gone comes with the first frames; how much it was is said once it is there.
  const shown = () => [...document.querySelectorAll("[data-follow] > .prose")].reduce((sum, one) => sum + one.textContent.length, 0);
  on("connected", ({ again }) => {
    if (!again) { quiet(); return; }
    say("Connected again.", { tone: "ok", forMs: 3000 });
    const before = shown();
    document.addEventListener("fusion:shown", () => {
      const came = shown() - before;
      if (bar.dataset.tone === "ok" && came > 0) say(`Caught up: ${came.toLocaleString("en")} characters came meanwhile.`, { tone: "ok", forMs: 3000 });
    }, { once: true });
  });
  on("shown", () => {
    if (!document.getElementById("live-seq") && bar.dataset.tone !== "ok") quiet();
  });
})();
