// What the page knows, and how it comes to know it: requests and the live stream feed one store, and views only read that.

import { get, post } from "./api.js";
import { announce, toast } from "./dom.js";
import { ENDED, Run, fold } from "./fold.js";
import { known, t } from "./i18n.js";
import { createStore } from "./store.js";
import { listen } from "./stream.js";

const PAGE = 1000;
const RESTING_ASKS = 30_000;
const id = encodeURIComponent;

export const store = createStore({
  info: null,
  connection: "connecting", // connecting, live, lost, resting
  denied: false, // the server wants a token that this page has not
  runs: [],
  more: null, // id to go on from, when there are older runs
  query: "",
  filter: "",
  listed: false,
  listProblem: null,
  approvals: [],
  run: null, // the fold of the run that is open
  replay: null, // the fold of its beginning, while one looks back
  detail: null, // what GET runs/ID says of it
  loading: false,
  runProblem: null,
  policyChanges: 0, // how often a policy was made, promoted or rolled back since the page was opened
  writing: null, // {purpose, calls, text} while the model writes: what it wrote after so many finished calls
});
const { state } = store;

/** The run to show: the whole, or its beginning during a replay. */
export const shown = () => state.replay ?? state.run;

/** Tell of a failed request; a missing or wrong token shows on the whole page. */
export function fail(problem, quiet = false) {
  if (problem.name === "AbortError") return;
  if (problem.status === 401) store.set({ denied: true });
  else if (!quiet) toast(problem.offline ? t("offline") : problem.message, { error: true, closeWord: t("close") });
}

// -- the list of runs ---------------------------------------------------------------------------------

let asked = 0;

const underWay = new Set();

/** What REQUEST answers about {rows}, with what came live while it was under way: the answer may be older than that. */
async function upToDate(request, rows) {
  const meanwhile = [];
  underWay.add(meanwhile);
  try {
    const answer = await request;
    for (const row of rows(answer)) for (const { runId, change } of meanwhile) if (runId === row.run_id) change(row);
    return answer;
  } finally {
    underWay.delete(meanwhile);
  }
}

/** Note for requests under way that the row of the run RUNID is to CHANGE. */
function live(runId, change) {
  for (const meanwhile of underWay) meanwhile.push({ runId, change });
}

export async function loadRuns({ older = false } = {}) {
  asked += 1;
  const mine = asked;
  try {
    const request = get("runs", { query: state.query, status: state.filter, limit: 50, before: older ? state.more : null });
    const page = await upToDate(request, (answer) => answer.runs);
    if (mine !== asked) return; // a newer search is on its way
    const runs = older ? [...state.runs, ...page.runs] : page.runs;
    store.set({ runs, more: page.next, listed: true, listProblem: null });
  } catch (problem) {
    if (mine !== asked) return;
    fail(problem, true);
    store.set({ listed: true, listProblem: problem });
  }
}

const loadFound = debounced(() => loadRuns(), 180);

/** Search the runs by {query} or {filter}. */
export function search(patch) {
  store.set(patch);
  loadFound();
}

/** A run's row as the server tells it now. */
export function takeRow(row) {
  if (row.deleted) return;
  live(row.run_id, (one) => Object.assign(one, row));
  const at = state.runs.findIndex((one) => one.run_id === row.run_id);
  if (at >= 0) state.runs[at] = { ...state.runs[at], ...row };
  else if (!state.query && !state.filter) state.runs.unshift(row);
  if (state.detail?.run_id === row.run_id) state.detail = { ...state.detail, ...row };
  store.set();
}

const loadRunsSoon = debounced(() => loadRuns(), 250);

let looked = 0;

export const loadApprovals = debounced(async () => {
  looked += 1;
  const mine = looked;
  try {
    const { approvals } = await get("approvals");
    if (mine === looked) store.set({ approvals });
  } catch (problem) {
    fail(problem, true);
  }
}, 30);

// -- the open run -------------------------------------------------------------------------------------

let backlog = null; // what comes live while older events are asked for: applied at once, it would hide them

export async function openRun(runId) {
  if (state.run?.id === runId && !state.runProblem) return;
  store.set({ run: new Run(runId), detail: null, replay: null, runProblem: null, writing: null, loading: true });
  await loadRun();
}

export function closeRun() {
  store.set({ run: null, detail: null, replay: null, runProblem: null, writing: null, loading: false });
}

/** Everything of the open run that is not here yet. */
async function loadRun() {
  const { run } = state;
  backlog = [];
  try {
    await loadDetail(run);
    for (;;) {
      const page = await get(`runs/${id(run.id)}/events`, { after: run.lastSeq, limit: PAGE });
      if (state.run !== run) return;
      for (const event of page.events) run.apply(event);
      store.set();
      if (page.events.length < PAGE) break;
    }
    const waited = backlog;
    backlog = null;
    for (const event of waited) if (run.apply(event)) follow(run, event);
    if (state.writing) state.writing.calls = run.activity.kind === "preparing" ? run.calls : -1; // of a call that is over?
    store.set({ loading: false, runProblem: null });
  } catch (problem) {
    if (state.run !== run) return;
    backlog = null;
    fail(problem, true);
    store.set({ loading: false, runProblem: problem });
  }
}

async function loadDetail(run) {
  const detail = await upToDate(get(`runs/${id(run.id)}`), (answer) => [answer]);
  if (state.run !== run) return;
  if (!run.lastSeq) run.id = detail.run_id; // a short id was enough to find it
  store.set({ detail });
}

export const loadDetailSoon = debounced(() => state.run && loadDetail(state.run).catch((problem) => fail(problem, true)), 200);

/** Look at the run as it was after COUNT events; null shows it as it is. */
export function replayTo(count) {
  store.set({ replay: count === null ? null : fold(state.run.id, state.run.events, count) });
}

// -- what comes live ----------------------------------------------------------------------------------

function onEvent(event) {
  const { run } = state;
  if (run && event.run_id === run.id) {
    if (backlog) backlog.push(event);
    else if (!state.runProblem && run.apply(event)) follow(run, event);
  }
  if (event.type === "policy.changed") state.policyChanges += 1;
  live(event.run_id, (row) => updateRow(row, event));
  const row = state.runs.find((one) => one.run_id === event.run_id);
  if (!row && event.type === "run.started") loadRunsSoon();
  if (row) updateRow(row, event);
  if (event.type.startsWith("approval.") || event.type === "run.finished") loadApprovals();
  store.set();
}

function updateRow(row, event) {
  if (event.type === "action.decided") row.steps = event.step;
  if (event.type === "run.resumed") row.status = "running";
  if (event.type === "run.paused") row.status = "paused";
  if (event.type === "approval.requested") row.waiting = true;
  if (event.type === "approval.answered") row.waiting = false;
  if (event.type === "run.finished") {
    Object.assign(row, event.data.result, { waiting: event.data.result?.status === "needs_person" });
    loadRunsSoon();
  }
}

/** What a person who cannot see the page should hear, and what has to be asked for again. */
function follow(run, event) {
  const row = run.steps.get(event.step);
  if (event.type === "run.paused" || event.type === "run.resumed") loadDetailSoon();
  if (event.type === "action.finished" && row) {
    announce(
      t("said_step", { n: event.step, tool: row.action?.tool ?? "", result: known(`result_${row.result}`) ?? row.result }),
    );
  } else if (event.type === "approval.requested") announce(t("said_waiting"), true);
  else if (event.type === "run.finished") {
    announce(t("said_finished", { status: known(`status_${run.status}`) ?? run.status }), true);
    loadDetailSoon();
  } else if (event.type === "plan.made" || event.type === "plan.changed")
    announce(t("said_plan", { n: run.plan?.subtasks.length ?? 0 }));
}

function onText({ run_id: runId, purpose, text }) {
  if (state.run?.id !== runId || purpose === "chat") return;
  const { calls } = state.run;
  const before = state.writing?.purpose === purpose && state.writing.calls === calls ? state.writing.text : "";
  store.set({ writing: { purpose, calls, text: before + text } });
}

const textListeners = new Set();

/** Call LISTENER with every piece of streamed text, until the returned function is called. */
export function onStreamedText(listener) {
  textListeners.add(listener);
  return () => textListeners.delete(listener);
}

let asking = 0;

/** Begin: everything is asked for at each connection, so that what happened in between is there whatever the stream left out. */
export async function start() {
  listen({
    onEvent,
    onText(piece) {
      onText(piece);
      for (const listener of textListeners) listener(piece);
    },
    onRun: takeRow,
    onState(connection) {
      store.set({ connection });
      clearInterval(asking);
      if (connection === "resting") asking = setInterval(loadApprovals, RESTING_ASKS); // the tab's title says what waits
    },
    onOpen() {
      loadRuns();
      loadApprovals();
      if (!state.info) loadInfo();
      if (state.run && !backlog) loadRun();
    },
  });
  await Promise.all([loadInfo(), loadRuns()]);
  loadApprovals();
}

async function loadInfo() {
  try {
    store.set({ info: await get("info"), denied: false });
  } catch (problem) {
    fail(problem, true);
  }
}

// -- what a person does -------------------------------------------------------------------------------

export async function handIn(request, files) {
  let body = request;
  if (files.length) {
    body = new FormData();
    body.append("request", JSON.stringify(request));
    for (const file of files) body.append("files", file, file.name);
  }
  const row = await upToDate(post("runs", body), (answer) => [answer]);
  takeRow(row);
  return row;
}

export async function answerApproval(approval, answer) {
  await post(`approvals/${id(approval.id)}`, answer);
  store.set({ approvals: state.approvals.filter((one) => one.id !== approval.id) });
  loadApprovals();
}

/** How RUN stands: its end is in its events, the queue is known to the server alone. */
export const statusOf = (run, detail) => (run?.result ? run.status : detail?.status || run?.status || "");

/** cancel, pause or resume a run. */
export async function command(runId, word) {
  takeRow(await upToDate(post(`runs/${id(runId)}/${word}`), (answer) => [answer]));
  loadApprovals();
}

export function forget(runId) {
  store.set({ runs: state.runs.filter((one) => one.run_id !== runId) });
}

export const isEnded = (status) => ENDED.has(status);

export function debounced(work, wait) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...values), wait);
  };
}
