/* All rollouts of this Airflow that the user may see: what needs a person first. */
import { feed as askFeed, poll } from "./api.js";
import { h, show } from "./dom.js";
import { historyView } from "./history_view.js";
import { asked, keep, link, style, trouble } from "./view.js";
import { clock, span, stateOf } from "./words.js";

const PACE_MS = 5000;
const ORDER = ["failed_to_roll_back", "running", "waiting", "failed", "rolled_back", "aborted", "promoted", "none"];
const FILTERS = [
  ["", "All", () => true],
  ["attention", "Needs attention", (row) => Boolean(row.needs)],
  ["running", "Running", (row) => row.state === "running" || row.state === "waiting"],
  ["stopped", "Stopped", (row) => ["rolled_back", "aborted", "failed", "failed_to_roll_back"].includes(row.state)],
  ["promoted", "Promoted", (row) => row.state === "promoted"],
];
const FIRST_ROLLOUT = `from airflow_rollout import rollout_dag

rollout_dag(
    "payment-service.yaml", workload="endpoints", router="traefik_file", router_conn_id="traefik_default",
    provider="scrape", provider_conn_id="traefik_metrics")`;

const rank = (row) => (row.needs ? -1 : ORDER.indexOf(row.state));
const nameOf = (row) => (row.namespace ? `${row.service} · ${row.namespace}` : row.service);

/** Show the list in an element until the function that is returned is called. */
export function mountList(element, { navigate }) {
  const state = { cursor: "", rows: null, filter: asked("show"), search: asked("q"), open: asked("service"), history: null };
  const above = h("div", { class: "above" });
  const search = h("input", { type: "search", placeholder: "Service, version, reason", "aria-label": "Search", value: state.search });
  const filters = h("div", { class: "ranges", role: "group", "aria-label": "Filter" });
  const body = h("div", {}, h("p", { class: "muted" }, "Reads the rollouts …"));
  const root = h("div", { class: "rollout list" },
    h("header", { class: "title" }, h("h1", {}, "Rollouts"), filters, search), above, body);
  style(root);
  element.replaceChildren(root);
  search.addEventListener("input", () => change({ search: search.value }));

  function change(wanted) {
    Object.assign(state, wanted);
    // Opened again it is asked for again.
    if ("open" in wanted) state.history = null;
    keep({ show: state.filter, q: state.search, service: state.open });
    render();
  }

  function matches(row) {
    const text = [row.service, row.namespace, row.dag_id, row.version, row.reason, row.by].join(" ").toLowerCase();
    return state.search.toLowerCase().split(/\s+/).every((word) => text.includes(word));
  }

  function render() {
    if (!state.rows) return;
    const chosen = FILTERS.find(([key]) => key === state.filter) || FILTERS[0];
    const counts = FILTERS.map(([, , test]) => state.rows.filter(test).length);
    show(filters, [counts, state.filter], () => FILTERS.map(([key, label], index) =>
      h("button", { type: "button", class: "small", "data-key": `f${key}`, "aria-pressed": String(key === chosen[0]), onclick: () => change({ filter: key }) },
        `${label} ${counts[index]}`)));
    const rows = state.rows.filter(chosen[2]).filter(matches);
    rows.sort((a, b) => rank(a) - rank(b) || (b.started_at || 0) - (a.started_at || 0) || a.service.localeCompare(b.service));
    show(body, [rows, state.open, state.rows.length], () => (state.rows.length ? tableOf(rows) : empty()));
  }

  function tableOf(rows) {
    if (!rows.length) return h("div", { class: "card empty" }, h("p", {}, "No rollout fits. "), h("button", { type: "button", onclick: () => { search.value = ""; change({ filter: "", search: "" }); } }, "Show all"));
    const names = ["Service", "State", "Version", "Weight", "Last measurement", "Why", "Exposure", "Started"];
    return h("div", { class: "card scroll", tabindex: "0", role: "region", "aria-label": "Rollouts" }, h("table", { class: "rows" },
      h("thead", {}, h("tr", {}, ...names.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...rows.flatMap((row) => lines(row)))));
  }

  function lines(row) {
    const key = `${row.dag_id}/${row.group || ""}`;
    const [glyph, word, tone] = stateOf(row.state);
    const path = row.run_id
      ? `dags/${encodeURIComponent(row.dag_id)}/runs/${encodeURIComponent(row.run_id)}/plugin/rollout`
      : `dags/${encodeURIComponent(row.dag_id)}`;
    const isOpen = state.open === key;
    const toggle = h("button", { type: "button", class: "small", "data-key": `h${key}`, "aria-expanded": String(isOpen), "aria-label": `History of ${row.service}`, onclick: () => change({ open: isOpen ? "" : key }) }, "History");
    const before = row.before && row.state !== row.before.state ? h("div", { class: "muted before" }, h("span", { title: row.before.reason || "" }, `before: ${row.before.version} ${stateOf(row.before.state)[1]}${row.before.reason ? `, ${row.before.reason}` : ""}`)) : null;
    const exposure = row.exposed ? `${row.exposed.toLocaleString()}${row.exposed_bad ? `, ${row.exposed_bad.toLocaleString()} bad` : ""}` : "–";
    const main = h("tr", { class: row.needs ? "needs" : "" },
      h("th", { scope: "row" }, link(path, navigate, { "data-key": `s${key}` }, nameOf(row)), " ", row.run_id ? toggle : null,
        row.dag_id === row.service ? null : h("div", { class: "muted dag" }, row.dag_id)),
      h("td", {}, h("span", { class: `badge ${tone}` }, h("span", { "aria-hidden": "true" }, glyph), ` ${word}`), row.needs ? h("div", { class: "attention" }, row.needs) : null),
      h("td", {}, row.version || "–", row.stable ? h("div", { class: "muted" }, `over ${row.stable}`) : null),
      h("td", { class: "n" }, weight(row)),
      h("td", {}, row.health ? row.health.replaceAll("_", " ").toLowerCase() : "–"),
      h("td", { class: "why" }, h("span", { title: row.reason || "" }, row.reason || "–"), before),
      h("td", { class: "n" }, exposure, row.safe_seconds !== null && row.safe_seconds !== undefined ? h("div", { class: "muted" }, `safe in ${span(row.safe_seconds)}`) : null),
      h("td", { class: "n" }, clock(row.started_at), row.by ? h("div", { class: "muted" }, row.by) : null));
    return isOpen ? [main, h("tr", {}, h("td", { colspan: 8, class: "history" }, history(key, row)))] : [main];
  }

  /** Return the history of a row; the same element until a release of it begins or ends. */
  function history(key, row) {
    const of = JSON.stringify([key, row.run_id, row.state]);
    if (state.history?.of !== of) state.history = { of, element: historyView(row, navigate) };
    return state.history.element;
  }

  function weight(row) {
    if (row.weight === null || row.weight === undefined) return "–";
    const bar = h("progress", { class: row.state === "promoted" ? "good" : "", max: 100, value: row.weight, "aria-label": "Weight of the new version" });
    return [h("span", {}, `${row.weight} %`), bar];
  }

  function empty() {
    return h("div", { class: "card empty" }, h("h2", {}, "No rollout yet"),
      h("p", {}, "A rollout is a YAML file that says how a service is released, and a DAG file beside it:"),
      h("pre", { tabindex: "0" }, FIRST_ROLLOUT),
      h("p", {}, "Its DAG appears here as soon as Airflow has read it. Start a release with ", h("code", {}, "airflow-rollout release"), " or with the button Trigger."));
  }

  async function ask(signal) {
    const feed = await askFeed(`rollouts?since=${encodeURIComponent(state.cursor)}`, signal);
    if (feed.changed) {
      state.rows = feed.rollouts;
      render();
    }
    state.cursor = feed.cursor;
    return PACE_MS;
  }

  const poller = poll(ask, (error) => above.replaceChildren(...trouble(error)));
  return () => {
    poller.stop();
    root.remove();
  };
}
