// The options of a goal, folded away until somebody wants them: folder, checks, model, when to ask, limits.

import { h, icon } from "../lib/dom.js";
import { store } from "../lib/data.js";
import { t } from "../lib/i18n.js";
import { shellCommands } from "../lib/shell.js";

/** The fields: `element`, `read()` for the request's parts that were set, `update()` when the server told about itself. */
export function optionFields() {
  const place = (label, hint, field) =>
    h(
      "div",
      { class: "field" },
      h("label", { for: field.id }, label),
      field,
      hint ? (hint instanceof Node ? hint : h("p", { class: "hint" }, hint)) : null,
    );
  const where = h("p", { class: "hint" }, t("workspace_hint"));
  const input = (name, more = {}) => h("input", { id: `option-${name}`, class: "input", name, autocomplete: "off", ...more });
  const limit = (name, more = {}) =>
    input(name, { type: "number", min: "1", inputmode: "numeric", placeholder: t("no_limit"), ...more });
  const fields = {
    workspace: input("workspace", { placeholder: t("workspace_placeholder"), spellcheck: "false" }),
    checks: h("textarea", {
      id: "option-checks",
      class: "input mono",
      rows: "2",
      placeholder: "test -s report.md",
      spellcheck: "false",
    }),
    model: input("model", { spellcheck: "false" }),
    approve: h(
      "select",
      { id: "option-approve", class: "input" },
      h("option", { value: "" }, t("approve_default")),
      ["on-risk", "ask", "never"].map((mode) => h("option", { value: mode }, t(`approve_${mode}`))),
    ),
    max_steps: limit("max_steps", { placeholder: "40" }),
    max_tokens: limit("max_tokens"),
    max_cost: limit("max_cost", { min: "0", step: "any", inputmode: "decimal" }),
    timeout: limit("timeout"),
  };
  const learn = h("input", { id: "option-learn", type: "checkbox", prop: { checked: true } });
  const element = h(
    "details",
    { class: "options" },
    h("summary", null, icon("right"), h("span", null, t("options"))),
    h(
      "div",
      { class: "option-grid" },
      place(t("workspace"), where, fields.workspace),
      place(t("model"), t("model_hint"), fields.model),
      h("div", { class: "span-2" }, place(t("checks"), t("checks_hint"), fields.checks)),
      h("div", { class: "span-2" }, place(t("approve"), t("approve_hint"), fields.approve)),
      h(
        "fieldset",
        { class: "limits span-2" },
        h("legend", null, t("limits")),
        place(t("max_steps"), "", fields.max_steps),
        place(t("max_tokens"), "", fields.max_tokens),
        place(t("max_cost"), "", fields.max_cost),
        place(t("timeout"), "", fields.timeout),
      ),
      h("label", { class: "check span-2" }, learn, h("span", null, t("learn_from_it"))),
    ),
  );
  return {
    element,
    update() {
      const { info } = store.state;
      if (!info) return;
      if (info.model) fields.model.placeholder = info.model;
      if (info.workspace_root) where.textContent = t("workspace_hint_in", { folder: info.workspace_root });
    },
    /** Uploaded files go into a fresh folder, so that no other one can be named. */
    fresh(uploads) {
      fields.workspace.disabled = uploads;
      if (uploads) fields.workspace.value = "";
    },
    read() {
      const out = {};
      for (const name of ["workspace", "model"]) if (fields[name].value.trim()) out[name] = fields[name].value.trim();
      const checks = shellCommands(fields.checks.value);
      if (checks.length) out.checks = checks;
      if (fields.approve.value) out.approve = fields.approve.value;
      for (const name of ["max_steps", "max_tokens", "max_cost", "timeout"])
        if (fields[name].value !== "") out[name] = Number(fields[name].value);
      if (!learn.checked) out.learn = false;
      return out;
    },
  };
}
