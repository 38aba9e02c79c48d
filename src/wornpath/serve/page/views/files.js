// The files of a run's workspace: what the run wrote first, the folders after, and a preview beside them.

import { get } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { bytes } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { empty, problemCard, skeleton } from "./marks.js";
import { fileIcon, preview } from "./preview.js";

export function filesPanel(run, chosen) {
  const list = h("div", { class: "file-list" });
  const main = h("div", { class: "file-main" });
  const element = h("div", { class: `files ${chosen ? "with-file" : ""}` }, list, main);
  const made = h("ul", { class: "file-entries" });
  const folder = h("div");
  fill(list, h("h2", { class: "small-head" }, t("files_made")), made, h("h2", { class: "small-head" }, t("workspace")), folder);

  let seen = -1;
  let place = "";
  function update() {
    if (run.writes === seen) return;
    seen = run.writes;
    const files = [...run.artifacts.values()];
    fill(made, files.length ? files.map(entry) : h("li", { class: "muted pad" }, t("nothing_written")));
    browse(place);
  }

  const entry = (file) =>
    h(
      "li",
      null,
      h(
        "a",
        {
          class: "file-entry",
          href: `#/runs/${run.id}/files/${encodeURIComponent(file.path)}`,
          "aria-current": file.path === chosen ? "page" : null,
        },
        fileIcon(file),
        h("span", { class: "file-name" }, file.name ?? file.path),
        h("span", { class: "muted" }, bytes(file.bytes ?? 0)),
      ),
    );

  async function browse(path) {
    place = path;
    if (!folder.firstChild) fill(folder, skeleton(4));
    try {
      const { entries } = await get(`runs/${encodeURIComponent(run.id)}/files`, { path });
      if (place !== path) return;
      fill(
        folder,
        path
          ? h(
              "button",
              { type: "button", class: "file-entry", on: { click: () => browse(path.split("/").slice(0, -1).join("/")) } },
              icon("back"),
              h("span", { class: "file-name" }, path),
            )
          : null,
        h(
          "ul",
          { class: "file-entries" },
          entries.length
            ? entries.map((one) =>
                one.kind === "folder"
                  ? h(
                      "li",
                      null,
                      h(
                        "button",
                        { type: "button", class: "file-entry", on: { click: () => browse(one.path) } },
                        icon("folder"),
                        h("span", { class: "file-name" }, one.name),
                      ),
                    )
                  : entry(one),
              )
            : h("li", { class: "muted pad" }, t("folder_empty")),
        ),
      );
    } catch (problem) {
      fill(
        folder,
        problemCard(problem, () => browse(path)),
      );
    }
  }

  if (chosen) {
    const file = run.artifacts.get(chosen) ?? { path: chosen };
    fill(
      main,
      h(
        "a",
        { class: "button plain small only-narrow", href: `#/runs/${run.id}/files` },
        icon("back"),
        h("span", null, t("all_files")),
      ),
      preview(run.id, file),
    );
  } else fill(main, empty("file", t("choose_file"), t("choose_file_hint")));
  update();
  return { element, update };
}
