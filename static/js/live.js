// The socket of a run's page: it continues from where the page stands and comes back by itself, later each time and
// never with everybody else. Where sockets are blocked the same frames are fetched (polling.js) until one says a word.
(() => {
  const STABLE_MS = 10_000, SILENT_MS = 35_000, CHECK_MS = 20_000, SEEN_EVERY = 128 * 1024;
  const RETRY_S = [1, 2, 4, 8, 15, 30], POLL_AFTER = 3;
  const ENDED = 4200, SIGNED_OUT = 4401, TOO_MANY = 4529, REFUSED = [SIGNED_OUT, 4403, 4404, 4428];
  const holder = () => document.querySelector("#live[data-socket]");
  const mark = () => document.getElementById("live-seq");
  const token = () => mark()?.dataset.seq ?? "";
  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));
  if (!holder()) return;

  let socket = null, isOver = false, isHeard = false, wasLost = false;
  let failures = 0, openedAt = 0, heardAt = 0, resyncedAt = 0, unseen = 0, waiting = 0, retrying = 0;

  // --- one socket ------------------------------------------------------------------------------------------------------
  function connect() {
    if (!holder()) return;
    drop();
    isOver = false;
    tell("fusion:restart"); // first: it may move the page on
    const after = token();
    const mine = socket = new WebSocket(`${location.origin.replace("http", "ws")}${holder().dataset.socket}?after=${encodeURIComponent(after)}`);
    waiting = setTimeout(() => { if (socket === mine) blocked(); }, Number(holder().dataset.patienceMs));
    mine.onmessage = ({ data }) => { if (socket === mine) hear(data, after); };
    mine.onclose = ({ code }) => { if (socket === mine) closed(code); };
  }
  // What a socket that was given up still says, or that it is closed at last, concerns nobody any more.
  function drop() {
    clearTimeout(waiting);
    clearTimeout(retrying);
    const dropped = socket;
    socket = null;
    isHeard = false;
    dropped?.close();
  }
  function hear(message, after) {
    heardAt = Date.now();
    if (!isHeard && !hearFirst(after)) return;
    if (heardAt - openedAt > STABLE_MS) failures = 0;
    unseen += message.length;
    const isBeat = message.startsWith("{");
    if (isBeat || unseen > SEEN_EVERY) { unseen = 0; socket.send("seen"); }
    if (!isBeat) tell("fusion:receive", message);
  }
  // Only the first word shows that the way is open. What was fetched until then may have moved the page on: what this
  // socket would tell, from where the page stood, would come twice.
  function hearFirst(after) {
    clearTimeout(waiting);
    tell("fusion:unpoll");
    tell("fusion:restart");
    if (token() !== after) { connect(); return false; }
    isHeard = true;
    openedAt = heardAt;
    unseen = 0;
    tell("fusion:connected", { again: wasLost });
    wasLost = false;
    return true;
  }

  // --- when it is lost -------------------------------------------------------------------------------------------------
  function closed(code) {
    const wasHeard = isHeard;
    drop();
    // Another tab may have signed in anew, or changed the password: only a socket that is refused at once is believed.
    if (code === SIGNED_OUT && wasHeard) later();
    else if (REFUSED.includes(code)) giveUp(code);
    else if (code === ENDED) isOver = true;
    else if (code === TOO_MANY) blocked("crowded");
    else retry();
  }
  function giveUp(why) {
    tell("fusion:unpoll");
    tell("fusion:refused", why);
  }
  // By a socket, or by what is fetched instead. Who signs in again in another tab and comes back to this one finds it
  // going on.
  document.addEventListener("fusion:refused", ({ detail }) => {
    isOver = detail !== SIGNED_OUT;
    drop();
  });
  function blocked(why) {
    failures = Math.max(failures, POLL_AFTER - 1);
    drop();
    retry(why);
  }
  function retry(why) {
    const seconds = later();
    if (failures >= POLL_AFTER) tell("fusion:poll", why); else tell("fusion:lost", seconds);
  }
  // Everybody loses a server that stops at the same moment, so nobody comes back at the same one.
  function later() {
    const seconds = RETRY_S[Math.min(failures, RETRY_S.length - 1)] * (0.5 + Math.random());
    failures += 1;
    wasLost = true;
    clearTimeout(retrying);
    retrying = setTimeout(connect, seconds * 1000);
    return seconds;
  }
  // The page and the server disagree: where the page stands is forgotten, so that everything is sent anew. If that did
  // not help the page is one of another release, which only loading it puts right.
  document.addEventListener("fusion:resync", () => {
    if (!mark()) return;
    const isAgain = Date.now() - resyncedAt < STABLE_MS;
    resyncedAt = Date.now();
    mark().dataset.seq = "";
    if (isAgain) giveUp("stale"); else connect();
  });

  // --- coming back -----------------------------------------------------------------------------------------------------
  function comeBack() {
    if (!isOver && socket?.readyState !== WebSocket.CONNECTING) connect();
  }
  document.querySelector("[data-live-retry]").addEventListener("click", comeBack);
  addEventListener("online", comeBack);
  addEventListener("offline", () => { wasLost = true; });
  addEventListener("visibilitychange", () => {
    if (!document.hidden && (!isHeard || Date.now() - heardAt > CHECK_MS)) comeBack();
  });
  setInterval(() => {
    if (!isHeard || Date.now() - heardAt <= SILENT_MS) return;
    wasLost = true;
    connect();
  }, 5000);
  document.addEventListener("fusion:shown", () => {
    if (holder()) return;
    drop();
    tell("fusion:unpoll");
  });
  connect();
})();
