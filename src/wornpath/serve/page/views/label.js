// "I would have done X": a person's own choice at a step, recorded as a label to learn from.

import { post } from "../lib/api.js";
import { button, fill, h, icon, toast } from "../lib/dom.js";
import { argumentsLine } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { parseJson } from "../lib/json.js";
import { argumentFields } from "./approval.js";

export function labelForm(run, row) {
  const candidates = (row.decision?.candidates ?? []).filter((_, i) => i !== (row.decision.chosen ?? 0));
  const name = `label-${row.step}`;
  const tool = h("input", {
    class: "input mono",
    id: `${name}-tool`,
    spellcheck: "false",
    autocomplete: "off",
    prop: { value: row.action?.tool ?? "" },
  });
  const json = h("textarea", {
    class: "input mono",
    id: `${name}-json`,
    rows: "3",
    spellcheck: "false",
    prop: { value: JSON.stringify(row.action?.arguments ?? {}, null, 1) },
  });
  const comment = h("input", { class: "input", id: `${name}-comment`, autocomplete: "off" });
  const problem = h("p", { class: "form-problem", role: "alert" });
  const edit = h("div", { class: "label-edit" });
  let fields = null;

  const own = h("input", { type: "radio", name, value: "own", on: { change: pick } });
  const choices = h(
    "fieldset",
    { class: "choices" },
    h("legend", null, t("label_lead")),
    candidates.map((one, i) =>
      h(
        "label",
        { class: "choice" },
        h("input", { type: "radio", name, value: String(i), on: { change: pick } }),
        h("span", null, h("strong", null, one.action.tool), " ", argumentsLine(one.action.arguments)),
      ),
    ),
    h("label", { class: "choice" }, own, h("span", null, t("label_own"))),
  );

  function chosen() {
    return form.elements[name]?.value ?? form.querySelector(`input[name="${name}"]:checked`)?.value ?? "";
  }

  function pick() {
    const value = chosen();
    fields = null;
    if (value === "own") {
      fill(
        edit,
        h("div", { class: "field" }, h("label", { for: tool.id }, t("tool")), tool),
        h("div", { class: "field" }, h("label", { for: json.id }, t("arguments_json")), json),
      );
    } else if (value) {
      fields = argumentFields({ id: name, action: candidates[Number(value)].action });
      fill(edit, fields.element);
    }
  }

  function action() {
    const value = chosen();
    if (!value) throw new Error(t("label_none"));
    if (value !== "own") return { tool: candidates[Number(value)].action.tool, arguments: fields.read() };
    if (!tool.value.trim()) throw new Error(t("label_no_tool"));
    try {
      return { tool: tool.value.trim(), arguments: parseJson(json.value || "{}") };
    } catch {
      throw new Error(t("not_json", { name: t("arguments_json") }));
    }
  }

  async function send(event) {
    event.preventDefault();
    problem.textContent = "";
    try {
      await post(`runs/${encodeURIComponent(run.id)}/labels`, {
        step: row.step,
        action: action(),
        ...(comment.value.trim() ? { comment: comment.value.trim() } : {}),
      });
      toast(t("label_kept"));
      box.open = false;
    } catch (error) {
      problem.textContent = error.offline ? t("offline") : error.message;
    }
  }

  const form = h(
    "form",
    { class: "label-form", on: { submit: send } },
    choices,
    edit,
    h("div", { class: "field" }, h("label", { for: comment.id }, t("comment")), comment),
    problem,
    h("div", { class: "row end" }, button(t("label_send"), { mark: "person", kind: "primary small", type: "submit" })),
  );
  const box = h("details", { class: "drawer-part" }, h("summary", null, icon("right"), h("span", null, t("label_title"))), form);
  return box;
}
