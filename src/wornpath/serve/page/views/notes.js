// What the agent remembers, and forgetting it.

import { get, remove } from "../lib/api.js";
import { button, confirm, fill, h, icon, toast } from "../lib/dom.js";
import { fail } from "../lib/data.js";
import { moment } from "../lib/format.js";
import { known, t } from "../lib/i18n.js";
import { empty, problemCard, skeleton } from "./marks.js";

const MOST_TEXT = 300;

export function notesView() {
  const list = h("div", null, skeleton(3));
  const element = h("div", { class: "page" }, h("h1", null, t("notes")), h("p", { class: "lead" }, t("notes_lead")), list);

  async function load() {
    try {
      const { notes } = await get("notes");
      fill(
        list,
        notes.length
          ? h("ul", { class: "plain-list" }, notes.map(item))
          : h("div", { class: "card" }, empty("note", t("no_notes"), t("no_notes_hint"))),
      );
    } catch (error) {
      fail(error, true);
      fill(list, problemCard(error, load));
    }
  }

  function item(one) {
    const where = one.scope === "folder" ? one.where : "";
    return h(
      "li",
      { class: "card list-card" },
      h("span", { class: "list-mark" }, icon("note")),
      h(
        "div",
        { class: "list-main" },
        text(one.text),
        h(
          "p",
          { class: "muted small" },
          h("span", { class: "tag" }, known(`scope_${one.scope}`) ?? one.scope),
          one.untrusted ? h("span", { class: "tag warn" }, t("from_outside")) : null,
          [where, moment(one.time)].filter(Boolean).join(" · "),
          one.run_id ? [" · ", h("a", { href: `#/runs/${one.run_id}` }, t("its_run"))] : null,
        ),
      ),
      button(t("forget_note"), { mark: "trash", quiet: true, kind: "plain small", onclick: () => drop(one) }),
    );
  }

  function text(whole) {
    const shown = h("p", { class: "strong" }, whole.length > MOST_TEXT ? `${whole.slice(0, MOST_TEXT)}…` : whole);
    if (whole.length <= MOST_TEXT) return shown;
    const more = button(t("show_all"), {
      kind: "plain small",
      onclick: () => {
        shown.textContent = whole;
        more.remove();
      },
    });
    return [shown, more];
  }

  async function drop(one) {
    if (!(await confirm(t("forget_question", { text: one.text.slice(0, 100) }), { yes: t("forget"), no: t("keep") }))) return;
    try {
      await remove(`notes/${encodeURIComponent(one.id)}`);
      toast(t("forgotten"));
    } catch (error) {
      fail(error);
    }
    load();
  }

  load();
  return { element, name: "notes", update() {} };
}
