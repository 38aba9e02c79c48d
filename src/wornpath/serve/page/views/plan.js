// The plan as a tree: the goal, and its subtasks with how each stands.

import { h, icon } from "../lib/dom.js";
import { oneLine } from "../lib/format.js";
import { known, t } from "../lib/i18n.js";
import { empty, skeleton, subtaskIcon } from "./marks.js";

export function planCard(run, loading) {
  const plan = run?.plan;
  const head = h(
    "h2",
    { class: "card-head" },
    icon("list"),
    h("span", null, t("plan")),
    plan?.revision ? h("span", { class: "tag" }, t("revision_n", { n: plan.revision + 1 })) : null,
  );
  if (!plan)
    return h("section", { class: "card plan" }, head, loading ? skeleton(3) : empty("list", t("no_plan"), t("no_plan_hint")));
  const done = plan.subtasks.filter((one) => one.status === "done").length;
  return h(
    "section",
    { class: "card plan" },
    head,
    plan.revision && plan.reason ? h("p", { class: "muted small" }, t("replanned_because", { why: plan.reason })) : null,
    h("progress", {
      class: "plan-progress",
      max: String(plan.subtasks.length),
      value: String(done),
      "aria-label": t("subtasks_done", { done, n: plan.subtasks.length }),
    }),
    h("ol", { class: "plan-tree" }, plan.subtasks.map(subtask)),
  );
}

function subtask(one) {
  return h(
    "li",
    { class: `subtask is-${one.status}`, "aria-current": one.status === "active" ? "step" : null },
    subtaskIcon(one.status),
    h(
      "div",
      null,
      h("p", { class: "subtask-text" }, one.description),
      h(
        "p",
        { class: "subtask-more" },
        h("span", { class: "tag" }, known(`kind_${one.kind}`) ?? one.kind),
        one.criterion ? h("span", { class: "muted" }, oneLine(one.criterion)) : null,
      ),
      one.status === "failed" && one.why ? h("p", { class: "bad-text small" }, oneLine(one.why)) : null,
    ),
  );
}
