/* Elements and nothing but text in them: a value from a release never becomes markup. */

const SVG = "http://www.w3.org/2000/svg";

// What is not seen or turns the direction of what stands around it: a name that holds such a
// character must not read as another name. Two of them join letters and emoji: they stay.
const UNSEEN = /(?![\t\n\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}]/gu;

/** Return a text in which nothing is hidden. */
export const plain = (text) => String(text).replace(UNSEEN, "\ufffd");

// Attributes that people read or hear.
const SHOWN = ["title", "aria-label", "placeholder"];

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : SHOWN.includes(name) ? plain(value) : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined)
    .map((child) => (child instanceof Node ? child : plain(child))));
  return element;
}

/** Return an HTML element; children are elements or text. */
export function h(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** Return an SVG element. */
export function s(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

const FOCUSABLE = "a, button, select, input, summary, [tabindex]";

/** Return a function that puts the focus back to where it is now in a place. */
function focusOf(place) {
  const focused = document.activeElement;
  if (!place.contains(focused)) return () => {};
  const { key } = focused.dataset;
  const index = [...place.querySelectorAll(FOCUSABLE)].indexOf(focused);
  return () => {
    const again = key ? place.querySelector(`[data-key="${CSS.escape(key)}"]`) : place.querySelectorAll(FOCUSABLE)[index];
    again?.focus({ preventScroll: true });
  };
}

/** Tell whether somebody is marking text in a place. */
export function isMarked(place) {
  const marked = getSelection();
  return !marked.isCollapsed && place.contains(marked.anchorNode);
}

/** Fill a place anew when what it shows has changed; keeps the focus where it was. */
export function show(place, what, build) {
  const key = JSON.stringify(what);
  if (place.shown === key) return;
  place.shown = key;
  const focus = focusOf(place);
  const open = new Set([...place.querySelectorAll("details[open]")].map((one) => one.dataset.key));
  place.replaceChildren(...[build()].flat());
  for (const one of place.querySelectorAll("details")) if (open.has(one.dataset.key)) one.open = true;
  focus();
}

/** Copy a text; only pages with TLS, or of this machine, may do it the newer way. */
async function copy(text, beside) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = h("textarea", { class: "unseen", readonly: true, "aria-label": "Copied text" }, text);
  beside.after(area);
  area.select();
  const isDone = document.execCommand("copy");
  area.remove();
  beside.focus();
  if (!isDone) throw new Error("not copied");
}

/** Return a button that copies a text and says so. */
export function copyButton(text, label) {
  const button = h("button", { type: "button", class: "small", "aria-label": `Copy ${label}` }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await copy(text, button);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  return button;
}
