// Numbers of the run and of its flight, four times a second.

import { byId, element } from "./dom.js";
import { positionError } from "./poses.js";
import { duration } from "./units.js";

const INTERVAL_MS = 250;

const centimetres = (metres) => `${(100 * metres).toFixed(2)} cm`;

export class Readouts {
  constructor() {
    this.list = byId("readouts");
    this.last = 0;
    this.run = [];
    this.flight = [];
  }

  reset() {
    this.run = [];
    this.flight = [];
    this.show();
  }

  /** How far the run has come. */
  setProgress({ unit, position, total, left_s }) {
    const name = unit.charAt(0).toUpperCase() + unit.slice(1);
    this.run = [[name, `${position} of ${total}`]];
    if (position >= total) this.run.push(["Time left", "none: finished"]);
    else if (left_s !== null) this.run.push(["Time left", duration(left_s)]);
    this.show();
  }

  update(poses, view, now) {
    if (now - this.last < INTERVAL_MS) return;
    this.last = now;
    let sum = 0;
    for (let vehicle = 0; vehicle < poses.count; vehicle++) sum += positionError(poses, vehicle);
    const watched = view?.options.watched ?? 0;
    const rows = [
      ["Flown", `${poses.time.toFixed(1)} s`],
      ["Speed", `${poses.speed.toFixed(2)} × real time`],
      ["Vehicles", String(poses.count)],
      ["Episodes", String(poses.episodes)],
      ["Crashes", String(poses.crashes)],
      ["Mean position error", centimetres(sum / Math.max(1, poses.count))],
    ];
    if (poses.count > 1 && watched < poses.count) {
      rows.push([`Error of env ${watched}`, centimetres(positionError(poses, watched))]);
    }
    if (view) rows.push(["Frames", `${view.frameRate.toFixed(0)} /s`]);
    this.flight = rows;
    this.show();
  }

  show() {
    this.list.replaceChildren(
      ...[...this.run, ...this.flight].map(([name, value]) =>
        element("div", {}, element("dt", {}, name), element("dd", {}, value)),
      ),
    );
  }
}
