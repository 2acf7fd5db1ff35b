/* Every decision with its numbers, every query, every action: the record in words, and as a file. */
import { BASE, place } from "./api.js";
import { copyButton, h } from "./dom.js";
import { clock, mark, number, span } from "./words.js";

const VERDICTS = ["PASS", "INCONCLUSIVE", "NO DATA", "ERROR", "FAIL"];

function decisions(data) {
  const rows = data.gates.map((gate) => {
    const { judgement, stop } = gate;
    const safe = stop?.written_at ? ` Traffic was back ${span(stop.written_at - stop.decided_at)} after the verdict.` : "";
    return h("tr", {},
      h("td", {}, gate.step_id), h("td", { class: "n" }, `${gate.weight} %`), h("td", {}, VERDICTS[judgement.verdict]),
      h("td", { class: "n" }, `${number(judgement.evidence)} of ${number(judgement.limit)}`),
      h("td", {}, h("p", {}, `${judgement.reason}${safe}`), stop?.error ? h("p", { class: "error" }, stop.error) : null,
        ...judgement.metrics.map((metric) => h("p", { class: "muted" }, metric.sentence))));
  });
  return table(["Step", "Weight", "Verdict", "Evidence", "Numbers"], rows);
}

function table(names, rows) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": names.join(", ") }, h("table", {},
    h("thead", {}, h("tr", {}, ...names.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, ...rows)));
}

function timeline(data) {
  const rows = data.timeline.map((event) => h("tr", {},
    h("td", { class: "n" }, clock(event.at)), h("td", { class: "n" }, data.started_at ? mark(event.at - data.started_at) : ""),
    h("td", {}, event.task), h("td", {}, event.text)));
  return table(["Time", "After", "Task", "What happened"], rows);
}

function people(feed, tasks) {
  const own = feed.actions.filter((one) => !one.task || tasks(one.task));
  if (!feed.may.audit) return h("p", { class: "muted" }, "Who did what is in Airflow's audit log, which you may not read.");
  if (!own.length) return h("p", { class: "muted" }, "Nobody has acted on this run but who started it.");
  return table(["Time", "Who", "What", "Task", "Why"], own.map((one) => h("tr", {},
    h("td", { class: "n" }, clock(one.at)), h("td", {}, one.who), h("td", {}, one.what), h("td", {}, one.task), h("td", {}, one.why))));
}

function queries(data) {
  const metrics = data.outline?.metrics || [];
  if (!metrics.length) return h("p", { class: "muted" }, "This release left no queries.");
  return h("div", {}, ...metrics.map((metric) => h("div", { class: "query" }, h("h4", {}, metric.name),
    ...metric.asked.map((text) => h("div", { class: "code" }, h("pre", { tabindex: "0" }, text), copyButton(text, `query of ${metric.name}`))))));
}

/** Return the parts of the record. */
export function recordParts(feed, data, tasks) {
  const which = data.group ? `?rollout=${encodeURIComponent(data.group)}` : "";
  const file = new URL(`rollout/api/record/${place(data.dag_id, data.run_id)}${which}`, BASE).href;
  const part = (key, title, content) => h("details", { "data-key": key }, h("summary", { "data-key": `open-${key}` }, title), content);
  return [
    h("header", {}, h("h3", {}, "Record"),
      h("a", { href: file, download: `${data.dag_id}-${data.run_id}.json`, "data-key": "download" }, "Download as JSON")),
    part("decisions", `Decisions (${data.gates.length})`, decisions(data)),
    part("timeline", `Timeline (${data.timeline.length})`, timeline(data)),
    part("people", `People (${feed.actions.length})`, people(feed, tasks)),
    part("queries", "Queries as they were sent", queries(data)),
  ];
}
