// What a vehicle looks like, from where its rotors are. Body frame: x forward, y left, z up.

import {
  BoxGeometry,
  BufferAttribute,
  Color,
  ConeGeometry,
  Matrix4,
  PlaneGeometry,
  Quaternion,
  RingGeometry,
  Vector3,
} from "three";
import { mergeGeometries } from "three/addons/utils/BufferGeometryUtils.js";

// Vermilion in front and blue behind, which colour-blind eyes tell apart, on light and on dark ground.
const FRONT = new Color("#d55e00");
const REAR = new Color("#2b8cd6");
const FRAME = new Color("#6b7683");

function colored(geometry, color) {
  const count = geometry.attributes.position.count;
  const colors = new Float32Array(3 * count);
  for (let place = 0; place < count; place++) color.toArray(colors, 3 * place);
  geometry.setAttribute("color", new BufferAttribute(colors, 3));
  geometry.deleteAttribute("uv");
  return geometry;
}

/** Turns z to `axis` and moves to `point`. */
function placed(geometry, axis, point) {
  const turn = new Quaternion().setFromUnitVectors(new Vector3(0, 0, 1), axis);
  return geometry.applyMatrix4(new Matrix4().compose(point, turn, new Vector3(1, 1, 1)));
}

/** One mesh of some 400 vertices, so that a thousand are no work, and the radius of a sphere around it, m. */
export function makeAirframe({ rotor_positions, rotor_axes }) {
  const hubs = rotor_positions.map((it) => new Vector3(...it));
  const axes = rotor_axes.map((it) => new Vector3(...it).normalize());
  const arm = Math.max(1e-3, hubs.reduce((sum, hub) => sum + hub.length() / 4, 0));
  const pairs = hubs.flatMap((a, i) => hubs.slice(0, i).map((b) => a.distanceTo(b)));
  const radius = Math.min(arm, Math.max(0.2 * arm, 0.44 * Math.min(...pairs)));
  const ahead = [...hubs].sort((a, b) => b.x - a.x).slice(0, 2);
  const parts = [
    colored(new BoxGeometry(0.62 * arm, 0.42 * arm, 0.22 * arm), FRAME),
    colored(
      placed(
        new ConeGeometry(0.14 * arm, 0.34 * arm, 6).rotateX(Math.PI / 2),
        new Vector3(1, 0, 0),
        new Vector3(0.45 * arm, 0, 0),
      ),
      FRONT,
    ),
  ];
  hubs.forEach((hub, rotor) => {
    const length = hub.length();
    if (length > 1e-6) {
      const bar = new BoxGeometry(0.09 * arm, 0.09 * arm, length);
      parts.push(colored(placed(bar, hub.clone().normalize(), hub.clone().multiplyScalar(0.5)), FRAME));
    }
    const color = ahead.includes(hub) ? FRONT : REAR;
    const motor = new BoxGeometry(0.18 * arm, 0.18 * arm, 0.26 * arm);
    parts.push(colored(placed(motor, axes[rotor], hub), FRAME));
    const above = hub.clone().addScaledVector(axes[rotor], 0.16 * arm);
    const ring = new RingGeometry(0.72 * radius, radius, 18);
    parts.push(colored(placed(ring, axes[rotor], above), color));
    const blade = new PlaneGeometry(1.6 * radius, 0.2 * radius);
    parts.push(colored(placed(blade, axes[rotor], above), color));
  });
  const reach = Math.max(...hubs.map((hub) => hub.length())) + radius;
  return { geometry: mergeGeometries(parts), reach };
}
