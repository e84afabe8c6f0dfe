// Curves: one small chart for each tag.

import uPlot from "uplot";
import { byId, element, onThemeChange, oncePerFrame, themeColor } from "./dom.js";
import { SECTION_NAMES, digits, quantityOf, sectionOf, stepsOf } from "./units.js";

const HEIGHT = 210;

class Chart {
  constructor(tag, stepUnit) {
    this.tag = tag;
    this.stepUnit = stepsOf(tag, stepUnit);
    this.data = [[], []];
    this.latest = element("output");
    this.plot = element("div", { className: "plot", role: "img" });
    this.figure = element(
      "figure",
      {},
      element("figcaption", {}, element("span", {}, tag), this.latest),
      this.plot,
    );
  }

  add({ anew, steps, values }) {
    if (anew) this.data = [[], []];
    // A resumed run repeats steps: what came last holds.
    for (const [place, step] of steps.entries()) {
      const last = this.data[0].at(-1);
      if (last !== undefined && step < last) {
        const from = this.data[0].findIndex((it) => it >= step);
        this.data[0].length = this.data[1].length = from;
      }
      if (step === this.data[0].at(-1)) this.data[1][this.data[1].length - 1] = values[place];
      else {
        this.data[0].push(step);
        this.data[1].push(values[place]);
      }
    }
    this.isStale = true;
  }

  say(place) {
    const [step, value] = [this.data[0].at(place), this.data[1].at(place)];
    this.latest.textContent = `${digits(value)} at ${this.stepUnit.split(" (")[0]} ${step}`;
  }

  draw() {
    const width = this.plot.clientWidth;
    if (width === 0 || !this.isStale) return;
    this.isStale = false;
    this.say(-1);
    this.plot.setAttribute(
      "aria-label",
      `${this.tag}, ${quantityOf(this.tag)}, over ${this.stepUnit}: ${this.latest.textContent}`,
    );
    if (this.chart) this.chart.setData(this.data);
    else this.chart = new uPlot(this.options(width), this.data, this.plot);
  }

  resize() {
    const width = this.plot.clientWidth;
    if (width > 0) this.chart?.setSize({ width, height: HEIGHT });
    this.draw();
  }

  repaint() {
    this.chart?.destroy();
    this.chart = null;
    this.isStale = true;
    this.draw();
  }

  options(width) {
    const axis = (label, more) => ({
      label,
      stroke: themeColor("text"),
      font: "12px system-ui, sans-serif",
      labelFont: "12px system-ui, sans-serif",
      labelSize: 18,
      grid: { stroke: themeColor("rule"), width: 1 },
      ticks: { stroke: themeColor("rule"), width: 1, size: 4 },
      ...more,
    });
    const numbers = (_, ticks) => ticks.map(digits);
    return {
      width,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      scales: { x: { time: false } },
      axes: [axis(this.stepUnit, { size: 30, values: numbers }), axis(quantityOf(this.tag), { size: 56, values: numbers })],
      series: [
        {},
        {
          stroke: themeColor("series"),
          width: 1.75,
          points: { show: (_, __, first, last) => last - first < 30, size: 4 },
        },
      ],
      hooks: { setCursor: [({ cursor }) => this.say(cursor.idx ?? -1)] },
    };
  }
}

export class Curves {
  constructor() {
    this.panel = byId("panel-curves");
    this.stepUnit = "step";
    this.draw = oncePerFrame(() => {
      for (const chart of this.charts.values()) chart.draw();
    });
    this.reset();
    onThemeChange(() => this.charts.forEach((chart) => chart.repaint()));
    new ResizeObserver(() => this.charts.forEach((chart) => chart.resize())).observe(this.panel);
  }

  reset() {
    this.charts = new Map();
    this.sections = new Map();
    this.panel.replaceChildren();
  }

  /** What the steps of the curves count. */
  setStepUnit(unit) {
    if (unit === "" || unit === this.stepUnit) return;
    this.stepUnit = unit;
    for (const chart of this.charts.values()) {
      chart.stepUnit = stepsOf(chart.tag, unit);
      chart.repaint();
    }
  }

  add(pieces) {
    for (const piece of pieces) {
      let chart = this.charts.get(piece.tag);
      if (!chart) {
        chart = new Chart(piece.tag, this.stepUnit);
        this.charts.set(piece.tag, chart);
        this.section(sectionOf(piece.tag)).append(chart.figure);
      }
      chart.add(piece);
    }
    this.draw();
  }

  /** The part of the page that holds a section's charts; made where it belongs. */
  section(name) {
    if (!this.sections.has(name)) {
      const charts = element("div", { className: "charts" });
      const details = element("details", { open: name !== "Other" }, element("summary", {}, name), charts);
      details.addEventListener("toggle", this.draw);
      details.dataset.place = SECTION_NAMES.indexOf(name);
      const later = [...this.panel.children].find((it) => Number(it.dataset.place) > SECTION_NAMES.indexOf(name));
      this.panel.insertBefore(details, later ?? null);
      this.sections.set(name, charts);
    }
    return this.sections.get(name);
  }
}
