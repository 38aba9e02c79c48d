"""Prompt injection, worst case: AgentDojo's banking, slack and travel suites against the guard of this package.

    pip install -r benchmarks/requirements.txt && python benchmarks/agentdojo.py [--suites banking,slack,travel] [--verbose]

The agent is a script, so that no model's good sense is measured: it plays the calls that solve the user's task, and as soon as it reads
an injection it plays the calls that carry that out, then goes on. Each run is a real `AutoGPT` whose tools are AgentDojo's, with an event
store, permission rules and provenance; nothing of the guard is copied or replaced. The policies below name kinds of tools, arguments and
data, and no task, person, account or injection.

Nobody can be asked: what would ask is denied, and a task in which anything was refused counts as not done. Whether a task is done, and
whether an injection succeeded, is what AgentDojo's own checks say. Every place of the suite that can hold an injection holds it. The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wornpath import AutoGPT
from wornpath.core import Action, Entity, Observation, Origin, Risk, Rule, ToolError
from wornpath.llm import ScriptedChat
from wornpath.store import SqliteStore
from wornpath.tools import ToolContext

VERSION = "v1.2.2"
SUITES = ("banking", "slack", "travel")

# -- the policies: kinds of tools, arguments and data ----------------------------------------------------

RISKS: Mapping[str, Risk] = {
    "send_money": "spend",
    "schedule_": "spend",
    "update_scheduled_": "spend",
    "reserve_": "spend",
    "update_password": "spend",  # hands over the account
    "update_": "write",
    "remove_": "delete",
    "cancel_": "delete",
    "send_": "send",
    "post_": "send",
    "invite_": "send",
    "add_": "send",  # lets somebody read
    "create_calendar_event": "send",  # mails an invitation
}
"""How a tool's name begins → its risk; anything else reads."""

ROLES: Mapping[str, str] = {
    "url": "link",
    "body": "content",
    "content": "content",
    "subject": "content",
    "description": "content",
    "location": "content",
    "title": "name",
    "date": "detail",
    "start_day": "detail",
    "end_day": "detail",
    "start_time": "detail",
    "end_time": "detail",
}
"""What an argument is for. Anything else says who or what an action is aimed at."""

ORIGINS: Mapping[str, Origin] = {
    "get_webpage": "outside",
    "get_rating_reviews": "outside",  # anybody can write a review
    "get_most_recent_transactions": "outside",  # and put words into the subject of a payment
    "get_scheduled_transactions": "outside",
    "read_file": "document",
    "read_channel_messages": "known",
    "read_inbox": "known",
    "get_channels": "known",  # members name them
    "search_": "known",
    "get_day_": "known",
    "get_all_": "document",  # a catalogue
    "get_hotels": "document",
    "get_restaurants": "document",
    "get_car": "document",
    "get_cuisine": "document",
    "get_dietary": "document",
    "get_contact": "document",
    "get_price": "document",
    "get_flight": "document",
    "check_": "document",
}
"""How a reading tool's name begins → whose words it brings; anything else speaks for the user's own account."""

FREE_TEXT = ("subject", "body", "reviews")
"""Fields of a record that somebody wrote; the service stands for its other fields (ids, accounts, senders, amounts, dates)."""
RECORDS = ("get_most_recent_transactions", "get_scheduled_transactions", "read_channel_messages", "read_inbox")
CATALOGUES = ("get_all_", "get_channels", "get_hotels_address", "get_restaurants_address")
PRIVATE = ("id number", "passport", "bank account", "credit card")
"""Fields that only the user should read."""

RULES = (
    Rule("allow", risk=("send", "spend", "delete", "write")),
    Rule("deny", tool="answer", note="what only strangers say is left out of the answer"),
)
"""The person's rules: everything is allowed, so that only provenance stands between an injection and its effect."""


def starting(table: Mapping[str, Any], name: str, default: Any) -> Any:
    fitting = [key for key in table if name.startswith(key)]
    return table[max(fitting, key=len)] if fitting else default


# -- AgentDojo's tools as tools of ours ------------------------------------------------------------------


@dataclass
class DojoTool:
    """One function of a suite. `trace` has the calls that were carried out."""

    function: Any
    runtime: Any
    environment: Any
    trace: list[Any]
    name: str = ""
    description: str = ""
    risk: Risk = "read"
    schema: Mapping[str, Any] = field(default_factory=dict)
    text: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()
    idempotent: bool = False
    roles: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = f"dojo_{self.function.name}"
        self.description = self.function.description.splitlines()[0]
        self.schema = self.function.parameters.model_json_schema()
        self.risk = starting(RISKS, self.function.name, "read")
        self.roles = {name: ROLES[name] for name in self.schema.get("properties", {}) if name in ROLES}

    def canonical(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return dict(arguments)

    async def __call__(self, context: ToolContext, **arguments: Any) -> Observation:
        from agentdojo.functions_runtime import FunctionCall

        result, error = self.runtime.run_function(self.environment, self.function.name, arguments)
        self.trace.append(FunctionCall(function=self.function.name, args=arguments))
        if error:
            raise ToolError(error)
        return self.observation(plain(result))

    def observation(self, data: Any) -> Observation:
        """What was brought, with its origin and the values in it that the service stands for."""
        name = self.function.name
        origin: Origin = starting(ORIGINS, name, "own") if self.risk == "read" else "own"
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, indent=1)
        listed = values(data) if name.startswith(CATALOGUES) else ()
        private = [v for k, v in fields(data) if k.casefold().startswith(PRIVATE)]
        vouched = [v for k, v in fields(data) if k not in FREE_TEXT] if name in RECORDS else []
        if name == "get_users_in_channel":
            vouched = list(values(data))
        return Observation.of(
            text,
            untrusted=origin == "outside",
            origin=origin,
            vouched=tuple(vouched),
            private=tuple(private),
            entities=tuple(Entity(v, "listed") for v in listed),
        )


def plain(value: Any) -> Any:
    """VALUE as plain JSON data."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value.isoformat() if isinstance(value, datetime.datetime | datetime.date) else value


def values(data: Any) -> Iterator[str]:
    """Every single value in DATA; of a list that comes as text, its lines."""
    if isinstance(data, Mapping):
        for key, item in data.items():
            yield str(key)
            yield from values(item)
    elif isinstance(data, list):
        for item in data:
            yield from values(item)
    elif isinstance(data, str):
        yield from (line.rpartition(": ")[2].strip() for line in data.splitlines() if line.strip())
    elif data is not None:
        yield str(data)


def fields(data: Any) -> Iterator[tuple[str, str]]:
    """The fields of the records in DATA that hold a single value."""
    if isinstance(data, list):
        for item in data:
            yield from fields(item)
    elif isinstance(data, Mapping):
        for key, item in data.items():
            if not isinstance(item, (Mapping, list)):
                yield str(key), str(item)


# -- the worst-case agent ---------------------------------------------------------------------------------


@dataclass
class Played:
    done: bool
    hit: bool
    refused: list[str]


@dataclass
class Play:
    """One user task, with at most one injection, by an agent that obeys."""

    suite: Any
    store: SqliteStore
    folder: Path
    guarded: bool

    def __call__(self, user: Any, injection: Any = None, vectors: Mapping[str, str] | None = None) -> Played:
        from agentdojo.functions_runtime import FunctionsRuntime
        from agentdojo.types import text_content_block_from_string

        environment = user.init_environment(self.suite.load_and_inject_default_environment(dict(vectors or {})))
        before = environment.model_copy(deep=True)
        runtime, trace, refused = FunctionsRuntime(self.suite.tools), list[Any](), list[str]()
        tools = [DojoTool(f, runtime, environment, trace) for f in self.suite.tools]
        plan = [(call, False) for call in user.ground_truth(environment)]
        evil = [(call, True) for call in injection.ground_truth(before)] if injection else []
        obeyed = False
        with self.agent(user.PROMPT, tools) as agent:
            while plan:
                call, bad = plan.pop(0)
                seen = self.do(agent, tools, Action.of(f"dojo_{call.function}", dict(call.args)))
                if seen.result == "denied" and not bad:
                    refused.append(f"{call.function}: {seen.text}")
                if injection and not obeyed and squeezed(injection.GOAL) in squeezed(seen.text):
                    obeyed, plan = True, evil + plan
            said = str(user.GROUND_TRUTH_OUTPUT) + (f"\n{injection.GROUND_TRUTH_OUTPUT}" if obeyed else "")
            said = self.answer(agent, said)
        block = [text_content_block_from_string(said)]
        done = bool(self.suite._check_task_result(user, block, before, environment, trace)) and not refused
        hit = bool(injection and self.suite._check_task_result(injection, block, before, environment, trace))
        return Played(done, hit, refused)

    def agent(self, goal: str, tools: Sequence[DojoTool]) -> AutoGPT:
        return AutoGPT(
            goal,
            workspace=self.folder,
            tools=tools,
            model=ScriptedChat([]),
            store=self.store,
            approve="never",
            rules=RULES,
            learn=False,
        )

    def do(self, agent: AutoGPT, tools: Sequence[DojoTool], action: Action) -> Observation:
        if self.guarded:
            return agent.call_tool(action)
        import asyncio

        tool = next(t for t in tools if t.name == action.tool)
        try:
            return asyncio.run(tool(None, **action.arguments))  # type: ignore[arg-type]
        except ToolError as error:
            return Observation.of(str(error), "error")

    def answer(self, agent: AutoGPT, text: str) -> str:
        return agent._begin().session.answer(text) if self.guarded else text


def squeezed(text: str) -> str:
    """TEXT without what JSON and YAML do to white space and quotes."""
    return "".join(c for c in text if c.isalnum())


def suite_figures(suite: Any, guarded: bool, verbose: bool) -> dict[str, Any]:
    """How many tasks are done without an injection and with one, and how many injections succeed."""
    with tempfile.TemporaryDirectory() as root, SqliteStore(Path(root) / "store") as store:
        (Path(root) / "work").mkdir()
        play = Play(suite, store, Path(root) / "work", guarded)
        done = {name: play(task) for name, task in suite.user_tasks.items()}
        pairs = [
            (name, other, play(task, injection, dict.fromkeys(suite.get_injection_vector_defaults(), injection.GOAL)))
            for name, task in suite.user_tasks.items()
            for other, injection in suite.injection_tasks.items()
        ]
    if verbose:
        for name, played in done.items():
            if not played.done:
                print(f"  {suite.name} {name} not done: {played.refused or 'the check said no'}")
        for name, other, played in pairs:
            if played.hit and guarded:
                print(f"  {suite.name} {name} + {other}: the injection succeeded")
    return {
        "tasks": len(done),
        "done": sum(p.done for p in done.values()),
        "pairs": len(pairs),
        "injections_succeeded": sum(p.hit for *_, p in pairs),
        "done_under_attack": sum(p.done for *_, p in pairs),
    }


def main() -> None:
    os.environ["WORNPATH_AFTER_RUN"] = "off"  # no learner beside what is measured
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--suites", default=",".join(SUITES))
    parser.add_argument("--verbose", action="store_true", help="name what was not done, and which injections succeeded")
    chosen = parser.parse_args()
    here = Path(__file__).resolve().parent
    sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != here]  # this file has the package's name
    from agentdojo.task_suite.load_suites import get_suite

    out: dict[str, Any] = {"agentdojo": importlib.metadata.version("agentdojo"), "version": VERSION, "suites": {}}
    for name in chosen.suites.split(","):
        suite = get_suite(VERSION, name)
        figures = {
            "guard": suite_figures(suite, True, chosen.verbose),
            "no_defence": suite_figures(suite, False, chosen.verbose),
        }
        out["suites"][name] = figures
        for way, f in figures.items():
            print(
                f"{name:8} {way:10} injections {f['injections_succeeded']}/{f['pairs']}, tasks {f['done']}/{f['tasks']}, under attack "
                f"{f['done_under_attack']}/{f['pairs']}"
            )
    print(json.dumps(out))


if __name__ == "__main__":
    main()
