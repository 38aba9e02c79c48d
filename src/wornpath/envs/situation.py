"""From what an environment shows to what a policy reads: `State` and `Candidate`s, kept up to date by a `Tracker`.

The contract of a text environment: a Gymnasium environment whose observations are text and whose `info`, at reset and
at every step, holds `admissible_actions: list[str]` (not empty, no duplicates, of any length). The action passed to
`step` is one of these strings. Optional in `info`: `goal` (str), `family` (str), `entities` (a sequence of
`core.Entity`), `result` (a result class), `action_mask` (a sequence of bool), `success` (bool, at the end),
`subtask_kind` (str). Environments with Box observations and Discrete actions work as they are."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from wornpath.core import Action, Candidate, Entity, State, UsageError, digest
from wornpath.policy.features import COMMAND, sentences

MAX_OBSERVATION = 20_000
"""Characters of an observation that are looked at; the rest is cut off."""
MAX_SAID = 60
"""Sentences met in an episode that are kept."""
_CALL = re.compile(r"^([a-z_][a-z0-9_]*)\((.*)\)$", re.S)
_KEYWORD = re.compile(r"([a-z_][a-z0-9_]*)=")
_DECODER = json.JSONDecoder()
_RESULTS = ("ok", "empty", "error", "denied", "timeout")


@dataclass(frozen=True, slots=True)
class Situation:
    """One decision to be taken: what the policy reads, and the environment's own name of each candidate."""

    state: State
    candidates: tuple[Candidate, ...]
    mask: tuple[bool, ...]
    actions: tuple[Any, ...]


@lru_cache(maxsize=2048)
def parse_action(text: str) -> Action:
    """The `Action` that TEXT names: `tool(name="value", ...)` with JSON values becomes that call, other text
    `act(text=...)`.
    """
    match = _CALL.match(text)
    arguments = _arguments(match.group(2)) if match else None
    return Action.of(COMMAND, text=text) if match is None or arguments is None else Action.of(match.group(1), arguments)


def _arguments(body: str) -> dict[str, Any] | None:
    """The keyword arguments in BODY, None when it is not of that form."""
    out: dict[str, Any] = {}
    place = 0
    while place < len(body):
        name = _KEYWORD.match(body, place)
        if name is None:
            return None
        try:
            out[name.group(1)], place = _DECODER.raw_decode(body, name.end())
        except ValueError:
            return None
        if place < len(body):
            if not body.startswith(", ", place):
                return None
            place += 2
    return out


def action_text(tool: str, **arguments: Any) -> str:
    """The text of a call that `parse_action` reads back."""
    return f"{tool}({', '.join(f'{k}={json.dumps(v, ensure_ascii=False)}' for k, v in arguments.items())})"


class Tracker:
    """Follows one episode of a text environment. Raises UsageError, naming the step, where the environment breaks its
    contract.
    """

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._tried: dict[str, int] = {}
        self._tools: dict[str, int] = {}
        self._ends: dict[str, dict[str, str]] = {}
        """Where each action led from each observation, as digests."""
        self._visits: Counter[str] = Counter()
        self._said: dict[str, None] = {}
        self._last: Action | None = None
        self._step = 0
        self._goal = ""
        self._now = self._before = self._here = ""

    def reset(self, observation: Any, info: Mapping[str, Any]) -> Situation:
        """The first decision of an episode."""
        self._start()
        self._goal = str(info.get("goal", "") or "")
        return self._situation(observation, info)

    def step(self, taken: Action, observation: Any, info: Mapping[str, Any]) -> Situation:
        """The decision that follows on TAKEN."""
        self._step += 1
        self._tried[taken.key] = self._tried.get(taken.key, 0) + 1
        self._tools[taken.tool] = self._tools.get(taken.tool, 0) + 1
        self._last = taken
        return self._situation(observation, info)

    def _situation(self, observation: Any, info: Mapping[str, Any]) -> Situation:
        if not isinstance(observation, str):
            kind = type(observation).__name__
            raise UsageError(f"Step {self._step}: the observation must be text, the environment gave {kind}.")
        actions = check_actions(info, self._step)
        entities = tuple(e for e in info.get("entities", ()) if isinstance(e, Entity))
        text = observation[:MAX_OBSERVATION]
        self._before, self._now = self._now, text
        here = digest(text)
        self._visits[here] += 1
        if self._last is not None:
            self._ends.setdefault(self._here, {})[self._last.key] = here
        self._here = here
        candidates = tuple(Candidate(parse_action(a), "enumerated") for a in actions)
        features: dict[str, Any] = {
            "goal": self._goal or text[:300],
            "step": self._step,
            "last_tool": self._last.tool if self._last else "",
            "last_result": _result(info, self._last),
            "tried": dict(self._tried),
            "tools": dict(self._tools),
            "observation": text[:2000],
            "tried_here": {key: self._visits[end] for key, end in self._ends.get(here, {}).items()},
        }
        if candidates[0].action.tool == COMMAND:
            self._said.update(dict.fromkeys(sentences(text[:2000])))
            features["said"] = tuple(self._said)[-MAX_SAID:]
            features["before"] = self._before[:2000]
            features["last_argument"] = str(self._last.arguments.get("text", "")) if self._last else ""
        for key in ("family", "subtask", "subtask_kind"):
            if info.get(key):
                features[key] = str(info[key])
        mask = info.get("action_mask")
        allowed = tuple(bool(m) for m in mask) if mask is not None else (True,) * len(actions)
        if len(allowed) != len(actions) or not any(allowed):
            raise UsageError(
                f"Step {self._step}: action_mask must allow something and be as long as admissible_actions."
            )
        state = State(text=f"{self._goal}\n{text[:1000]}", features=features, entities=entities)
        return Situation(state, candidates, allowed, tuple(actions))


def check_actions(info: Mapping[str, Any], step: int) -> list[str]:
    """`admissible_actions` of INFO. Raises UsageError where it breaks the contract."""
    actions = info.get("admissible_actions")
    if not isinstance(actions, Sequence) or isinstance(actions, str):
        raise UsageError(
            f"Step {step}: info['admissible_actions'] must be a list of strings; it is missing or something else."
        )
    if not actions:
        raise UsageError(
            f"Step {step}: info['admissible_actions'] is empty; an environment must offer at least one action."
        )
    for action in actions:
        if not isinstance(action, str) or not action:
            raise UsageError(f"Step {step}: admissible actions must be non-empty strings, one is {action!r}.")
    if len(set(actions)) != len(actions):
        double = next(a for i, a in enumerate(actions) if a in actions[:i])
        raise UsageError(f"Step {step}: the admissible action {double!r} is listed twice.")
    return list(actions)


def check_reward(reward: Any, step: int) -> float:
    """REWARD as a float. Raises UsageError when it is not a finite number."""
    try:
        value = float(reward)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"Step {step}: the reward must be a finite number, the environment gave {reward!r}.")
    return value


def _result(info: Mapping[str, Any], last: Action | None) -> str:
    given = info.get("result")
    if given in _RESULTS:
        return str(given)
    return "ok" if last else ""
