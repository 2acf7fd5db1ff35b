/* What a person can do to a release: each asks once, says what will happen, and shows its error. */
import { place, write } from "./api.js";
import { h } from "./dom.js";

const LONGEST_COMMENT = 1000;

/** Ask in a dialog, then do it; resolves when the dialog is closed. */
function confirm(owner, { title, effect, verb, tone, comment, act, done }) {
  const error = h("p", { class: "error", role: "alert" });
  const text = h("textarea", { rows: 3, maxlength: LONGEST_COMMENT, "aria-label": "Comment", placeholder: "Comment, kept in Airflow's audit log" });
  const yes = h("button", { type: "submit", class: tone }, verb);
  const no = h("button", { type: "button", "data-key": "cancel" }, "Cancel");
  const form = h("form", { method: "dialog" },
    h("h2", { id: "rollout-dialog" }, title), h("p", {}, effect), comment ? text : null, error,
    h("div", { class: "buttons" }, no, yes));
  const dialog = h("dialog", { class: "rollout-dialog", "aria-labelledby": "rollout-dialog" }, form);
  no.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    yes.disabled = true;
    error.textContent = "";
    try {
      await act(text.value.trim());
      dialog.close();
      done();
    } catch (problem) {
      error.textContent = problem.message;
      yes.disabled = false;
    }
  });
  owner.append(dialog);
  dialog.showModal();
}

const ofTask = (run, task) =>
  `api/v2/dags/${place(run.dag_id)}/dagRuns/${place(run.run_id)}/taskInstances/${place(task)}`;

const ofRun = (run) => `api/v2/dags/${place(run.dag_id)}/dagRuns/${place(run.run_id)}`;

const setTask = (run, task, state) => (note) =>
  write("PATCH", ofTask(run, task), note ? { new_state: state, note } : { new_state: state });

/** Return what may be done to a rollout now.
 *
 * `gate` is the task that judges now, if one does; `next` is the weight after it, null at the end.
 * A release may have ended a little before its run: then there is nothing left to abort.
 */
export function choices({ run, gate, next, asks, single, hasEnded }) {
  const isOpen = run.state === "running" || run.state === "queued";
  const found = [];
  if (isOpen && gate) {
    const then = next === null ? "makes the new version the stable one" : `puts ${next} % on the new version`;
    found.push({
      key: "promote",
      label: asks ? "Approve" : "Promote this step",
      tone: asks ? "good" : "",
      title: asks ? "Approve this step?" : "Promote this step now?",
      effect: `Ends the judging of this step as good and ${then} now. The next step is judged as before.`,
      verb: asks ? "Approve" : "Promote",
      comment: true,
      act: setTask(run, gate, "success"),
    });
    found.push({
      key: "abort",
      label: asks ? "Reject" : "Abort",
      tone: "bad",
      title: asks ? "Reject this version?" : "Abort this release?",
      effect: "Puts 100 % on stable now and removes the new version. The run ends red.",
      verb: asks ? "Reject" : "Abort",
      comment: true,
      act: setTask(run, gate, "failed"),
    });
  } else if (isOpen && single && !hasEnded) {
    found.push({
      key: "abort",
      label: "Abort",
      tone: "bad",
      title: "Abort this release?",
      effect: "Ends the run: its teardown puts 100 % on stable now and removes the new version.",
      verb: "Abort",
      comment: true,
      act: (note) => write("PATCH", ofRun(run), note ? { state: "failed", note } : { state: "failed" }),
    });
  }
  if (!isOpen && single) {
    found.push({
      key: "again",
      label: "Run again",
      tone: "",
      title: "Release this version again?",
      effect: "Clears this run: it starts at 0 % with the same version and goes through every step again.",
      verb: "Run again",
      comment: false,
      act: () => write("POST", `${ofRun(run)}/clear`, { dry_run: false, only_failed: false }),
    });
  }
  return found;
}

/** Return the buttons of these choices. */
export function buttons(owner, found, done) {
  return found.map((choice) =>
    h("button", { type: "button", class: choice.tone, "data-key": choice.key, onclick: () => confirm(owner, { ...choice, done }) },
      choice.label));
}
