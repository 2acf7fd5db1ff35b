/* The last releases of one service: outcomes, exposure and time to safe as a small chart. */
import { feed as askFeed, place } from "./api.js";
import { h, s } from "./dom.js";
import { link } from "./view.js";
import { clock, plural, span, stateOf } from "./words.js";

const HEIGHT = 56;
const BAR = 12;

/** Return the history of a row's service; it fills itself. */
export function historyView(row, navigate) {
  const box = h("div", {}, h("p", { class: "muted" }, "Reads the history …"));
  askFeed(`history/${place(row.dag_id)}`)
    .then((feed) => box.replaceChildren(...chart(feed.releases.filter((one) => one.group === (row.group || "")), navigate)))
    .catch((error) => box.replaceChildren(h("p", { class: "error", role: "alert" }, error.message)));
  return box;
}

function chart(releases, navigate) {
  if (!releases.length) return [h("p", { class: "muted" }, "No release has left a record.")];
  const oldest = [...releases].reverse();
  const most = Math.max(1, ...oldest.map((one) => one.exposed_bad));
  const good = releases.filter((one) => one.state === "promoted").length;
  const safe = releases.map((one) => one.safe_seconds).filter((one) => one !== null).sort((a, b) => a - b);
  const middle = safe.length ? `, safe in ${span(safe[safe.length >> 1])} at the median` : "";
  const words = `${plural(releases.length, "release")}: ${good} promoted, ${releases.length - good} not${middle}.`;
  const bars = oldest.map((one, index) => {
    const [, word, tone] = stateOf(one.state);
    const height = 8 + ((HEIGHT - 10) * one.exposed_bad) / most;
    return s("rect", { class: `bar ${tone}`, x: index * (BAR + 3), width: BAR, y: HEIGHT - height, height },
      s("title", {}, `${one.version} ${word}, ${plural(one.exposed_bad, "bad request")}, ${clock(one.started_at)}`));
  });
  const width = oldest.length * (BAR + 3);
  const list = releases.map((one) => {
    const [glyph, word, tone] = stateOf(one.state);
    return h("li", {}, h("span", { class: `glyph ${tone}`, "aria-hidden": "true" }, glyph), " ",
      link(`dags/${encodeURIComponent(one.dag_id)}/runs/${encodeURIComponent(one.run_id)}/plugin/rollout`, navigate, {}, one.version || one.run_id),
      ` ${word}, ${plural(one.exposed, "request")}, ${one.exposed_bad.toLocaleString()} bad${one.safe_seconds === null ? "" : `, safe in ${span(one.safe_seconds)}`}, ${clock(one.started_at)}`);
  });
  return [
    h("p", {}, words, h("span", { class: "muted" }, " Height: bad requests of the new version.")),
    s("svg", { role: "img", "aria-label": words, viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT }, ...bars),
    h("details", {}, h("summary", {}, "As a list"), h("ul", { class: "counts" }, ...list)),
  ];
}
