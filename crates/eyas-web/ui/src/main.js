// The live view: what comes from the program goes to the panel that shows it.

import "uplot/dist/uPlot.min.css";
import "./style.css";
import { connect } from "./connection.js";
import { FlightControls, displayControls } from "./controls.js";
import { Curves } from "./curves.js";
import { Documents } from "./documents.js";
import { byId } from "./dom.js";
import { FlightView } from "./flight.js";
import { Log } from "./log.js";
import { decodePoses } from "./poses.js";
import { Readouts } from "./readouts.js";
import { setUpTabs } from "./tabs.js";

const curves = new Curves();
const documents = new Documents();
const log = new Log();
const readouts = new Readouts();
let shownVehicle = "";

function note(text) {
  byId("stage-note").textContent = text;
  byId("stage-note").hidden = text === "";
}

let view = null;
try {
  view = new FlightView(byId("view"));
} catch {
  note("This browser has no WebGL: vehicles cannot be drawn. Numbers and curves are shown all the same.");
}

const send = connect({
  state(text, isConnected) {
    byId("connection").textContent = text;
    byId("connection").dataset.connected = isConnected;
  },
  open() {
    curves.reset();
    documents.reset();
    log.reset();
    readouts.reset();
  },
  message(message) {
    const show = {
      scene: () => setScene(message),
      settings: () => controls.setSettings(message),
      progress: () => readouts.setProgress(message),
      curves: () => curves.add(message.curves),
      lines: () => log.add(message.lines),
      error: () => setError(message.message),
    }[message.type];
    if (show) show();
    else documents.show(message);
    const tab = { curves: "curves", lines: "log", text: "config", table: "tables", heat_map: "tables" }[message.type];
    if (tab) tabs.offer(tab);
  },
  poses(buffer) {
    const poses = decodePoses(buffer);
    view?.setPoses(poses);
    if (view?.bodies) note("");
    readouts.update(poses, view, performance.now());
  },
});
const controls = new FlightControls(send);

function setScene(scene) {
  byId("activity").textContent = [scene.activity, scene.task].filter(Boolean).join(" · ");
  document.title = `Eyas ${scene.activity}`.trim();
  curves.setStepUnit(scene.step_unit);
  controls.setScene(scene);
  tabs.offer("flight", scene.vehicle !== null);
  const vehicle = JSON.stringify(scene.vehicle);
  if (!view || !scene.vehicle || vehicle === shownVehicle) return;
  shownVehicle = vehicle;
  view.setVehicle(scene.vehicle);
  displayControls(view, scene.vehicle);
  view.onGround = (cell) => {
    byId("legend").textContent =
      `${scene.vehicle.name}. Grid ${cell} m; orange rotors in front, blue behind; green: where they should be, and the way there.`;
  };
  view.layGround();
}

function setError(text) {
  byId("error").textContent = text;
  byId("error").hidden = text === "";
}

const tabs = setUpTabs((name) => {
  document.body.dataset.tab = name;
  if (name === "log") log.scrollToEnd();
  if (name === "flight" && view) view.isStale = true;
  curves.draw();
});
tabs.show("flight");
