// Copies the exact text behind a link. Without this script, or without a clipboard, the link opens that text.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-copy]");
  if (!link || !navigator.clipboard || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const word = link.querySelector("[data-copy-word]");
  const before = word?.textContent;
  try {
    // The promise goes into the clipboard item, because some browsers forget the click while a text is fetched.
    const text = fetch(link.href).then((answer) => {
      if (!answer.ok) throw new Error(String(answer.status));
      return answer.blob();
    }).then((blob) => new Blob([blob], { type: "text/plain" }));
    await navigator.clipboard.write([new ClipboardItem({ "text/plain": text })]);
    if (word) { word.textContent = "Copied"; setTimeout(() => { word.textContent = before; }, 2000); }
  } catch {
    location.assign(link.href);
  }
});

// The button on a code block copies that code.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy-code]");
  const code = button?.closest(".code")?.querySelector("pre");
  if (!code || !navigator.clipboard) return;
  await navigator.clipboard.writeText(code.textContent);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
});
