// The head of a run: its goal, how it stands, its figures in short, and what can be done with it.

import { post, remove } from "../lib/api.js";
import { button, confirm, fill, h, icon } from "../lib/dom.js";
import { command, fail, forget, loadDetailSoon, shown, store } from "../lib/data.js";
import { oneLine, seconds, short } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { skeleton, statusChip } from "./marks.js";

const LIMITS = { steps: "max_steps", tokens: "max_tokens", cost_usd: "max_cost", seconds: "timeout" };

/** `status()` and `replaying()` tell how the run is shown; `startReplay()` begins to look back. */
export function runHead(runId, { status, startReplay, replaying }) {
  const { state } = store;
  const element = h("div", { class: "run-head" });
  let drawn = "";
  let busy = false; // a request is under way

  function update() {
    const run = shown();
    const now = status();
    const goal = run?.goal?.text ?? state.detail?.goal ?? "";
    const waiting = state.approvals.some((one) => one.run_id === run?.id);
    const looking = state.replay !== null;
    const { kind, action } = run?.activity ?? {};
    const parts = [now, goal, run?.steps.size, run?.totalTokens, kind, action?.tool, waiting, looking, replaying()];
    const signature = [...parts, state.loading, state.runProblem !== null, busy].join("|");
    if (signature === drawn) return;
    drawn = signature;
    const focused = element.contains(document.activeElement) ? document.activeElement.id : "";
    fill(
      element,
      h("a", { class: "button plain small icon-only only-narrow back", href: "#/", "aria-label": t("all_runs") }, icon("back")),
      h(
        "div",
        { class: "run-title" },
        h("h1", { title: goal }, title(goal)),
        h("p", { class: "run-facts" }, chip(now, waiting), facts(run, now)),
      ),
      h("div", { class: "run-actions" }, actions(now)),
    );
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }

  function title(goal) {
    if (goal) return oneLine(goal, 400);
    if (state.runProblem) return runId;
    return [h("span", { class: "visually-hidden" }, t("loading")), skeleton(1)];
  }

  function chip(now, waiting) {
    if (state.replay) return h("span", { class: "chip" }, icon("loop"), h("span", null, t("replay")));
    if (!now) return null;
    return statusChip(waiting && now === "running" ? "waiting" : now);
  }

  function facts(run, now) {
    if (!run?.lastSeq) return null;
    const busy = now === "running" && !state.replay && run.activity.kind !== "waiting";
    const doing = busy ? t(`activity_${run.activity.kind}`, { tool: run.activity.action?.tool ?? "" }) : "";
    return [
      doing ? h("span", { class: "activity" }, h("span", { class: "spinner", "aria-hidden": "true" }), doing) : null,
      h("span", { class: "fact" }, t("steps_n", { n: run.steps.size })),
      h("span", { class: "fact" }, t("tokens_n", { n: short(run.totalTokens) })),
      run.result?.seconds ? h("span", { class: "fact" }, seconds(run.result.seconds)) : null,
    ];
  }

  // -- what can be done -------------------------------------------------------------------------------

  /** Send what WORK sends, and nothing else meanwhile: a double click must not ask twice. */
  async function send(work) {
    if (busy) return;
    const { id } = document.activeElement;
    busy = true;
    update();
    try {
      await work();
    } catch (problem) {
      fail(problem);
    }
    busy = false;
    update();
    if (document.activeElement === document.body) document.getElementById(id)?.focus({ preventScroll: true }); // a disabled button loses it
  }

  const act = (word) => () => send(() => command(runId, word));
  const sure = (question, yes, work) => async () => (await confirm(t(question), { yes: t(yes), no: t("keep") })) && work();

  function actions(now) {
    if (state.replay || !now) return null;
    const working = ["running", "queued"].includes(now);
    const make = (word, mark, onclick, kind = "small plain", more = {}) =>
      button(t(word), { mark, kind, id: `run-${word}`, onclick, disabled: busy, ...more });
    return [
      now === "running" ? make("pause", "pause", act("pause"), "small") : null,
      ["paused", "needs_person", "error"].includes(now) ? make("resume", "play", act("resume"), "small primary") : null,
      now === "budget" ? make("resume", "play", withMore, "small primary") : null,
      working || now === "paused" ? make("cancel", "stop", sure("cancel_question", "cancel_run", act("cancel"))) : null,
      !working && state.run?.steps.size && !replaying() ? make("replay", "loop", startReplay) : null,
      working ? null : make("delete", "trash", sure("delete_question", "delete", deleteRun), "small plain", { quiet: true }),
    ];
  }

  const deleteRun = () =>
    send(async () => {
      await remove(`runs/${encodeURIComponent(runId)}`);
      forget(runId);
      location.hash = "#/";
    });

  /** A run that reached a limit goes on with a higher one. */
  async function withMore() {
    const reached = state.run.rows.findLast((row) => row.kind === "budget");
    const option = LIMITS[reached?.what];
    if (!option) return act("resume")();
    const limit = await askNumber(
      t("more_question", { what: t(`budget_${reached.what}`, { n: reached.limit }), limit: reached.limit }),
      reached.limit * 2,
    );
    if (limit === null) return undefined;
    return send(async () => {
      await post(`runs/${encodeURIComponent(runId)}/resume`, { [option]: limit });
      loadDetailSoon();
    });
  }

  return { element, update };
}

/** A number that a person gives, or null. */
function askNumber(question, usual) {
  return new Promise((resolve) => {
    const field = h("input", {
      class: "input",
      id: "dialog-number",
      type: "number",
      min: "0",
      step: "any",
      required: true,
      prop: { value: String(usual) },
    });
    const form = h(
      "form",
      { method: "dialog" },
      h("p", null, h("label", { for: field.id }, question)),
      h("p", null, field),
      h(
        "div",
        { class: "row end" },
        button(t("back"), { kind: "plain", onclick: () => dialog.close("") }),
        button(t("resume"), { kind: "primary", type: "submit", value: "yes" }),
      ),
    );
    const dialog = h("dialog", { class: "dialog", "aria-label": question }, form);
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes" ? Number(field.value) : null);
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
    field.select();
  });
}
