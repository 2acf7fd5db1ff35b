/* What Airflow loads: two React components that only hold the place for pages without a framework.
 *
 * Airflow takes a component from the global of its app's name. A module runs once, so both names
 * are set here, whichever page is opened first.
 */
import { mountRun } from "./run.js";
import { mountList } from "./list.js";

const { createElement, useEffect, useRef } = globalThis.React;

/** Return a component that mounts a page into an element of its own and takes it away again. */
function holder(mount) {
  return function Page({ dagId, runId }) {
    const place = useRef(null);
    const navigate = globalThis.ReactRouterDOM?.useNavigate?.();
    useEffect(() => mount(place.current, { dagId, runId, navigate }), [dagId, runId]);
    return createElement("div", { ref: place, className: "rollout-page" });
  };
}

globalThis.Rollout = holder(mountRun);
globalThis.Rollouts = holder(mountList);
