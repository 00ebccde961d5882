// ARIA tabs with manual activation: arrows move the focus, Enter or Space shows. Without this script all panels show.
(() => {
  const panelOf = (tab) => document.getElementById(tab.getAttribute("aria-controls"));
  function choose(list, chosen) {
    for (const tab of list.querySelectorAll("[role=tab]")) {
      const on = tab === chosen;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      panelOf(tab).hidden = !on;
    }
  }
  // A link to a panel shows it; without this script all panels show, and it leads there.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-shows]");
    const tab = link && document.querySelector(`[role=tab][aria-controls="${link.hash.slice(1)}"]`);
    if (!tab) return;
    event.preventDefault();
    choose(tab.parentElement, tab);
    tab.focus();
  });
  for (const list of document.querySelectorAll("[data-tabs] > [role=tablist]")) {
    list.hidden = false;
    choose(list, list.querySelector("[aria-selected=true]"));
    list.addEventListener("click", (event) => {
      const tab = event.target.closest("[role=tab]");
      if (tab) choose(list, tab);
    });
    list.addEventListener("keydown", (event) => {
      const tabs = [...list.querySelectorAll("[role=tab]")];
      const here = tabs.indexOf(document.activeElement);
      const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (here < 0 || to === undefined) return;
      event.preventDefault();
      tabs[(to + tabs.length) % tabs.length].focus();
    });
  }
})();
