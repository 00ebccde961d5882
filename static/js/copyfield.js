// The button beside a field that holds something to pass on copies it. Without this script the field can be selected.
for (const box of document.querySelectorAll("[data-copy-field]")) {
  const field = box.querySelector("input"), button = box.querySelector("[data-copy-value]");
  field.addEventListener("focus", () => field.select());
  if (!navigator.clipboard) continue;
  button.hidden = false;
  const word = button.querySelector("span"), before = word.textContent;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(field.value);
      word.textContent = "Copied";
      setTimeout(() => { word.textContent = before; }, 2000);
    } catch {
      field.focus();
    }
  });
}
