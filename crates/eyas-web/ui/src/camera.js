// A camera that circles a point: pointer, wheel and keys.

import { PerspectiveCamera, Vector3 } from "three";

const RADIANS_PER_PIXEL = 0.006;
const RADIANS_PER_KEY = 0.08;
const STEEPEST = 1.55;

export class OrbitCamera {
  constructor(canvas, onChange) {
    this.camera = new PerspectiveCamera(45, 1, 0.01, 2000);
    this.camera.up.set(0, 0, 1);
    this.target = new Vector3();
    this.azimuth = -2.2;
    this.elevation = 0.45;
    this.distance = 3;
    this.onChange = onChange;
    /** Whether someone has turned it or come nearer. */
    this.isTouched = false;
    this.listen(canvas);
  }

  /** Looks at a point from so far away that a sphere of `radius` around it is seen. */
  frame(point, radius) {
    this.target.copy(point);
    const narrow = Math.min(1, this.camera.aspect);
    this.distance = radius / (narrow * Math.tan((this.camera.fov * Math.PI) / 360));
    this.onChange();
  }

  turn(azimuth, elevation) {
    this.isTouched = true;
    this.azimuth += azimuth;
    this.elevation = Math.min(STEEPEST, Math.max(-STEEPEST, this.elevation + elevation));
    this.onChange();
  }

  zoom(factor) {
    this.isTouched = true;
    this.distance = Math.min(800, Math.max(0.05, this.distance * factor));
    this.onChange();
  }

  place() {
    const flat = this.distance * Math.cos(this.elevation);
    this.camera.position.set(
      this.target.x + flat * Math.cos(this.azimuth),
      this.target.y + flat * Math.sin(this.azimuth),
      this.target.z + this.distance * Math.sin(this.elevation),
    );
    this.camera.near = 0.01 * this.distance;
    this.camera.far = 100 * this.distance + 200;
    this.camera.lookAt(this.target);
    this.camera.updateProjectionMatrix();
  }

  listen(canvas) {
    const pointers = new Map();
    let spread = 0;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, event);
      spread = 0;
    });
    const release = (event) => pointers.delete(event.pointerId);
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      pointers.set(event.pointerId, event);
      if (pointers.size === 1) {
        const [x, y] = [event.clientX - before.clientX, event.clientY - before.clientY];
        this.turn(-RADIANS_PER_PIXEL * x, RADIANS_PER_PIXEL * y);
        return;
      }
      const [a, b] = [...pointers.values()];
      const now = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
      if (spread > 0 && now > 0) this.zoom(spread / now);
      spread = now;
    });
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.zoom(Math.exp(0.001 * event.deltaY));
      },
      { passive: false },
    );
    canvas.addEventListener("keydown", (event) => {
      const action = {
        ArrowLeft: () => this.turn(-RADIANS_PER_KEY, 0),
        ArrowRight: () => this.turn(RADIANS_PER_KEY, 0),
        ArrowUp: () => this.turn(0, RADIANS_PER_KEY),
        ArrowDown: () => this.turn(0, -RADIANS_PER_KEY),
        "+": () => this.zoom(0.9),
        "=": () => this.zoom(0.9),
        "-": () => this.zoom(1 / 0.9),
      }[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    });
  }
}
