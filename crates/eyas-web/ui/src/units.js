// What the numbers behind a tag are.

const UNITS = [
  [/_m$|rmse_m/, "error (m)"],
  [/(_s|time)$/, "time (s)"],
  [/fps$/, "rate (env steps/s)"],
  [/crash_rate|share_terminated|share/, "share of episodes"],
  [/learning_rate/, "learning rate"],
  [/length/, "length (control steps)"],
  [/return|reward/i, "sum of rewards"],
  [/action_rmse/, "difference of actions, in [-1, 1]"],
  [/loss|cost/i, "loss"],
  [/norm/, "norm"],
];

/** Label of the y axis of a tag. */
export const quantityOf = (tag) => UNITS.find(([pattern]) => pattern.test(tag))?.[1] ?? "value";

/** Label of the x axis of a tag where the steps of most curves count `unit`. */
export function stepsOf(tag, unit) {
  if (tag.endsWith("/time")) return "time (s)";
  return tag === "loss" ? "batch" : unit;
}

const SECTIONS = [
  ["Return", /return|mean_reward/i],
  ["Loss", /loss|cost$/i],
  ["Crash rate", /crash|terminated|died/i],
  ["Error", /rmse|error/i],
];

/** Section of the page that a tag belongs to. */
export const sectionOf = (tag) => SECTIONS.find(([, pattern]) => pattern.test(tag))?.[0] ?? "Other";

/** All sections in order. */
export const SECTION_NAMES = [...SECTIONS.map(([name]) => name), "Other"];

/** A number in at most four digits. */
export function digits(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

/** A duration in the two largest units that it has. */
export function duration(seconds) {
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}
