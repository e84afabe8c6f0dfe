// Vehicles in 3-D: one instanced mesh for all, one for their targets and one for their shadows, straight below; a line from
// each to its target, and a trail behind the one that is watched.

import {
  BufferAttribute,
  BufferGeometry,
  CircleGeometry,
  Color,
  DirectionalLight,
  DoubleSide,
  GridHelper,
  HemisphereLight,
  InstancedMesh,
  Line,
  LineBasicMaterial,
  LineSegments,
  MeshBasicMaterial,
  MeshLambertMaterial,
  OctahedronGeometry,
  Scene,
  Vector3,
  WebGLRenderer,
} from "three";
import { makeAirframe } from "./airframe.js";
import { OrbitCamera } from "./camera.js";
import { onThemeChange, themeColor } from "./dom.js";
import { FLOATS } from "./poses.js";

/** The ground lies so far below the lowest target, and targets so far from the edge of the grid, m. */
const ROOM = 1;
/** About so many cells of the grid lie across. */
const CELLS = 10;
const TRAIL_POINTS = 400;
const TARGET = "#009e73";

export class FlightView {
  /** Throws where the browser has no WebGL. */
  constructor(canvas) {
    this.canvas = canvas;
    this.renderer = new WebGLRenderer({ canvas, antialias: true });
    this.scene = new Scene();
    this.orbit = new OrbitCamera(canvas, () => (this.isStale = true));
    const sun = new DirectionalLight("#ffffff", 2);
    sun.position.set(-2, -1, 4);
    this.scene.add(new HemisphereLight("#ffffff", "#8a94a0", 1.6), sun);
    this.trail = new Line(new BufferGeometry(), new LineBasicMaterial());
    this.ways = new LineSegments(new BufferGeometry(), new LineBasicMaterial({ color: TARGET, transparent: true, opacity: 0.7 }));
    this.trail.frustumCulled = this.ways.frustumCulled = false;
    this.scene.add(this.trail, this.ways);
    this.volume = { reach: 0, floor: 0 };
    this.clearTrail();
    this.options = { spacing: 0, size: 1, watched: 0, follows: false };
    this.frames = { count: 0, since: performance.now(), rate: 0 };
    this.paint();
    onThemeChange(() => this.paint());
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    this.resize();
    this.animate = this.animate.bind(this);
    requestAnimationFrame(this.animate);
  }

  /** Shows as many vehicles as fly. */
  setVehicle(vehicle) {
    const { geometry, reach } = makeAirframe(vehicle);
    this.reach = reach;
    this.team = vehicle.num_vehicles;
    this.count = vehicle.num_envs * this.team;
    this.columns = Math.ceil(Math.sqrt(vehicle.num_envs));
    for (const mesh of this.meshes ?? []) {
      this.scene.remove(mesh);
      mesh.dispose();
      mesh.geometry.dispose();
    }
    this.bodies = new InstancedMesh(geometry, new MeshLambertMaterial({ vertexColors: true, side: DoubleSide }), this.count);
    const marker = new OctahedronGeometry(0.22 * reach);
    this.targets = new InstancedMesh(marker, new MeshBasicMaterial({ color: TARGET }), this.count);
    const shade = new MeshBasicMaterial({ transparent: true, opacity: 0.22, depthWrite: false });
    this.shades = new InstancedMesh(new CircleGeometry(0.8 * reach, 16), shade, this.count);
    this.meshes = [this.bodies, this.targets, this.shades];
    for (const mesh of this.meshes) {
      mesh.frustumCulled = false;
      mesh.count = 0;
      this.scene.add(mesh);
    }
    this.ways.geometry.setAttribute("position", new BufferAttribute(new Float32Array(6 * this.count), 3));
    this.ways.geometry.setDrawRange(0, 0);
    this.previous = this.latest = null;
    this.volume = { reach: 0, floor: 0 };
    this.clearTrail();
    this.paint();
  }

  /** Spacing and size that show so many vehicles of this size. */
  defaults() {
    const isAlone = this.count === this.team;
    const isTeam = this.team > 1;
    // A team takes more room, and its vehicles are drawn so small that they stay apart.
    const spacing = isAlone ? 0 : Math.max(isTeam ? 4 : 2, Math.ceil(8 * this.reach));
    const size = Math.round(Math.min(12, Math.max(1, (isAlone || isTeam ? 0.16 : 0.2 * spacing) / this.reach)));
    return { spacing, size };
  }

  setOptions(options) {
    const hasMoved = ["spacing", "watched"].some((key) => key in options && options[key] !== this.options[key]);
    Object.assign(this.options, options);
    if (hasMoved) this.clearTrail();
    if ("spacing" in options) this.layGround();
    this.isStale = true;
  }

  /** Puts all vehicles into the picture. */
  overview() {
    const half = 0.5 * this.options.spacing * (this.columns - 1);
    // What is near looks larger, so the middle of the picture lies before the middle of the field.
    const near = 0.3 * half;
    const { azimuth } = this.orbit;
    const middle = new Vector3(near * Math.cos(azimuth), near * Math.sin(azimuth), -0.3 + 0.5 * this.volume.floor);
    this.orbit.isTouched = false;
    this.orbit.frame(middle, Math.max(1.2, 1 + this.volume.reach) + half);
  }

  setPoses(poses) {
    if (!this.bodies) return;
    this.previous = this.latest;
    this.latest = poses;
    this.measure(poses);
    const now = performance.now();
    this.interval = Math.min(200, now - (this.arrival ?? now));
    this.arrival = now;
    this.isStale = true;
  }

  /** Frames drawn in the last second. */
  get frameRate() {
    return this.frames.rate;
  }

  home(vehicle) {
    const half = 0.5 * (this.columns - 1);
    const env = Math.floor(vehicle / this.team);
    const [row, column] = [Math.floor(env / this.columns), env % this.columns];
    return [(half - row) * this.options.spacing, (half - column) * this.options.spacing];
  }

  /** Makes room where targets have left what was shown; a policy that flies away makes none. */
  measure({ count, floats }) {
    let [reach, floor] = [0, 0];
    for (let at = 7; at < FLOATS * count; at += FLOATS) {
      reach = Math.max(reach, Math.abs(floats[at]), Math.abs(floats[at + 1]));
      floor = Math.min(floor, floats[at + 2]);
    }
    const { volume } = this;
    if (reach <= 1.25 * volume.reach + 0.25 && floor >= 1.25 * volume.floor - 0.25) return;
    this.volume = { reach: Math.max(reach, volume.reach), floor: Math.min(floor, volume.floor) };
    this.layGround();
    if (!this.orbit.isTouched && !this.options.follows) this.overview();
  }

  /** Lays a grid below the volume that is flown in, its lines 1, 2 or 5 times a power of ten apart. */
  layGround() {
    if (this.ground) this.scene.remove(this.ground);
    const half = ROOM + this.volume.reach + 0.5 * (this.columns - 1) * this.options.spacing;
    const cell = roundNumber((2 * half) / CELLS);
    const cells = 2 * Math.ceil(half / cell + 0.5);
    this.ground = new GridHelper(cells * cell, cells);
    this.ground.rotateX(Math.PI / 2);
    this.ground.position.z = this.volume.floor - ROOM;
    this.scene.add(this.ground);
    this.paint();
    this.onGround?.(cell);
  }

  paint() {
    this.scene.background = new Color(themeColor("stage"));
    this.trail.material.color.set(themeColor("accent"));
    this.bodies?.material.emissive.set(themeColor("glow"));
    this.shades?.material.color.set(themeColor("shade"));
    if (this.ground) {
      const color = new Color(themeColor("grid"));
      const colors = this.ground.geometry.attributes.color;
      for (let place = 0; place < colors.count; place++) colors.setXYZ(place, color.r, color.g, color.b);
      colors.needsUpdate = true;
    }
    this.isStale = true;
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement;
    if (width === 0 || height === 0) return;
    this.renderer.setPixelRatio(Math.min(2, devicePixelRatio));
    this.renderer.setSize(width, height, false);
    this.orbit.camera.aspect = width / height;
    this.isStale = true;
  }

  clearTrail() {
    this.trailCount = 0;
    const positions = new BufferAttribute(new Float32Array(3 * TRAIL_POINTS), 3);
    this.trail.geometry.setAttribute("position", positions);
    this.trail.geometry.setDrawRange(0, 0);
  }

  /** Adds a point behind the watched vehicle; after a jump the trail begins anew. */
  extendTrail(x, y, z) {
    const positions = this.trail.geometry.attributes.position;
    const { array } = positions;
    const last = 3 * (this.trailCount - 1);
    if (this.trailCount > 0) {
      const moved = Math.hypot(x - array[last], y - array[last + 1], z - array[last + 2]);
      if (moved < 0.002) return;
      if (moved > 0.5) this.trailCount = 0;
    }
    if (this.trailCount === TRAIL_POINTS) {
      array.copyWithin(0, 3);
      this.trailCount -= 1;
    }
    array.set([x, y, z], 3 * this.trailCount);
    this.trailCount += 1;
    positions.needsUpdate = true;
    this.trail.geometry.setDrawRange(0, this.trailCount);
  }

  animate(now) {
    requestAnimationFrame(this.animate);
    const isMoving = this.latest && now - this.arrival < 2 * this.interval + 50;
    if (this.canvas.offsetParent === null || !(isMoving || this.isStale)) return;
    this.isStale = false;
    this.update(now);
    this.orbit.place();
    this.renderer.render(this.scene, this.orbit.camera);
    this.frames.count += 1;
    if (now - this.frames.since > 1000) {
      this.frames.rate = (1000 * this.frames.count) / (now - this.frames.since);
      this.frames.count = 0;
      this.frames.since = now;
    }
  }

  /** Places every vehicle between the last two poses that have come. */
  update(now) {
    if (!this.latest || !this.bodies) return;
    const after = this.latest.floats;
    const isPair = this.previous && this.previous.count === this.latest.count;
    const before = isPair ? this.previous.floats : after;
    const share = isPair ? Math.min(1, (now - this.arrival) / Math.max(1, this.interval)) : 1;
    const count = Math.min(this.count, this.latest.count);
    const floor = this.volume.floor - ROOM;
    const way = this.ways.geometry.attributes.position;
    const ways = way.array;
    const [bodies, targets, shades] = this.meshes.map((mesh) => mesh.instanceMatrix.array);
    for (let vehicle = 0; vehicle < count; vehicle++) {
      const at = FLOATS * vehicle;
      // A new episode is a jump, which nothing lies between.
      const leap = Math.abs(after[at] - before[at]) + Math.abs(after[at + 1] - before[at + 1]);
      const s = leap > 0.5 ? 1 : share;
      const mix = (place) => before[at + place] + s * (after[at + place] - before[at + place]);
      const [homeX, homeY] = this.home(vehicle);
      const [x, y, z] = [homeX + mix(0), homeY + mix(1), mix(2)];
      compose(bodies, 16 * vehicle, x, y, z, before, after, at + 3, s, this.options.size);
      const target = [homeX + mix(7), homeY + mix(8), mix(9)];
      scaleAt(targets, 16 * vehicle, ...target, this.options.size);
      scaleAt(shades, 16 * vehicle, x, y, floor + 0.005, this.options.size);
      ways.set([x, y, z, ...target], 6 * vehicle);
      if (vehicle === this.options.watched) {
        this.extendTrail(x, y, z);
        if (this.options.follows) this.orbit.target.set(x, y, z);
      }
    }
    way.needsUpdate = true;
    this.ways.geometry.setDrawRange(0, 2 * count);
    for (const mesh of this.meshes) {
      mesh.count = count;
      mesh.instanceMatrix.needsUpdate = true;
    }
  }
}

/** The number next to another of those that are 1, 2 or 5 times a power of ten. */
function roundNumber(number) {
  const decade = 10 ** Math.floor(Math.log10(number));
  const near = [1, 2, 5, 10].reduce((a, b) => (Math.abs(Math.log((b * decade) / number)) < Math.abs(Math.log((a * decade) / number)) ? b : a));
  return Number((near * decade).toPrecision(1));
}

/** Writes the matrix of a place, of a turn between two quaternions w, x, y, z, and of a size. */
function compose(out, at, x, y, z, before, after, place, share, size) {
  const sign =
    before[place] * after[place] +
      before[place + 1] * after[place + 1] +
      before[place + 2] * after[place + 2] +
      before[place + 3] * after[place + 3] <
    0
      ? -1
      : 1;
  const mix = (index) => (1 - share) * sign * before[place + index] + share * after[place + index];
  let [a, b, c, d] = [mix(0), mix(1), mix(2), mix(3)];
  const length = Math.hypot(a, b, c, d) || 1;
  [a, b, c, d] = [a / length, b / length, c / length, d / length];
  out[at] = size * (1 - 2 * (c * c + d * d));
  out[at + 1] = size * 2 * (b * c + a * d);
  out[at + 2] = size * 2 * (b * d - a * c);
  out[at + 3] = 0;
  out[at + 4] = size * 2 * (b * c - a * d);
  out[at + 5] = size * (1 - 2 * (b * b + d * d));
  out[at + 6] = size * 2 * (c * d + a * b);
  out[at + 7] = 0;
  out[at + 8] = size * 2 * (b * d + a * c);
  out[at + 9] = size * 2 * (c * d - a * b);
  out[at + 10] = size * (1 - 2 * (b * b + c * c));
  out[at + 11] = 0;
  out[at + 12] = x;
  out[at + 13] = y;
  out[at + 14] = z;
  out[at + 15] = 1;
}

/** Writes the matrix of a place and a size. */
function scaleAt(out, at, x, y, z, size) {
  out.fill(0, at, at + 16);
  out[at] = out[at + 5] = out[at + 10] = size;
  out[at + 12] = x;
  out[at + 13] = y;
  out[at + 14] = z;
  out[at + 15] = 1;
}
