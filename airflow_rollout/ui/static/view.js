/* What a page shares: its style, its place in the address, links inside Airflow. */
import { BASE } from "./api.js";
import { h } from "./dom.js";

// What happens to a release is worth more than how it looks.
const STYLE_MS = 2000;

/** Add the pages' style once; a page is shown when it has its style, or has waited for it. */
export function style(root) {
  const href = new URL("./rollout.css", import.meta.url).href;
  let sheet = document.querySelector(`link[href="${CSS.escape(href)}"]`);
  if (sheet?.sheet) return;
  if (!sheet) {
    sheet = h("link", { rel: "stylesheet", href });
    sheet.addEventListener("error", () => sheet.remove());
    document.head.append(sheet);
  }
  const showRoot = () => (root.hidden = false);
  root.hidden = true;
  for (const end of ["load", "error"]) sheet.addEventListener(end, showRoot, { once: true });
  setTimeout(showRoot, STYLE_MS);
}

/** Return a value of the address' query, or what stands for none. */
export const asked = (name, otherwise = "") =>
  new URLSearchParams(location.search).get(name) ?? otherwise;

/** Keep a value in the address, so that a link shows the same. */
export function keep(values) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(values)) {
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
  }
  history.replaceState(history.state, "", url);
}

/** Return a link to a page of Airflow; a plain click stays inside it. */
export function link(path, navigate, attributes, ...children) {
  const anchor = h("a", { href: new URL(path, BASE).href, ...attributes }, ...children);
  anchor.addEventListener("click", (event) => {
    const isPlain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey);
    if (!navigate || !isPlain) return;
    event.preventDefault();
    navigate(`/${path}`);
  });
  return anchor;
}

/** Return the line that says that Airflow does not answer, and how to go on. */
export function trouble(error) {
  if (!error) return [];
  const login = new URL(`api/v2/auth/login?next=${encodeURIComponent(location.href)}`, BASE).href;
  const more = error.status === 401 ? [" ", h("a", { href: login }, "Log in")] : [];
  const asks = error.status === 401 ? "" : " Asks again.";
  return [h("div", { class: "trouble", role: "alert" }, `${error.message}${asks}`, ...more)];
}
