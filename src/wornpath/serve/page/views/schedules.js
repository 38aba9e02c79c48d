// Goals that are handed in by the clock.

import { get, post, remove } from "../lib/api.js";
import { button, confirm, fill, h, icon, toast } from "../lib/dom.js";
import { fail } from "../lib/data.js";
import { moment } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { empty, problemCard, skeleton } from "./marks.js";

const CRONS = [
  ["0 8 * * *", "cron_daily"],
  ["0 8 * * 1", "cron_weekly"],
  ["0 8 1 * *", "cron_monthly"],
  ["0 * * * *", "cron_hourly"],
];

export function schedulesView() {
  const list = h("div", null, skeleton(3));
  const goal = h("textarea", { id: "schedule-goal", class: "input", rows: "2", placeholder: t("goal_placeholder") });
  const cron = h("input", {
    id: "schedule-cron",
    class: "input mono",
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": "cron-hint",
    prop: { value: CRONS[0][0] },
  });
  const workspace = h("input", {
    id: "schedule-workspace",
    class: "input",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: t("workspace_placeholder"),
  });
  const problem = h("p", { class: "form-problem", role: "alert" });
  const presets = h(
    "div",
    { class: "row wrap" },
    CRONS.map(([value, key]) => button(t(key), { kind: "tiny", onclick: () => (cron.value = value) })),
  );
  const form = h(
    "form",
    { class: "card schedule-form", on: { submit: add } },
    h("h2", { class: "card-head" }, icon("plus"), h("span", null, t("new_schedule"))),
    h("div", { class: "field" }, h("label", { for: goal.id }, t("goal")), goal),
    h(
      "div",
      { class: "option-grid" },
      h(
        "div",
        { class: "field" },
        h("label", { for: cron.id }, t("cron")),
        cron,
        presets,
        h("p", { class: "hint", id: "cron-hint" }, t("cron_hint")),
      ),
      h(
        "div",
        { class: "field" },
        h("label", { for: workspace.id }, t("workspace")),
        workspace,
        h("p", { class: "hint" }, t("schedule_workspace_hint")),
      ),
    ),
    problem,
    h("div", { class: "row end" }, button(t("add_schedule"), { mark: "calendar", kind: "primary", type: "submit" })),
  );
  const element = h(
    "div",
    { class: "page" },
    h("h1", null, t("schedules")),
    h("p", { class: "lead" }, t("schedules_lead")),
    list,
    form,
  );

  async function load() {
    try {
      const { schedules } = await get("schedules");
      fill(
        list,
        schedules.length
          ? h("ul", { class: "plain-list" }, schedules.map(item))
          : h("div", { class: "card" }, empty("calendar", t("no_schedules"), t("no_schedules_hint"))),
      );
    } catch (error) {
      fail(error, true);
      fill(list, problemCard(error, load));
    }
  }

  function item(one) {
    const told = [one.next ? t("next_at", { when: moment(one.next) }) : "", one.workspace].filter(Boolean).join(" · ");
    const last = one.last_time ? t("last_at", { when: moment(one.last_time) }) : "";
    return h(
      "li",
      { class: "card list-card" },
      h("span", { class: "list-mark" }, icon("calendar")),
      h(
        "div",
        { class: "list-main" },
        h("p", { class: "strong" }, one.goal),
        h(
          "p",
          { class: "muted small" },
          [h("code", null, one.cron), told ? ` · ${told}` : "", last ? " · " : ""],
          last && one.last_run ? h("a", { href: `#/runs/${one.last_run}` }, last) : last,
        ),
        one.problem ? h("p", { class: "bad-text small" }, one.problem) : null,
      ),
      button(t("remove_schedule"), { mark: "trash", quiet: true, kind: "plain small", onclick: () => drop(one) }),
    );
  }

  async function add(event) {
    event.preventDefault();
    problem.textContent = "";
    if (!goal.value.trim()) {
      problem.textContent = t("goal_empty");
      goal.focus();
      return;
    }
    try {
      await post("schedules", {
        cron: cron.value.trim(),
        goal: goal.value.trim(),
        ...(workspace.value.trim() ? { workspace: workspace.value.trim() } : {}),
      });
      goal.value = "";
      toast(t("schedule_added"));
      load();
    } catch (error) {
      problem.textContent = error.offline ? t("offline") : error.message;
    }
  }

  async function drop(one) {
    if (!(await confirm(t("remove_schedule_question", { goal: one.goal.slice(0, 80) }), { yes: t("remove"), no: t("keep") })))
      return;
    await remove(`schedules/${encodeURIComponent(one.id)}`).catch(fail);
    load();
  }

  load();
  return { element, name: "schedules", update() {} };
}
