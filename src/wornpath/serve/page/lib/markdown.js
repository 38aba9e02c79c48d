// Markdown to elements. Everything is made with createElement and text nodes, so nothing in a file can become markup of ours:
// HTML is shown as text, images are shown as links, and only http, https and mailto addresses can be followed.

import { h } from "./dom.js";

const MOST_LINES = 5000;

export function renderMarkdown(text) {
  const lines = text.replace(/\r\n?/g, "\n").split("\n").slice(0, MOST_LINES);
  return h("div", { class: "markdown" }, blocks(lines));
}

function blocks(lines, depth = 0) {
  const out = [];
  let i = 0;
  while (i < lines.length) {
    const line = lines[i];
    const fence = /^ {0,3}(```+|~~~+)\s*([\w+-]*)/.exec(line);
    const heading = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/.exec(line);
    if (!line.trim()) i += 1;
    else if (fence) {
      const end = lines.findIndex((other, at) => at > i && other.trim().startsWith(fence[1]));
      const stop = end < 0 ? lines.length : end;
      out.push(h("pre", { tabindex: "0" }, h("code", null, lines.slice(i + 1, stop).join("\n"))));
      i = stop + 1;
    } else if (heading) {
      const level = Math.min(heading[1].length + 2, 6); // the page has its own h1 and h2
      out.push(h(`h${level}`, { class: `md-h${heading[1].length}` }, inline(heading[2])));
      i += 1;
    } else if (/^ {0,3}([-*_])(\s*\1){2,}\s*$/.test(line)) {
      out.push(h("hr"));
      i += 1;
    } else if (/^ {0,3}>/.test(line) && depth < 8) {
      const from = i;
      while (i < lines.length && /^ {0,3}>/.test(lines[i])) i += 1;
      out.push(
        h(
          "blockquote",
          null,
          blocks(
            lines.slice(from, i).map((one) => one.replace(/^ {0,3}> ?/, "")),
            depth + 1,
          ),
        ),
      );
    } else if (isTable(lines, i)) {
      const from = i;
      while (i < lines.length && lines[i].includes("|") && lines[i].trim()) i += 1;
      out.push(table(lines.slice(from, i)));
    } else if (bullet(line) && depth < 8) {
      const [list, next] = listAt(lines, i, depth);
      out.push(list);
      i = next;
    } else {
      const from = i;
      while (i < lines.length && lines[i].trim() && (i === from || !startsBlock(lines, i))) i += 1;
      out.push(h("p", null, inline(lines.slice(from, i).join("\n"))));
    }
  }
  return out;
}

const bullet = (line) => /^( *)([-*+]|\d{1,9}[.)])\s+(.*)$/.exec(line);
const isTable = (lines, i) =>
  lines[i].includes("|") &&
  (lines[i + 1] ?? "").includes("|") &&
  /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(lines[i + 1]);
const startsBlock = (lines, i) =>
  /^ {0,3}(#{1,6}\s|>|```|~~~)/.test(lines[i]) ||
  Boolean(bullet(lines[i])) ||
  isTable(lines, i) ||
  /^ {0,3}([-*_])(\s*\1){2,}\s*$/.test(lines[i]);

function listAt(lines, start, depth) {
  const [, indent, mark] = bullet(lines[start]);
  const ordered = /\d/.test(mark);
  const list = h(ordered ? "ol" : "ul", ordered && parseInt(mark, 10) !== 1 ? { start: parseInt(mark, 10) } : null);
  let i = start;
  while (i < lines.length) {
    const found = bullet(lines[i]);
    if (!found || found[1].length !== indent.length || /\d/.test(found[2]) !== ordered) break;
    const inner = [found[3]];
    const margin = found[1].length + found[2].length + 1;
    i += 1;
    while (i < lines.length) {
      const deeper = /^ */.exec(lines[i])[0].length;
      if (!lines[i].trim()) {
        const next = lines[i + 1];
        if (next === undefined || !next.trim() || /^ */.exec(next)[0].length <= indent.length) break;
      } else if (deeper <= indent.length && (bullet(lines[i]) || startsBlock(lines, i))) break;
      inner.push(lines[i].slice(Math.min(deeper, margin)));
      i += 1;
    }
    const content = blocks(inner, depth + 1);
    list.append(h("li", null, content.length === 1 && content[0].tagName === "P" ? [...content[0].childNodes] : content));
    while (i < lines.length && !lines[i].trim() && bullet(lines[i + 1] ?? "")?.[1].length === indent.length) i += 1;
  }
  return [list, Math.max(i, start + 1)];
}

function table(lines) {
  const cells = (line) =>
    line
      .trim()
      .replace(/^\||\|$/g, "")
      .split(/(?<!\\)\|/)
      .map((cell) => inline(cell.trim().replaceAll("\\|", "|")));
  const [head, rule, ...body] = lines;
  const right = rule.replace(/^\s*\||\|\s*$/g, "").split("|").map((mark) => /^\s*-+:\s*$/.test(mark));
  const side = (i) => (right[i] ? "number" : null);
  return h(
    "div",
    { class: "table-wrap", tabindex: "0" },
    h(
      "table",
      null,
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          cells(head).map((cell, i) => h("th", { scope: "col", class: side(i) }, cell)),
        ),
      ),
      h(
        "tbody",
        null,
        body.map((line) =>
          h(
            "tr",
            null,
            cells(line).map((cell, i) => h("td", { class: side(i) }, cell)),
          ),
        ),
      ),
    ),
  );
}

const INLINE =
  /(`+)([\s\S]+?)\1(?!`)|(!?)\[([^\]\n]*)\]\(\s*<?([^\s)>]*)>?[^)\n]*\)|(\*\*|__)(?=\S)([\s\S]+?)(?<=\S)\6|(\*|_)(?=\S)([^*_\n]+?)(?<=\S)\8|~~(?=\S)([\s\S]+?)~~|<?(https?:\/\/[^\s<>)\]]+)>?|\\([!-/:-@[-`{-~])|( {2,}|\\)\n/;

function inline(text, depth = 0) {
  const out = [];
  let rest = text;
  while (rest) {
    const found = depth < 6 ? INLINE.exec(rest) : null;
    if (!found) {
      out.push(rest);
      break;
    }
    if (found.index) out.push(rest.slice(0, found.index));
    const before = rest[found.index - 1] ?? "";
    out.push(spanOf(found, before, depth));
    rest = rest.slice(found.index + found[0].length);
  }
  return out;
}

function spanOf(found, before, depth) {
  const [whole, tick, code, image, label, address, strong, strongText, weak, weakText, struck, url, escaped] = found;
  if (tick) return h("code", null, code.trim());
  if (address !== undefined) return link(address, image ? [label || address] : inline(label, depth + 1));
  if (strong) return h("strong", null, inline(strongText, depth + 1));
  if (weak) return weak === "_" && /\w/.test(before) ? whole : h("em", null, inline(weakText, depth + 1));
  if (struck) return h("s", null, inline(struck, depth + 1));
  if (url) return link(url.replace(/[.,;:!?]+$/, ""), [url]);
  if (escaped) return escaped;
  return h("br");
}

function link(address, content) {
  if (!/^(https?:|mailto:)/i.test(address)) return h("span", { class: "no-link", title: address }, content);
  return h("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, content);
}
