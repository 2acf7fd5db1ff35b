/* The tab of a run: what happens, why, and what can be done, for each rollout of the run. */
import { feed as askFeed, place, poll } from "./api.js";
import { h } from "./dom.js";
import { Rollout } from "./rollout_view.js";
import { Parts } from "./series.js";
import { link, style, trouble } from "./view.js";

const PACE_MS = 1000;
// A run that has ended may be cleared, and its teardown may still have to say something.
const ENDED_MS = 5000;
const OPEN = ["running", "queued"];

/** Show a run in an element until the function that is returned is called. */
export function mountRun(element, { dagId, runId, navigate }) {
  const state = { parts: new Parts(), cursor: "", feed: null, skew: 0, views: new Map() };
  const above = h("div", { class: "above" });
  const said = h("div", { class: "unseen", "aria-live": "polite" });
  const body = h("div", { class: "rollouts" }, h("p", { class: "muted" }, "Reads the release …"));
  const root = h("div", { class: "rollout" }, above, body, said);
  style(root);
  element.replaceChildren(root);

  const page = {
    root,
    navigate,
    say: (text) => (said.textContent = text),
    now: () => Date.now() / 1000 + state.skew,
    refresh: () => poller.now(),
  };

  async function ask(signal) {
    const since = encodeURIComponent(state.cursor);
    const feed = await askFeed(`run/${place(dagId, runId)}?since=${since}`, signal);
    state.skew = feed.now - Date.now() / 1000;
    if (feed.changed) take(feed);
    // Only now: what could not be shown is asked for again.
    state.cursor = feed.cursor;
    return OPEN.includes(state.feed.run.state) ? PACE_MS : ENDED_MS;
  }

  function take(feed) {
    state.feed = feed;
    state.parts.take(feed.series);
    if (!feed.rollouts.length) return empty(feed);
    const groups = feed.rollouts.map((record) => record.group);
    if (JSON.stringify(groups) !== JSON.stringify([...state.views.keys()])) {
      for (const view of state.views.values()) view.stop();
      state.views = new Map(groups.map((group) => [group, new Rollout(page, group)]));
      body.replaceChildren(...[...state.views.values()].map((view) => view.element));
    }
    for (const record of feed.rollouts) state.views.get(record.group).take(feed, record, state.parts);
  }

  function empty(feed) {
    for (const view of state.views.values()) view.stop();
    state.views.clear();
    const isOpen = OPEN.includes(feed.run.state);
    const text = isOpen
      ? "The release begins: it is checked that router, metrics and the new version answer."
      : "This run left no record of a release. Either it is not the run of a rollout, or it was ended before one was opened; the tasks' logs say more.";
    body.replaceChildren(h("div", { class: "card empty" },
      h("h2", {}, isOpen ? "Nothing is open yet" : "No release here"), h("p", {}, text),
      link("plugin/rollouts", navigate, {}, "All rollouts")));
  }

  const poller = poll(ask, (error) => above.replaceChildren(...trouble(error)));
  const ticker = setInterval(() => {
    if (!document.hidden) for (const view of state.views.values()) view.tick();
  }, 1000);
  return () => {
    clearInterval(ticker);
    poller.stop();
    for (const view of state.views.values()) view.stop();
    root.remove();
  };
}
