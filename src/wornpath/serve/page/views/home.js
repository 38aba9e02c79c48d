// Hand in a goal: words, files dropped on the page, and options folded away.

import { get } from "../lib/api.js";
import { button, fill, h, icon, toast } from "../lib/dom.js";
import { handIn, store } from "../lib/data.js";
import { bytes, number, percent, short } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { optionFields } from "./options.js";

const EXAMPLES = ["example_table", "example_tidy", "example_write"];
const KEPT = "wornpath.draft";

export function homeView() {
  const files = new Map();
  const text = h("textarea", {
    id: "goal",
    class: "goal-text",
    rows: "4",
    placeholder: t("goal_placeholder"),
    "aria-describedby": "goal-hint",
    prop: { value: draft() },
    on: {
      input: () => keepDraft(text.value),
      keydown: (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && form.requestSubmit(),
    },
  });
  const picker = h("input", {
    type: "file",
    multiple: true,
    class: "visually-hidden",
    tabindex: "-1",
    "aria-hidden": "true",
    on: { change: () => take(picker.files) },
  });
  const chips = h("ul", { class: "file-chips", "aria-label": t("files") });
  const problem = h("p", { class: "form-problem", role: "alert" });
  const options = optionFields();
  const submit = button(t("hand_in"), { mark: "send", kind: "primary", type: "submit" });
  const form = h(
    "form",
    { class: "goal-form card", on: { submit: send } },
    h("label", { for: "goal", class: "visually-hidden" }, t("goal")),
    text,
    chips,
    h(
      "div",
      { class: "row between wrap" },
      h(
        "div",
        { class: "row" },
        button(t("add_files"), { mark: "attach", kind: "plain", onclick: () => picker.click() }),
        picker,
      ),
      h("div", { class: "row" }, h("span", { id: "goal-hint", class: "hint" }, t("goal_hint")), submit),
    ),
    problem,
    options.element,
  );
  const model = h("div", { class: "model-problem" });
  const below = h("div", { class: "home-below" });
  const element = h(
    "div",
    { class: "home", on: { dragover: drag, dragleave: () => element.classList.remove("dropping"), drop } },
    h(
      "div",
      { class: "home-inner" },
      h("h1", null, t("home_title")),
      h("p", { class: "lead" }, t("home_lead")),
      model,
      form,
      below,
    ),
    h("div", { class: "drop-sign", "aria-hidden": "true" }, icon("attach"), h("span", null, t("drop_here"))),
  );

  async function send(event) {
    event.preventDefault();
    problem.textContent = "";
    if (!text.value.trim()) {
      problem.textContent = t("goal_empty");
      text.focus();
      return;
    }
    submit.disabled = true;
    try {
      const row = await handIn({ goal: text.value.trim(), ...options.read() }, [...files.values()]);
      keepDraft("");
      location.hash = `#/runs/${row.run_id}`;
    } catch (error) {
      problem.textContent = error.offline ? t("offline") : error.message;
      submit.disabled = false;
    }
  }

  function take(list) {
    for (const file of list) files.set(file.name, file);
    picker.value = "";
    fill(
      chips,
      [...files.values()].map((file) =>
        h(
          "li",
          { class: "file-chip" },
          icon("file"),
          h("span", null, file.name),
          h("span", { class: "muted" }, bytes(file.size)),
          button(t("remove_file", { name: file.name }), {
            mark: "x",
            quiet: true,
            kind: "plain tiny",
            onclick: () => files.delete(file.name) && take([]),
          }),
        ),
      ),
    );
    options.fresh(files.size > 0);
  }

  function drag(event) {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    element.classList.add("dropping");
  }

  function drop(event) {
    element.classList.remove("dropping");
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    take(event.dataTransfer.files);
    toast(t("files_added", { n: event.dataTransfer.files.length }));
  }

  let listed = null;
  function update() {
    options.update();
    const { info } = store.state;
    fill(
      model,
      info?.model_problem
        ? h(
            "div",
            { class: "card problem" },
            h("span", { class: "problem-mark" }, icon("warn")),
            h("div", null, h("p", { class: "strong" }, t("model_problem")), h("p", null, info.model_problem)),
          )
        : null,
    );
    const { query, filter, runs } = store.state;
    const now = runs.length > 0 || Boolean(query || filter); // a search that finds nothing is no first visit
    if (!store.state.listed || now === listed) return;
    listed = now;
    if (now) showRecord(below);
    else fill(below, examples(text));
  }

  update();
  if (matchMedia("(min-width: 760px)").matches)
    setTimeout(() => element.isConnected && document.activeElement === document.body && text.focus());
  return { element, update, name: "home" };
}

function examples(text) {
  const use = (key) => {
    text.value = t(key);
    keepDraft(text.value);
    text.focus();
  };
  return [
    h("h2", { class: "small-head" }, t("examples")),
    h(
      "div",
      { class: "examples" },
      EXAMPLES.map((key) =>
        h("button", { type: "button", class: "example", on: { click: () => use(key) } }, icon("right"), h("span", null, t(key))),
      ),
    ),
  ];
}

/** How it has gone so far, in three figures. */
async function showRecord(below) {
  try {
    const { summary } = await get("curves");
    if (!summary?.runs) return;
    const figure = (value, words, more = "") =>
      h(
        "div",
        { class: "figure" },
        h("span", { class: "figure-value" }, value),
        h("span", { class: "figure-words" }, words),
        more ? h("span", { class: "muted" }, more) : null,
      );
    const interval =
      summary.success === null || summary.success === undefined
        ? ""
        : t("interval", { low: percent(summary.success_low ?? 0), high: percent(summary.success_high ?? 1) });
    fill(
      below,
      h("h2", { class: "small-head" }, t("so_far")),
      h(
        "a",
        { class: "figures card", href: "#/learning" },
        figure(number(summary.runs), t("runs_judged")),
        figure(
          summary.success === null || summary.success === undefined ? "–" : percent(summary.success),
          t("goals_met"),
          interval,
        ),
        figure(summary.tokens_per_met_goal ? short(Math.round(summary.tokens_per_met_goal)) : "–", t("tokens_per_met_goal")),
        icon("right"),
      ),
    );
  } catch {
    fill(below); // the figures are an extra here; the page of curves tells of problems
  }
}

/** What was typed and not handed in is still there after a reload. */
function draft() {
  try {
    return sessionStorage.getItem(KEPT) ?? "";
  } catch {
    return "";
  }
}

function keepDraft(value) {
  try {
    sessionStorage.setItem(KEPT, value);
  } catch {
    // then it is not kept
  }
}
