// The marks that say how a run or step stands and who decided: an icon, words, and a colour that only repeats them.

import { h, icon } from "../lib/dom.js";
import { known, t } from "../lib/i18n.js";

const STATUS_ICONS = {
  queued: "clock",
  running: "running",
  paused: "pause",
  cancelled: "stop",
  met: "check",
  unmet: "x",
  unverified: "question",
  needs_person: "person",
  budget: "flag",
  error: "warn",
  waiting: "person",
};

export const statusWord = (status) => known(`status_${status}`) ?? status;

export function statusIcon(status) {
  return h(
    "span",
    { class: `status-icon is-${status}`, role: "img", "aria-label": statusWord(status), title: statusWord(status) },
    icon(STATUS_ICONS[status] ?? "dot"),
  );
}

export function statusChip(status) {
  return h("span", { class: `chip is-${status}` }, icon(STATUS_ICONS[status] ?? "dot"), h("span", null, statusWord(status)));
}

const WHO = { llm: "model", policy: "policy", person: "person" };

export const whoWord = (by) => known(`by_${by}`) ?? by;

/** Who decided a step, as a small mark. */
export function who(by, { words = true } = {}) {
  const mark = h("span", { class: `who by-${by}` }, icon(WHO[by] ?? "dot"));
  mark.append(h("span", { class: words ? "who-word" : "visually-hidden" }, whoWord(by)));
  mark.title = t(`decided_by_${by}`);
  return mark;
}

const SUBTASK_ICONS = { pending: "ring", active: "running", stopped: "pause", done: "check", failed: "x" };

export const subtaskIcon = (status) =>
  h(
    "span",
    { class: `subtask-icon is-${status}`, role: "img", "aria-label": t(`subtask_${status}`) },
    icon(SUBTASK_ICONS[status] ?? "ring"),
  );

export const resultWord = (result) => known(`result_${result}`) ?? result;
export const riskWord = (risk) => known(`risk_${risk}`) ?? risk;

/** What to show where there is nothing yet: a mark, a sentence, and what to do. */
export function empty(mark, title, ...rest) {
  return h(
    "div",
    { class: "empty" },
    h("span", { class: "empty-mark" }, icon(mark)),
    h("p", { class: "empty-title" }, title),
    ...rest.map((one) => (one instanceof Node ? one : h("p", { class: "muted" }, one))),
  );
}

export function problemCard(problem, retry) {
  return h(
    "div",
    { class: "card problem", role: "alert" },
    h("span", { class: "problem-mark" }, icon(problem.offline ? "lost" : "warn")),
    h(
      "div",
      null,
      h("p", { class: "strong" }, problem.offline ? t("offline") : problem.message),
      retry ? h("button", { type: "button", class: "button small", on: { click: retry } }, t("try_again")) : null,
    ),
  );
}

export const skeleton = (lines = 3) =>
  h(
    "div",
    { class: "skeleton", "aria-hidden": "true" },
    Array.from({ length: lines }, () => h("span")),
  );
