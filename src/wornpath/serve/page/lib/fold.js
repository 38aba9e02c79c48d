// A run as a fold over its events: the plan, the rows of the timeline, tokens, artefacts, what waits for a person.
// `fold` of the same events always gives the same, so a replay is a fold of the first of them.

const ASKING = new Set(["propose", "progress", "plan", "replan"]); // calls that lead to what comes next
export const ENDED = new Set(["met", "unmet", "unverified", "needs_person", "budget", "error", "cancelled"]);

export class Run {
  constructor(id) {
    this.id = id;
    this.events = [];
    this.lastSeq = 0;
    this.goal = null;
    this.model = "";
    this.policy = "";
    this.plan = null;
    this.rows = [];
    this.steps = new Map(); // step number → its row
    this.pending = new Map(); // id of a question → its data
    this.artifacts = new Map();
    this.writes = 0; // how often files were written: one that is written again is not one more
    this.tokens = { prompt: 0, completion: 0 };
    this.calls = 0;
    this.skipped = 0;
    this.cost = 0;
    this.reward = 0;
    this.rating = null;
    this.status = "";
    this.result = null;
    this.verdict = null;
    this.activity = { kind: "starting" };
    this.started = 0;
    this.ended = 0;
    this.changes = 0; // grows with every event: views redraw when it did
    this._subtaskRows = new Map();
    this._actions = new Map(); // id of an action → its row
    this._unclaimed = 0; // tokens of calls whose row is still to come
    this._step = 0;
  }

  get totalTokens() {
    return this.tokens.prompt + this.tokens.completion;
  }

  /** Take EVENT in; false when it was there before. */
  apply(event) {
    if (event.seq <= this.lastSeq) return false;
    this.lastSeq = event.seq;
    this.changes += 1;
    this.events.push(slim(event));
    this._step = Math.max(this._step, event.step ?? 0);
    try {
      FOLD[event.type]?.(this, event.data ?? {}, event);
    } catch (error) {
      console.warn(`an event of type ${event.type} has another form than this page knows`, error);
    }
    return true;
  }

  _row(kind, event, more = {}) {
    const row = {
      kind,
      key: `${kind}:${event.seq}`,
      at: this.events.length,
      step: event.step ?? 0,
      time: event.time,
      version: 0,
      ...more,
    };
    this.rows.push(row);
    return row;
  }

  _claim() {
    const tokens = this._unclaimed;
    this._unclaimed = 0;
    return tokens;
  }

  _current() {
    return this.steps.get(this._step);
  }

  /** The run is over, and nobody can answer what it asked. */
  _unanswered() {
    for (const id of this.pending.keys()) touch(this._actions.get(`ask:${id}`), { over: true });
    this.pending.clear();
    if (this._current()?.state === "asking") touch(this._current(), { state: "decided" });
  }

  /** Nobody works on the subtasks that were in work, or somebody does again. */
  _rest(before, after) {
    for (const one of this.plan?.subtasks ?? []) if (one.status === before) this._status(one.id, after);
  }

  _status(id, status, why = "") {
    const subtask = this.plan?.subtasks.find((one) => one.id === id);
    if (subtask) Object.assign(subtask, { status, why });
    const row = this._subtaskRows.get(id);
    if (row) touch(row, { status, why });
  }
}

/** The run after the first COUNT of EVENTS. */
export function fold(id, events, count = events.length) {
  const run = new Run(id);
  for (let i = 0; i < count; i += 1) run.apply(events[i]);
  return run;
}

/** EVENT without the prompts, which are the bulk of a run and shown nowhere. */
function slim(event) {
  if (event.type !== "model.called" || !event.data?.messages) return event;
  const { messages, texts, ...data } = event.data;
  return { ...event, data };
}

function touch(row, more) {
  Object.assign(row, more);
  row.version += 1;
}

const chosen = (decision) => decision.candidates?.[decision.chosen ?? 0]?.action ?? { tool: "", arguments: {} };

function planned(run, data, event, kind) {
  run.plan = {
    revision: data.plan?.revision ?? 0,
    reason: data.reason ?? data.plan?.reason ?? "",
    subtasks: (data.plan?.subtasks ?? []).map((one) => ({ kind: "other", status: "pending", ...one })),
  };
  run._subtaskRows.clear();
  run.activity = { kind: "choosing" };
  run._row("plan", event, { change: kind, reason: run.plan.reason, count: run.plan.subtasks.length, tokens: run._claim() });
}

const FOLD = {
  "run.started"(run, data, event) {
    Object.assign(run, { model: data.model ?? "", policy: data.policy_version ?? "", status: "running", started: event.time });
    run.options = data.options ?? {};
    run.activity = { kind: "planning" };
  },
  "run.paused"(run, data, event) {
    run.status = "paused";
    run.activity = { kind: "paused" };
    run._rest("active", "stopped");
    run._row("paused", event, { text: String(data.reason ?? "") });
  },
  "run.resumed"(run, data, event) {
    run.status = "running";
    run.result = null;
    run._rest("stopped", "active");
    run.activity = { kind: run.plan ? "choosing" : "planning" };
    if (run.rows.length === 1 && run.rows[0].kind === "paused")
      run.rows.pop(); // it only waited for its turn
    else run._row("resumed", event);
  },
  "run.finished"(run, data, event) {
    run.result = data.result ?? {};
    run.status = run.result.status ?? "error";
    run.ended = event.time;
    run.activity = { kind: "finished" };
    run._rest("active", "stopped");
    for (const one of run.result.artifacts ?? []) run.artifacts.set(one.path, one);
    run.writes += 1;
    if (run.status !== "needs_person") run._unanswered();
    run._row("finished", event, { status: run.status, tokens: run._claim() });
  },
  "goal.set"(run, data) {
    run.goal = data.goal ?? null;
  },
  "plan.made": (run, data, event) => planned(run, data, event, "made"),
  "plan.changed": (run, data, event) => planned(run, data, event, "changed"),
  "subtask.started"(run, data, event) {
    const subtask = run.plan?.subtasks.find((one) => one.id === data.subtask);
    const row = run._row("subtask", event, { id: data.subtask, text: subtask?.description ?? "", type: subtask?.kind ?? "" });
    run._subtaskRows.set(data.subtask, row);
    run._status(data.subtask, "active");
  },
  "subtask.finished"(run, data) {
    run._status(data.subtask, data.status ?? "done", data.why ?? "");
  },
  "model.called"(run, data, event) {
    const usage = data.usage ?? {};
    const tokens = (usage.prompt ?? 0) + (usage.completion ?? 0);
    run.tokens.prompt += usage.prompt ?? 0;
    run.tokens.completion += usage.completion ?? 0;
    run.calls += usage.calls ?? 1;
    run.cost += usage.cost_usd ?? 0;
    const row = run._current();
    if (ASKING.has(data.purpose) || !row || data.purpose === "judge" || data.purpose === "answer") run._unclaimed += tokens;
    else touch(row, { tokens: row.tokens + tokens, calls: row.calls + (usage.calls ?? 1) });
    if (data.error) run._row("model_error", event, { text: String(data.error) });
  },
  "action.decided"(run, data, event) {
    const decision = data.decision ?? {};
    const tokens = run._claim();
    const row = run._row("step", event, {
      decision,
      by: decision.by ?? "llm",
      action: chosen(decision),
      state: "decided",
      changed: [],
    });
    Object.assign(row, { tokens, calls: tokens ? 1 : 0, skipped: data.skipped === true, step: event.step });
    if (row.skipped) run.skipped += 1;
    run.steps.set(event.step, row);
    run.activity = { kind: "preparing", action: row.action };
  },
  "approval.requested"(run, data, event) {
    run.pending.set(data.id, { ...data, run_id: run.id });
    run.activity = { kind: "waiting" };
    const before = run._actions.get(`ask:${data.id}`);
    if (before && !before.answer)
      touch(before, { ask: data, over: false }); // a resumed run asks again
    else run._actions.set(`ask:${data.id}`, run._row("asked", event, { ask: data, answer: null }));
    if (run._current()) touch(run._current(), { state: "asking", risk: data.risk });
  },
  "approval.answered"(run, data) {
    run.pending.delete(data.id);
    const row = run._actions.get(`ask:${data.id}`);
    if (row) touch(row, { answer: data });
    if (run._current()?.state === "asking") touch(run._current(), { state: "decided" });
    run.activity = { kind: "choosing" };
  },
  "action.started"(run, data, event) {
    let row = run._current();
    if (!row) {
      row = run._row("step", event, { decision: null, by: "person", tokens: run._claim(), calls: 0, changed: [] });
      run.steps.set(event.step, row);
    }
    run.pending.clear(); // only one thing waits at a time, and it went on
    run._actions.set(data.id, row);
    touch(row, { action: data.action ?? row.action, risk: data.risk, state: "running" });
    run.activity = { kind: "running", action: row.action };
  },
  "action.finished"(run, data) {
    const row = run._actions.get(data.id) ?? run._current();
    const seen = data.observation ?? {};
    if (row) touch(row, { state: "done", result: seen.result ?? "ok", seen, seconds: data.seconds ?? 0 });
    run.activity = { kind: "choosing" };
  },
  "evaluation.made"(run, data, event) {
    const evaluation = data.evaluation ?? {};
    run.reward += evaluation.reward ?? 0;
    const row = run._current();
    if (data.scope === "step" && row) touch(row, { reward: evaluation.reward ?? 0 });
    if (data.scope !== "run") return;
    run.verdict = { verdict: "unverified", source: "environment", ...evaluation };
    run._row("verdict", event, { ...run.verdict, tokens: run._claim() });
  },
  "note.added": (run, data, event) => run._row("note", event, { text: data.text ?? "", scope: data.scope }),
  "budget.reached": (run, data, event) => run._row("budget", event, { what: data.kind, value: data.value, limit: data.limit }),
  "loop.found": (run, data, event) => run._row("loop", event, { length: data.length ?? 1, action: data.action }),
  "artifact.written"(run, data) {
    run.writes += 1;
    run.artifacts.set(data.path, {
      path: data.path,
      bytes: data.bytes,
      media_type: data.media_type,
      untrusted: data.untrusted === true,
    });
    const row = run._current();
    if (row && !row.changed.includes(data.path)) touch(row, { changed: [...row.changed, data.path] });
  },
  "person.said"(run, data, event) {
    if (data.kind === "rating") run.rating = ["good", "bad"].includes(data.rating) ? data.rating : null;
    run._row("person", event, { what: data.kind, text: data.text ?? "", rating: data.rating });
  },
  "policy.changed": (run, data, event) => run._row("policy", event, { to: data.version, text: data.why ?? "" }),
};
