"""The simulated model: it reads prompts only, is repeatable, and its programs are right but for its mistakes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wornpath.llm import tokens
from wornpath.llm.parse import parse_actions, parse_json
from wornpath.llm.simulated import SimulatedChat, rates
from wornpath.llm.simulated.mistakes import written
from wornpath.llm.simulated.reading import View, groups, named_columns
from wornpath.proposer import STATES
from wornpath.writer import PROGRAM

GOAL = "Count the ERROR lines of each unit in the logs in var/logs/ and write tally.csv with the columns unit,times, sorted by unit"
FILES = "Files: 2 files\nvar/logs/: 2 log (a.log, b.log)\nvar/logs/a.log: text 9 lines"
TOOLS = ("list_files", "python", "read_file", "finish")
ACTIONS: Mapping[str, Any] = {
    "anyOf": [{"properties": {"tool": {"const": t}, "arguments": {"type": "object"}}} for t in TOOLS]
}
PLAN: Mapping[str, Any] = {"type": "object", "properties": {"subtasks": {"type": "array"}}}


def ask(chat: SimulatedChat, text: str, schema: Mapping[str, Any] | None = None, system: str = "", **more: Any) -> Any:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    return asyncio.run(chat.complete(messages, schema=schema, **more))


def test_answers_of_a_seed_are_repeatable_and_seeds_differ() -> None:
    prompt = f"Goal: {GOAL}\n{FILES}"

    def several(seed: int) -> list[str]:
        chat = SimulatedChat(seed)
        return [text for _ in range(3) for text in ask(chat, prompt, ACTIONS, n=3, temperature=0.7).texts]

    assert several(1) == several(1)
    assert len({tuple(several(seed)) for seed in range(12)}) > 1
    assert len({ask(SimulatedChat(seed), prompt, PLAN).text for seed in range(30)}) > 1


def test_plans_and_actions_are_what_the_agent_can_read() -> None:
    for seed in range(20):
        chat = SimulatedChat(seed)
        plan = parse_json(ask(chat, f"Goal: {GOAL}\n{FILES}", PLAN).text)
        assert plan is None or all(s["do"] and s["kind"] for s in plan["subtasks"])
        state = f"Goal: {GOAL}\nNow: (1 of 1, compute) Count them -> tally.csv\n{FILES}"
        assert all(parse_actions(t)[0][0] in TOOLS for t in ask(chat, state, ACTIONS, n=3, temperature=0.7).texts)
        assert json.loads(ask(chat, state, STATES).text)["state"] in ("done", "looking", "partly")


def test_a_program_comes_from_what_the_prompt_shows() -> None:
    perfect = {**rates.load(), "program": {"hazard": 0.0, "cling": 0.0, "clear": 1.0, "again": 1.0}}
    shown = "2026-01-01 10:00:00 ERROR [disk] full\n2026-01-01 10:00:01 INFO [net] up"
    chat = SimulatedChat(fitted=perfect)
    system = PROGRAM.format(libraries="the standard library", example="")
    program = ask(chat, f"Goal: {GOAL}\n{FILES}\nvar/logs/a.log begins:\n{shown}", system=system).text
    assert "var/logs/*.log" in program and '["unit", "times"]' in program and "«" not in program
    other = ask(
        chat,
        f"Goal: {GOAL.replace('ERROR', 'FATAL')}\n{FILES}\nvar/logs/a.log begins:\nFATAL|x|disk|full",
        system=system,
    ).text
    assert '"FATAL"' in other and other != program


def test_the_more_a_program_says_the_likelier_it_is_wrong() -> None:
    table = {"hazard": 0.4, "cling": 0.6, "clear": 0.1, "again": 0.7}

    def wrong(lines: int) -> int:
        marked = "\n".join(f"value_{i} = «right({i})¦wrong({i})»" for i in range(lines))
        return sum("wrong" in written(marked, f"goal {s}", "prompt", s, table, again=False) for s in range(300))

    assert 0 < wrong(3) < wrong(12) < wrong(40)


def test_a_misconception_stays_over_attempts() -> None:
    table = {"hazard": 9.0, "cling": 1.0, "clear": 0.0, "again": 1.0}
    marked = "a = «1¦2»\nb = «3¦4»\nc = «5¦6»\n" * 3
    programs = {written(marked, "goal", f"attempt {n}", 5, table, again=n > 0) for n in range(5)}
    assert len(programs) == 1 and programs != {"a = 1\nb = 3\nc = 5\n" * 3}


def test_usage_is_the_projects_own_count() -> None:
    answer = ask(SimulatedChat(), "Goal: say hello", ACTIONS, n=2, temperature=0.7)
    messages = [{"role": "system", "content": ""}, {"role": "user", "content": "Goal: say hello"}]
    assert answer.usage.prompt == tokens.count_messages(messages)
    assert answer.usage.completion == sum(map(tokens.count, answer.texts))
    assert answer.model == "simulated"


@given(st.text(max_size=400), st.sampled_from([None, ACTIONS, PLAN, STATES, {"type": "object"}]))
def test_no_prompt_breaks_it(text: str, schema: Mapping[str, Any] | None) -> None:
    assert ask(SimulatedChat(), f"Goal: {text}\n{text}", schema).texts


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("by type: images (jpg, png), papers (pdf)", {"images": ["jpg", "png"], "papers": ["pdf"]}),
        ("规则：图片（jpg、png），文档（pdf）", {"图片": ["jpg", "png"], "文档": ["pdf"]}),
        ("no rules here", {}),
    ],
)
def test_rules_in_a_goal(text: str, found: dict[str, list[str]]) -> None:
    assert groups(text) == found


def test_sections_files_and_columns_of_a_prompt() -> None:
    text = (
        "Goal: Sum amount in in/a.csv to out.csv (columns day,total)\nNow: (2 of 3, compute) Sum it -> out.csv\n"
        "Files: 3 files\nin/: 2 csv (a.csv, b.csv)\n./: notes.txt\nKnown: a fact\nTried: python() error\n"
        "Last: python() -> error \nKeyError: 'Day'"
    )
    view = View.of([{"role": "user", "content": text}])
    assert (view.kind, view.makes, view.task) == ("compute", "out.csv", "Sum it")
    assert view.files == ["in/a.csv", "in/b.csv", "notes.txt"]
    assert (view.outputs, view.sources, view.known) == (["out.csv"], ["in/a.csv"], "a fact")
    assert view.last is not None and view.last[0] == "python" and view.last[2:] == ("error", "KeyError: 'Day'")
    assert named_columns(view.goal) == ["day", "total"]
