// What a run came to: its answer, verdict, files and figures, and a person's word on it.

import { post } from "../lib/api.js";
import { button, h, icon, toast } from "../lib/dom.js";
import { fail, isEnded, takeRow } from "../lib/data.js";
import { bytes, moment, money, number, seconds, signed, visible } from "../lib/format.js";
import { known, t } from "../lib/i18n.js";
import { renderMarkdown } from "../lib/markdown.js";
import { statusChip } from "./marks.js";
import { fileIcon } from "./preview.js";

const MOST_FILES = 12;

/** The card of a run that ended; null before. */
export function outcomeCard(run, detail) {
  const status = run.result?.status ?? (isEnded(detail?.status) ? detail.status : "");
  if (!status) return null;
  const summary = run.result?.summary || detail?.summary || "";
  const verdict = run.verdict ? t("verdict_by", { source: known(`source_${run.verdict.source}`) ?? run.verdict.source }) : "";
  return h(
    "section",
    { class: `card outcome is-${status}` },
    h("h2", { class: "card-head" }, icon("flag"), h("span", null, t("outcome")), statusChip(status)),
    verdict ? h("p", { class: "muted small" }, [verdict, run.verdict.comment].filter(Boolean).join(": ")) : null,
    summary ? h("div", { class: "summary" }, renderMarkdown(visible(summary))) : null,
    fileChips(run),
    ratingRow(run, detail),
  );
}

function fileChips(run) {
  const files = [...run.artifacts.values()];
  if (!files.length) return null;
  return h(
    "ul",
    { class: "artifact-chips", "aria-label": t("files_made") },
    files
      .slice(0, MOST_FILES)
      .map((one) =>
        h(
          "li",
          null,
          h(
            "a",
            { class: "artifact-chip", href: `#/runs/${run.id}/files/${encodeURIComponent(one.path)}` },
            fileIcon(one),
            h("span", { class: "artifact-name" }, one.path),
            h("span", { class: "muted" }, bytes(one.bytes ?? 0)),
          ),
        ),
      ),
    files.length > MOST_FILES
      ? h(
          "li",
          null,
          h("a", { class: "artifact-chip", href: `#/runs/${run.id}/files` }, t("more_files", { n: files.length - MOST_FILES })),
        )
      : null,
  );
}

function ratingRow(run, detail) {
  const rating = run.rating ?? detail?.rating ?? null;
  const rate = async (word) => {
    const next = rating === word ? "none" : word;
    try {
      const row = await post(`runs/${encodeURIComponent(run.id)}/rating`, { rating: next });
      run.rating = next === "none" ? null : next;
      run.changes += 1; // at once, and again when the event comes
      takeRow(row);
      toast(t(next === "none" ? "rating_taken_back" : "rating_kept"));
    } catch (problem) {
      fail(problem);
    }
  };
  const thumb = (word, mark) =>
    button(t(`rate_${word}`), {
      mark,
      kind: `plain thumb ${rating === word ? "on" : ""}`,
      "aria-pressed": String(rating === word),
      onclick: () => rate(word),
      id: `rate-${word}`,
    });
  return h(
    "div",
    { class: "rating" },
    h("span", { class: "muted" }, t("rate_lead")),
    h("div", { class: "row" }, thumb("good", "up"), thumb("bad", "down")),
  );
}

/** The figures of a run, as a description list. */
export function figuresCard(run, detail) {
  const result = run.result ?? {};
  const took = result.seconds ?? (run.started ? Math.max(0, (run.ended || lastTime(run)) - run.started) : null);
  const rows = [
    [t("model"), run.model],
    [t("policy"), run.policy],
    [t("steps"), number(run.steps.size)],
    [t("model_calls"), run.skipped ? t("calls_skipped", { n: run.calls, skipped: run.skipped }) : number(run.calls)],
    [t("tokens"), t("tokens_in_out", { prompt: number(run.tokens.prompt), completion: number(run.tokens.completion) })],
    [t("cost"), run.cost ? money(run.cost) : ""],
    [t("time"), took === null ? "" : seconds(took)],
    [t("reward"), run.steps.size ? signed(run.reward, 3) : ""],
    [t("started"), moment(run.started)],
    [t("workspace"), run.goal?.workspace ?? detail?.workspace],
    [t("continues"), detail?.parent ? h("a", { href: `#/runs/${detail.parent}` }, detail.parent) : ""],
  ].filter(([, value]) => value !== "" && value !== undefined && value !== null);
  const checks = run.goal?.checks ?? [];
  return h(
    "section",
    { class: "card" },
    h("h2", { class: "card-head" }, icon("chart"), h("span", null, t("figures"))),
    h(
      "dl",
      { class: "facts-list" },
      rows.map(([name, value]) => [h("dt", null, name), h("dd", null, value)]),
    ),
    checks.length
      ? h(
          "details",
          { class: "checks" },
          h("summary", null, icon("right"), h("span", null, t("checks_n", { n: checks.length }))),
          checks.map((one) => h("pre", { class: "code wrap", tabindex: "0" }, visible(one))),
        )
      : null,
  );
}

const lastTime = (run) => run.events.at(-1)?.time ?? run.started;
