"""A model made of a plan, actions and texts; agents in a store of their own; and what must be true of the events of any run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from wornpath import AutoGPT
from wornpath.core import Decision, Event, Result, Transition, from_json
from wornpath.core import events as event_table
from wornpath.guard import ApprovalAnswer, ApprovalRequest
from wornpath.llm import ScriptedChat
from wornpath.llm.chat import Sizes
from wornpath.store import SqliteStore


def subtask(do: str, kind: str = "other", output: str = "", has: Sequence[str] = ()) -> dict[str, Any]:
    return {"do": do, "kind": kind, "output": output, "has": list(has)}


def act(tool: str, **arguments: Any) -> dict[str, Any]:
    return {"tool": tool, "arguments": arguments}


FINISH, REPLAN = act("finish"), act("replan", reason="another way")


def purpose(schema: Mapping[str, Any] | None) -> str:
    """What a request is for, by the schema of its answer."""
    if schema is None:
        return "text"
    if "anyOf" in schema:
        return "action"
    names = schema["properties"]
    return "plan" if "subtasks" in names else "judge" if "met" in names else "progress"


def offered(schema: Mapping[str, Any]) -> set[str]:
    return {form["properties"]["tool"]["const"] for form in schema["anyOf"]}


class Brain:
    """Answers by what is asked for. Each list is used up in order; its last element stays. Callables get (messages, schema, n)."""

    def __init__(
        self,
        plan: Any = (),
        actions: Sequence[Any] = (),
        texts: Sequence[Any] = ("some text",),
        judge: Sequence[Any] = ({"reason": "nothing is missing", "met": True},),
    ) -> None:
        plans = list(plan) if plan and isinstance(plan[0], list) else [list(plan) or [subtask("Do it all")]]
        self.lists = {
            "plan": [{"subtasks": p} for p in plans],
            "action": [*actions] or [FINISH],
            "text": [*texts],
            "judge": [*judge],
            "progress": [{"state": "not done"}],
        }
        self.used = dict.fromkeys(self.lists, 0)

    def __call__(self, messages: Any, schema: Any, n: int) -> Any:
        kind = purpose(schema)
        answers = self.lists[kind]
        answer = answers[min(self.used[kind], len(answers) - 1)]
        self.used[kind] += 1
        return answer


def chat(brain: Brain | None = None, *, large: bool = False, **parts: Any) -> ScriptedChat:
    return ScriptedChat(brain or Brain(**parts), sizes=Sizes.large() if large else None)


class Person:
    """An approver that gives the ANSWERS one after another and keeps what it was asked."""

    def __init__(self, *answers: ApprovalAnswer | None) -> None:
        self.answers, self.asked = list(answers), list[ApprovalRequest]()

    async def __call__(self, request: ApprovalRequest) -> ApprovalAnswer | None:
        self.asked.append(request)
        return self.answers.pop(0) if self.answers else None


Make = Callable[..., AutoGPT]


def prompts(agent: AutoGPT, kind: str = "action") -> list[str]:
    """The prompts of the requests of one KIND, in order."""
    assert isinstance(agent.model, ScriptedChat)
    return [call.prompt for call in agent.model.calls if purpose(call.schema) == kind]


def offers(agent: AutoGPT) -> list[set[str]]:
    """The tools on offer at each step."""
    assert isinstance(agent.model, ScriptedChat)
    return [offered(call.schema) for call in agent.model.calls if call.schema and purpose(call.schema) == "action"]


def events(agent: AutoGPT, *types: str) -> list[Event]:
    return list(agent.store.events(agent.run_id, types=types))


def observations(agent: AutoGPT) -> list[dict[str, Any]]:
    return [event.data["observation"] for event in events(agent, "action.finished")]


def text_of(observation: Mapping[str, Any]) -> str:
    return "\n".join(part.get("text", "") for part in observation.get("parts", []))


def documented() -> dict[str, set[str]]:
    """The keys of each event type's data, out of the table in the docstring of `core/events.py`."""
    keys: dict[str, set[str]] = {}
    for line in (event_table.__doc__ or "").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("| ") or len(cells) != 2 or cells[0] == "type":
            continue
        data = cells[1]
        while data != (data := re.sub(r"\([^()]*\)", "", data)):
            pass
        names = {name.strip() for name in re.split(r"[,;]", data.split(":")[0])}
        keys |= {type.strip(): names for type in cells[0].split(",")}
    return keys


OPTIONAL = {
    "model.called": {"error"},
    "approval.answered": {"arguments", "scope", "rule"},
    "run.started": {"tainted"},
    "note.added": {"untrusted"},
    "artifact.written": {"untrusted"},
    "person.said": {"text", "rating", "action"},
    "plan.made": {"recalled", "skipped", "telling"},
    "plan.changed": {"retracted"},
    "action.decided": {"gate"},
}


def audit(store: SqliteStore, run_id: str) -> None:
    """Whatever happened in a run, this holds of its events and of what is projected from them."""
    found = list(store.events(run_id))
    table = documented()
    assert [e.type for e in found[:2]] == ["run.started", "goal.set"]
    assert [e.type for e in found].count("goal.set") == 1
    steps, open_actions, rewards, open_unmet = 0, dict[str, Any](), 0.0, 0
    for event in found:
        assert set(event.data) <= table[event.type], event.type
        assert table[event.type] - OPTIONAL.get(event.type, set()) <= set(event.data), event.type
        assert json.loads(json.dumps(event.as_dict(), ensure_ascii=False)) == event.as_dict()
        if event.type == "action.decided":
            steps += 1
            assert event.step == steps
            audit_decision(from_json(Decision, event.data["decision"]))
        else:
            assert event.step == steps
        if event.type == "action.started":
            open_actions[event.data["id"]] = event.data
        elif event.type == "action.finished":
            assert event.data["id"] in open_actions
        elif event.type == "evaluation.made":
            said = event.data["evaluation"]
            rewards += said.get("reward", 0.0) if said.get("source") != "person" else 0.0  # given when the run is over
            open_unmet += event.data["evaluation"].get("verdict") == "unmet"
    ends = [e for e in found if e.type == "run.finished"]
    if ends:
        result = from_json(Result, ends[-1].data["result"])
        assert result.reward == pytest.approx(rewards, abs=1e-6)
        if store.run(run_id).rating:
            return  # a person's word takes the place of the verdict
        assert store.run(run_id).status == result.status
        transitions = list(store.transitions(run_id))
        audit_transitions(transitions, result)
        if all(event.step for event in found if event.type == "evaluation.made"):  # else something was called by hand
            assert sum(t.reward for t in transitions) == pytest.approx(result.reward, abs=1e-6)


def audit_decision(decision: Decision) -> None:
    n = len(decision.candidates)
    assert 1 <= n <= 16
    assert len(decision.probabilities) == len(decision.mask) == n
    assert sum(decision.probabilities) == pytest.approx(1)
    assert all(free or p == 0 for free, p in zip(decision.mask, decision.probabilities, strict=True))
    assert decision.mask[decision.chosen] and decision.probability > 0
    assert len({c.action.key for c in decision.candidates}) == n
    priors = {c.source: 0.0 for c in decision.candidates}
    for candidate in decision.candidates:
        priors[candidate.source] += candidate.prior
    total = priors.pop("llm", 0.0) + priors.pop(
        "recalled", 0.0
    )  # what is recalled can take over a share of the model's
    assert total in (0, pytest.approx(1)) and not any(priors.values())
    recalled = all(c.source == "recalled" for c in decision.candidates)  # then the model was not asked
    assert recalled or any(c.action.tool == "finish" for c in decision.candidates)


def audit_transitions(transitions: list[Transition], result: Result) -> None:
    assert [t.step for t in transitions] == sorted({t.step for t in transitions})
    for before, after in pairwise(transitions):
        assert before.next_state == after.state
        assert not before.terminated and not before.truncated
    if transitions:
        last = transitions[-1]
        over = result.status in ("met", "unmet", "unverified")
        assert (last.terminated, last.truncated) == (over, not over)
        assert last.next_state is None


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything in FOLDER, byte for byte; folders are None."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))
    }
