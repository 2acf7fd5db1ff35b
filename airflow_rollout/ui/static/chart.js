/* Three charts on one time axis, drawn as SVG: lines, limits, marks, and one moment to look at. */
import { h, plain, s, show } from "./dom.js";
import { mark } from "./words.js";

const LEFT = 58;
const RIGHT = 14;
const TOP = 10;
const BOTTOM = 22;
// As wide as the longest time on the axis.
const LABEL = 48;
const MOST_TICKS = 60;
const STEP_SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400];

// Beyond it sums and differences are no numbers any more.
const MOST = Number.MAX_VALUE / 8;

/** Return the multiples of a step between two values; counted, as a sum may not grow any more. */
function multiples(low, high, step) {
  const first = Math.ceil(low / step);
  const count = Math.floor((high + step / 1e6) / step) - first + 1;
  return Array.from({ length: Math.min(Math.max(count, 0), MOST_TICKS) || 0 }, (_, index) => (first + index) * step);
}

/** Return round places for an axis. */
function ticks(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((one) => one >= rough) || rough;
  return multiples(low, high, step);
}

function powers(low, high) {
  const found = [];
  const every = Math.max(1, Math.ceil((Math.log10(high) - Math.log10(low)) / 5));
  for (let p = Math.ceil(Math.log10(low)); p <= Math.log10(high) + 1e-9; p += every) found.push(10 ** p);
  return found;
}

function times(from, to, width) {
  const rough = ((to - from) * 80) / Math.max(width, 80);
  return multiples(from, to, STEP_SECONDS.find((one) => one >= rough) || rough);
}

/** How each kind of mark looks around its place: told apart by form, not by colour alone. */
const SHAPES = {
  raised: (x, y) => s("path", { d: `M${x - 5} ${y + 4}h10l-5 -9z` }),
  passed: (x, y) => s("circle", { cx: x, cy: y, r: 4 }),
  stopped: (x, y) => s("path", { class: "stroke", d: `M${x - 4} ${y - 4}l8 8m0 -8l-8 8` }),
  person: (x, y) => s("path", { d: `M${x} ${y - 6}l6 6l-6 6l-6 -6z` }),
  other: (x, y) => s("rect", { x: x - 2, y: y - 2, width: 4, height: 4 }),
};

/** Return the index of the last point at or before a time, -1 where there is none. */
export function indexAt(points, at) {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle][0] <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Return a path of points [time, value]; several of one pixel become their lowest and highest. */
function path(points, x, y, isSteps) {
  let text = "";
  let isOpen = false;
  let pixel = NaN;
  let low = 0;
  let high = 0;
  let last = 0;
  const close = () => {
    if (low !== high) text += `L${pixel} ${y(low)}L${pixel} ${y(high)}`;
    if (last !== low || last !== high) text += `L${pixel} ${y(last)}`;
  };
  for (const [at, value] of points) {
    if (!Number.isFinite(value)) {
      if (isOpen) close();
      isOpen = false;
      pixel = NaN;
      continue;
    }
    const here = Math.round(x(at) * 2) / 2;
    if (here === pixel) {
      low = Math.min(low, value);
      high = Math.max(high, value);
      last = value;
      continue;
    }
    if (isOpen) close();
    if (isSteps && isOpen) text += `L${here} ${y(last)}`;
    text += `${isOpen ? "L" : "M"}${here} ${y(value)}`;
    isOpen = true;
    pixel = here;
    low = high = last = value;
  }
  if (isOpen) close();
  return text;
}

/** Return what a kind of mark looks like, with its word. */
const keyOf = ([kind, tone, word]) =>
  h("span", {}, s("svg", { class: `mark ${tone}`, width: 14, height: 14, "aria-hidden": "true" }, SHAPES[kind](7, 7)), word);

/** A chart in an element of its own; `group` shares the time axis and the moment looked at. */
export class Chart {
  constructor(group, { title, hint, height, log, kinds }) {
    this.group = group;
    this.title = title;
    this.height = height;
    this.isLog = Boolean(log);
    this.width = 0;
    this.data = { lines: [], limits: [], marks: [], format: String };
    this.legend = h("div", { class: "legend" });
    this.name = h("h3", {}, title);
    this.kinds = kinds || [];
    this.hint = h("span", { class: "muted hint" }, hint || "");
    this.svg = s("svg", { role: "img", tabindex: "0", class: "plot", height });
    // Below the chart: what comes and goes above it would move the chart under the pointer.
    this.said = kinds ? h("p", { class: "said" }) : null;
    this.element = h("section", { class: "card chart" },
      h("header", {}, this.name, this.hint, this.legend), this.svg, this.said);
    this.cursor = s("line", { class: "cursor", y1: TOP, y2: height - BOTTOM, visibility: "hidden" });
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => group.look(null));
    this.svg.addEventListener("keydown", (event) => this.key(event));
    this.svg.addEventListener("blur", () => group.look(null));
  }

  set(data) {
    this.data = data;
    if (data.title) this.name.textContent = plain(data.title);
    this.svg.setAttribute("aria-label", plain(data.summary || this.title));
    const seen = this.kinds.filter(([kind]) => data.marks.some((one) => one.kind === kind));
    if (seen.length) show(this.hint, seen, () => seen.map(keyOf));
  }

  x(at) {
    const { from, to } = this.group.range;
    return LEFT + ((at - from) / (to - from || 1)) * (this.width - LEFT - RIGHT);
  }

  point(event) {
    const box = this.svg.getBoundingClientRect();
    const { from, to } = this.group.range;
    const share = (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
    this.group.look(from + Math.min(1, Math.max(0, share)) * (to - from));
  }

  key(event) {
    const { from, to } = this.group.range;
    const step = ((to - from) / 100) * (event.shiftKey ? 10 : 1);
    const at = this.group.at ?? to;
    const moves = { ArrowLeft: at - step, ArrowRight: at + step, Home: from, End: to, Escape: null };
    if (!(event.key in moves)) return;
    event.preventDefault();
    const next = moves[event.key];
    this.group.look(next === null ? null : Math.min(to, Math.max(from, next)), true);
  }

  bounds() {
    const { from, to } = this.group.range;
    let low = Infinity;
    let high = -Infinity;
    const take = (value) => {
      if (!Number.isFinite(value) || (this.isLog && value <= 0)) return;
      low = Math.min(low, Math.max(value, -MOST));
      high = Math.max(high, Math.min(value, MOST));
    };
    for (const line of this.data.lines)
      for (const [at, value] of line.points) if (at >= from && at <= to) take(value);
    for (const limit of this.data.limits) take(limit.value);
    if (low === Infinity) return this.isLog ? [0.1, 1000] : [0, 1];
    if (this.isLog) return [Math.min(low, 0.5), Math.max(high * 2, 10)];
    if (this.data.bounds) return this.data.bounds;
    const room = (high - low || Math.abs(high) || 1) * 0.12;
    const lowest = low >= 0 && low < (high - low) * 1.5 ? 0 : low - room;
    return [lowest, high + room];
  }

  draw() {
    const width = this.element.clientWidth - 24;
    if (width < 60) return;
    this.width = width;
    const [low, high] = this.bounds();
    const bottom = this.height - BOTTOM;
    const scale = this.isLog ? Math.log10 : (value) => value;
    const [a, b] = [scale(low), scale(high)];
    this.y = (value) => {
      const at = scale(Math.min(Math.max(value, low), high));
      return Math.round((bottom - ((at - a) / (b - a || 1)) * (bottom - TOP)) * 10) / 10;
    };
    // The point before the first that is seen only says where its line comes from.
    const x = (at) => Math.min(width - RIGHT, Math.max(LEFT, this.x(at)));
    this.svg.setAttribute("viewBox", `0 0 ${width} ${this.height}`);
    this.svg.setAttribute("width", width);
    this.svg.replaceChildren(
      ...this.axes(low, high, bottom, width),
      ...this.data.limits.flatMap((limit) => this.limit(limit, bottom, width)),
      ...this.data.lines.map((line) =>
        s("path", { d: path(this.visible(line.points), x, this.y, line.steps), class: `line ${line.tone}` })),
      ...this.data.marks.flatMap((one) => this.mark(one, bottom)),
      this.cursor,
    );
    this.look();
  }

  visible(points) {
    const { from, to } = this.group.range;
    const begin = Math.max(0, indexAt(points, from));
    const end = indexAt(points, to) + 2;
    return begin === 0 && end >= points.length ? points : points.slice(begin, end);
  }

  axes(low, high, bottom, width) {
    const places = this.isLog ? powers(low, high) : this.data.ticks || ticks(low, high, 4);
    const lines = places.map((value) =>
      s("g", {},
        s("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: this.y(value), y2: this.y(value) }),
        s("text", { class: "tick", x: LEFT - 8, y: this.y(value) + 4, "text-anchor": "end" },
          this.data.format(value))));
    const { from, to } = this.group.range;
    const zero = this.group.zero;
    const along = times(from - zero, to - zero, width).map((at) => {
      const x = this.x(at + zero);
      const isLast = x > width - LABEL / 2;
      return s("text", { class: "tick", x: isLast ? width : x, y: bottom + 16, "text-anchor": isLast ? "end" : "middle" }, mark(at));
    });
    return [...lines, ...along];
  }

  limit(limit, bottom, width) {
    const y = this.y(limit.value);
    const isAbove = limit.bad === "above";
    const top = isAbove ? TOP : y;
    return [
      s("rect", { class: "beyond", x: LEFT, width: width - LEFT - RIGHT, y: top, height: Math.max(0, isAbove ? y - TOP : bottom - y) }),
      s("line", { class: "limit", x1: LEFT, x2: width - RIGHT, y1: y, y2: y }),
    ];
  }

  mark(one, bottom) {
    const { from, to } = this.group.range;
    if (one.at < from || one.at > to) return [];
    const x = this.x(one.at);
    return [
      s("g", { class: `mark ${one.tone}` },
        one.kind === "other" ? null : s("line", { x1: x, x2: x, y1: TOP, y2: bottom }),
        SHAPES[one.kind](x, TOP + 2),
        s("title", {}, one.text)),
    ];
  }

  look() {
    const at = this.group.at ?? this.group.range.to;
    const isLooking = this.group.at !== null;
    this.cursor.setAttribute("visibility", isLooking ? "visible" : "hidden");
    if (isLooking) {
      this.cursor.setAttribute("x1", this.x(at));
      this.cursor.setAttribute("x2", this.x(at));
    }
    const items = this.data.lines.map((line) => {
      let index = indexAt(line.points, at);
      // The very end is often a gap; the last number is what a reader looks for.
      if (!isLooking) while (index > 0 && line.points[index][1] === null) index -= 1;
      const value = index >= 0 ? line.points[index][1] : null;
      return h("span", {}, h("i", { class: `key ${line.tone}` }), `${line.name} `,
        h("b", {}, this.data.format(value, true)));
    });
    const limits = this.data.limits.map((limit) =>
      h("span", {}, h("i", { class: "key limit" }), "limit ", h("b", {}, this.data.format(limit.value))));
    const when = isLooking ? [h("span", { class: "muted" }, mark(at - this.group.zero))] : [];
    this.legend.replaceChildren(...when, ...items, ...limits);
    const near = isLooking ? this.data.marks.filter((one) => Math.abs(this.x(one.at) - this.x(at)) <= Math.max(6, this.width / 190)) : [];
    // There is room for a line: what happened to the release comes first.
    near.sort((one, other) => (one.kind === "other") - (other.kind === "other"));
    this.said?.replaceChildren(...near.map((one) => h("span", { class: one.tone }, `${mark(one.at - this.group.zero)} ${one.text} `)));
  }
}

/** Charts that share one time axis and one moment. */
export class Charts {
  constructor(onLook) {
    this.range = { from: 0, to: 1 };
    this.zero = 0;
    this.at = null;
    this.charts = [];
    this.onLook = onLook;
    this.observer = new ResizeObserver(() => this.draw());
  }

  add(options) {
    const chart = new Chart(this, options);
    this.charts.push(chart);
    this.observer.observe(chart.element);
    return chart;
  }

  draw() {
    for (const chart of this.charts) chart.draw();
  }

  look(at, isByKey = false) {
    this.at = at;
    for (const chart of this.charts) chart.look();
    if (isByKey) this.onLook(at === null ? "" : this.spoken());
  }

  spoken() {
    const words = this.charts.flatMap((chart) => [chart.legend, chart.said]).filter((one) => one?.textContent);
    return `${mark(this.at - this.zero)}: ${words.map((one) => one.textContent).join("; ")}`;
  }

  stop() {
    this.observer.disconnect();
  }
}
