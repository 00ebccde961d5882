// A question that arrived, as this page's run, needs no draft any more. One that was typed elsewhere meanwhile stays.
try {
  const sent = sessionStorage.getItem("fusion-sent");
  const asked = document.querySelector("#run-again [name=prompt]").value;
  if (sent === asked) {
    if (sent === localStorage.getItem("fusion-draft")) localStorage.removeItem("fusion-draft");
    sessionStorage.removeItem("fusion-sent");
  }
} catch { /* without a store there is no draft either */ }
