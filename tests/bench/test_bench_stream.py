"""Streams that were interrupted, and episodes that broke off: nothing is counted away, and no episode is solved from its own memory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from wornpath.bench import arms, stream
from wornpath.bench.others import Cache, Recollection, purpose
from wornpath.bench.stream import Record, Spec, run_all
from wornpath.bench.warm import WarmSandbox
from wornpath.core import ModelAnswerError, Note
from wornpath.experience.memory import Memory
from wornpath.llm import ScriptedChat
from wornpath.llm.chat import Completion
from wornpath.llm.simulated import SimulatedChat
from wornpath.store import SqliteStore


def records(arm: str, home: Path, start: int = 0, episodes: int = 6) -> list[Record]:
    found: list[Record] = []
    run_all(Spec(arm, 0, episodes, only=("tidy",), home=str(home), start=start), found.append)
    return found


def told(found: Sequence[Record]) -> list[tuple[Any, ...]]:
    return [(r.episode, r.met, r.status, r.tokens, r.calls, r.skipped, r.steps) for r in found]


@pytest.mark.parametrize("arm", ["learning", "count-table", "placebo", "sabotaged", "replay-only", "memory-in-prompt"])
def test_episodes_whose_records_were_lost_are_done_as_if_for_the_first_time(arm: str, tmp_path: Path) -> None:
    whole = records(arm, tmp_path)
    known = Memory(tmp_path / "memory.sqlite3").runs()
    assert told(records(arm, tmp_path, start=3)) == told(whole[3:])
    assert Memory(tmp_path / "memory.sqlite3").runs() == known
    assert told(records(arm, tmp_path)) == told(whole), "nor where none was written"


def test_what_was_noted_in_a_lost_run_is_gone(tmp_path: Path) -> None:
    records("learning", tmp_path, episodes=2)
    with SqliteStore(tmp_path / "store") as store:
        newest, oldest = (run.run_id for run in store.runs())
        for run_id in (oldest, newest):
            store.add_note(f"noted in {run_id}", scope="user", run_id=run_id)
    records("learning", tmp_path, start=1, episodes=2)
    with SqliteStore(tmp_path / "store") as store:
        left: list[Note] = store.notes(everything=True)
    assert [note.run_id for note in left] == [oldest]


def test_a_cache_and_past_successes_are_taken_back_by_run(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c.json")
    for run_id, met in (("1", True), ("2", True), ("3", False)):
        cache.chat(ScriptedChat([]), "Count the lines")._script = []  # type: ignore[attr-defined]
        assert cache._chat is not None
        cache._chat.given, cache._chat.served = [("text", [run_id])], 1
        cache.ended(met, run_id)
    assert not cache._known
    for since, answer in (("3", "2"), ("2", "1")):
        cache.forget(since)
        (entry,) = Cache(tmp_path / "c.json")._known.values()
        assert entry["answers"] == [["text", [answer]]]
    past = Recollection(tmp_path / "p.json")
    past._past = [("one", "a", "1"), ("two", "b", "2")]
    past.forget("2")
    assert Recollection(tmp_path / "p.json")._past == [("one", "a", "1")]


def test_a_family_whose_sabotage_was_lost_is_sabotaged_anew(tmp_path: Path) -> None:
    records("sabotaged", tmp_path)
    first = json.loads((tmp_path / "sabotaged.json").read_text("utf-8"))
    harmed = (tmp_path / "harm.jsonl").read_text("utf-8")
    records("sabotaged", tmp_path)
    assert first and json.loads((tmp_path / "sabotaged.json").read_text("utf-8")) == first
    assert harmed and (tmp_path / "harm.jsonl").read_text("utf-8") == harmed


def test_networks_are_trained_after_the_same_episodes_however_often_a_stream_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    trained: list[int] = []

    def train(store: SqliteStore, **more: Any) -> tuple[None, str]:
        trained.append(len(store.runs()))
        return None, ""

    monkeypatch.setattr(arms, "TRAIN_EVERY", 2)
    monkeypatch.setattr("wornpath.learn.after.train_candidate", train)
    for start, episodes in ((0, 3), (3, 4), (3, 5)):  # the record of episode 3 was lost
        records("learning", tmp_path, start, episodes)
    assert trained == [2, 4, 4]


class Unusable(SimulatedChat):
    """Plans, and then answers with nothing that can be used."""

    spent = 0

    async def complete(
        self, messages: Any, *, schema: Mapping[str, Any] | None = None, n: int = 1, **more: Any
    ) -> Completion:
        if purpose(schema) == "propose":
            raise ModelAnswerError("This is no JSON.")
        answer = await super().complete(messages, schema=schema, n=n, **more)
        Unusable.spent += answer.usage.prompt + answer.usage.completion
        return answer


def test_what_an_episode_took_counts_although_it_broke_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream.Chats, "of", lambda self, key: Unusable(1))
    for arm in ("frozen", "count-table", "replay-only"):
        Unusable.spent = 0
        (found,) = records(arm, tmp_path / arm, episodes=1)
        assert (found.status, found.met) == ("error", False)
        assert found.tokens == Unusable.spent > 0 and found.calls > 0


def test_what_an_error_says_does_not_depend_on_the_episodes_before(tmp_path: Path) -> None:
    """Its traceback is in the next prompt, and the simulated model's luck hangs on that: the last of these episodes has one."""
    whole = records("frozen", tmp_path)
    assert whole[5].steps > 1
    assert told(records("frozen", tmp_path, start=5)) == told(whole[5:])


async def test_cells_of_an_episode_are_counted_from_one() -> None:
    async with WarmSandbox() as sandbox:
        for _ in range(2):
            kernel = sandbox.kernel(workspace=sandbox.fresh())
            await kernel.run("def broken():\n    1 / 0", timeout=20)
            ended = await kernel.run("broken()", timeout=20)
            await kernel.close()
            assert "<cell 1>" in ended.error and "<cell 2>" in ended.error


def test_a_rated_stream_gives_no_checks_and_teaches_what_the_person_said(tmp_path: Path) -> None:
    found: list[Record] = []
    run_all(Spec("learning", 0, 5, only=("tidy",), home=str(tmp_path), rated=True), found.append)
    with SqliteStore(tmp_path / "store") as store:
        runs = store.runs()[::-1]
        goals = [next(iter(store.events(run.run_id, types=("goal.set",)))).data["goal"] for run in runs]
        judged = [
            e.data["evaluation"].get("source")
            for run in runs
            for e in store.events(run.run_id, types=("evaluation.made",))
        ]
    assert all(not goal.get("checks") for goal in goals) and "check" not in judged
    assert [run.rating == "good" for run in runs] == [r.met for r in found] == [r.status == "met" for r in found]
    outcomes = Memory(tmp_path / "memory.sqlite3").outcomes()
    assert [met for _, met, _ in outcomes] == [r.met for r in found] and any(r.met for r in found)


@pytest.mark.parametrize("arm", ["count-table", "placebo"])
def test_a_rated_stream_goes_on_where_it_stopped(arm: str, tmp_path: Path) -> None:
    def run(start: int) -> list[Record]:
        found: list[Record] = []
        run_all(Spec(arm, 0, 5, only=("tidy",), home=str(tmp_path), start=start, rated=True), found.append)
        return found

    whole = run(0)
    assert told(run(2)) == told(whole[2:])
