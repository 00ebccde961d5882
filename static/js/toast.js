// Says why a request was refused, in the server's own sentence.
(() => {
  let timer = 0;
  function show(sentence) {
    const toast = document.getElementById("toast");
    if (!toast) return;
    toast.textContent = sentence;
    toast.hidden = false;
    clearTimeout(timer);
    timer = setTimeout(() => { toast.hidden = true; }, 8000);
  }
  document.addEventListener("htmx:responseError", (event) => {
    const xhr = event.detail.xhr;
    const plain = (xhr.getResponseHeader("Content-Type") || "").startsWith("text/plain");
    show(plain && xhr.responseText ? xhr.responseText.slice(0, 400) : `The server answered with an error (${xhr.status}). Reload the page and try again.`);
  });
  document.addEventListener("htmx:sendError", () => show("The server could not be reached. Nothing was sent; try again when you are connected."));
  document.addEventListener("fusion:say", (event) => show(event.detail));
})();
