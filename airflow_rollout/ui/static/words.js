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

/** Return the time zone that the user has chosen in Airflow, the browser's where there is none. */
function zone() {
  try {
    const timeZone = JSON.parse(localStorage.getItem("timezone")) || undefined;
    return { timeZone: Intl.DateTimeFormat(undefined, { timeZone }).resolvedOptions().timeZone };
  } catch {
    return {};
  }
}

/** Return a clock time as Airflow's pages show it, with the date when it is not today's. */
export function clock(seconds) {
  if (!seconds) return "–";
  const moment = new Date(seconds * 1000);
  if (Number.isNaN(moment.getTime())) return "–";
  const where = zone();
  const time = moment.toLocaleTimeString("en-GB", where);
  // Swedish dates are ISO's.
  const [date, today] = [moment, new Date()].map((one) => one.toLocaleDateString("sv-SE", where));
  return date === today ? time : `${date} ${time}`;
}

/** Return a number with three digits that count. */
export function number(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e6) return value.toExponential(1);
  if (size >= 1000) return Math.round(value).toLocaleString();
  if (size === 0) return "0";
  return size < 0.001 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/** Return a metric's value in its unit; shares are shown in percent. */
export function measured(value, unit) {
  if (!Number.isFinite(value)) return "–";
  if (unit === "share") return `${number(value * 100)} %`;
  if (unit === "%") return `${Math.abs(value) < 1e6 ? Number(value.toFixed(2)) : number(value)} %`;
  return unit ? `${number(value)} ${unit}` : number(value);
}

/** Return a count with its noun. */
export const plural = (count, noun) =>
  `${count.toLocaleString()} ${noun}${count === 1 ? "" : "s"}`;
