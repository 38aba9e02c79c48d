// What the run changed in the workspace, and taking it back.

import { get, post } from "../lib/api.js";
import { button, confirm, fill, h, icon, toast } from "../lib/dom.js";
import { fail, isEnded } from "../lib/data.js";
import { countDiff, renderDiff } from "../lib/diff.js";
import { t } from "../lib/i18n.js";
import { empty, problemCard, skeleton } from "./marks.js";

const OPEN = 4;

export function changesPanel(run, status) {
  const element = h("div", { class: "changes" });

  async function load() {
    if (!element.firstChild) fill(element, skeleton(6));
    try {
      const { files } = await get(`runs/${encodeURIComponent(run.id)}/diff`);
      fill(element, files.length ? [head(files), files.map(one)] : empty("compare", t("no_changes"), t("no_changes_hint")));
    } catch (problem) {
      fill(element, problemCard(problem, load));
    }
  }

  function head(files) {
    const undo =
      isEnded(status()) || status() === "paused"
        ? button(t("undo_run"), { mark: "undo", kind: "plain", onclick: takeBack })
        : h("span", { class: "hint" }, t("undo_later"));
    return h(
      "div",
      { class: "row between wrap changes-head" },
      h("h2", { class: "small-head" }, t("files_changed", { n: files.length })),
      undo,
    );
  }

  async function takeBack() {
    if (!(await confirm(t("undo_question"), { yes: t("undo_run"), no: t("keep") }))) return;
    try {
      const { restored = [], removed = [], conflicts = [] } = await post(`runs/${encodeURIComponent(run.id)}/undo`);
      toast(t("undone", { n: restored.length + removed.length }));
      await load();
      if (conflicts.length) element.prepend(conflictCard(conflicts));
    } catch (problem) {
      fail(problem);
    }
  }

  load();
  const shown = () => `${run.writes} ${isEnded(status())} ${status() === "paused"}`; // the files, and whether they can be taken back
  let seen = shown();
  return {
    element,
    update() {
      if (shown() === seen) return;
      seen = shown();
      load();
    },
  };
}

function conflictCard(conflicts) {
  const name = (one) => (typeof one === "string" ? one : [one.path, one.why].filter(Boolean).join(": "));
  return h(
    "div",
    { class: "card problem", role: "alert" },
    h("span", { class: "problem-mark" }, icon("warn")),
    h(
      "div",
      null,
      h("p", { class: "strong" }, t("undo_conflicts")),
      h(
        "ul",
        null,
        conflicts.map((one) => h("li", null, name(one))),
      ),
    ),
  );
}

function one(file, index) {
  const { added, removed } = countDiff(file.diff);
  const details = h(
    "details",
    { class: "change", prop: { open: index < OPEN } },
    h(
      "summary",
      null,
      icon("right"),
      h("span", { class: `tag change-${file.status}` }, t(`change_${file.status}`)),
      h("span", { class: "change-path" }, file.path),
      h(
        "span",
        { class: "change-count" },
        added ? h("span", { class: "plus" }, `+${added}`) : null,
        removed ? h("span", { class: "minus" }, `−${removed}`) : null,
      ),
    ),
  );
  const draw = () =>
    details.open &&
    details.children.length === 1 &&
    details.append(
      file.diff
        ? renderDiff(file.diff, { label: t("diff_of", { path: file.path }) })
        : h("p", { class: "muted pad" }, t("no_text_diff")),
    );
  details.addEventListener("toggle", draw);
  draw();
  return details;
}
