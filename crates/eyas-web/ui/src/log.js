// Printed lines; the newest stay in view unless one has scrolled up.

import { byId } from "./dom.js";

const MOST_LINES = 2000;

export class Log {
  constructor() {
    this.box = byId("log");
    this.lines = [];
  }

  reset() {
    this.lines = [];
    this.box.textContent = "";
  }

  add(lines) {
    const isAtEnd = this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < 40;
    this.lines.push(...lines);
    this.lines.splice(0, this.lines.length - MOST_LINES);
    this.box.textContent = this.lines.join("\n");
    if (isAtEnd) this.scrollToEnd();
  }

  scrollToEnd() {
    this.box.scrollTop = this.box.scrollHeight;
  }
}
