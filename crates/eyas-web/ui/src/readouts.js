// Numbers of the flight, four times a second.

import { byId, element } from "./dom.js";
import { positionError } from "./poses.js";

const INTERVAL_MS = 250;

const centimetres = (metres) => `${(100 * metres).toFixed(2)} cm`;

export class Readouts {
  constructor() {
    this.list = byId("readouts");
    this.last = 0;
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
    this.list.replaceChildren(
      ...rows.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
    );
  }
}
