// Tables, heat maps and texts, each in the panel it belongs to; the newest of a name stands.

import { byId, element } from "./dom.js";
import { HeatMap } from "./heatmap.js";

/** Rows shown of the start and of the end of a long table. */
const END_ROWS = 100;
/** Rows of a table that takes no more room than a screen. */
const SHORT_ROWS = 20;

export class Documents {
  constructor() {
    this.panels = { table: byId("panel-tables"), heat_map: byId("panel-tables"), text: byId("panel-config") };
    this.shown = new Map();
  }

  reset() {
    for (const { node } of this.shown.values()) node.remove();
    this.shown.clear();
  }

  show(message) {
    const key = `${message.type} ${message.name}`;
    const known = this.shown.get(key);
    if (message.type === "heat_map") {
      const map = known?.map ?? new HeatMap(message.name);
      if (!known) this.add(message, key, map.figure, { map });
      map.set(message);
      return;
    }
    const content = message.type === "table" ? table(message) : element("pre", { tabIndex: 0 }, message.text);
    content.setAttribute("aria-label", message.name);
    if (known) {
      const { scrollTop, scrollLeft } = known.content;
      known.content.replaceWith(content);
      Object.assign(content, { scrollTop, scrollLeft });
      known.content = content;
      return;
    }
    const details = element("details", { open: isOpen(message) }, element("summary", {}, message.name), content);
    this.add(message, key, details, { content });
  }

  add(message, key, node, rest) {
    const panel = this.panels[message.type];
    if (message.type === "heat_map") panel.prepend(node);
    else panel.append(node);
    this.shown.set(key, { node, ...rest });
  }
}

/** Whether a document is shown at once: long tables wait until they are asked for. */
const isOpen = ({ type, rows }) => type === "text" || rows.length <= SHORT_ROWS;

function table({ columns, rows }) {
  const cells = (kind, values) => element("tr", {}, ...values.map((it) => element(kind, {}, it)));
  const isLong = rows.length > 2 * END_ROWS;
  const shown = isLong ? [...rows.slice(0, END_ROWS), columns.map(() => "…"), ...rows.slice(-END_ROWS)] : rows;
  const body = element("tbody", {}, ...shown.map((row) => cells("td", row)));
  const made = element("div", { className: "scroll", tabIndex: 0, role: "region" }, element("table", {}, element("thead", {}, cells("th", columns)), body));
  if (isLong) made.append(element("p", {}, `The first and the last ${END_ROWS} of ${rows.length} rows.`));
  return made;
}
