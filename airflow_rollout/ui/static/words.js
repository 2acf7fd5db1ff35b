/* Numbers, times and states in words. */

const STATES = {
  running: ["◐", "running", "info"],
  waiting: ["◌", "waits for its turn", "idle"],
  promoted: ["✓", "promoted", "good"],
  rolled_back: ["↩", "rolled back", "bad"],
  aborted: ["■", "aborted", "warn"],
  failed_to_roll_back: ["‼", "failed to roll back", "bad"],
  failed: ["✕", "failed without a record", "bad"],
  none: ["○", "never released", "idle"],
};

/** Return glyph, word and tone of a release's state. */
export const stateOf = (name) => STATES[name] || ["?", String(name), "idle"];

/** Return a time span in words: 8.2 s, 3 min 20 s, 2 h 5 min. */
export function span(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Return a place on the time axis: 1:05, 2:03:00. */
export function mark(seconds) {
  const whole = Math.round(Math.abs(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const rest = `${Math.floor((whole % 3600) / 60)}`;
  const text = hours ? `${hours}:${two(rest)}:${two(whole % 60)}` : `${rest}:${two(whole % 60)}`;
  return seconds < -0.5 ? `−${text}` : text;
}

/** Return a local clock time, with the date when it is not today's. */
export function clock(seconds) {
  if (!seconds) return "–";
  const moment = new Date(seconds * 1000);
  const time = moment.toLocaleTimeString(undefined, { hour12: false });
  const isToday = moment.toDateString() === new Date().toDateString();
  return isToday ? time : `${moment.toLocaleDateString()} ${time}`;
}

/** Return a number with three digits that count. */
export function number(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 1e6) return value.toExponential(1);
  if (size >= 1000) return Math.round(value).toLocaleString();
  if (size === 0) return "0";
  return size < 0.001 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/** Return a metric's value in its unit; shares are shown in percent. */
export function measured(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit === "share") return `${number(value * 100)} %`;
  if (unit === "%") return `${Number(value.toFixed(2))} %`;
  return unit ? `${number(value)} ${unit}` : number(value);
}

/** Return a count with its noun. */
export const plural = (count, noun) =>
  `${count.toLocaleString()} ${noun}${count === 1 ? "" : "s"}`;
