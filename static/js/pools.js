// Where models are typed, a field says by itself whether its model can simulate problems.
document.addEventListener("input", (event) => {
  const input = event.target.closest("input[list=pool-models]");
  if (!input) return;
  const known = [...document.querySelectorAll("#pool-models option[data-simulates]")];
  input.toggleAttribute("data-simulates", known.some((option) => option.value === input.value));
});

// On a narrow screen the side panel begins as one line; without scripts it is simply open.
for (const fold of document.querySelectorAll("[data-fold]")) {
  if (window.matchMedia("(max-width: 59.99rem)").matches) fold.open = false;
}
