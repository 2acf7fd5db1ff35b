/* Questions to this Airflow, and only to this one; whatever goes wrong comes back as a sentence. */

/** Where Airflow is, with its prefix: this file is at <base>rollout/static/<version>/. */
export const BASE = new URL("../../../", import.meta.url).href;

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

const WORDS = {
  401: "You are no longer logged in.",
  403: "You may not do this. Airflow's permissions decide who may.",
  404: "Airflow does not know this any more.",
  409: "It is in that state already.",
};

async function send(path, options) {
  let answer;
  try {
    answer = await fetch(new URL(path, BASE), { credentials: "same-origin", ...options });
  } catch {
    throw new Refused(0, "Airflow does not answer.");
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  let detail = "";
  try {
    const said = (await answer.json()).detail;
    detail = typeof said === "string" ? said : JSON.stringify(said);
  } catch {
    /* no JSON: the status says it all */
  }
  const words = WORDS[answer.status] || `Airflow answered ${answer.status}.`;
  throw new Refused(answer.status, detail && detail !== "Forbidden" ? `${words} ${detail}` : words);
}

const get = (path, signal) => send(path, { signal });

/** The shape of the feeds that these pages read, as in ui/feed.py. */
const SCHEMA = 1;

/** Ask a feed; one of another version is not guessed at. */
export async function feed(path, signal) {
  const found = await get(`rollout/feed/${path}`, signal);
  if (found.schema !== SCHEMA) throw new Refused(0, "The rollout package was changed: reload this page.");
  return found;
}

export const write = (method, path, body) =>
  send(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

export const place = (...parts) => parts.map(encodeURIComponent).join("/");

const PACE_MS = 1000;
const LONGEST_MS = 15000;

/** Ask again and again until told to stop.
 *
 * `ask(signal)` resolves to the milliseconds until the next question, or null when there is none.
 * Nothing is asked while the page is hidden; failures make the pauses longer, up to 15 s.
 */
export function poll(ask, onError) {
  let timer = 0;
  let failures = 0;
  let isBusy = false;
  let stopped = false;
  const abort = new AbortController();

  async function turn() {
    clearTimeout(timer);
    if (stopped || isBusy || document.hidden) return;
    isBusy = true;
    let pause = PACE_MS;
    try {
      pause = await ask(abort.signal);
      failures = 0;
      onError(null);
    } catch (error) {
      if (stopped) return;
      failures += 1;
      pause = Math.min(LONGEST_MS, PACE_MS * 2 ** Math.min(failures, 4));
      onError(error);
    } finally {
      isBusy = false;
    }
    if (!stopped && pause !== null) timer = setTimeout(turn, pause);
  }

  document.addEventListener("visibilitychange", turn);
  turn();
  return {
    now: turn,
    stop() {
      stopped = true;
      clearTimeout(timer);
      abort.abort();
      document.removeEventListener("visibilitychange", turn);
    },
  };
}
