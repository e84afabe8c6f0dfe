// Tabs that arrow keys, Home and End move between. One that has nothing to show is not offered.

export function setUpTabs(onShow) {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const tabOf = (name) => document.getElementById(`tab-${name}`);

  function show(tab) {
    for (const other of tabs) {
      const isShown = other === tab;
      other.setAttribute("aria-selected", isShown);
      other.tabIndex = isShown ? 0 : -1;
      document.getElementById(other.getAttribute("aria-controls")).hidden = !isShown;
    }
    onShow(tab.id.replace("tab-", ""));
  }

  for (const tab of tabs) {
    tab.addEventListener("click", () => show(tab));
    tab.addEventListener("keydown", (event) => {
      const offered = tabs.filter((it) => !it.hidden);
      const [place, last] = [offered.indexOf(tab), offered.length - 1];
      const target = {
        ArrowRight: place === last ? 0 : place + 1,
        ArrowLeft: place === 0 ? last : place - 1,
        Home: 0,
        End: last,
      }[event.key];
      if (target === undefined) return;
      event.preventDefault();
      offered[target].focus();
      show(offered[target]);
    });
  }

  return {
    show: (name) => show(tabOf(name)),
    /** Offers a tab, or takes it away; the first that is left is shown in the place of one that has gone. */
    offer(name, isOffered = true) {
      const tab = tabOf(name);
      tab.hidden = !isOffered;
      const shown = tabs.find((it) => it.getAttribute("aria-selected") === "true");
      const first = tabs.find((it) => !it.hidden);
      if (shown?.hidden && first) show(first);
    },
  };
}
