// Two policies on one run: what each would have chosen at every step.

import { get } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { argumentsLine, percent } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { empty, problemCard, skeleton } from "./marks.js";

const MOST = 300;

export function comparePanel(run) {
  const element = h("div", { class: "compare" }, skeleton(5));
  const out = h("div");
  let only = false;
  let asked = 0;

  async function load() {
    try {
      const { policies = [], current } = await get("policies");
      const versions = [...new Set(["prior", ...policies.map((one) => one.version)])];
      if (versions.length < 2) {
        fill(element, empty("compare", t("one_policy"), t("one_policy_hint")));
        return;
      }
      const select = (id, label, value) =>
        h(
          "div",
          { class: "field" },
          h("label", { for: id }, label),
          h(
            "select",
            { id, class: "input", on: { change: compare } },
            versions.map((one) => h("option", { value: one, prop: { selected: one === value } }, one)),
          ),
        );
      const a = select("policy-a", t("policy_a"), versions.find((one) => one !== current) ?? versions[0]);
      const b = select("policy-b", t("policy_b"), current ?? versions.at(-1));
      const differs = h("input", {
        type: "checkbox",
        on: {
          change: () => {
            only = differs.checked;
            compare();
          },
        },
      });
      fill(
        element,
        h(
          "div",
          { class: "compare-head" },
          a,
          b,
          h("label", { class: "check" }, differs, h("span", null, t("only_differences"))),
        ),
        out,
      );
      compare();
    } catch (problem) {
      fill(element, problemCard(problem, load));
    }
  }

  async function compare() {
    const [a, b] = [...element.querySelectorAll("select")].map((one) => one.value);
    asked += 1;
    const mine = asked;
    fill(out, skeleton(5));
    try {
      const { steps } = await get("policies/compare", { run: run.id, a, b });
      if (mine !== asked) return; // others were chosen meanwhile
      const told = steps.map((one) => ({ ...one, bestA: best(one.a), bestB: best(one.b) }));
      const differing = told.filter((one) => one.bestA !== one.bestB);
      const shown = (only ? differing : told).slice(0, MOST);
      fill(
        out,
        h("p", { class: "strong" }, t("differs_at", { n: differing.length, all: told.length })),
        shown.length
          ? h(
              "ol",
              { class: "compare-steps" },
              shown.map((one) => stepCard(one, a, b)),
            )
          : empty("compare", t("no_differences")),
      );
    } catch (problem) {
      if (mine === asked) fill(out, problemCard(problem, compare));
    }
  }

  load();
  return { element, update() {} };
}

const best = (values = []) => values.reduce((at, value, i) => (value > values[at] ? i : at), 0);

function stepCard(one, a, b) {
  const differs = one.bestA !== one.bestB;
  const line = (i) => {
    const action = one.candidates[i]?.action ?? one.candidates[i] ?? {};
    return h(
      "li",
      { class: "compare-line" },
      h(
        "span",
        { class: "candidate-text" },
        h("strong", null, action.tool ?? ""),
        " ",
        argumentsLine(action.arguments),
        i === one.chosen ? h("span", { class: "tag" }, t("taken")) : null,
      ),
      share(a, "model", one.a[i] ?? 0, i === one.bestA),
      share(b, "policy", one.b[i] ?? 0, i === one.bestB),
    );
  };
  const order = one.candidates.map((_, i) => i).sort((x, y) => Math.max(one.a[y], one.b[y]) - Math.max(one.a[x], one.b[x]));
  return h(
    "li",
    { class: `card compare-step ${differs ? "differs" : ""}` },
    h("h3", null, t("step_title", { n: one.step }), differs ? h("span", { class: "tag warn" }, t("they_differ")) : null),
    h("ul", null, order.map(line)),
  );
}

function share(name, kind, value, top) {
  return h(
    "div",
    { class: `bar ${kind} ${top ? "top" : ""}` },
    h("span", { class: "bar-name" }, name),
    h(
      "span",
      { class: "bar-track", "aria-hidden": "true" },
      h("span", { class: "bar-fill", style: { width: `${value * 100}%` } }),
    ),
    h(
      "span",
      { class: "bar-value" },
      percent(value),
      top ? icon("check") : null,
      top ? h("span", { class: "visually-hidden" }, t("would_choose")) : null,
    ),
  );
}
