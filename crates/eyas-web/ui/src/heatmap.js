// A matrix as colours, with a scale, labelled axes and a cursor that keys move.

import { element, onThemeChange, themeColor } from "./dom.js";
import { digits } from "./units.js";

/** Cividis, which all eyes read as a scale. */
const COLORS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
const RGB = COLORS.map((color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)));

function colorAt(share) {
  const place = Math.min(0.9999, Math.max(0, share)) * (RGB.length - 1);
  const [low, high, mix] = [RGB[Math.floor(place)], RGB[Math.ceil(place)], place % 1];
  return `rgb(${low.map((it, channel) => Math.round(it + mix * (high[channel] - it))).join(" ")})`;
}

const MARGIN = { left: 96, right: 92, top: 8, bottom: 44 };
const TALLEST_CELL = 22;

/**
 * Those of sorted numbers that lie within the outer fences of Tukey (1977), so that a few far from all others do not take the
 * colours from those; of less than eight all.
 */
function withoutOutliers(numbers) {
  const [first, third] = [0.25, 0.75].map((share) => numbers[Math.floor(share * numbers.length)]);
  const range = third - first;
  if (numbers.length < 8 || range === 0) return numbers;
  return numbers.filter((it) => it >= first - 3 * range && it <= third + 3 * range);
}

export class HeatMap {
  constructor(name) {
    this.name = name;
    this.cursor = [0, 0];
    this.canvas = element("canvas", { tabIndex: 0, role: "img" });
    this.output = element("output", { ariaLive: "polite" });
    this.figure = element("figure", { className: "wide" }, element("figcaption", {}, element("span", {}, name), this.output), this.canvas);
    onThemeChange(() => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.figure);
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
  }

  set(map) {
    this.map = map;
    const numbers = map.values.flat().filter((it) => it !== null);
    numbers.sort((a, b) => a - b);
    const near = withoutOutliers(numbers);
    [this.low, this.high] = [near[0] ?? Infinity, near.at(-1) ?? -Infinity];
    /** How the ends of the scale are told. */
    this.ends = [(numbers[0] < this.low ? "≤ " : "") + digits(this.low), (numbers.at(-1) > this.high ? "≥ " : "") + digits(this.high)];
    this.canvas.setAttribute(
      "aria-label",
      `${this.name}: ${map.quantity} of ${map.rows.length} by ${map.columns.length} cells, ` +
        `${this.ends[0]} to ${this.ends[1]}. Arrow keys read cells.`,
    );
    this.draw();
  }

  draw() {
    const { map } = this;
    const width = this.figure.clientWidth;
    if (!map || width === 0) return;
    const inner = width - MARGIN.left - MARGIN.right;
    const cell = Math.max(360 / map.rows.length, Math.min(TALLEST_CELL, 360 / map.rows.length));
    const tall = Math.min(480, Math.max(60, Math.min(TALLEST_CELL, cell) * map.rows.length));
    const height = tall + MARGIN.top + MARGIN.bottom;
    const ratio = devicePixelRatio;
    Object.assign(this.canvas, { width: width * ratio, height: height * ratio });
    this.canvas.style.height = `${height}px`;
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "12px system-ui, sans-serif";
    this.box = { inner, tall, wide: inner / map.columns.length, high: tall / map.rows.length };
    this.drawCells(pen);
    this.drawAxes(pen);
    this.drawScale(pen);
  }

  share(value) {
    return this.high > this.low ? (value - this.low) / (this.high - this.low) : 0.5;
  }

  drawCells(pen) {
    const { wide, high } = this.box;
    for (const [row, values] of this.map.values.entries()) {
      for (const [column, value] of values.entries()) {
        if (value === null) continue;
        pen.fillStyle = colorAt(this.share(value));
        const [x, y] = [MARGIN.left + column * wide, MARGIN.top + row * high];
        // A hair wider, so that no gap shows between neighbours.
        pen.fillRect(x, y, wide + 0.5, high + 0.5);
      }
    }
  }

  drawAxes(pen) {
    const { inner, tall, wide, high } = this.box;
    const { rows, columns, row_label, column_label } = this.map;
    pen.fillStyle = themeColor("text");
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    const everyRow = Math.ceil(14 / high);
    for (let row = 0; row < rows.length; row += everyRow) {
      pen.fillText(shortened(rows[row], 9), MARGIN.left - 6, MARGIN.top + (row + 0.5) * high);
    }
    pen.textAlign = "center";
    pen.textBaseline = "top";
    const longest = Math.max(...columns.map((it) => it.length));
    const everyColumn = Math.ceil((8 * longest + 12) / wide);
    for (let column = 0; column < columns.length; column += everyColumn) {
      pen.fillText(columns[column], MARGIN.left + (column + 0.5) * wide, MARGIN.top + tall + 6);
    }
    pen.fillText(column_label, MARGIN.left + 0.5 * inner, MARGIN.top + tall + 24);
    pen.save();
    pen.translate(10, MARGIN.top + 0.5 * tall);
    pen.rotate(-Math.PI / 2);
    pen.textBaseline = "middle";
    pen.fillText(row_label, 0, 0);
    pen.restore();
  }

  drawScale(pen) {
    const { inner, tall } = this.box;
    const x = MARGIN.left + inner + 14;
    for (let step = 0; step < tall; step++) {
      pen.fillStyle = colorAt(1 - step / tall);
      pen.fillRect(x, MARGIN.top + step, 12, 1.5);
    }
    pen.fillStyle = themeColor("text");
    pen.textAlign = "left";
    pen.textBaseline = "top";
    pen.fillText(this.ends[1], x + 16, MARGIN.top);
    pen.textBaseline = "bottom";
    pen.fillText(this.ends[0], x + 16, MARGIN.top + tall);
    pen.save();
    pen.translate(x + 66, MARGIN.top + 0.5 * tall);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillText(this.map.quantity, 0, 0);
    pen.restore();
  }

  read(row, column) {
    const { rows, columns, values, row_label, column_label } = this.map;
    if (values[row]?.[column] === undefined) return;
    this.cursor = [row, column];
    this.output.textContent = `${row_label} ${rows[row]}, ${column_label} ${columns[column]}: ${digits(values[row][column])}`;
  }

  point({ offsetX, offsetY }) {
    const { wide, high } = this.box;
    this.read(Math.floor((offsetY - MARGIN.top) / high), Math.floor((offsetX - MARGIN.left) / wide));
  }

  key(event) {
    const [row, column] = this.cursor;
    const target = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
    }[event.key];
    if (!target) return;
    event.preventDefault();
    this.read(...target);
  }
}

const shortened = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
