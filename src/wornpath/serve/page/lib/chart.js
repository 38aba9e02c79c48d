// Line charts in SVG: a curve, its interval as a band, single points, vertical marks. Colours come from the style sheet by class.

import { svg } from "./dom.js";

const HEIGHT = 240;
const EDGE = { top: 14, right: 14, bottom: 34, left: 52 };

/**
 * A chart of {label, describe, xs: [least, most], ys: [ticks], xTicks, formatY, formatX, xName, line: [[x, y]], band: [[x, low, high]],
 * dots: [{x, y, kind, title}], marks: [{x, label}], width}. WIDTH is in pixels; text keeps its size when the page is narrow.
 */
export function chart({
  label,
  describe,
  xs,
  ys,
  xTicks,
  formatY,
  formatX = String,
  xName,
  line = [],
  band = [],
  dots = [],
  marks = [],
  width,
}) {
  const inner = { width: width - EDGE.left - EDGE.right, height: HEIGHT - EDGE.top - EDGE.bottom };
  const most = ys.at(-1);
  const x = (value) => EDGE.left + (xs[1] === xs[0] ? inner.width / 2 : ((value - xs[0]) / (xs[1] - xs[0])) * inner.width);
  const y = (value) => EDGE.top + inner.height * (1 - value / most);
  const root = svg("svg", {
    class: "chart",
    role: "img",
    "aria-label": `${label}. ${describe}`,
    viewBox: `0 0 ${width} ${HEIGHT}`,
    width,
    height: HEIGHT,
  });
  for (const at of ys) {
    root.append(
      svg("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(at), y2: y(at) }),
      svg("text", { class: "tick", x: EDGE.left - 8, y: y(at) + 4, "text-anchor": "end" }, formatY(at)),
    );
  }
  for (const at of xTicks)
    root.append(svg("text", { class: "tick", x: x(at), y: HEIGHT - EDGE.bottom + 18, "text-anchor": "middle" }, formatX(at)));
  root.append(svg("text", { class: "axis-name", x: width - EDGE.right, y: HEIGHT - 3, "text-anchor": "end" }, xName));
  if (band.length > 1) {
    const upper = band.map(([at, , high]) => `${x(at)},${y(Math.min(high, most))}`);
    const lower = band.map(([at, low]) => `${x(at)},${y(low)}`).reverse();
    root.append(svg("polygon", { class: "band", points: [...upper, ...lower].join(" ") }));
  }
  for (const dot of dots) {
    root.append(
      svg(
        "circle",
        { class: `dot ${dot.kind ?? ""}`, cx: x(dot.x), cy: y(Math.min(dot.y, most)), r: dots.length > 200 ? 1.8 : 3 },
        svg("title", {}, dot.title ?? ""),
      ),
    );
  }
  if (line.length) {
    root.append(
      line.length > 1
        ? svg("polyline", { class: "curve", points: line.map(([at, value]) => `${x(at)},${y(Math.min(value, most))}`).join(" ") })
        : svg("circle", { class: "curve-dot", cx: x(line[0][0]), cy: y(Math.min(line[0][1], most)), r: 4 }),
    );
  }
  drawMarks(root, marks, x, width);
  return root;
}

/** Vertical lines with their names, which move down a line where they would lie on each other. */
function drawMarks(root, marks, x, width) {
  let right = -Infinity;
  let level = 0;
  for (const mark of [...marks].sort((a, b) => a.x - b.x)) {
    const at = x(mark.x);
    const length = mark.label.length * 6.6 + 10;
    const flip = at + length > width - EDGE.right;
    level = at < right ? (level + 1) % 3 : 0;
    right = flip ? right : at + length;
    root.append(
      svg("line", { class: "mark", x1: at, x2: at, y1: EDGE.top, y2: HEIGHT - EDGE.bottom }),
      svg(
        "text",
        { class: "mark-name", x: flip ? at - 5 : at + 5, y: EDGE.top + 10 + level * 14, "text-anchor": flip ? "end" : "start" },
        mark.label,
      ),
    );
  }
}

/** Up to COUNT whole numbers from LEAST to MOST, both among them. */
export function wholeTicks(least, most, count) {
  if (most <= least) return [least];
  const step = Math.max(1, Math.ceil((most - least) / count));
  const out = [];
  for (let at = least; at < most - step * 0.4; at += step) out.push(at);
  return [...out, most];
}
