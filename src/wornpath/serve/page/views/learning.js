// Is it getting better: success and tokens run by run, with the policies' versions marked; and the policies themselves.

import { get } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { chart, wholeTicks } from "../lib/chart.js";
import { store } from "../lib/data.js";
import { moment, number, percent, short } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { rolling, ticks, windowOf } from "../lib/stats.js";
import { empty, problemCard, skeleton } from "./marks.js";
import { policyCard } from "./policies.js";

const MOST_DOTS = 600;

export function learningView() {
  const curves = h("div", { class: "curves" }, skeleton(8));
  const families = h("div");
  const policies = policyCard();
  let data = null;
  let width = 0;
  let family = "";
  let tableOpen = false;

  const resize = new ResizeObserver(([entry]) => {
    const now = Math.floor(entry.contentRect.width);
    if (data && Math.abs(now - width) > 4) draw();
  });
  const element = h(
    "div",
    { class: "page learning" },
    h("div", { class: "page-head" }, h("h1", null, t("learning_title")), families),
    h("p", { class: "lead" }, t("learning_lead")),
    curves,
    policies.element,
  );
  resize.observe(curves);

  async function load() {
    const wanted = family;
    try {
      const told = await get("curves", { family });
      if (wanted !== family) return; // another kind of goal was chosen meanwhile
      data = told;
      chooseFamily();
      draw();
    } catch (problem) {
      fill(curves, problemCard(problem, load));
    }
  }

  function chooseFamily() {
    const names = data.families ?? [...new Set(data.points.map((one) => one.family).filter(Boolean))].sort();
    if (family || names.length < 2 || families.firstChild) return;
    const select = h(
      "select",
      {
        class: "input",
        id: "family",
        on: {
          change: () => {
            family = select.value;
            load();
          },
        },
      },
      h("option", { value: "" }, t("all_families")),
      names.map((one) => h("option", { value: one }, one)),
    );
    fill(families, h("label", { class: "visually-hidden", for: "family" }, t("family")), select);
  }

  function draw() {
    width = Math.floor(curves.clientWidth);
    if (!data.points.length) {
      fill(curves, empty("chart", t("no_curves"), t("no_curves_hint")));
      return;
    }
    const points = data.points.map((one, i) => ({ ...one, n: one.n ?? i + 1 }));
    const smooth = rolling(points);
    const half = width > 900 ? Math.floor((width - 24) / 2) - 42 : width - 42;
    fill(
      curves,
      summary(data.summary ?? {}),
      h(
        "div",
        { class: "chart-grid" },
        figure(t("curve_success"), successChart(points, smooth, half)),
        figure(t("curve_tokens"), tokensChart(points, smooth, half)),
      ),
      h("p", { class: "hint" }, t("curve_hint", { n: windowOf(points.length) })),
      asTable(points, tableOpen, (open) => (tableOpen = open)),
    );
  }

  const versionsAt = () =>
    (data.versions ?? []).filter((one) => one.n !== null && one.n !== undefined).map((one) => ({ x: one.n, label: one.version }));

  function axis(points) {
    const xs = [points[0].n, points.at(-1).n];
    return {
      xs,
      xTicks: wholeTicks(xs[0], xs[1], 6),
      xName: t("run_number"),
      marks: versionsAt().filter((one) => one.x >= xs[0] && one.x <= xs[1]),
    };
  }

  function successChart(points, smooth, size) {
    const told = smooth.filter((one) => one.rate !== null);
    const last = told.at(-1);
    return chart({
      ...axis(points),
      label: t("curve_success"),
      describe: last
        ? t("curve_success_said", {
            rate: percent(last.rate),
            low: percent(last.low),
            high: percent(last.high),
            n: points.length,
          })
        : t("nothing_judged"),
      ys: [0, 0.25, 0.5, 0.75, 1],
      formatY: percent,
      line: told.map((one) => [one.n, one.rate]),
      band: told.map((one) => [one.n, one.low, one.high]),
      width: size,
    });
  }

  function tokensChart(points, smooth, size) {
    const sorted = points.map((one) => one.tokens ?? 0).sort((a, b) => a - b);
    const high = sorted[Math.floor((sorted.length - 1) * 0.98)]; // one wild run must not press all others flat; it sits at the rim
    const some = points.length > MOST_DOTS ? points.filter((_, i) => i % Math.ceil(points.length / MOST_DOTS) === 0) : points;
    return chart({
      ...axis(points),
      label: t("curve_tokens"),
      describe: t("curve_tokens_said", {
        first: number(Math.round(smooth[Math.min(smooth.length - 1, windowOf(points.length) - 1)].tokens)),
        last: number(Math.round(smooth.at(-1).tokens)),
      }),
      ys: ticks(Math.max(high, 1)),
      formatY: (value) => short(Math.round(value)).replace(".0", ""),
      line: smooth.map((one) => [one.n, one.tokens]),
      dots: some.map((one) => ({
        x: one.n,
        y: one.tokens ?? 0,
        kind: one.success === 1 ? "met" : one.success === 0 ? "unmet" : "",
        title: `${one.n}: ${number(one.tokens ?? 0)}`,
      })),
      width: size,
    });
  }

  load();
  let ended = 0;
  return {
    element,
    name: "learning",
    update() {
      const now = store.state.runs.filter(
        (one) => one.reward !== undefined && !["running", "queued"].includes(one.status),
      ).length;
      if (ended && now !== ended) load();
      ended = now;
      policies.update();
    },
    close: () => resize.disconnect(),
  };
}

const figure = (title, svg) => h("figure", { class: "card chart-card" }, h("figcaption", { class: "card-head" }, title), svg);

function summary(told) {
  const judged = told.success !== null && told.success !== undefined;
  const one = (value, words, more = "") =>
    h(
      "div",
      { class: "figure" },
      h("span", { class: "figure-value" }, value),
      h("span", { class: "figure-words" }, words),
      more ? h("span", { class: "muted" }, more) : null,
    );
  return h(
    "div",
    { class: "figures card" },
    one(number(told.runs ?? 0), t("runs_judged")),
    one(
      judged ? percent(told.success) : "–",
      t("goals_met"),
      judged ? t("interval", { low: percent(told.success_low ?? 0), high: percent(told.success_high ?? 1) }) : "",
    ),
    one(told.tokens_per_met_goal ? short(Math.round(told.tokens_per_met_goal)) : "–", t("tokens_per_met_goal")),
  );
}

function asTable(points, open, onToggle) {
  const body = h("tbody");
  const details = h(
    "details",
    { class: "curve-table", open },
    h("summary", null, icon("right"), h("span", null, t("as_table"))),
    h(
      "div",
      { class: "table-wrap tall", tabindex: "0", role: "region", "aria-label": t("as_table") },
      h(
        "table",
        null,
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            [
              [t("run_number"), "number"],
              [t("time")],
              [t("goal_met")],
              [t("tokens"), "number"],
              [t("skipped_calls"), "number"],
              [t("family")],
            ].map(([one, kind]) => h("th", { scope: "col", class: kind }, one)),
          ),
        ),
        body,
      ),
    ),
  );
  details.addEventListener("toggle", () => {
    onToggle(details.open);
    if (!details.open || body.firstChild) return;
    const row = (one) =>
      h(
        "tr",
        null,
        h("td", { class: "number" }, one.run_id ? h("a", { href: `#/runs/${one.run_id}` }, String(one.n)) : String(one.n)),
        h("td", null, moment(one.time)),
        h("td", null, one.success === 1 ? t("yes") : one.success === 0 ? t("no") : "–"),
        h("td", { class: "number" }, number(one.tokens ?? 0)),
        h("td", { class: "number" }, number(one.skipped ?? 0)),
        h("td", null, one.family ?? ""),
      );
    fill(body, points.slice(-500).reverse().map(row));
  });
  return details;
}
