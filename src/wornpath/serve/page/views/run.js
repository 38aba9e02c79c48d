// A run: its head, what waits for a person, and the panels for steps, files, changes, talk and comparison.

import { fill, h, icon, keyed } from "../lib/dom.js";
import { openRun, shown, statusOf, store } from "../lib/data.js";
import { known, t } from "../lib/i18n.js";
import { addressParts } from "../lib/route.js";
import { approvalCard } from "./approval.js";
import { changesPanel } from "./changes.js";
import { chatPanel } from "./chat.js";
import { comparePanel } from "./compare.js";
import { filesPanel } from "./files.js";
import { empty, problemCard } from "./marks.js";
import { figuresCard, outcomeCard } from "./overview.js";
import { planCard } from "./plan.js";
import { replayBar } from "./replay.js";
import { runHead } from "./run-head.js";
import { timelineView } from "./timeline.js";
import { whyDrawer } from "./why.js";

const TABS = [
  ["overview", "flag"],
  ["steps", "list"],
  ["files", "file"],
  ["changes", "compare"],
  ["chat", "chat"],
  ["compare", "policy"],
];
const WRITING_SHOWN = 1500;
const narrow = matchMedia("(max-width: 1099px)");

export function runView(runId) {
  const { state } = store;
  const parts = {
    approvals: h("div", { class: "approvals" }),
    tabs: h("nav", { class: "tabs", "aria-label": t("views_of_run") }),
    problem: h("div"),
    aside: h("aside", { class: "run-aside", "aria-label": t("overview"), tabindex: "0" }),
    overview: h("div", { class: "aside-overview" }),
    drawer: h("div", { class: "aside-drawer" }),
    writing: h("div", { class: "writing hidden" }),
    foot: h("div", { class: "run-foot" }),
    panel: h("div", { class: "run-panel" }),
  };
  const head = runHead(runId, { status: () => status(), startReplay: () => startReplay(), replaying: () => replay !== null });
  const timeline = timelineView({ pick: (row, index) => openDrawer(row, index, { focus: keyboard }) });
  const steps = h("div", { class: "run-steps" }, timeline.element, parts.writing, parts.foot);
  fill(parts.aside, parts.overview, parts.drawer);
  const element = h(
    "div",
    { class: "run", "data-tab": "overview", on: { keydown: () => (keyboard = true), pointerdown: () => (keyboard = false) } },
    head.element,
    parts.approvals,
    parts.tabs,
    parts.problem,
    h("div", { class: "run-body" }, steps, parts.panel, parts.aside),
  );
  let keyboard = false;
  let tab = "overview";
  let panel = null;
  let panelKey = "";
  let drawer = null; // {row, index, element, ...}
  let replay = null;
  let drawnOverview = "";
  let wantedStep = 0;

  const status = () => (state.replay ? state.replay.status || "running" : statusOf(state.run, state.detail));

  // -- what waits for a person -------------------------------------------------------------------------

  function drawApprovals() {
    const mine = state.replay ? [] : state.approvals.filter((one) => one.run_id === state.run?.id);
    const fresh = [];
    keyed(
      parts.approvals,
      mine,
      (one) => `${one.id} ${one.time}`, // an answer that did not fit brings the same question again
      (one) => {
        const card = approvalCard(one);
        fresh.push(card);
        return card.element;
      },
    );
    if (!fresh.length) return;
    if (narrow.matches) closeDrawer(); // it would lie over the question
    fresh[0].focus();
  }

  // -- steps ------------------------------------------------------------------------------------------

  function openDrawer(row, index, { focus = false } = {}) {
    const again = drawer && drawer.row.key === row.key && drawer.version === row.version;
    if (again && !focus) return;
    drawer = { row, index, version: row.version, ...whyDrawer({ run: shown(), row, onClose: closeDrawer, onMove: move }) };
    const other = parts.drawer.dataset.row !== row.key || !element.classList.contains("has-drawer");
    parts.drawer.dataset.row = row.key;
    fill(parts.drawer, drawer.element);
    element.classList.add("has-drawer");
    if (other) parts.aside.scrollTop = 0; // it was where one had scrolled to in what was shown before
    cover();
    timeline.list.select(row.key);
    if (focus || narrow.matches) drawer.focus();
  }

  /** On a narrow screen the drawer lies over everything else, which then cannot be reached. */
  function cover() {
    const rest = [
      ...document.querySelectorAll(".skip, .header, .sidebar, .bottom-slot"),
      head.element,
      parts.approvals,
      parts.tabs,
      steps,
    ];
    for (const one of rest) one.inert = narrow.matches && drawer !== null;
  }

  function closeDrawer({ focus = true } = {}) {
    if (!drawer) return;
    const { row } = drawer;
    drawer = null;
    fill(parts.drawer);
    element.classList.remove("has-drawer");
    cover();
    timeline.list.select(null);
    const index = shown().rows.findIndex((one) => one.key === row.key);
    if (index >= 0 && focus) timeline.list.reveal(index, { focus });
  }

  function move(by) {
    const { rows } = shown();
    const at = rows.findIndex((one) => one.key === drawer.row.key) + by;
    if (!rows[at]) return;
    timeline.list.reveal(at);
    openDrawer(rows[at], at, { focus: false });
    parts.drawer.querySelectorAll(".drawer-head button")[by < 0 ? 0 : 1]?.focus();
  }

  function drawSteps() {
    const run = shown();
    if (!run) return;
    timeline.show(run.rows);
    if (wantedStep && run.steps.has(wantedStep)) {
      const index = run.rows.indexOf(run.steps.get(wantedStep));
      wantedStep = 0;
      timeline.list.reveal(index);
      openDrawer(run.rows[index], index);
    }
    if (drawer) {
      const row = run.rows.find((one) => one.key === drawer.row.key);
      if (!row) closeDrawer();
      else if (row !== drawer.row || row.version !== drawer.version) {
        const had = parts.drawer.contains(document.activeElement);
        if (!had) openDrawer(row, drawer.index); // what a person is reading or filling in stays as it is
      }
    }
    const blank = !run.rows.length && !state.loading;
    steps.classList.toggle("blank", blank);
    fill(
      parts.foot,
      blank ? empty("clock", t(state.detail?.status === "queued" ? "run_queued" : "run_starting")) : null,
      replay ? replay.element : null,
    );
  }

  let writingShown = "";
  function drawWriting() {
    const writing = state.replay || state.run?.result || state.writing?.calls !== state.run?.calls ? null : state.writing;
    const text = writing?.text ?? "";
    if (text === writingShown) return;
    writingShown = text;
    parts.writing.classList.toggle("hidden", !text);
    if (!text) {
      fill(parts.writing);
      return;
    }
    if (!parts.writing.firstChild)
      fill(
        parts.writing,
        h(
          "p",
          { class: "writing-head" },
          h("span", { class: "spinner", "aria-hidden": "true" }),
          h("span", null, known(`purpose_${writing.purpose}`) ?? t("purpose_argument")),
        ),
        h("pre", { class: "code wrap", tabindex: "0", "aria-label": t("streamed") }),
      );
    const pre = parts.writing.lastChild;
    pre.textContent = text.length > WRITING_SHOWN ? `…${text.slice(-WRITING_SHOWN)}` : text;
    pre.scrollTop = pre.scrollHeight;
  }

  function startReplay() {
    const end = () => {
      replay?.close();
      replay = null;
      store.set();
    };
    replay = replayBar({ onEnd: end });
    if (tab !== "steps") location.hash = `#/runs/${runId}/steps`;
    store.set();
    requestAnimationFrame(() => replay?.focus());
  }

  // -- panels -----------------------------------------------------------------------------------------

  function drawTabs() {
    const files = state.run?.artifacts.size ?? 0;
    fill(
      parts.tabs,
      TABS.map(([name, mark]) =>
        h(
          "a",
          {
            class: `tab tab-${name}`,
            href: name === "overview" ? `#/runs/${runId}` : `#/runs/${runId}/${name}`,
            "aria-current": name === tab ? "page" : null,
          },
          icon(mark),
          h("span", null, t(`tab_${name}`)),
          name === "files" && files ? h("span", { class: "count" }, String(files)) : null,
        ),
      ),
    );
  }

  const PANELS = {
    files: (rest) => filesPanel(state.run, rest),
    changes: () => changesPanel(state.run, status),
    chat: () => chatPanel(state.run),
    compare: () => comparePanel(state.run),
  };

  function drawPanel(rest) {
    const make = PANELS[tab];
    const key = make ? `${tab}/${rest ?? ""}` : "";
    if (key === panelKey) return;
    panelKey = key;
    panel?.close?.();
    panel = make ? make(rest) : null;
    fill(parts.panel, panel?.element);
  }

  function drawOverview() {
    const run = shown();
    const signature = [run?.changes, state.loading, state.detail?.rating, state.detail?.status, state.replay !== null].join("|");
    if (signature === drawnOverview) return;
    drawnOverview = signature;
    const focused = parts.overview.contains(document.activeElement) ? document.activeElement.id : "";
    fill(
      parts.overview,
      state.replay ? null : outcomeCard(run, state.detail),
      planCard(run, state.loading),
      run?.lastSeq ? figuresCard(run, state.detail) : null,
    );
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }

  narrow.addEventListener("change", cover);
  let rest = "";
  return {
    element,
    name: "run",
    id: runId,
    tab(name) {
      rest = addressParts()[3] ?? "";
      if (narrow.matches && drawer && name !== tab) closeDrawer({ focus: false }); // a file that it names would open below it
      tab = TABS.some(([one]) => one === name) ? name : "overview";
      element.dataset.tab = tab;
      if (tab === "steps" && /^\d+$/.test(rest)) wantedStep = Number(rest);
      panelKey = panelKey.startsWith(`${tab}/`) ? panelKey : "";
      drawTabs();
    },
    update() {
      if (state.runProblem) {
        const gone = state.runProblem.status === 404;
        fill(
          parts.problem,
          gone
            ? empty("search", t("no_such_run"), t("no_such_run_hint"), h("a", { class: "button", href: "#/" }, t("all_runs")))
            : problemCard(state.runProblem, () => openRun(runId)),
        );
      } else if (parts.problem.firstChild) fill(parts.problem);
      element.classList.toggle("failed", Boolean(state.runProblem) && !state.run?.lastSeq);
      element.classList.toggle("busy", status() === "running"); // only then something turns
      head.update();
      drawTabsIfChanged();
      drawApprovals();
      drawSteps();
      drawWriting();
      drawOverview();
      if (!state.loading || !PANELS[tab]) drawPanel(rest);
      panel?.update?.();
    },
    close() {
      narrow.removeEventListener("change", cover);
      drawer = null;
      cover();
      replay?.close();
      panel?.close?.();
      timeline.close();
    },
  };

  function drawTabsIfChanged() {
    const count = parts.tabs.querySelector(".count")?.textContent ?? "";
    if (count !== String(state.run?.artifacts.size || "")) drawTabs();
  }
}
