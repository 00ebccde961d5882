// A question that arrived needs no draft any more. One that was typed elsewhere meanwhile stays.
try {
  const sent = sessionStorage.getItem("fusion-sent");
  if (sent && sent === localStorage.getItem("fusion-draft")) localStorage.removeItem("fusion-draft");
  sessionStorage.removeItem("fusion-sent");
} catch { /* without a store there is no draft either */ }
