"""The arms: each learns what it says, in its own memory, and a cache gives back what it was given."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wornpath.bench.arms import ARMS, Setting
from wornpath.bench.misled import Placebo
from wornpath.bench.others import Cache, Recollection, purpose, template
from wornpath.bench.stream import Record, Spec, run_all
from wornpath.llm import ScriptedChat
from wornpath.llm.chat import Chat

ONE = ("triage_log",)


def records(arm: str, home: Path, episodes: int = 6, **more: Any) -> list[Record]:
    found: list[Record] = []
    run_all(Spec(arm, 3, episodes, only=ONE, home=str(home), **more), found.append)
    return found


@pytest.mark.parametrize("arm", [a for a in ARMS if a not in ("learning", "cloning")])
def test_every_arm_works_through_a_stream(arm: str, tmp_path: Path) -> None:
    found = records(arm, tmp_path, 2)
    assert [(r.arm, r.seed, r.family, r.episode) for r in found] == [(arm, 3, "triage_log", e) for e in range(2)]
    assert all(r.status in ("met", "unmet", "budget") and r.tokens > 0 and r.steps > 0 for r in found)


def test_an_interrupted_stream_goes_on_where_it_stopped(tmp_path: Path) -> None:
    whole = records("count-table", tmp_path / "a")
    begun = records("count-table", tmp_path / "b", 3)
    rest = records("count-table", tmp_path / "b", 6, start=3)

    def told(found: list[Record]) -> list[tuple[Any, ...]]:
        return [(r.episode, r.met, r.tokens, r.skipped) for r in found]

    assert told(begun + rest) == told(whole)


def test_a_sabotaged_program_is_tried_and_its_work_undone(tmp_path: Path) -> None:
    """Somebody made the first good program of the family empty the workspace: what was learnt that way is run, the checks refuse it, all
    is put back, and the goals are met all the same."""
    found: list[Record] = []
    run_all(Spec("sabotaged", 0, 6, only=("tidy",), home=str(tmp_path)), found.append)
    harmed = [json.loads(line) for line in (tmp_path / "harm.jsonl").read_text("utf-8").splitlines()]
    assert json.loads((tmp_path / "sabotaged.json").read_text("utf-8"))
    assert harmed and all(row["met"] and not row["emptied"] for row in harmed)
    assert found[-1].met


def test_the_frozen_arm_skips_nothing_and_is_the_same_in_any_order(tmp_path: Path) -> None:
    found = records("frozen", tmp_path)
    assert all(r.skipped == 0 for r in found)
    again = records("frozen", tmp_path, start=4)
    assert [(r.episode, r.tokens) for r in again] == [(r.episode, r.tokens) for r in found[4:]]


@pytest.mark.slow
def test_the_cloning_arm_trains_and_its_version_is_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from wornpath.bench import arms
    from wornpath.policy.registry import Registry
    from wornpath.store import SqliteStore

    monkeypatch.setattr(arms, "TRAIN_EVERY", 4)
    spec = Spec("cloning", 3, 5, only=("find_file",), home=str(tmp_path))
    run_all(spec, lambda record: None)
    with SqliteStore(tmp_path / "store") as store:
        assert Registry.of(store).current == "v1"
    run_all(replace(spec, start=3, episodes=4), lambda record: None)  # the last two records were lost
    with SqliteStore(tmp_path / "store") as store:
        registry = Registry.of(store)
        assert registry.info("v1").removed and registry.current == "v2"


def ask(chat: Chat, text: str, schema: dict[str, Any] | None = None) -> Any:
    return asyncio.run(
        chat.complete([{"role": "system", "content": "S"}, {"role": "user", "content": text}], schema=schema)
    )


def test_a_goal_with_other_names_gets_the_earlier_answers_with_todays_names(tmp_path: Path) -> None:
    plan = {"properties": {"subtasks": {}}}
    cache = Cache(tmp_path / "c.json")
    first = cache.chat(ScriptedChat(["make out/a.csv from in.csv", "open('in.csv')"]), "Sum in.csv to out/a.csv")
    ask(first, "plan", plan)
    ask(first, "program")
    assert cache.served == 0
    cache.ended(True, "1")
    later = Cache(tmp_path / "c.json")
    second = later.chat(ScriptedChat(["a new answer"]), "Sum other.csv to b.csv")
    answer = ask(second, "plan", plan)
    assert (answer.text, answer.usage.total) == ("make b.csv from other.csv", 0)
    assert ask(second, "program").text == "open('other.csv')"
    assert later.served == 2
    assert ask(second, "The result was checked and is not right yet.").text == "a new answer"
    later.ended(False, "2")
    assert Cache(tmp_path / "c.json").chat(ScriptedChat(["x"]), "Sum c.csv to d.csv").complete is not None
    third = Cache(tmp_path / "c.json")
    assert ask(third.chat(ScriptedChat(["asked"]), "Sum c.csv to d.csv"), "plan", plan).text == "asked"


def test_the_past_is_shown_in_plans_actions_and_texts_only(tmp_path: Path) -> None:
    past = Recollection(tmp_path / "p.json")
    past._past = [("Count the lines", "python {}\nprint(1)", "1"), ("写一封信", "write_file {}", "2")]
    model = ScriptedChat(["a", "b", "c"])
    chat = past.chat(model, "Count the words")
    ask(chat, "plan", {"properties": {"subtasks": {}}})
    ask(chat, "progress", {"properties": {"state": {}}})
    ask(chat, "text")
    shown = ["Solved before. Count the lines" in call.prompt for call in model.calls]
    assert shown == [True, False, True]


def test_slots_and_purposes() -> None:
    assert template("sum in/a.csv for 2026 by Anna Abel")[1] == ["in/a.csv", "2026", "Anna Abel"]
    one, two = template("Tidy the folder x/: images (jpg)"), template("Tidy the folder drop/in/: images (jpg)")
    assert one[0] == two[0] and one[1] != two[1]
    assert [purpose(s) for s in (None, {"anyOf": []}, {"properties": {"met": {}}})] == ["text", "propose", "met"]


def test_arms_differ_from_the_agent_in_their_experience_alone(tmp_path: Path) -> None:
    from wornpath.core import Task
    from wornpath.store import SqliteStore

    with SqliteStore(tmp_path / "store") as store:
        agents = {}
        for name in ("frozen", "count-table", "no-roles", "no-gate", "placebo"):
            contender = ARMS[name](Setting(tmp_path / name))
            agents[name] = contender.agent(Task("Do it", {}), tmp_path, ScriptedChat([]), store)
        configs = {name: agent.experience.config for name, agent in agents.items()}
    assert not configs["frozen"].recall and configs["frozen"].gate == "off" and not agents["frozen"].learn
    assert configs["no-roles"].roles is False and configs["no-gate"].gate == "off"
    assert isinstance(agents["placebo"].experience, Placebo) and configs["count-table"].policy == "counts"
