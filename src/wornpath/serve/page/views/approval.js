// The card on which a person allows, denies or answers: the real change on top, everything reachable by keyboard alone.

import { button, fill, h, icon, toast } from "../lib/dom.js";
import { answerApproval } from "../lib/data.js";
import { looksLikeDiff, renderDiff } from "../lib/diff.js";
import { plain, visible } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { parseJson } from "../lib/json.js";
import { riskWord } from "./marks.js";

const typing = (target) => target.closest("textarea, input, select, [contenteditable]") !== null;

/** The card for APPROVAL. It takes the focus when it appears, unless the person is typing somewhere else. */
export function approvalCard(approval) {
  const question = approval.kind === "question";
  const problem = h("p", { class: "form-problem", role: "alert" });
  const work = h("div", { class: "approval-work" });
  const title = h(
    "h2",
    { class: "approval-title", tabindex: "-1", id: `approval-${approval.id}` },
    question ? approval.reason || t("question_for_you") : t("approval_title", { tool: approval.action?.tool ?? "" }),
  );
  const element = h(
    "section",
    { class: `approval card ${question ? "question" : ""}`, "aria-labelledby": `approval-${approval.id}`, on: { keydown: key } },
    h(
      "div",
      { class: "approval-head" },
      h("span", { class: "approval-mark" }, icon(question ? "question" : "person")),
      h(
        "div",
        null,
        title,
        question
          ? null
          : h(
              "p",
              { class: "muted" },
              h("span", { class: `risk risk-${approval.risk}` }, riskWord(approval.risk)),
              reason(approval),
            ),
      ),
    ),
    question ? null : subject(approval),
    work,
    problem,
  );
  const scope = scopeField(approval);
  let editing = null;
  let busy = false;

  function choices() {
    editing = null;
    if (question) {
      answerForm();
      return;
    }
    fill(
      work,
      h(
        "div",
        { class: "approval-buttons" },
        shortcut(button(t("allow"), { mark: "check", kind: "primary", onclick: allow, "aria-keyshortcuts": "A" }), "A"),
        shortcut(button(t("deny"), { mark: "x", kind: "danger", onclick: denyForm, "aria-keyshortcuts": "D" }), "D"),
        shortcut(button(t("edit_arguments"), { mark: "edit", kind: "plain", onclick: editForm, "aria-keyshortcuts": "E" }), "E"),
        scope?.field,
      ),
      scope?.hint,
    );
  }

  const allow = () => send({ answer: "allow", ...scope?.read() });

  function textForm(label, hint, sendWord, kind, make) {
    const text = h("textarea", {
      class: "input",
      rows: "2",
      id: `say-${approval.id}`,
      "aria-describedby": `say-hint-${approval.id}`,
    });
    const form = h(
      "form",
      { class: "approval-form", on: { submit: (event) => event.preventDefault() || send(make(text.value.trim())) } },
      h("label", { for: text.id }, label),
      text,
      h(
        "div",
        { class: "row between wrap" },
        h("span", { class: "hint", id: `say-hint-${approval.id}` }, hint),
        h(
          "div",
          { class: "row" },
          question ? null : button(t("back"), { kind: "plain", onclick: back }),
          button(sendWord, { kind, type: "submit" }),
        ),
      ),
    );
    text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    fill(work, form);
    return text;
  }

  const denyForm = () =>
    textForm(t("deny_why"), t("enter_sends"), t("deny"), "danger", (comment) => ({ answer: "deny", comment })).focus();
  const answerForm = () =>
    textForm(t("your_answer"), t("enter_sends_only"), t("answer"), "primary", (comment) =>
      comment ? { answer: "answer", comment } : null,
    );

  function editForm() {
    editing = argumentFields(approval);
    const form = h(
      "form",
      { class: "approval-form", on: { submit: (event) => event.preventDefault() || sendEdited() } },
      editing.element,
      h(
        "div",
        { class: "row end" },
        button(t("back"), { kind: "plain", onclick: back }),
        button(t("allow_edited"), { mark: "check", kind: "primary", type: "submit" }),
      ),
    );
    fill(work, form);
    editing.first?.focus();
  }

  function sendEdited() {
    try {
      send({ answer: "allow", arguments: editing.read(), ...scope?.read() });
    } catch (error) {
      problem.textContent = error.message;
    }
  }

  function back() {
    choices();
    title.focus();
  }

  async function send(answer) {
    if (busy) return;
    if (answer === null) {
      problem.textContent = t("answer_empty");
      return;
    }
    busy = true;
    problem.textContent = "";
    element.classList.add("busy");
    try {
      await answerApproval(approval, answer);
      toast(t(`answered_${answer.answer}`));
    } catch (error) {
      busy = false;
      element.classList.remove("busy");
      problem.textContent = error.offline ? t("offline") : error.message;
    }
  }

  function key(event) {
    if (event.key === "Escape" && !question && work.querySelector("form")) {
      event.preventDefault();
      back();
      return;
    }
    if (question || typing(event.target) || event.ctrlKey || event.metaKey || event.altKey || work.querySelector("form")) return;
    const act = { a: allow, d: denyForm, e: editForm }[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  }

  choices();
  return {
    element,
    focus() {
      const now = document.activeElement;
      if (now && now !== document.body && typing(now)) return;
      (question ? work.querySelector("textarea") : title).focus({ preventScroll: false });
    },
  };
}

/** For how long an allowance holds; null where no rule can be made of it. */
function scopeField(approval) {
  if (!approval.rule || approval.kind === "question") return null;
  const hint = h("p", { class: "hint hidden", "aria-live": "polite" }, t("allows_then", { rule: visible(approval.rule) }));
  const show = () => hint.classList.toggle("hidden", select.value === "once");
  const select = h(
    "select",
    { class: "input scope", "aria-label": t("how_long"), on: { change: show } },
    ["once", "run", "folder", "always"].map((one) => h("option", { value: one }, t(`allow_${one}`))),
  );
  return { field: select, hint, read: () => (select.value === "once" ? {} : { scope: select.value }) };
}

/** The reason, where it says more than the title does. */
const reason = ({ reason: said = "" }) => (said && !/ needs a person's approval\.$/.test(said) ? ` ${visible(said)}` : "");

/** What is to be done, as it will be done: its diff, or else its arguments. */
function subject(approval) {
  const { diff = "", action = {} } = approval;
  const rest = Object.entries(action.arguments ?? {});
  if (diff) return h("div", { class: "approval-subject" }, renderDiff(diff, { label: t("what_would_change"), most: 200 }));
  if (looksLikeDiff(approval.preview))
    return h("div", { class: "approval-subject" }, renderDiff(approval.preview, { label: t("what_would_change") }));
  if (!rest.length)
    return approval.preview ? h("pre", { class: "approval-subject code", tabindex: "0" }, visible(approval.preview)) : null;
  return h(
    "dl",
    { class: "approval-subject arguments" },
    rest.map(([name, value]) => [
      h("dt", null, name),
      h("dd", null, h("pre", { class: "code", tabindex: "0" }, visible(plain(value)))),
    ]),
  );
}

/** Fields to change the arguments in: text as text, anything else as JSON. What is not touched stays as it was, byte for byte. */
export function argumentFields(approval) {
  const fields = [];
  const element = h(
    "div",
    { class: "argument-fields" },
    Object.entries(approval.action?.arguments ?? {}).map(([name, value]) => {
      const isText = typeof value === "string";
      const shown = isText ? value : JSON.stringify(value, null, 1);
      const long = shown.length > 70 || shown.includes("\n");
      const id = `argument-${approval.id}-${name}`;
      const field = long
        ? h("textarea", {
            id,
            class: "input mono",
            rows: String(Math.min(16, shown.split("\n").length + 1)),
            spellcheck: "false",
            prop: { value: shown },
          })
        : h("input", { id, class: "input mono", spellcheck: "false", autocomplete: "off", prop: { value: shown } });
      const lineEnd = isText && /\r\n/.test(value) && !/(^|[^\r])\n/.test(value) ? "\r\n" : "\n";
      fields.push({ name, value, isText, field, lineEnd, atFirst: field.value }); // a field has its own ends of lines
      return h("div", { class: "field" }, h("label", { for: id }, name), field);
    }),
  );
  return {
    element,
    first: fields[0]?.field,
    read() {
      const out = {};
      for (const { name, value, isText, field, lineEnd, atFirst } of fields) {
        try {
          if (field.value === atFirst) out[name] = value;
          else out[name] = isText ? field.value.replaceAll("\n", lineEnd) : parseJson(field.value);
        } catch {
          field.focus();
          throw new Error(t("not_json", { name }));
        }
      }
      return out;
    },
  };
}

function shortcut(element, letter) {
  element.append(h("kbd", { "aria-hidden": "true" }, letter));
  return element;
}
