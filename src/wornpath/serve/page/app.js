// The shell: header, list of runs, and the view that the address names. Addresses are #/, #/runs/ID/TAB, #/learning, #/schedules, #/notes.

import { button, fill, h, icon, liveRegions, sprite } from "./lib/dom.js";
import { closeRun, openRun, start, store } from "./lib/data.js";
import { currentLanguage, setLanguage, t } from "./lib/i18n.js";
import { addressParts } from "./lib/route.js";
import { homeView } from "./views/home.js";
import { learningView } from "./views/learning.js";
import { notesView } from "./views/notes.js";
import { runView } from "./views/run.js";
import { schedulesView } from "./views/schedules.js";
import { sidebarView } from "./views/sidebar.js";

const PLACES = [
  ["runs", "#/", "list"],
  ["learning", "#/learning", "chart"],
  ["schedules", "#/schedules", "calendar"],
  ["notes", "#/notes", "note"],
];
const { state } = store;
let view = null;
let sidebar = null;
let shell = null;

function dropToken() {
  const url = new URL(location.href);
  if (!url.searchParams.has("token")) return;
  url.searchParams.delete("token"); // the server has set a cookie; the address may now be shown, shared and kept in the history
  history.replaceState(history.state, "", url);
}

function route() {
  const [place = "", id = "", tab = ""] = addressParts();
  return { place: place || "home", id, tab };
}

// -- theme and language -------------------------------------------------------------------------------

const THEMES = ["auto", "light", "dark"];
const theme = () => document.documentElement.dataset.theme ?? "auto";

function nextTheme() {
  const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    if (next === "auto") localStorage.removeItem("wornpath.theme");
    else localStorage.setItem("wornpath.theme", next);
  } catch {
    // kept for this visit only
  }
  drawTools();
  document.getElementById("theme-button")?.focus();
}

function otherLanguage() {
  setLanguage(currentLanguage() === "zh" ? "en" : "zh");
  build();
  document.getElementById("language-button")?.focus();
}

// -- the shell ----------------------------------------------------------------------------------------

function places(name) {
  const here = route().place;
  const current = ["home", "runs", "new"].includes(here) ? "runs" : here;
  return h(
    "nav",
    { class: name, "aria-label": t("places") },
    PLACES.map(([key, href, mark]) =>
      h("a", { href, "aria-current": key === current ? "page" : null }, icon(mark), h("span", null, t(key))),
    ),
  );
}

function build() {
  view?.close?.();
  view = null;
  shell = {
    banner: h("div", { class: "banner-slot" }),
    tools: h("div", { class: "tools" }),
    main: h("main", { id: "main", tabindex: "-1" }),
    top: h("div", { class: "top-slot" }),
    bottom: h("div", { class: "bottom-slot" }),
  };
  sidebar = sidebarView();
  fill(
    document.body,
    sprite,
    h("a", { class: "skip", href: "#main", on: { click: skip } }, t("skip")),
    h(
      "header",
      { class: "header" },
      h(
        "a",
        { class: "brand", href: "#/", "aria-label": "Wornpath" },
        h("img", { src: "static/favicon.svg", alt: "", width: "26", height: "26" }),
        h("span", null, "Wornpath"),
      ),
      shell.top,
      shell.tools,
    ),
    shell.banner,
    h("div", { class: "body" }, sidebar.element, shell.main),
    shell.bottom,
    liveRegions(),
  );
  show();
}

function skip(event) {
  event.preventDefault();
  shell.main.focus();
}

function drawTools() {
  const waiting = state.approvals.length;
  fill(
    shell.tools,
    waiting
      ? h(
          "a",
          { class: "waiting-link", href: `#/runs/${state.approvals[0].run_id}` },
          icon("person"),
          h("b", { class: "only-phone", "aria-hidden": "true" }, String(waiting)),
          h("span", null, t("waiting_n", { n: waiting })),
        )
      : null,
    connection(),
    button(currentLanguage() === "zh" ? "English" : "中文", {
      mark: "language",
      kind: "plain small",
      id: "language-button",
      lang: currentLanguage() === "zh" ? "en" : "zh-CN",
      onclick: otherLanguage,
    }),
    button(t(`theme_${theme()}`), {
      mark: { auto: "auto", light: "sun", dark: "moon" }[theme()],
      quiet: true,
      kind: "plain small",
      id: "theme-button",
      onclick: nextTheme,
    }),
  );
  document.title = `${waiting ? `(${waiting}) ` : ""}${titleOf()}`;
}

function titleOf() {
  const goal = state.run?.goal?.text ?? state.detail?.goal;
  return goal ? `${goal.slice(0, 60)} · Wornpath` : "Wornpath";
}

function connection() {
  const words = t(`connection_${state.connection}`);
  return h(
    "span",
    { class: `connection is-${state.connection}`, title: words },
    h("span", { class: "connection-dot", "aria-hidden": "true" }),
    h("span", { class: "visually-hidden" }, words),
  );
}

function drawBanner() {
  if (state.denied) {
    fill(shell.banner, h("div", { class: "banner error", role: "alert" }, icon("warn"), h("p", null, t("denied"))));
  } else if (state.connection === "lost") {
    fill(shell.banner, h("div", { class: "banner", role: "status" }, icon("lost"), h("p", null, t("lost"))));
  } else fill(shell.banner);
}

function show() {
  const at = route();
  const old = view;
  if (at.place === "runs" && at.id) {
    if (!(old?.name === "run" && old.id === at.id)) {
      openRun(at.id);
      change(runView(at.id));
    }
    view.tab?.(at.tab);
  } else {
    if (state.run) closeRun();
    const make = { learning: learningView, schedules: schedulesView, notes: notesView }[at.place] ?? homeView;
    change(make(at));
  }
  document.body.dataset.place = at.place === "runs" && !at.id ? "list" : at.place;
  fill(shell.top, places("top-nav"));
  fill(shell.bottom, places("bottom-nav"));
  update();
}

function change(next) {
  view?.close?.();
  view = next;
  fill(shell.main, next.element);
}

let drawn = "";

function update() {
  const signature = [
    state.connection,
    state.denied,
    state.approvals.map((one) => one.id).join(),
    theme(),
    currentLanguage(),
    titleOf(),
  ].join("|");
  if (signature !== drawn || !shell.tools.firstChild) {
    drawn = signature;
    const focused = document.activeElement?.id;
    drawTools();
    drawBanner();
    if (focused) document.getElementById(focused)?.focus();
  }
  sidebar.update();
  view?.update?.();
}

dropToken();
build();
store.watch(update);
window.addEventListener("hashchange", () => {
  show();
  if (!shell.main.contains(document.activeElement)) shell.main.focus({ preventScroll: true });
});
start();
