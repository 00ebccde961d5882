// The socket of a run's page: it continues from where the page stands, says when it is lost, comes back by itself,
// and where sockets are blocked the same messages are fetched every two seconds.
(() => {
  const STABLE_MS = 10_000, SILENT_MS = 35_000, CHECK_MS = 20_000, POLL_MS = 2_000, SEEN_EVERY = 128 * 1024;
  const RETRY_S = [1, 2, 4, 8, 15, 30];
  const FINAL_WORDS = {
    4401: "You are signed out. Sign in again to watch this run; it continues on the server.",
    4403: "You may no longer read this run.",
    4404: "This run is not here any more.",
  };
  const holder = () => document.querySelector("#live[ws-connect]");
  const token = () => document.getElementById("live-seq")?.dataset.seq ?? "";
  if (!holder()) return;

  const bar = document.querySelector("[data-live-status]");
  const words = bar.querySelector("[data-live-text]");
  const retry = bar.querySelector("[data-live-retry]");
  const signIn = bar.querySelector("[data-live-sign-in]");
  let wrapper = null, current = null, failures = 0, lost = false, wantSnapshot = false;
  let heardAt = Date.now(), openedAt = 0, received = 0, poller = 0, countdown = 0, hide = 0, etag = "";

  // --- what the reader is told ---------------------------------------------------------------------------------------
  function say(text, { tone = "", button = false, signedOut = false, forMs = 0 } = {}) {
    clearInterval(countdown);
    clearTimeout(hide);
    words.textContent = text;
    bar.dataset.tone = tone;
    retry.hidden = !button;
    signIn.hidden = !signedOut;
    bar.hidden = false;
    if (forMs) hide = setTimeout(quiet, forMs);
  }
  function quiet() {
    clearInterval(countdown);
    bar.hidden = true;
  }
  function sayLost(seconds) {
    const text = (left) => `Connection lost. Your run continues on the server. Retrying in ${left} s`;
    say(text(seconds), { button: true });
    const until = Date.now() + seconds * 1000;
    countdown = setInterval(() => { words.textContent = text(Math.max(0, Math.ceil((until - Date.now()) / 1000))); }, 500);
  }

  // What came while the connection was gone comes with the first frames; how much it was is said once it is there.
  const shown = () => [...document.querySelectorAll("[data-follow] > .prose")].reduce((sum, one) => sum + one.textContent.length, 0);
  function sayCaughtUp() {
    say("Connected again.", { tone: "ok", forMs: 3000 });
    const before = shown();
    document.addEventListener("fusion:shown", () => {
      const came = shown() - before;
      if (bar.dataset.tone === "ok" && came > 0) say(`Caught up: ${came.toLocaleString("en")} characters came meanwhile.`, { tone: "ok", forMs: 3000 });
    }, { once: true });
  }

  // --- the socket ----------------------------------------------------------------------------------------------------
  htmx.createWebSocket = (url) => {
    restart(); // first: it may move the page on
    const after = wantSnapshot ? "" : token();
    wantSnapshot = false;
    current = new WebSocket(`${url}?after=${encodeURIComponent(after)}`);
    return current;
  };
  htmx.config.wsReconnectDelay = () => {
    const seconds = RETRY_S[Math.min(failures, RETRY_S.length - 1)];
    failures += 1;
    lost = true;
    if (failures >= 3) poll(); else sayLost(seconds);
    return seconds * 1000;
  };
  function reconnect() {
    if (!holder() || !wrapper || current?.readyState === WebSocket.CONNECTING) return;
    heardAt = Date.now();
    wrapper.reconnect();
  }
  function resync() {
    wantSnapshot = true;
    reconnect();
  }
  document.addEventListener("htmx:wsConnecting", (event) => {
    const seen = event.target;
    queueMicrotask(() => { wrapper ??= seen["htmx-internal-data"]?.webSocket?.publicInterface ?? null; });
  });
  document.addEventListener("htmx:wsOpen", (event) => {
    wrapper = event.detail.socketWrapper;
    heardAt = openedAt = Date.now();
    received = 0;
    const mine = current;
    setTimeout(() => { if (current === mine && mine.readyState === WebSocket.OPEN) failures = 0; }, STABLE_MS);
    stopPolling();
    if (lost) sayCaughtUp(); else quiet();
    lost = false;
  });
  document.addEventListener("htmx:wsClose", (event) => {
    const closed = event.detail.event;
    if (closed.target !== current) return;
    wrapper ??= event.detail.socketWrapper;
    const text = FINAL_WORDS[closed.code];
    if (text) { stopPolling(); say(text, { tone: "bad", signedOut: closed.code === 4401 }); }
    // Broken, or too slow: htmx comes back by itself only for codes that a server may not send.
    if (closed.code >= 4500) setTimeout(reconnect, htmx.config.wsReconnectDelay());
  });
  document.addEventListener("htmx:wsBeforeMessage", (event) => {
    const { message, socketWrapper } = event.detail;
    heardAt = Date.now();
    received += message.length;
    if (message.startsWith("{")) {
      event.preventDefault();
      socketWrapper.sendImmediately("seen");
      return;
    }
    event.preventDefault();
    if (received > SEEN_EVERY) { received = 0; socketWrapper.sendImmediately("seen"); }
    receive(message);
  });

  function receive(html) {
    document.dispatchEvent(new CustomEvent("fusion:receive", { detail: html }));
  }
  function restart() {
    document.dispatchEvent(new CustomEvent("fusion:restart"));
  }
  document.addEventListener("fusion:shown", () => {
    if (!holder()) { stopPolling(); if (bar.dataset.tone !== "ok") quiet(); }
  });
  document.addEventListener("fusion:resync", resync);

  // --- when sockets are blocked ---------------------------------------------------------------------------------------
  function poll() {
    if (poller) return;
    say("Live updates are blocked on this network; looking every 2 seconds.", { button: true });
    poller = setInterval(look, POLL_MS);
    look();
  }
  function stopPolling() {
    clearInterval(poller);
    poller = 0;
  }
  async function look() {
    const live = holder();
    if (!live || document.hidden) return;
    try {
      const after = token();
      const answer = await fetch(`${live.dataset.poll}?after=${encodeURIComponent(after)}`, { headers: etag ? { "If-None-Match": etag } : {}, redirect: "error" });
      if ([401, 403, 404].includes(answer.status)) { stopPolling(); say(FINAL_WORDS[4000 + answer.status], { tone: "bad", signedOut: answer.status === 401 }); return; }
      etag = answer.headers.get("ETag") ?? "";
      const html = answer.status === 200 ? await answer.text() : "";
      if (!html || !poller) return;
      restart();
      // What was asked for goes on from where the page stood; it has moved on meanwhile, so this would come twice.
      if (token() !== after) { etag = ""; return; }
      receive(html);
    } catch {
      words.textContent = "Connection lost. Your run continues on the server. Trying every 2 seconds";
    }
  }

  // --- coming back ------------------------------------------------------------------------------------------------------
  retry.addEventListener("click", reconnect);
  addEventListener("online", reconnect);
  addEventListener("visibilitychange", () => {
    if (!document.hidden && (current?.readyState !== WebSocket.OPEN || Date.now() - heardAt > CHECK_MS)) reconnect();
  });
  addEventListener("offline", () => { lost = true; say("You are offline. Your run continues on the server.", { button: true }); });
  setInterval(() => {
    if (holder() && current?.readyState === WebSocket.OPEN && Date.now() - heardAt > SILENT_MS) { lost = true; reconnect(); }
  }, 5000);
})();
