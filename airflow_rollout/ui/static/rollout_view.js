/* One rollout of a run: the words on top, three charts, the steps and the record. */
import { buttons, choices } from "./actions.js";
import { Charts } from "./chart.js";
import { h, isMarked, show } from "./dom.js";
import { recordParts } from "./record_view.js";
import { weights } from "./series.js";
import { stepList, waitsFor } from "./steps_view.js";
import { asked, keep, link } from "./view.js";
import { clock, mark, measured, number, plural, span, stateOf } from "./words.js";

const RANGES = [["", "All"], ["900", "15 min"], ["300", "5 min"], ["60", "1 min"]];
const ASKS = "a person decides";
// What happened, with its tone: the marks of the weight.
const KINDS = [["raised", "info", "raised"], ["passed", "good", "passed"], ["stopped", "bad", "stopped"], ["person", "warn", "by a person"], ["other", "idle", "other"]];

/** Return the state of a record as the list calls it. */
const nameOf = (record, run) =>
  record.outcome || (run.state === "running" ? "running" : run.state === "queued" ? "waiting" : "failed");

export class Rollout {
  constructor(page, group) {
    this.page = page;
    this.group = group;
    this.metric = asked("metric");
    this.range = asked("range");
    // Apart from what changes every second: a button that is made anew under a click misses it.
    this.headline = h("div", {});
    this.numbers = h("dl", { class: "facts" });
    this.head = h("div", { class: "card head" }, this.headline, this.numbers);
    this.tools = h("div", { class: "tools" });
    this.steps = h("section", { class: "card steps" });
    this.record = h("section", { class: "card record" });
    this.charts = new Charts(page.say);
    this.values = this.charts.add({ title: "Metric", height: 190 });
    this.evidence = this.charts.add({ title: "Evidence against the new version", hint: "log scale", height: 150, log: true });
    this.weight = this.charts.add({ title: "Weight of the new version", height: 120, kinds: KINDS });
    this.element = h("article", { class: "release", "aria-label": group || "Release" }, this.head,
      h("div", { class: "columns" },
        h("div", { class: "main" }, this.tools, ...this.charts.charts.map((chart) => chart.element)),
        this.steps),
      this.record);
  }

  stop() {
    this.charts.stop();
  }

  take(feed, data, parts) {
    this.feed = feed;
    this.data = data;
    this.tasks = (task) => (this.group ? task.startsWith(`${this.group}.`) : true);
    this.points = parts.points(data.gates[0]?.epoch, this.tasks);
    this.names = data.outline?.metrics.map((metric) => metric.name) || [...this.points.metrics.keys()];
    if (!this.names.includes(this.metric)) this.metric = this.names[0] || "";
    this.words();
    show(this.tools, [this.names, this.metric, this.range], () => this.toolbar());
    this.draw();
  }

  /** Show what changes with the clock alone. */
  tick() {
    if (!this.data) return;
    this.words();
    if (this.data.outcome === null && this.feed.run.state === "running") this.draw();
  }

  words() {
    const { feed, data } = this;
    const now = this.page.now();
    const facts = this.facts(now);
    const shown = [data.reason, data.outcome, data.version, feed.run, feed.may, feed.runs, this.open()];
    show(this.headline, shown, () => this.title());
    show(this.numbers, facts, () => facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
    const waiting = waitsFor(data, now);
    show(this.steps, [data.gates, data.outline, feed.tasks, waiting], () =>
      stepList(feed, data, waiting, this.page.navigate));
    // Not under somebody who is about to copy a part of it.
    if (!isMarked(this.record))
      show(this.record, [data.timeline, data.gates, feed.actions, data.outline], () => recordParts(feed, data, this.tasks));
  }

  isOpen() {
    return this.data.outcome === null && ["running", "queued"].includes(this.feed.run.state);
  }

  /** Return the gate that judges now, null where none does. */
  open() {
    const gate = this.data.gates.at(-1);
    if (!gate || gate.judgement.ends || !this.isOpen()) return null;
    const id = `${this.group ? `${this.group}.` : ""}${gate.step_id}.gate`;
    const task = this.feed.tasks.find((one) => one.task_id === id);
    return task && ["deferred", "running"].includes(task.state) ? id : null;
  }

  facts(now) {
    const { data, feed } = this;
    const gate = data.gates.at(-1);
    const isOpen = this.isOpen();
    const weight = data.outcome || !gate ? data.weight : gate.stop?.written_at ? 0 : Math.max(gate.weight, data.weight);
    const found = [["Weight now", `${weight} %`]];
    if (isOpen && gate && !gate.judgement.ends) {
      const left = gate.written_at + gate.hold_seconds - now;
      found.push(["Hold", left > 0 ? `${mark(left)} left` : "over"]);
    }
    if (data.safe_seconds !== null) found.push(["First bad measurement → safe", span(data.safe_seconds)]);
    found.push(["Served by the new version", `${plural(data.exposed, "request")}${data.exposed_bad ? `, ${data.exposed_bad.toLocaleString()} bad` : ""}`]);
    found.push(["Started by", feed.run.by || "unknown"]);
    found.push(["Started", clock(data.started_at || feed.run.started_at)]);
    const began = data.started_at || feed.run.started_at;
    if (began) found.push([isOpen ? "Running for" : "Took", span(Math.round((data.ended_at || feed.run.ended_at || now) - began))]);
    return found;
  }

  title() {
    const { feed, data } = this;
    const [glyph, word, tone] = stateOf(nameOf(data, feed.run));
    const service = data.outline?.service || this.group || data.dag_id;
    const versions = data.version
      ? [h("b", {}, data.version), data.stable ? ` over ${data.stable}` : ", the first version"]
      : ["no version was opened"];
    this.element.dataset.tone = tone;
    return [
      h("header", { class: "title" },
        h("h2", {}, service), h("span", { class: `badge ${tone}` }, h("span", { "aria-hidden": "true" }, glyph), ` ${word}`),
        h("span", { class: "versions" }, ...versions),
        h("div", { class: "buttons" }, ...this.actions(), this.switcher())),
      h("p", { class: `reason ${tone}` }, data.reason || "Nothing has been said yet."),
    ];
  }

  actions() {
    const { feed, data } = this;
    if (!feed.may.edit) return [];
    const gate = data.gates.at(-1);
    const steps = data.outline?.steps || [];
    const index = steps.findIndex((step) => step.id === gate?.step_id);
    const next = steps[index + 1]?.weight ?? null;
    const asks = Boolean(gate?.judgement.reason.includes(ASKS));
    const single = feed.rollouts.length === 1;
    const found = choices({ run: feed.run, gate: this.open(), next, asks, single, hasEnded: data.outcome !== null });
    return buttons(this.page.root, found, this.page.refresh);
  }

  switcher() {
    const { runs, run } = this.feed;
    if (runs.length < 2) return null;
    const select = h("select", { "aria-label": "Another run of this DAG", "data-key": "switcher" },
      ...runs.map((one) => h("option", { value: one.run_id, selected: one.run_id === run.run_id },
        `${stateOf(one.state === "success" ? "promoted" : one.state)[0]} ${one.version || one.run_id}${one.version ? ` · ${one.run_id}` : ""}`)));
    const path = (id) => `dags/${encodeURIComponent(run.dag_id)}/runs/${encodeURIComponent(id)}/plugin/rollout`;
    select.addEventListener("change", () => link(path(select.value), this.page.navigate, {}).click());
    return select;
  }

  toolbar() {
    const metrics = h("select", { "aria-label": "Metric", "data-key": "metric" },
      ...this.names.map((name) => h("option", { value: name, selected: name === this.metric }, name)));
    metrics.addEventListener("change", () => this.look({ metric: metrics.value }));
    const ranges = RANGES.map(([value, label]) =>
      h("button", { type: "button", class: "small", "data-key": `range${value}`, "aria-pressed": String(value === this.range), onclick: () => this.look({ range: value }) }, label));
    return [h("label", {}, "Metric ", metrics), h("div", { class: "ranges", role: "group", "aria-label": "Time range" }, ...ranges)];
  }

  look(wanted) {
    Object.assign(this, wanted);
    keep({ metric: this.metric, range: this.range });
    show(this.tools, [this.names, this.metric, this.range], () => this.toolbar());
    this.draw();
  }

  draw() {
    const { data } = this;
    const now = this.page.now();
    const zero = data.started_at || data.gates[0]?.written_at || this.feed.run.started_at || now;
    const end = Math.max(data.ended_at || (this.isOpen() ? now : this.feed.run.ended_at || now), zero + 1);
    const seconds = Number(this.range) || 0;
    // Nothing is seen before the first weight: the axis begins a little ahead of it.
    const first = data.gates[0]?.written_at ?? zero;
    const begin = Math.max(zero, first - Math.max(2, (end - first) * 0.04));
    this.charts.zero = zero;
    this.charts.range = { from: seconds ? Math.max(begin, end - seconds) : begin, to: end };
    this.setValues();
    this.setEvidence();
    this.setWeight(now);
    this.charts.draw();
  }

  unit() {
    const gates = this.data.gates.flatMap((gate) => gate.judgement.metrics);
    const unit = gates.findLast((metric) => metric.name === this.metric && metric.unit)?.unit;
    return unit || this.outlined()?.unit || "";
  }

  outlined() {
    return this.data.outline?.metrics.find((metric) => metric.name === this.metric);
  }

  setValues() {
    const arms = this.points.metrics.get(this.metric) || { canary: [], stable: [] };
    const unit = this.unit();
    const metric = this.outlined();
    const limits = [];
    if (typeof metric?.maximum === "number") limits.push({ value: metric.maximum, bad: "above" });
    if (typeof metric?.minimum === "number") limits.push({ value: metric.minimum, bad: "below" });
    const format = (value) => measured(value, unit);
    const last = (points) => points.findLast((point) => point[1] !== null)?.[1];
    const said = `${this.metric}: new version ${format(last(arms.canary))}, stable ${format(last(arms.stable))}`;
    const among = limits.map((one) => `, bad ${one.bad} ${format(one.value)}`).join("");
    this.values.set({
      title: this.metric || "Metric",
      summary: `${said}${among}. ${plural(arms.canary.length, "measurement")}. Arrow keys give the values.`,
      lines: [
        { name: "stable", tone: "stable", points: arms.stable },
        { name: "new version", tone: "canary", points: arms.canary },
      ],
      limits,
      marks: [],
      format,
    });
  }

  setEvidence() {
    const limit = this.data.gates.at(-1)?.judgement.limit || 100;
    const points = this.points.evidence;
    const last = points.findLast((point) => point[1] !== null)?.[1];
    this.evidence.set({
      summary: `Evidence against the new version: ${number(last)} to 1; the release is stopped at ${number(limit)} to 1. Arrow keys give the values.`,
      lines: [{ name: "evidence", tone: "canary", points }],
      limits: [{ value: limit, bad: "above" }],
      marks: [],
      format: (value) => number(value),
    });
  }

  setWeight(now) {
    const points = weights(this.data, now);
    this.weight.set({
      summary: `Weight of the new version: ${points.map((point) => `${point[1]} %`).join(", then ") || "0 %"}. Arrow keys give the values.`,
      lines: [{ name: "weight", tone: "canary", points, steps: true }],
      limits: [],
      marks: this.marks(),
      bounds: [0, 104],
      ticks: [0, 50, 100],
      format: (value) => (value === null ? "–" : `${value} %`),
    });
  }

  marks() {
    const { gates, timeline } = this.data;
    const found = gates.map((gate) => ({ at: gate.written_at, kind: "raised", text: `${gate.weight} %` }));
    for (const { judgement, stop } of gates) {
      if (judgement.ends) found.push({ at: judgement.at, kind: judgement.verdict === 0 ? "passed" : "stopped", text: judgement.reason });
      if (stop?.error) found.push({ at: stop.decided_at, kind: "stopped", text: stop.error });
    }
    for (const one of this.feed.actions.filter((action) => !action.task || this.tasks(action.task)))
      found.push({ at: one.at, kind: "person", text: `${one.who}: ${one.what} ${one.task}` });
    // Promotes and verdicts are lines of the timeline too; the others are what else went on or wrong.
    const told = new Set(found.map((one) => one.text));
    for (const one of timeline)
      if (!one.task.endsWith(".promote") && !told.has(one.text)) found.push({ at: one.at, kind: "other", text: `${one.task}: ${one.text}` });
    const tones = Object.fromEntries(KINDS);
    return found.map((one) => ({ ...one, tone: tones[one.kind] }));
  }
}
