// The timeline: one row a step, and between them what else happened. Only the rows in view are in the document.

import { button, h, icon } from "../lib/dom.js";
import { argumentsLine, oneLine, seconds, short, signed, tellingLine, textOf, tone } from "../lib/format.js";
import { known, t } from "../lib/i18n.js";
import { VirtualList } from "../lib/virtual.js";
import { resultWord, statusChip, subtaskIcon, who } from "./marks.js";

const REMARKS = {
  plan: [
    "list",
    (row) => (row.change === "made" ? t("row_plan", { n: row.count }) : t("row_replan", { n: row.count })),
    (row) => (row.change === "made" ? "" : row.reason),
  ],
  note: ["note", () => t("row_note"), (row) => row.text],
  loop: [
    "loop",
    (row) => t("row_loop", { n: row.length }),
    (row) => `${row.action?.tool ?? ""} ${argumentsLine(row.action?.arguments)}`,
  ],
  budget: ["flag", (row) => t("row_budget", { what: known(`budget_${row.what}`) ?? row.what }), (row) => String(row.limit)],
  paused: ["pause", () => t("row_paused"), (row) => row.text.split(";")[0]],
  resumed: ["play", () => t("row_resumed"), () => ""],
  person: [
    "person",
    (row) =>
      row.what === "rating"
        ? t(`rated_${["good", "bad"].includes(row.rating) ? row.rating : "none"}`)
        : t(`said_${row.what === "label" ? "label" : "comment"}`),
    (row) => row.text,
  ],
  policy: ["policy", (row) => t("row_policy", { version: row.to }), (row) => row.text],
  model_error: ["warn", () => t("row_model_error"), (row) => row.text],
  verdict: [
    "flag",
    (row) =>
      t("row_verdict", {
        verdict: known(`status_${row.verdict}`) ?? row.verdict,
        source: known(`source_${row.source}`) ?? row.source,
      }),
    (row) => row.comment ?? "",
  ],
};

export function timelineView({ pick }) {
  const list = new VirtualList({
    label: t("steps"),
    draw,
    version: (row) => row.version,
    pick,
    onFollow: (on) => latest.classList.toggle("hidden", on),
  });
  const latest = button(t("to_latest"), { mark: "bottom", kind: "small floating hidden", onclick: () => list.toEnd() });
  const element = h("div", { class: "timeline" }, list.element, latest);
  return {
    element,
    list,
    show: (rows) => list.show(rows),
    close: () => list.close(),
  };
}

function draw(row) {
  if (row.kind === "step") return stepRow(row);
  if (row.kind === "subtask") return subtaskRow(row);
  if (row.kind === "asked") return askedRow(row);
  if (row.kind === "finished") return finishedRow(row);
  const [mark, words, more] = REMARKS[row.kind] ?? ["dot", () => row.kind, () => ""];
  return remark(row, mark, words(row), more(row));
}

function remark(row, mark, words, more, extra = "") {
  return h(
    "button",
    { type: "button", class: `row-button remark kind-${row.kind} ${extra}` },
    h("span", { class: "row-mark" }, icon(mark)),
    h(
      "span",
      { class: "row-main" },
      h("span", { class: "row-words" }, words),
      more ? h("span", { class: "row-more" }, oneLine(more)) : null,
    ),
    row.tokens
      ? h("span", { class: "row-figures" }, h("span", { class: "row-tokens" }, t("tokens_n", { n: short(row.tokens) })))
      : null,
  );
}

function stepRow(row) {
  const tool = row.action?.tool || "…";
  const detail =
    row.result && !["ok", "empty"].includes(row.result) ? tellingLine(textOf(row.seen)) : argumentsLine(row.action?.arguments);
  return h(
    "button",
    { type: "button", class: `row-button step by-${row.by} result-${row.result ?? "none"}` },
    h("span", { class: "row-number" }, h("span", { class: "visually-hidden" }, `${t("step")} `), String(row.step)),
    who(row.by),
    h("span", { class: "row-main" }, h("span", { class: "row-tool" }, tool), h("span", { class: "row-more" }, detail)),
    h(
      "span",
      { class: "row-figures" },
      resultOf(row),
      row.reward === undefined
        ? null
        : h("span", { class: `row-reward ${tone(row.reward)}`, title: t("reward") }, signed(row.reward)),
      h(
        "span",
        { class: "row-tokens", title: t("tokens") },
        row.tokens ? t("tokens_n", { n: short(row.tokens) }) : row.state === "done" ? t("no_model") : "",
      ),
      h("span", { class: "row-seconds" }, row.seconds === undefined ? "" : seconds(row.seconds)),
    ),
  );
}

function resultOf(row) {
  if (row.state === "done") return h("span", { class: `row-result is-${row.result}` }, resultWord(row.result));
  const words = t(`state_${row.state ?? "decided"}`);
  return h(
    "span",
    { class: `row-result is-${row.state}` },
    row.state === "running" ? h("span", { class: "spinner", "aria-hidden": "true" }) : null,
    words,
  );
}

function subtaskRow(row) {
  return h(
    "button",
    { type: "button", class: "row-button heading" },
    h("span", { class: "row-mark" }, subtaskIcon(row.status ?? "active")),
    h(
      "span",
      { class: "row-main" },
      h("span", { class: "row-words" }, `${row.id}. ${oneLine(row.text)}`),
      row.status === "failed" && row.why ? h("span", { class: "row-more" }, row.why) : null,
    ),
  );
}

function askedRow(row) {
  const { ask, answer } = row;
  const words = ask.kind === "question" ? t("row_question") : t("row_asked", { tool: ask.action?.tool ?? "" });
  const said = answer ? `${t(`answered_${answer.answer}`)}${answer.comment ? `: ${answer.comment}` : ""}` : t(row.over ? "not_answered" : "waits_for_you");
  return remark(row, "person", words, said, answer ? `answer-${answer.answer}` : row.over ? "" : "open");
}

function finishedRow(row) {
  return h(
    "button",
    { type: "button", class: "row-button finished" },
    h("span", { class: "row-mark" }, icon("flag")),
    h("span", { class: "row-main" }, h("span", { class: "row-words" }, t("row_finished")), statusChip(row.status)),
    row.tokens
      ? h("span", { class: "row-figures" }, h("span", { class: "row-tokens" }, t("tokens_n", { n: short(row.tokens) })))
      : null,
  );
}
