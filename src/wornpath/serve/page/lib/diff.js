// A unified diff as elements: numbers of old and new lines, signs that do not rely on colour, long ones cut with a way to see the rest.

import { button, h } from "./dom.js";
import { visible } from "./format.js";
import { t } from "./i18n.js";

const SHOWN = 400;

export const looksLikeDiff = (text) => /^@@ .* @@/m.test(text ?? "");

export function renderDiff(text, { label, most = SHOWN } = {}) {
  const { head, lines } = parts(text);
  const body = h("div", { class: "diff-lines" }, head);
  const counter = { old: 0, new: 0, oldLeft: 0, newLeft: 0 };
  const add = (from, to) => lines.slice(from, to).forEach((line) => body.append(lineOf(line, counter)));
  add(0, most);
  const box = h("div", { class: "diff", role: "region", "aria-label": label ?? t("diff"), tabindex: "0" }, body);
  if (lines.length > most) {
    const rest = button(t("more_lines", { n: lines.length - most }), {
      kind: "plain small",
      onclick: () => {
        rest.remove();
        add(most, lines.length);
      },
    });
    box.append(rest);
  }
  return box;
}

/** The two lines that name the file, as a head in words, and the lines after them. */
function parts(text) {
  const lines = text.replace(/\n$/, "").split("\n");
  const named = /^--- (.*)$/.exec(lines[0]) && /^\+\+\+ (.*)$/.exec(lines[1] ?? "");
  if (!named) return { head: null, lines };
  const name = (line) =>
    line
      .slice(4)
      .split("\t")[0]
      .replace(/^[ab]\//, "");
  const [before, after] = [name(lines[0]), name(lines[1])];
  const status = before === "/dev/null" ? "added" : after === "/dev/null" ? "removed" : "changed";
  const head = h(
    "div",
    { class: "diff-head" },
    h("span", null, visible(status === "removed" ? before : after)),
    h("span", { class: `tag change-${status}` }, t(`change_${status}`)),
  );
  return { head, lines: lines.slice(2) };
}

function lineOf(line, counter) {
  const hunk = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/.exec(line);
  if (hunk) {
    Object.assign(counter, { old: Number(hunk[1]), new: Number(hunk[3]) });
    Object.assign(counter, { oldLeft: Number(hunk[2] ?? 1), newLeft: Number(hunk[4] ?? 1) });
    return row("hunk", "", "", "", line);
  }
  if (line.startsWith("\\")) return row("hunk", "", "", "", line);
  if (!counter.oldLeft && !counter.newLeft) return row("file", "", "", "", line); // a removed line may begin with -- too
  const sign = line[0] ?? " ";
  const rest = line.slice(1);
  if (sign !== "+") counter.oldLeft -= 1;
  if (sign !== "-") counter.newLeft -= 1;
  if (sign === "+") return row("added", "", counter.new++, "+", rest);
  if (sign === "-") return row("removed", counter.old++, "", "−", rest);
  return row("same", counter.old++, counter.new++, "", rest);
}

function row(kind, before, after, sign, text) {
  return h(
    "div",
    { class: `diff-line ${kind}` },
    h("span", { class: "diff-number", "aria-hidden": "true" }, before),
    h("span", { class: "diff-number", "aria-hidden": "true" }, after),
    h("span", { class: "diff-sign" }, sign),
    h("span", { class: "diff-text" }, visible(text)),
  );
}

/** How many lines a diff adds and removes. */
export function countDiff(text) {
  const body = (text ?? "").split("\n");
  const from = body.findIndex((line) => line.startsWith("@@"));
  const lines = from < 0 ? [] : body.slice(from);
  return {
    added: lines.filter((line) => line.startsWith("+")).length,
    removed: lines.filter((line) => line.startsWith("-")).length,
  };
}
