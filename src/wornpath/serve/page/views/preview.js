// A preview of a file by its type: text, Markdown, tables, images, JSON. Files come from outside, so they are shown and never run.

import { artifactAddress, artifactText } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { numeric, parseCsv } from "../lib/csv.js";
import { bytes, number, visible } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { renderMarkdown } from "../lib/markdown.js";
import { empty, problemCard, skeleton } from "./marks.js";

const IMAGES = /\.(png|jpe?g|gif|webp|avif|bmp)$/i;
const TEXT =
  /\.(txt|log|py|js|mjs|ts|css|html?|xml|ya?ml|toml|ini|cfg|sh|sql|rst|tex|c|h|cpp|hpp|java|go|rs|rb|php|r|eml|ics|srt|svg|diff|patch)$/i;
const PLAIN_LIMIT = 400_000;

export function kindOf({ path = "", media_type: type = "" }) {
  if (IMAGES.test(path)) return "image";
  if (/\.(md|markdown)$/i.test(path)) return "markdown";
  if (/\.(csv|tsv)$/i.test(path)) return "table";
  if (/\.(json|ipynb|geojson)$/i.test(path)) return "json";
  if (/\.jsonl$/i.test(path) || TEXT.test(path) || type.startsWith("text/") || !/\.[^./]+$/.test(path)) return "text";
  return "other";
}

export const fileIcon = (file) =>
  icon({ image: "image", table: "table", folder: "folder" }[file.kind === "folder" ? "folder" : kindOf(file)] ?? "file");

/** The preview of FILE {path, bytes, media_type} of a run. */
export function preview(runId, file) {
  const kind = kindOf(file);
  const body = h("div", { class: `preview-body kind-${kind}` });
  const element = h(
    "section",
    { class: "preview", "aria-label": file.path },
    h(
      "div",
      { class: "preview-head" },
      fileIcon(file),
      h("h2", { class: "preview-name", tabindex: "-1" }, file.path),
      file.untrusted ? h("span", { class: "tag warn", title: t("untrusted") }, t("from_outside")) : null,
      file.bytes === undefined ? null : h("span", { class: "muted" }, bytes(file.bytes)),
      h(
        "a",
        { class: "button plain small", href: artifactAddress(runId, file.path), download: file.path.split("/").at(-1) },
        icon("download"),
        h("span", null, t("download")),
      ),
    ),
    body,
  );
  if (kind === "image") image(body, runId, file);
  else if (kind === "other") fill(body, empty("file", t("no_preview"), t("no_preview_hint")));
  else text(body, runId, file, kind);
  return element;
}

function image(body, runId, file) {
  const shown = h("img", {
    src: artifactAddress(runId, file.path, true),
    alt: t("image_alt", { name: file.path }),
    class: "preview-image",
  });
  shown.addEventListener("error", () => fill(body, empty("image", t("image_broken"))));
  fill(body, shown);
}

async function text(body, runId, file, kind) {
  fill(body, skeleton(6));
  try {
    const { text: content, whole } = await artifactText(runId, file.path, PLAIN_LIMIT);
    if (content.includes("\u0000")) fill(body, empty("file", t("no_preview"), t("no_preview_hint")));
    else if (!content.trim()) fill(body, empty("file", t("file_empty")));
    else
      fill(body, whole ? null : h("p", { class: "muted small" }, t("cut_at", { size: bytes(PLAIN_LIMIT) })), SHOW[kind](content));
  } catch (problem) {
    fill(
      body,
      problemCard(problem, () => text(body, runId, file, kind)),
    );
  }
}

const asText = (content) => h("pre", { class: "code wrap tall", tabindex: "0" }, visible(content.replace(/\r\n/g, "\n")));

const SHOW = {
  text: asText,
  markdown: (content) => renderMarkdown(content),
  json(content) {
    try {
      return asText(JSON.stringify(JSON.parse(content), null, 2));
    } catch {
      return asText(content);
    }
  },
  table(content) {
    const { rows, more } = parseCsv(content);
    const [head = [], ...body] = rows;
    const columns = Math.max(head.length, ...body.slice(0, 200).map((row) => row.length));
    const right = Array.from({ length: columns }, (_, i) => (numeric(body.slice(0, 100).map((row) => row[i])) ? "number" : null));
    const cell = (tag, value, i, extra = {}) => h(tag, { class: right[i], ...extra }, visible(value ?? ""));
    return [
      h(
        "div",
        { class: "table-wrap tall", tabindex: "0", role: "region", "aria-label": t("table") },
        h(
          "table",
          null,
          h(
            "thead",
            null,
            h(
              "tr",
              null,
              Array.from({ length: columns }, (_, i) => cell("th", head[i], i, { scope: "col" })),
            ),
          ),
          h(
            "tbody",
            null,
            body.map((row) =>
              h(
                "tr",
                null,
                Array.from({ length: columns }, (_, i) => cell("td", row[i], i)),
              ),
            ),
          ),
        ),
      ),
      h(
        "p",
        { class: "muted small" },
        more ? t("first_rows", { n: number(body.length) }) : t("rows_n", { n: number(body.length) }),
      ),
    ];
  },
};
