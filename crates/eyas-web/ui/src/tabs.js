// Tabs that arrow keys, Home and End move between.

export function setUpTabs(onShow) {
  const tabs = [...document.querySelectorAll("[role=tab]")];

  function show(tab) {
    for (const other of tabs) {
      const isShown = other === tab;
      other.setAttribute("aria-selected", isShown);
      other.tabIndex = isShown ? 0 : -1;
      document.getElementById(other.getAttribute("aria-controls")).hidden = !isShown;
    }
    onShow(tab.id.replace("tab-", ""));
  }

  for (const [place, tab] of tabs.entries()) {
    tab.addEventListener("click", () => show(tab));
    tab.addEventListener("keydown", (event) => {
      const last = tabs.length - 1;
      const target = {
        ArrowRight: place === last ? 0 : place + 1,
        ArrowLeft: place === 0 ? last : place - 1,
        Home: 0,
        End: last,
      }[event.key];
      if (target === undefined) return;
      event.preventDefault();
      tabs[target].focus();
      show(tabs[target]);
    });
  }
  return (name) => show(document.getElementById(`tab-${name}`));
}
