// Poses as the program sends them: 24 bytes of numbers, then ten floats for each vehicle.

const HEADER_BYTES = 24;
/** Floats of a vehicle: position, orientation w, x, y, z, target. */
export const FLOATS = 10;

export function decodePoses(buffer) {
  const view = new DataView(buffer);
  const count = view.getUint32(20, true);
  return {
    time: view.getFloat64(0, true),
    speed: view.getFloat32(8, true),
    crashes: view.getUint32(12, true),
    episodes: view.getUint32(16, true),
    count,
    floats: new Float32Array(buffer, HEADER_BYTES, count * FLOATS),
  };
}

/** Distance of a vehicle to its target, m. */
export function positionError({ floats }, vehicle) {
  const at = vehicle * FLOATS;
  return Math.hypot(
    floats[at] - floats[at + 7],
    floats[at + 1] - floats[at + 8],
    floats[at + 2] - floats[at + 9],
  );
}
