"""The proposer: what could be done now. Candidates come from one model call, from the tools' schemas, and from the agent's controls."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wornpath.core import LOOKING, Action, Candidate, ToolError
from wornpath.experience import Tracker
from wornpath.experience.text import content_words
from wornpath.experience.tracker import bare
from wornpath.experience.wording import asks_for_copy
from wornpath.llm.chat import Chat, Completion, Message
from wornpath.llm.parse import parse_actions
from wornpath.tools import Registry, Tool, Workspace, signature_line

MAX_CANDIDATES = 16
ENUMERATED = 5
VARIED = 3

CONTROLS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "finish": ("The subtask is done", {}),
    "replan": ("The plan does not work; make a new one", {"reason": {"type": "string", "maxLength": 120}}),
    "ask_person": ("Ask the user, only if nothing else can tell", {"question": {"type": "string", "maxLength": 160}}),
}

SYSTEM = """\
You are a careful agent that works in a folder of files. Choose the next tool call for the subtask in "Now" (or "Goal").
Tools:
{tools}
For a compute task choose python at once: its program is written later, with the files in view. When the last result shows that the
subtask is done, choose finish. Arguments marked "written later" are left out now. Paths are relative, exactly as in "Files".
Do not repeat what is in "Tried".
Answer with one compact JSON object: {{"tool":"...","arguments":{{...}}}}"""


PROGRESS = """\
Classify the state of a task: "done" if the last step did what the task in "Now" asks for (files moved, written, changed, or the thing
found); "looking" if files were only listed or read; "partly" if something that the task names was not handled yet.
Answer with compact JSON: {"state":"..."}"""
STATES = {
    "type": "object",
    "properties": {"state": {"enum": ["done", "looking", "partly"]}},
    "required": ["state"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Offer:
    """What is on offer at a step: the tools that fit, and which controls."""

    tools: tuple[Tool, ...]
    controls: tuple[str, ...]

    def schema(self) -> dict[str, Any]:
        """JSON schema of one action: any of the tools, text arguments left out, or a control."""
        forms = [_form(tool.name, _open_schema(tool)) for tool in self.tools]
        for name in self.controls:
            properties = CONTROLS[name][1]
            forms.append(
                _form(
                    name,
                    {
                        "type": "object",
                        "properties": dict(properties),
                        "required": list(properties),
                        "additionalProperties": False,
                    },
                )
            )
        return {"anyOf": forms}

    def lines(self) -> str:
        """One line a tool, for the prompt."""
        lines = [signature_line(tool) for tool in self.tools]
        lines += [
            f"{name}({', '.join(f'{a}: str' for a in CONTROLS[name][1])}): {CONTROLS[name][0]}"
            for name in self.controls
        ]
        return "\n".join(f"- {line}" for line in lines)


class Proposer:
    """Offers candidates for a state. K completions come from one call."""

    def __init__(self, chat: Chat, registry: Registry, k: int, workspace: Workspace) -> None:
        self.chat, self.registry, self.k, self.workspace = chat, registry, k, workspace

    def offer(self, tracker: Tracker, allowed: Callable[[Tool], bool], *, can_ask: bool) -> Offer:
        """The tools that fit the active subtask and are ALLOWED at all, and the controls. What a search needs besides, to put what it
        found into a file, is on offer once it found something: a small model would copy the first file it sees."""
        subtask = tracker.active
        kind = subtask.kind if subtask else "other"
        fitting = {tool.name for tool in self.registry.for_kind(kind)}
        if subtask is not None and subtask.predicates and kind in LOOKING and _found(tracker):
            fitting |= {"copy_file"} if asks_for_copy(subtask.description) else {"copy_file", "write_file"}
        tools = tuple(tool for tool in self.registry if tool.name in fitting and allowed(tool))
        return Offer(tools, ("finish", "replan", "ask_person") if can_ask else ("finish", "replan"))

    # -- candidates --------------------------------------------------------------------------------

    def messages(self, offer: Offer, state_text: str) -> list[Message]:
        shown = Offer(offer.tools, tuple(c for c in offer.controls if c != "replan"))
        return [
            {"role": "system", "content": SYSTEM.format(tools=shown.lines())},
            {"role": "user", "content": state_text},
        ]

    async def ask(self, offer: Offer, messages: Sequence[Message], *, k: int | None = None) -> Completion:
        """One call for K completions. Several samples need some spread; a single one is greedy."""
        shown = Offer(offer.tools, tuple(c for c in offer.controls if c != "replan"))
        k = k or self.k
        return await self.chat.complete(
            messages, schema=shown.schema(), n=k, max_tokens=self.chat.sizes.action, temperature=0.7 if k > 1 else 0.0
        )

    async def ask_done(self, messages: Sequence[Message]) -> Completion:
        """One short call: is the subtask done?"""
        return await self.chat.complete(messages, schema=STATES, max_tokens=16)

    def done_messages(self, state_text: str) -> list[Message]:
        return [{"role": "system", "content": PROGRESS}, {"role": "user", "content": state_text}]

    def read(self, completion: Completion, offer: Offer) -> tuple[list[Candidate], str]:
        """The candidates in COMPLETION, canonical and without duplicates, and what was wrong with the rest.

        The prior of an action is its share of the samples, each weighted by its length-normalised likelihood.
        """
        weights: dict[str, float] = {}
        found: dict[str, tuple[Action, float | None]] = {}
        problem = ""
        logprobs = completion.logprobs or (None,) * len(completion.texts)
        for text, logprob in zip(completion.texts, logprobs, strict=True):
            actions = parse_actions(text)
            if not actions:
                problem = "the answer was no JSON tool call"
                continue
            try:
                action = self.canonical(*actions[0], offer)
            except ToolError as error:
                problem = str(error)
                continue
            found.setdefault(action.key, (action, logprob))
            weights[action.key] = weights.get(action.key, 0.0) + (math.exp(logprob) if logprob is not None else 1.0)
        total = sum(weights.values())
        if not total:
            return [], problem
        made = [Candidate(action, "llm", weights[key] / total, logprob) for key, (action, logprob) in found.items()]
        return sorted(made, key=lambda c: -c.prior), problem

    def canonical(self, name: str, arguments: Mapping[str, Any], offer: Offer) -> Action:
        """The action in canonical form; raises ToolError when it is not on offer or its arguments do not fit."""
        if name in offer.controls:
            wanted = CONTROLS[name][1]
            return Action.of(name, {k: str(arguments[k])[:200] for k in wanted if arguments.get(k)})
        tool = next((t for t in offer.tools if t.name == name), None)
        if tool is None:
            raise ToolError(f"there is no tool {name[:40]!r} here")
        given = {k: v for k, v in arguments.items() if k not in tool.text}
        return self.registry.action(name, given, self.workspace)

    def complete(self, candidates: Iterable[Candidate], tracker: Tracker, offer: Offer) -> list[Candidate]:
        """CANDIDATES with the schema-enumerated and the control actions added, at most 16."""
        out = {c.action.key: c for c in candidates}
        for source, actions in (
            ("enumerated", self._enumerated(tracker, offer)),
            ("control", self._controls(offer, tracker)),
        ):
            for action in actions:
                out.setdefault(action.key, Candidate(action, source))  # type: ignore[arg-type]
        kept = list(out.values())
        return kept if len(kept) <= MAX_CANDIDATES else kept[: MAX_CANDIDATES - 3] + kept[-3:]

    def _enumerated(self, tracker: Tracker, offer: Offer) -> list[Action]:
        """Cheap guesses: what was refused with another file, write what the subtask is to make, run a program, read a file that matters,
        list a folder."""
        names = {tool.name for tool in offer.tools}
        ranked = sorted(
            tracker.visible_entities(), key=lambda e: ("named in the goal" not in e.roles, "opened" in e.roles)
        )
        out = [
            Action.of("read_file" if e.kind == "file" else "list_files", path=e.value)
            for e in ranked
            if (e.kind == "file" and "read_file" in names) or (e.kind == "folder" and "list_files" in names)
        ]
        outputs = tracker.active.outputs if tracker.active else []
        deferred = []
        for tool in offer.tools:
            open_ones = set(tool.schema.get("required", ())) - set(tool.text)
            if tool.text and not open_ones:
                deferred.append(Action.of(tool.name))
            elif tool.text and open_ones == {"path"} and outputs:
                deferred.append(Action.of(tool.name, path=outputs[0]))
        if "list_files" in names and not out:
            out.append(Action.of("list_files"))
        return [*_varied(tracker, offer), *deferred, *out][:ENUMERATED]

    def _controls(self, offer: Offer, tracker: Tracker) -> list[Action]:
        out = []
        for name in offer.controls:
            match name:
                case "replan":
                    out.append(Action.of(name, reason="the plan does not get on"))
                case "ask_person":
                    now = tracker.active.description if tracker.active else ""
                    out.append(Action.of(name, question=f"How should I go on with: {now}"[:160]))
                case _:
                    out.append(Action.of(name))
        return out


def _varied(tracker: Tracker, offer: Offer) -> list[Action]:
    """What made a file that the checks refused, done with another of the files that came to light: those about the goal first."""
    if tracker.checks != "failed":
        return []
    goal = content_words(tracker.goal.text) if tracker.goal else frozenset()
    free = {tool.name for tool in offer.tools if tool.risk == "write" and not tool.text}
    files = [e for e in tracker.entities.values() if e.kind == "file" and e.value not in tracker.changed]
    files.sort(key=lambda e: -len(content_words(f"{e.value} {e.detail}") & goal))
    done = {bare(t.action) for t in tracker.tried.values()}
    out: list[Action] = []
    for tried in (t for t in tracker.tried.values() if t.action.tool in free and tracker.was_refused(t.action)):
        named = [(n, v) for n, v in tried.action.arguments.items() if any(v == e.value for e in files)]
        for name, value in named:
            others = (e.value for e in files if e.value != value)
            out += [Action.of(tried.action.tool, {**tried.action.arguments, name: other}) for other in others]
    return [action for action in dict.fromkeys(out) if bare(action) not in done][:VARIED]


def _found(tracker: Tracker) -> bool:
    """Whether a search or a look into a file brought something to light since the plan was made."""
    tried = tracker.tried.values()
    return any(t.result == "ok" and t.action.tool in ("search_text", "find_files", "read_file") for t in tried)


def _form(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"tool": {"const": name}, "arguments": arguments},
        "required": ["tool", "arguments"],
        "additionalProperties": False,
    }


def _open_schema(tool: Tool) -> dict[str, Any]:
    """The schema of the arguments that a candidate fills in: those not of free text."""
    properties = {k: v for k, v in tool.schema.get("properties", {}).items() if k not in tool.text}
    return {
        "type": "object",
        "properties": properties,
        "required": [k for k in tool.schema.get("required", ()) if k in properties],
        "additionalProperties": False,
        **({"$defs": tool.schema["$defs"]} if "$defs" in tool.schema else {}),
    }
