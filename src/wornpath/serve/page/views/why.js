// Why this action: who decided, every candidate with the model's and the policy's probability and its value, what came of it,
// similar steps of the past, and what a person would have done instead.

import { get } from "../lib/api.js";
import { button, fill, h, icon } from "../lib/dom.js";
import { argumentsLine, oneLine, percent, plain, seconds, signed, textOf, tone, visible } from "../lib/format.js";
import { known, t } from "../lib/i18n.js";
import { labelForm } from "./label.js";
import { resultWord, riskWord, who } from "./marks.js";

const MOST_TEXT = 6000;

/** The drawer of a row of the timeline. `onClose` and `onMove(±1)` are called for its buttons; ESC closes it. */
export function whyDrawer({ run, row, onClose, onMove }) {
  const title = row.kind === "step" ? t("step_title", { n: row.step }) : (known(`drawer_${row.kind}`) ?? t("details"));
  const head = h("h2", { class: "drawer-title", tabindex: "-1", id: "drawer-title" }, title);
  const element = h(
    "section",
    {
      class: "drawer",
      "aria-labelledby": "drawer-title",
      on: {
        keydown(event) {
          if (event.key === "Escape" && !event.defaultPrevented) onClose();
        },
      },
    },
    h(
      "div",
      { class: "drawer-head" },
      head,
      h(
        "div",
        { class: "row" },
        button(t("previous_row"), { mark: "left", quiet: true, kind: "plain small", onclick: () => onMove(-1) }),
        button(t("next_row"), { mark: "right", quiet: true, kind: "plain small", onclick: () => onMove(1) }),
        button(t("close"), { mark: "x", quiet: true, kind: "plain small", onclick: onClose }),
      ),
    ),
    row.kind === "step" ? stepParts(run, row) : otherParts(row),
  );
  return { element, focus: () => head.focus({ preventScroll: true }) };
}

function stepParts(run, row) {
  const { decision } = row;
  return [
    h(
      "div",
      { class: "drawer-call" },
      h("p", { class: "call" }, h("strong", null, row.action?.tool), " ", h("span", null, argumentsLine(row.action?.arguments))),
      outcome(row),
    ),
    decision ? why(run, decision, row) : null,
    row.seen ? result(run, row) : null,
    args(row.action),
    decision?.state?.text ? details("state", h("pre", { class: "code", tabindex: "0" }, visible(decision.state.text))) : null,
    decision ? labelForm(run, row) : null,
  ];
}

const details = (key, ...content) =>
  h("details", { class: "drawer-part" }, h("summary", null, icon("right"), h("span", null, t(key))), ...content);
const part = (key, ...content) => h("section", { class: "drawer-part" }, h("h3", null, t(key)), ...content);

function outcome(row) {
  if (row.state !== "done") return h("p", { class: "muted" }, t(`state_${row.state}`));
  const facts = [
    h("span", { class: `row-result is-${row.result}` }, resultWord(row.result)),
    row.risk ? h("span", { class: `risk risk-${row.risk}` }, riskWord(row.risk)) : null,
    h("span", { class: "muted" }, seconds(row.seconds)),
    h("span", { class: "muted" }, row.tokens ? t("tokens_long", { n: row.tokens }) : t("no_model")),
    row.reward === undefined ? null : h("span", { class: tone(row.reward) }, `${t("reward")} ${signed(row.reward, 3)}`),
  ];
  return h("p", { class: "facts" }, facts);
}

// -- candidates ---------------------------------------------------------------------------------------

function why(run, decision, row) {
  const candidates = decision.candidates ?? [];
  const at = decision.chosen ?? 0;
  const order = candidates
    .map((_, i) => i)
    .sort((a, b) => (b === at) - (a === at) || probability(decision, b) - probability(decision, a));
  const widest = Math.max(0.001, ...(decision.q ?? []).map(Math.abs));
  const list = h(
    "ol",
    { class: "candidates" },
    order.map((i) => candidate(decision, i, i === at, widest)),
  );
  return part(
    "why_this",
    h(
      "p",
      { class: "decider" },
      who(row.by, { words: false }),
      h("span", null, t(`decided_by_${row.by}`)),
      h("span", { class: "tag" }, t("policy_of", { version: decision.policy_version ?? "prior" })),
      typeof decision.value === "number"
        ? h("span", { class: "tag", title: t("value_hint") }, `V(s) ${signed(decision.value)}`)
        : null,
    ),
    list,
    h("p", { class: "hint" }, t(decision.q ? "bars_hint_q" : "bars_hint")),
    experience(run, row, list),
  );
}

const probability = (decision, i) => decision.probabilities?.[i] ?? 0;

function candidate(decision, i, chosen, widest) {
  const one = decision.candidates[i];
  const allowed = decision.mask?.[i] !== false;
  return h(
    "li",
    { class: `candidate ${chosen ? "chosen" : ""} ${allowed ? "" : "masked"}`, "data-candidate": i },
    h(
      "div",
      { class: "candidate-call" },
      chosen ? h("span", { class: "chosen-mark" }, icon("check"), h("span", { class: "visually-hidden" }, t("chosen"))) : null,
      h(
        "span",
        { class: "candidate-text" },
        h("strong", null, one.action?.tool ?? ""),
        " ",
        argumentsLine(one.action?.arguments),
      ),
      h("span", { class: "tag" }, known(`from_${one.source}`) ?? one.source),
    ),
    bar(t("by_llm"), "model", one.prior ?? 0, percent(one.prior ?? 0)),
    bar(
      t("by_policy"),
      "policy",
      allowed ? probability(decision, i) : 0,
      allowed ? percent(probability(decision, i)) : t("masked"),
    ),
    decision.q ? qBar(decision.q[i] ?? 0, widest) : null,
    one.note ? h("p", { class: "muted small" }, one.note) : null,
  );
}

function bar(words, kind, value, said) {
  return h(
    "div",
    { class: `bar ${kind}` },
    h("span", { class: "bar-name" }, words),
    h(
      "span",
      { class: "bar-track", "aria-hidden": "true" },
      h("span", { class: "bar-fill", style: { width: `${Math.max(0, Math.min(1, value)) * 100}%` } }),
    ),
    h("span", { class: "bar-value" }, said),
  );
}

/** A value around zero: to the right when positive, to the left when not. */
function qBar(value, widest) {
  const share = (Math.abs(value) / widest) * 50;
  return h(
    "div",
    { class: "bar q" },
    h("span", { class: "bar-name" }, "Q"),
    h(
      "span",
      { class: "bar-track middle", "aria-hidden": "true" },
      h("span", {
        class: `bar-fill ${value < 0 ? "minus" : "plus"}`,
        style: { width: `${share}%`, left: `${value < 0 ? 50 - share : 50}%` },
      }),
    ),
    h("span", { class: "bar-value" }, signed(value)),
  );
}

/** What past runs say about each candidate, and what the policy in use would do today: asked for when the drawer opens. */
function experience(run, row, list) {
  const box = h("div", { class: "experience" });
  get(`runs/${encodeURIComponent(run.id)}/why/${row.step}`)
    .then((told) => {
      for (const item of list.children) tell(item, told.candidates?.[Number(item.dataset.candidate)]?.evidence);
      fill(box, today(told), steps(told.evidence ?? []));
    })
    .catch(() => {}); // the decision itself is shown without it
  return box;
}

function tell(item, evidence) {
  if (!evidence?.runs) return;
  const words = [t("done_before", { n: evidence.runs })];
  if (typeof evidence.mean_return === "number") words.push(t("mean_return", { value: signed(evidence.mean_return) }));
  if (typeof evidence.success === "number") words.push(t("met_then", { rate: percent(evidence.success) }));
  item.append(h("p", { class: "muted small" }, words.join(", ")));
}

function today({ now, candidates = [], policy_version: version }) {
  const action = now && candidates[now.chosen];
  if (!action || now.version === version) return null;
  const call = `${action.tool} ${argumentsLine(action.arguments)}`.trim();
  return part(
    "today",
    h(
      "p",
      { class: "candidate-text" },
      t("today_would", { version: now.version, call, rate: percent(now.probabilities[now.chosen]) }),
    ),
  );
}

function steps(evidence) {
  if (!evidence.length) return null;
  const line = (one) =>
    h(
      "li",
      null,
      h("a", { href: `#/runs/${one.run_id}/steps/${one.step}` }, t("evidence_run", { run: one.run_id.slice(-6), n: one.step })),
      h("span", { class: "candidate-text" }, ` ${actionWords(one.action)}`),
      h("span", { class: tone(one.return ?? one.reward ?? 0) }, signed(one.return ?? one.reward ?? 0)),
    );
  return part("evidence", h("ul", { class: "evidence" }, evidence.slice(0, 12).map(line)));
}

const actionWords = (action) =>
  typeof action === "string" ? oneLine(action) : `${action?.tool ?? ""} ${argumentsLine(action?.arguments)}`;

// -- what came of it ----------------------------------------------------------------------------------

function result(run, row) {
  const text = textOf(row.seen);
  const others = (row.seen.parts ?? []).filter((one) => (one.kind ?? "text") !== "text" && one.path);
  if (!text && !row.changed.length && !others.length) return null;
  const paths = [...new Set([...row.changed, ...(row.seen.changed ?? [])])];
  return part(
    "result",
    paths.length
      ? h(
          "ul",
          { class: "path-list" },
          paths
            .slice(0, 30)
            .map((path) =>
              h(
                "li",
                null,
                h("a", { href: `#/runs/${run.id}/files/${encodeURIComponent(path)}` }, icon("file"), h("span", null, path)),
              ),
            ),
        )
      : null,
    row.seen.untrusted ? h("p", { class: "muted small" }, t("untrusted")) : null,
    text ? longText(text) : null,
  );
}

export function longText(text) {
  const pre = h("pre", { class: "code wrap", tabindex: "0" }, visible(text.slice(0, MOST_TEXT)));
  if (text.length <= MOST_TEXT) return pre;
  const more = button(t("show_all"), {
    kind: "plain small",
    onclick: () => {
      pre.textContent = visible(text);
      more.remove();
    },
  });
  return [pre, more];
}

function args(action) {
  const entries = Object.entries(action?.arguments ?? {});
  if (!entries.length) return null;
  return part(
    "arguments",
    h(
      "dl",
      { class: "arguments" },
      entries.map(([name, value]) => [h("dt", null, name), h("dd", null, longText(plain(value)))]),
    ),
  );
}

function otherParts(row) {
  const lines = [];
  if (row.kind === "asked") {
    lines.push(
      [t("asked"), row.ask.reason],
      [t("tool"), row.ask.action?.tool],
      [
        t("answer"),
        row.answer
          ? `${t(`answered_${row.answer.answer}`)} (${known(`by_${row.answer.by}`) ?? row.answer.by})`
          : t(row.over ? "not_answered" : "waits_for_you"),
      ],
      [t("comment"), row.answer?.comment],
    );
  } else if (row.kind === "subtask")
    lines.push(
      [t("subtask"), row.text],
      [t("kind"), known(`kind_${row.type}`) ?? row.type],
      [t("status"), t(`subtask_${row.status ?? "active"}`)],
      [t("because"), row.why],
    );
  else if (row.kind === "verdict")
    lines.push(
      [t("verdict"), known(`status_${row.verdict}`) ?? row.verdict],
      [t("source"), known(`source_${row.source}`) ?? row.source],
      [t("reward"), typeof row.reward === "number" ? signed(row.reward, 3) : ""],
      [t("comment"), row.comment],
    );
  else
    lines.push(
      [t("because"), row.reason || row.text],
      [t("limit"), row.limit],
      [t("tokens"), row.tokens],
      [t("call"), row.action ? `${row.action.tool} ${argumentsLine(row.action.arguments)}` : ""],
    );
  const told = lines.filter(([, value]) => value !== undefined && value !== null && value !== "");
  if (!told.length) return h("p", { class: "muted" }, t("nothing_more"));
  return h(
    "dl",
    { class: "arguments" },
    told.map(([name, value]) => [
      h("dt", null, name),
      h("dd", null, String(value).length > 200 ? longText(String(value)) : oneLine(String(value), 400)),
    ]),
  );
}
