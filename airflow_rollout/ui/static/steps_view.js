/* The steps of a release with their tasks, times, measurements, and what is still waited for. */
import { h } from "./dom.js";
import { link } from "./view.js";
import { mark, plural, span } from "./words.js";

const VERDICTS = ["passed", "undecided", "no data", "cannot be measured", "failed"];
const UNSTARTED = ["skipped", "upstream_failed", "removed"];
const DONE = ["success", "failed", "skipped", "upstream_failed", "removed"];

/** Return what a step that judges still needs, empty where nothing is missing. */
export function waitsFor(data, now) {
  const gate = data.gates.at(-1);
  if (!gate || gate.judgement.ends || data.outcome) return "";
  const left = gate.written_at + gate.hold_seconds - now;
  const parts = left > 0 ? [`${mark(left)} more`] : [];
  const least = data.outline?.min_requests || 0;
  const compared = gate.judgement.metrics.filter((metric) => !metric.observed_only && metric.evidence !== null);
  const fewest = Math.min(...compared.map((metric) => metric.canary_requests));
  if (compared.length && fewest < least) parts.push(`${plural(least - fewest, "more request")} to the new version`);
  return parts.length ? `waits for ${parts.join(" and ")}` : "waits for a check that passes";
}

function glyph(tone) {
  return { good: "✓", bad: "✕", info: "◐", idle: "○", warn: "!" }[tone];
}

function stateOf(gate, task, isOver) {
  // A gate that was marked may still have said something before it was ended.
  if (gate?.judgement.ends && !(task?.state === "success" && gate.judgement.verdict !== 0)) {
    const tone = gate.judgement.verdict === 0 ? "good" : "bad";
    return [tone, VERDICTS[gate.judgement.verdict]];
  }
  if (task?.state === "success") return ["good", "promoted by hand"];
  if (task?.state === "failed") return ["bad", gate ? "ended" : "failed"];
  if (task && DONE.includes(task.state)) return ["idle", "not reached"];
  if (gate) return [gate.judgement.verdict > 1 ? "warn" : "info", "judges"];
  if (isOver) return ["idle", "not reached"];
  return task?.state ? ["info", "begins"] : ["idle", "to come"];
}

function line(feed, data, step, waiting, navigate) {
  const prefix = data.group ? `${data.group}.` : "";
  const gate = data.gates.find((one) => one.step_id === step.id);
  const tasks = ["promote", "gate"].map((name) => ({
    name, id: `${prefix}${step.id}.${name}`,
    found: feed.tasks.find((one) => one.task_id === `${prefix}${step.id}.${name}`),
  }));
  const [tone, word] = stateOf(gate, tasks[1].found, data.outcome !== null);
  const isNow = gate && gate === data.gates.at(-1) && waiting;
  const took = gate ? span(gate.judgement.at - gate.written_at) : "";
  const path = (id) => `dags/${encodeURIComponent(data.dag_id)}/runs/${encodeURIComponent(data.run_id)}/tasks/${encodeURIComponent(id)}`;
  return h("li", { class: `step ${tone}`, "aria-current": isNow ? "step" : false },
    h("div", { class: "row" },
      h("span", { class: `glyph ${tone}`, "aria-hidden": "true" }, glyph(tone)),
      h("b", {}, `${step.weight} %`), h("span", { class: "muted" }, word), h("span", { class: "took" }, took)),
    isNow ? h("p", { class: "waiting" }, waiting) : null,
    gate ? counts(data, gate) : null,
    h("p", { class: "links" }, ...tasks.flatMap(({ name, id, found }) =>
      found?.state && !UNSTARTED.includes(found.state) ? [link(path(id), navigate, { "data-key": id }, `${name}: ${found.state.replaceAll("_", " ")}`), " "] : [])));
}

function counts(data, gate) {
  const least = data.outline?.min_requests;
  return h("ul", { class: "counts" }, ...gate.judgement.metrics.map((metric) => {
    const enough = least && metric.evidence !== null ? ` (at least ${least})` : "";
    const requests = metric.canary_requests ? `${plural(metric.canary_requests, "request")}${enough}` : "no count";
    return h("li", {}, h("span", { class: `glyph ${metric.verdict === 0 ? "good" : metric.verdict === 4 ? "bad" : "idle"}`, "aria-hidden": "true" },
      metric.verdict === 0 ? "✓" : metric.verdict === 4 ? "✕" : "·"), ` ${metric.name}: ${VERDICTS[metric.verdict]}, `, h("span", { class: "whole" }, requests), metric.observed_only ? ", observed only" : "");
  }));
}

/** Return the list of all steps; without an outline those that were judged. */
export function stepList(feed, data, waiting, navigate) {
  const planned = data.outline?.steps || data.gates.map((gate) => ({ id: gate.step_id, weight: gate.weight }));
  return [
    h("h3", {}, "Steps"),
    planned.length
      ? h("ol", {}, ...planned.map((step) => line(feed, data, step, waiting, navigate)))
      : h("p", { class: "muted" }, "No step was reached."),
  ];
}
