"""What each event does to the projected tables (runs, their texts, notes), in the same transaction as its append.

The same statements rebuild the tables from the events, so the two can never disagree. Data may come from a newer or a
broken writer: whatever is missing or of the wrong type counts as absent.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Statement = tuple[str, tuple[Any, ...]]
Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fact:
    """An event on its way into the tables."""

    seq: int
    run_id: str
    time: float
    data: Data


def apply(db: sqlite3.Connection, type: str, fact: Fact) -> None:
    """Update the tables for one event of TYPE."""
    effect = EFFECTS.get(type)
    if effect is not None:
        for sql, values in effect(fact):
            db.execute(sql, values)


def replay(db: sqlite3.Connection) -> None:
    """Fill the (empty) tables from all events."""
    marks = ", ".join("?" * len(EFFECTS))
    rows = db.execute(
        f"SELECT seq, run_id, time, type, data FROM events WHERE type IN ({marks}) ORDER BY seq", tuple(EFFECTS)
    )
    for seq, run_id, time, type, data in rows:
        apply(db, type, Fact(seq, run_id, time, json.loads(data)))


def _run(fact: Fact) -> Statement:
    return "INSERT OR IGNORE INTO runs (run_id, first_seq) VALUES (?, ?)", (fact.run_id, fact.seq)


def _texts(fact: Fact) -> Statement:
    return "INSERT OR IGNORE INTO run_texts (run_id) VALUES (?)", (fact.run_id,)


def _set(table: str, fact: Fact, **columns: Any) -> Statement:
    names = ", ".join(f"{name} = ?" for name in columns)
    return f"UPDATE {table} SET {names} WHERE run_id = ?", (*columns.values(), fact.run_id)


def _started(fact: Fact) -> Iterator[Statement]:
    data = fact.data
    yield _run(fact)
    yield _set(
        "runs",
        fact,
        status="running",
        started=fact.time,
        model=text(data, "model"),
        policy_version=text(data, "policy_version") or "prior",
        pid=whole(data, "pid") or None,
        host=text(data, "host"),
        alive_since=fact.time,
        parent=text(data, "parent") or None,
        tainted=data.get("tainted") is True,
        counts=section(data, "options").get("learn") is not False,
    )


def _resumed(fact: Fact) -> Iterator[Statement]:
    pid, host = whole(fact.data, "pid") or None, text(fact.data, "host")
    yield _set("runs", fact, status="running", finished=None, reason="", pid=pid, host=host, alive_since=fact.time)


def _paused(fact: Fact) -> Iterator[Statement]:
    yield _set("runs", fact, status="paused", reason=text(fact.data, "reason"))


def _finished(fact: Fact) -> Iterator[Statement]:
    """The recorded result has the last word on what it names; what it leaves out was counted here."""
    result = section(fact.data, "result")
    columns: dict[str, Any] = {"status": text(result, "status") or "unverified", "finished": fact.time, "reason": ""}
    for name in ("steps", "llm_calls", "skipped_llm_calls"):
        if name in result:
            columns[name] = whole(result, name)
    for name in ("reward", "cost_usd"):
        if name in result:
            columns[name] = number(result, name)
    for name in ("verdict_source", "policy_version"):
        if text(result, name):
            columns[name] = text(result, name)
    tokens = section(result, "tokens")
    for name in ("prompt", "completion"):
        if name in tokens:
            columns[f"{name}_tokens"] = whole(tokens, name)
    yield _run(fact)
    yield _set("runs", fact, **columns)
    yield _texts(fact)
    yield _set("run_texts", fact, summary=text(result, "summary"), result=json.dumps(result))


def _goal(fact: Fact) -> Iterator[Statement]:
    goal = section(fact.data, "goal")
    yield _run(fact)
    yield _texts(fact)
    weights = json.dumps(section(goal, "weights"))
    yield _set("run_texts", fact, goal=text(goal, "text"), workspace=text(goal, "workspace"), weights=weights)


_CALLED = """UPDATE runs SET llm_calls = llm_calls + ?, prompt_tokens = prompt_tokens + ?,
    completion_tokens = completion_tokens + ?, cost_usd = cost_usd + ?, proposed = proposed + ? WHERE run_id = ?"""


def _called(fact: Fact) -> Iterator[Statement]:
    usage = section(fact.data, "usage")
    proposed = int(fact.data.get("purpose") == "propose")
    amounts = (
        calls(fact.data),
        whole(usage, "prompt"),
        whole(usage, "completion"),
        number(usage, "cost_usd"),
        proposed,
    )
    yield _CALLED, (*amounts, fact.run_id)


_DECIDED = """UPDATE runs SET steps = steps + 1, skipped_llm_calls = skipped_llm_calls + (? AND (? OR proposed = 0)),
    proposed = 0 WHERE run_id = ?"""


def _decided(fact: Fact) -> Iterator[Statement]:
    """A step counts as skipped when the event says so, or else when the policy decided it and the model proposed nothing."""
    said = fact.data.get("skipped")
    by_policy = section(fact.data, "decision").get("by") == "policy"
    yield _DECIDED, ((said is True) if isinstance(said, bool) else by_policy, said is True, fact.run_id)


_JUDGED = """UPDATE runs SET
    reward = reward - (CASE WHEN ? OR verdict_source = 'person' THEN run_reward ELSE 0 END) + ?, run_reward = ?, verdict = ?,
    verdict_source = ? WHERE run_id = ?"""


def _evaluated(fact: Fact) -> Iterator[Statement]:
    """A person's word on the run takes the place of the verdict before it, and gives way to the one after it; anything else adds to the
    reward."""
    evaluation = section(fact.data, "evaluation")
    reward = number(evaluation, "reward")
    if fact.data.get("scope") != "run":
        yield "UPDATE runs SET reward = reward + ? WHERE run_id = ?", (reward, fact.run_id)
        return
    verdict, source = text(evaluation, "verdict") or "unverified", text(evaluation, "source") or "environment"
    yield _JUDGED, (source == "person", reward, reward, verdict, source, fact.run_id)


def _said(fact: Fact) -> Iterator[Statement]:
    rating = fact.data.get("rating")
    if rating in ("good", "bad", "none"):
        yield _set("runs", fact, rating=rating if rating != "none" else None)
    elif fact.data.get("kind") == "forget":
        yield _set("runs", fact, counts=False)


def _noted(fact: Fact) -> Iterator[Statement]:
    data = fact.data
    scope = text(data, "scope") or "run"
    place = text(data, "where") or (fact.run_id if scope == "run" else "")
    yield (
        "INSERT INTO notes (seq, text, scope, place, time, run_id, untrusted) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (fact.seq, text(data, "text"), scope, place, fact.time, fact.run_id, data.get("untrusted") is True),
    )


def _written(fact: Fact) -> Iterator[Statement]:
    if fact.data.get("untrusted") is True:
        yield _set("runs", fact, tainted=1)


def _acted(fact: Fact) -> Iterator[Statement]:
    """A run is tainted once words from outside came into it."""
    seen = section(fact.data, "observation")
    if seen.get("untrusted") is True or seen.get("origin") == "outside":
        yield _set("runs", fact, tainted=1)


EFFECTS: dict[str, Callable[[Fact], Iterator[Statement]]] = {
    "run.started": _started,
    "run.paused": _paused,
    "run.resumed": _resumed,
    "run.finished": _finished,
    "goal.set": _goal,
    "model.called": _called,
    "action.decided": _decided,
    "action.finished": _acted,
    "artifact.written": _written,
    "evaluation.made": _evaluated,
    "person.said": _said,
    "note.added": _noted,
}


def calls(data: Data) -> int:
    """How many requests a `model.called` event stands for: what its usage says, else one."""
    return whole(section(data, "usage"), "calls") or 1


def section(data: Data, name: str) -> Data:
    value = data.get(name)
    return value if isinstance(value, Mapping) else {}


def text(data: Data, name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def number(data: Data, name: str) -> float:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e300 or not math.isfinite(value):
        return 0.0
    return float(value)


def whole(data: Data, name: str) -> int:
    value = data.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else 0
