// The list of runs: search, status filter, newest first.

import { button, fill, h, icon, keyed } from "../lib/dom.js";
import { fail, loadRuns, search, store } from "../lib/data.js";
import { ago, short } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { empty, skeleton, statusIcon, statusWord } from "./marks.js";

const STATUSES = ["running", "queued", "paused", "needs_person", "met", "unmet", "unverified", "budget", "cancelled", "error"];

export function sidebarView() {
  const { state } = store;
  const box = h("input", {
    type: "search",
    class: "input",
    placeholder: t("search_runs"),
    "aria-label": t("search_runs"),
    prop: { value: state.query },
    on: { input: () => search({ query: box.value.trim() }) },
  });
  const filter = h(
    "select",
    { class: "input", "aria-label": t("filter_status"), on: { change: () => search({ filter: filter.value }) } },
    h("option", { value: "" }, t("all_statuses")),
    STATUSES.map((status) => h("option", { value: status, prop: { selected: state.filter === status } }, statusWord(status))),
  );
  const list = h("ul", { class: "run-list" });
  const foot = h("div", { class: "run-list-foot" });
  const element = h(
    "nav",
    { class: "sidebar", "aria-label": t("runs") },
    h(
      "div",
      { class: "sidebar-head" },
      h("a", { class: "button primary wide", href: "#/" }, icon("plus"), h("span", null, t("new_goal"))),
      h("div", { class: "search" }, icon("search"), box),
      filter,
    ),
    list,
    foot,
  );

  function update() {
    keyed(list, state.runs, (row) => row.run_id, make, refresh);
    fill(foot, footer());
  }

  function footer() {
    if (!state.listed) return skeleton(5);
    if (state.listProblem && !state.runs.length) return h("p", { class: "muted pad" }, t("list_unavailable"));
    if (!state.runs.length) {
      return state.query || state.filter ? empty("search", t("no_match")) : empty("path", t("no_runs"), t("no_runs_hint"));
    }
    if (!state.more) return null;
    return button(t("older_runs"), { kind: "plain small wide", onclick: () => loadRuns({ older: true }).catch(fail) });
  }

  function make() {
    return h("li", null, h("a", { class: "run-item" }));
  }

  function refresh(element, row) {
    const open = state.run?.id === row.run_id;
    const signature = [row.status, row.waiting, row.steps, row.rating, row.goal, open, ago(row.started), row.tokens?.prompt].join(
      "|",
    );
    if (element.dataset.signature === signature) return;
    element.dataset.signature = signature;
    const link = element.firstElementChild;
    link.href = `#/runs/${row.run_id}`;
    if (open) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    const tokens = (row.tokens?.prompt ?? 0) + (row.tokens?.completion ?? 0);
    fill(
      link,
      statusIcon(row.waiting ? "waiting" : row.status),
      h(
        "span",
        { class: "run-item-text" },
        h("span", { class: "run-item-goal" }, row.goal),
        h(
          "span",
          { class: "run-item-meta" },
          [
            row.waiting ? t("waits_for_you") : "",
            ago(row.started),
            t("steps_n", { n: row.steps ?? 0 }),
            tokens ? t("tokens_n", { n: short(tokens) }) : "",
          ]
            .filter(Boolean)
            .map((one) => one.replaceAll(" ", "\u00a0")) // a narrow line is broken between them
            .join(" · "),
        ),
      ),
      row.rating === "good" || row.rating === "bad"
        ? h(
            "span",
            { class: "run-item-rating", title: t(`rated_${row.rating}`) },
            icon(row.rating === "good" ? "up" : "down"),
            h("span", { class: "visually-hidden" }, t(`rated_${row.rating}`)),
          )
        : null,
    );
  }

  update();
  return { element, update };
}
