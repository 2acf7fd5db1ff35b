/* The last releases of one service: outcomes, exposure and time to safe as a small chart. */
import { feed as askFeed, place } from "./api.js";
import { h, s } from "./dom.js";
import { link } from "./view.js";
import { clock, plural, span, stateOf } from "./words.js";

const UP = 44;
const GLYPHS = 16;
const DOWN = 30;
const BAR = 12;
const STEP = 15;
// What is there is seen, however small it is beside the largest.
const LEAST = 3;

/** Return the history of a row's service; it fills itself. */
export function historyView(row, navigate) {
  const box = h("div", {}, h("p", { class: "muted" }, "Reads the history …"));
  askFeed(`history/${place(row.dag_id)}`)
    .then((feed) => box.replaceChildren(...shown(feed.releases.filter((one) => one.group === (row.group || "")), navigate)))
    .catch((error) => box.replaceChildren(h("p", { class: "error", role: "alert" }, error.message)));
  return box;
}

function told(one) {
  const safe = one.safe_seconds === null ? "" : `, safe in ${span(one.safe_seconds)}`;
  return `${stateOf(one.state)[1]}, ${plural(one.exposed, "request")}, ${one.exposed_bad.toLocaleString()} bad${safe}, ${clock(one.started_at)}`;
}

function shown(releases, navigate) {
  if (!releases.length) return [h("p", { class: "muted" }, "No release has left a record.")];
  const good = releases.filter((one) => one.state === "promoted").length;
  const safe = releases.map((one) => one.safe_seconds).filter((one) => one !== null).sort((a, b) => a - b);
  const middle = safe.length ? `, safe in ${span(safe[safe.length >> 1])} at the median` : "";
  const words = `${plural(releases.length, "release")}: ${good} promoted, ${releases.length - good} not${middle}.`;
  const worst = Math.max(0, ...releases.map((one) => one.exposed_bad));
  const up = `Upwards: bad requests of the new version, at most ${worst.toLocaleString()}.`;
  const down = safe.length ? ` Downwards: time to safe, at most ${span(safe.at(-1))}.` : "";
  const list = releases.map((one) => {
    const [glyph, , tone] = stateOf(one.state);
    return h("li", {}, h("span", { class: `glyph ${tone}`, "aria-hidden": "true" }, glyph), " ",
      link(`dags/${encodeURIComponent(one.dag_id)}/runs/${encodeURIComponent(one.run_id)}/plugin/rollout`, navigate, {}, one.version || one.run_id),
      ` ${told(one)}`);
  });
  return [
    h("p", {}, words, h("span", { class: "muted" }, ` ${up}${down}`)),
    chart([...releases].reverse(), words, worst, safe.at(-1)),
    h("details", { "data-key": "history" }, h("summary", { "data-key": "open-history" }, "As a list"), h("ul", { class: "counts" }, ...list)),
  ];
}

/** Return a bar for each release, oldest first: harm upwards, how it ended, time to safe downwards. */
function chart(releases, words, worst, slowest) {
  const size = (value, most, room) => (value ? Math.max(LEAST, (room * value) / most) : 0);
  const bars = releases.map((one, index) => {
    const [glyph, , tone] = stateOf(one.state);
    const x = index * STEP;
    const [high, low] = [size(one.exposed_bad, worst, UP), size(one.safe_seconds, slowest, DOWN)];
    return s("g", { class: tone },
      s("title", {}, `${one.version} ${told(one)}`),
      s("rect", { class: "up", x, width: BAR, y: UP - high, height: high }),
      s("text", { x: x + BAR / 2, y: UP + 12 }, glyph),
      s("rect", { class: "down", x, width: BAR, y: UP + GLYPHS, height: low }));
  });
  const [width, height] = [releases.length * STEP, UP + GLYPHS + (slowest ? DOWN : 0)];
  return s("svg", { class: "bars", role: "img", "aria-label": words, viewBox: `0 0 ${width} ${height}`, width, height }, ...bars);
}
