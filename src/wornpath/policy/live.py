"""Features of the live agent's candidates: the interaction features of `features.dense`, and what a run has besides.

A live state (`experience.tracker`) tells the goal, the subtask, what was seen last in its text, where the run stands in its
features, and in `recalled` what experience says about an action. `rows(state, candidates)` gives `WIDTH` numbers in about
[0, 1] a candidate: which tool it is and how it suits the subtask, how its arguments relate to the goal, the subtask and
the things in play (roles as hashed marks, so that a new role needs no new feature), how far the run has come, and how the
action fared before. No names, and nothing of where a candidate came from, its prior or its cost."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wornpath.core import Action, Candidate, Entity, State, digest
from wornpath.experience.text import content_words
from wornpath.policy import features

Array = npt.NDArray[np.float32]

TOOLS = (
    *("write_file", "append_file", "edit_file", "move_file", "copy_file", "delete_file", "make_folder"),
    *("python", "shell", "note", "replan", "ask_person"),
)
"""Tools that the dense features do not tell apart; any other tool falls into one of `OTHER` marks by its name."""
OTHER, ROLE_MARKS = 4, 12
KINDS = ("find", "read", "compute", "write", "organise", "code", "other")
WORK = {
    "write_file": "writes",
    "append_file": "writes",
    "edit_file": "writes",
    "move_file": "moves",
    "copy_file": "moves",
    "delete_file": "moves",
    "make_folder": "moves",
    "python": "runs",
    "shell": "runs",
    "finish": "controls",
    "replan": "controls",
    "ask_person": "controls",
}
WORKS = ("looks", "writes", "moves", "runs", "controls")

NAMES: tuple[str, ...] = (
    *features.NAMES,
    *(f"is_{tool}" for tool in TOOLS),
    *(f"other_tool_{i}" for i in range(OTHER)),
    *(f"{kind}_{work}" for kind in KINDS for work in WORKS),
    *(f"role_{i}" for i in range(ROLE_MARKS)),
    *("argument_in_subtask", "subtask_in_argument", "names_output", "changed", "known_thing", "open_text"),
    *("first_step", "subtask_steps", "subtask_ok", "errors", "changes", "predicates", "subtasks_done", "last_subtask"),
    *("checks_failed", "failures", "replans", "last_wrote", "last_ran", "last_looked"),
    *("recalled", "recalled_good", "recalled_uses", "recalled_value", "any_recalled"),
)
WIDTH = len(NAMES)
SIGNATURE = digest("|".join(NAMES) + f"|{features.SIGNATURE}|live1")
"""Changes whenever the meaning of a row does, that of the dense features included; version files carry it."""

_ROLES = {"named in the goal": "name_hit"}
_NOW = re.compile(r"^Now: \((\d+) of (\d+), \w+\) (.*)$", re.MULTILINE)
_LAST = re.compile(r"^Last: .*$", re.MULTILINE)
_OUTPUT = re.compile(r" -> (\S+)")


def rows(state: State, candidates: Sequence[Candidate]) -> Array:
    """One row of features per candidate, float32 of shape (len(candidates), WIDTH)."""
    if not candidates:
        return np.zeros((0, WIDTH), dtype=np.float32)
    told = as_told(state)
    live = _Live(state, str(told.features["subtask"]))
    more = np.asarray([live.row(c.action) for c in candidates], dtype=np.float32)
    return np.concatenate([features.dense(told, candidates), more], axis=1)


def as_told(state: State) -> State:
    """STATE with what the dense features ask for read out of its text: goal, subtask and the last observation, and the
    tracker's roles under their names there.
    """
    f = state.features
    text = state.text
    goal = f["goal"] if isinstance(f.get("goal"), str) else _line(text, "Goal: ")
    now = _NOW.search(text)
    last = _LAST.search(text)
    more = {
        "goal": goal,
        "subtask": now.group(3) if now else "",
        "observation": text[last.end() :].lstrip("\n") if last else "",
        "step": f.get("step", _steps(f.get("step_bucket"))),
    }
    entities = tuple(_known(e) for e in state.entities)
    return State(text, {**f, **more}, entities)


def _line(text: str, title: str) -> str:
    return next((line.removeprefix(title) for line in text.splitlines() if line.startswith(title)), "")


def _steps(bucket: Any) -> int:
    """About how many steps a bucket of the tracker (the bit length) stands for."""
    return 0 if not isinstance(bucket, int) or bucket <= 0 else 2 ** min(bucket - 1, 6)


def _known(entity: Entity) -> Entity:
    roles = tuple(dict.fromkeys([*(_ROLES.get(role, role) for role in entity.roles), "listed"]))
    return Entity(entity.value, entity.kind, roles, entity.detail)


class _Live:
    """What is common to all candidates of one state."""

    def __init__(self, state: State, subtask: str) -> None:
        f = state.features
        self.state = state
        self.subtask = content_words(subtask)
        now = _NOW.search(state.text)
        self.outputs = set(_OUTPUT.findall(now.group(3))) if now else set()
        self.entities = {e.value: e for e in state.entities}
        kind = str(f.get("subtask_kind", f.get("kind", "other")))
        self.kind = KINDS.index(kind) if kind in KINDS else KINDS.index("other")
        last = WORK.get(str(f.get("last_tool", "")), "looks") if f.get("last_tool") else ""
        at, of = _number(f, "subtask"), _number(f, "subtasks")
        self.common = [
            float(not f.get("last_tool")),
            min(1.0, _number(f, "subtask_steps") / 8),
            min(1.0, _number(f, "subtask_ok") / 4),
            min(1.0, _number(f, "errors") / 4),
            min(1.0, _number(f, "changed") / 4),
            min(1.0, _number(f, "predicates") / 4),
            (at - 1) / of if of and at else 0.0,
            float(of > 0 and at == of),
            float(f.get("checks") == "failed"),
            min(1.0, _number(f, "failures") / 3),
            min(1.0, _number(f, "replans") / 3),
            float(last in ("writes", "moves")),
            float(last == "runs"),
            float(last == "looks"),
        ]
        self.any_recalled = float(bool(f.get("recalled")))

    def row(self, action: Action) -> list[float]:
        tool = action.tool
        marks = [0.0] * (len(TOOLS) + OTHER + len(KINDS) * len(WORKS) + ROLE_MARKS)
        if tool in TOOLS:
            marks[TOOLS.index(tool)] = 1.0
        elif tool not in features.KNOWN_TOOLS:
            marks[len(TOOLS) + _mark(tool, OTHER)] = 1.0
        marks[len(TOOLS) + OTHER + self.kind * len(WORKS) + WORKS.index(WORK.get(tool, "looks"))] = 1.0
        values = [v for v in action.arguments.values() if isinstance(v, str)]
        things = [self.entities[v] for v in values if v in self.entities]
        base = len(marks) - ROLE_MARKS
        for thing in things:
            for role in thing.roles:
                marks[base + _mark(role, ROLE_MARKS)] = 1.0
        own = content_words(features.argument(action))
        return [
            *marks,
            _share(own, self.subtask),
            _share(self.subtask, own),
            float(any(v in self.outputs for v in values)),
            float(any("changed" in thing.roles for thing in things)),
            float(bool(things)),
            float(not action.arguments),
            *self.common,
            *self._recalled(action),
            self.any_recalled,
        ]

    def _recalled(self, action: Action) -> list[float]:
        known = features.recalled_as(self.state, action)
        if known is None:
            return [0.0] * 4
        _, good, bad, value = known
        uses = good + bad
        return [1.0, (good + 1) / (uses + 2), min(1.0, uses / 10), max(-1.0, min(1.0, value))]


def _number(values: Mapping[str, Any], name: str) -> float:
    value = values.get(name)
    return float(value) if isinstance(value, (int, float)) else 0.0


def _mark(text: str, marks: int) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass")) % marks


def _share(part: frozenset[str], whole: frozenset[str]) -> float:
    return len(part & whole) / len(part) if part else 0.0
