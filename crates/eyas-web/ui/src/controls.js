// Sliders and selectors.

import { byId, element } from "./dom.js";

/** A labelled slider; returns its row and a function that sets it from outside. */
export function slider({ name, label, unit, min, max, step }, value, onInput) {
  const id = `slider-${name}`;
  const output = element("output", { htmlFor: id });
  const input = element("input", { type: "range", id, name, min, max, step });
  const digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  const write = (number) => {
    output.textContent = `${Number(number).toFixed(digits)} ${unit}`.trim();
    input.setAttribute("aria-valuetext", output.textContent);
  };
  const set = (number) => {
    input.value = number;
    write(number);
  };
  input.addEventListener("input", () => {
    write(input.value);
    onInput(Number(input.value));
  });
  set(value);
  return { row: element("div", { className: "row" }, element("label", { htmlFor: id }, label), input, output), input, set };
}

/** A labelled choice; returns its row and a function that sets it from outside. */
export function choice(name, label, options, onChange) {
  const id = `choice-${name}`;
  const select = element("select", { id, name }, ...options.map((it) => element("option", { value: it }, it)));
  select.addEventListener("change", () => onChange(select.value));
  const row = element("div", { className: "row" }, element("label", { htmlFor: id }, label), select);
  return { row, set: (value) => (select.value = value) };
}

/** What the program lets one do to the flight. */
export class FlightControls {
  constructor(send) {
    this.send = send;
    this.form = byId("controls");
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.sliders = {};
  }

  setScene({ controls, trajectories, policies, can_push }) {
    const { send } = this;
    this.sliders = {};
    const rows = [];
    const parts = [
      ["trajectory", "Trajectory", trajectories],
      ["policy", "Policy", policies],
    ];
    this.choices = {};
    for (const [type, label, names] of parts) {
      if (names.length === 0) continue;
      this.choices[type] = choice(type, label, names, (name) => send({ type, name }));
      rows.push(this.choices[type].row);
    }
    for (const control of controls) {
      const moved = (value) => send({ type: "set", control: control.name, value });
      const made = slider(control, control.neutral, moved);
      this.sliders[control.name] = made;
      rows.push(made.row);
    }
    const buttons = element("div", { className: "buttons" });
    if (can_push) {
      buttons.append(element("button", { type: "button", onclick: () => send({ type: "push" }) }, "Push downwind"));
    }
    if (controls.length > 0) {
      const undo = () => {
        for (const { name, neutral } of controls) send({ type: "set", control: name, value: neutral });
      };
      buttons.append(element("button", { type: "button", onclick: undo }, "Undisturbed"));
    }
    if (buttons.childElementCount > 0) rows.push(buttons);
    this.form.replaceChildren(...(rows.length > 0 ? [element("h2", {}, "Flight"), ...rows] : []));
  }

  setSettings({ values, trajectory, policy }) {
    for (const [name, value] of Object.entries(values)) {
      const made = this.sliders[name];
      // Whoever holds the slider knows better than an answer that is on its way.
      if (made && !made.input.matches(":active")) made.set(value);
    }
    this.choices?.trajectory?.set(trajectory);
    this.choices?.policy?.set(policy);
  }
}

/** How the flight is drawn: nothing of this reaches the program. */
export function displayControls(view, vehicle) {
  const defaults = view.defaults();
  view.setOptions({ ...defaults, watched: 0, follows: false });
  view.overview();
  const row = (control, value, change) => slider(control, value, change).row;
  const rows = [
    element("h2", {}, "Display"),
    choice("camera", "Camera", ["overview", "follow"], (name) => {
      view.setOptions({ follows: name === "follow" });
      if (name === "overview") view.overview();
      else view.orbit.zoom((8 * view.reach * view.options.size) / view.orbit.distance);
    }).row,
    row({ name: "size", label: "Drawn size", unit: "×", min: 1, max: 30, step: 1 }, defaults.size, (size) =>
      view.setOptions({ size }),
    ),
  ];
  const count = vehicle.num_envs * vehicle.num_vehicles;
  if (vehicle.num_envs > 1) {
    rows.push(
      row({ name: "spacing", label: "Spacing", unit: "m", min: 0, max: 10, step: 0.5 }, defaults.spacing, (spacing) => {
        view.setOptions({ spacing });
        if (!view.options.follows) view.overview();
      }),
    );
  }
  if (count > 1) {
    const label = vehicle.num_vehicles > 1 ? "Watched vehicle" : "Watched env";
    rows.push(
      row({ name: "watched", label, unit: "", min: 0, max: count - 1, step: 1 }, 0, (watched) =>
        view.setOptions({ watched }),
      ),
    );
  }
  byId("display").replaceChildren(...rows);
}
