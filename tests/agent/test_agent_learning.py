"""The learnt policy in a run, the learner after it, and past goals done again by two versions."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from agent_world import FINISH, Make, act, chat, events, subtask

from wornpath import AutoGPT
from wornpath.core import UsageError
from wornpath.learn import spawn
from wornpath.policy.registry import Registry
from wornpath.store import SqliteStore
from wornpath.trying import Past, repeatable, starting_workspace, trial_goals, try_version

sys.path.append(str(Path(__file__).parents[1] / "policy"))
from version_world import policy, record_run

PLAN = [subtask("Write report.md", "write", "report.md")]
WRITE = act("write_file", path="report.md")


def write(make: Make, store: SqliteStore, **more: Any) -> AutoGPT:
    agent = writer(make, **more)
    assert agent.run().met
    return agent


def writer(make: Make, name: str = "m1", **more: Any) -> AutoGPT:
    """An agent that meets its goal; NAME is what its model is called."""
    agent = make("Write report.md", plan=PLAN, actions=[WRITE, FINISH], checks=["test -s report.md"], **more)
    agent.model.model = name
    return agent


def test_a_promoted_version_chooses_in_the_next_run(make: Make, store: SqliteStore) -> None:
    first = write(make, store)
    assert store.run(first.run_id).policy_version == "counts"
    registry = Registry.of(store)
    registry.add(policy(0), {"algorithm": "dqn"}, why="")
    registry.promote("v1", "")
    second = write(make, store)
    assert store.run(second.run_id).policy_version == "v1"
    made = events(second, "action.decided")[0].data["decision"]
    assert made["policy_version"] == "v1" and made["by"] == "policy" and len(made["q"]) == len(made["candidates"])


def test_what_acts_needs_no_torch_and_no_numpy_before_something_was_learnt() -> None:
    code = "import sys, wornpath.agent; print([m for m in ('torch', 'numpy', 'safetensors') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- the learner after a run -----------------------------------------------------------------------


def test_the_learner_is_started_detached_and_once_a_run(
    make: Make, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[list[str], dict[str, Any]]] = []
    monkeypatch.setattr(spawn.subprocess, "run", lambda command, **more: started.append((command, more)))
    monkeypatch.setenv(spawn.SWITCH, "on")
    agent = write(make, store)
    ((command, more),) = started
    assert command[-5:] == [sys.executable, "-m", "wornpath", "learn", "--after", agent.run_id][-5:]
    assert more["start_new_session"] and more["env"]["WORNPATH_HOME"] == str(store.root)
    writer(make, learn=False).run()
    writer(make, "scripted").run()
    monkeypatch.setenv(spawn.SWITCH, "off")
    write(make, store)
    assert len(started) == 1


def test_several_attempts_start_one_learner(make: Make, store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(spawn.subprocess, "run", lambda command, **more: started.append(command[-1]))
    monkeypatch.setenv(spawn.SWITCH, "on")
    agent = writer(make)
    report = agent.train(2)
    assert started == [agent.run_id] and len(report.episodes) == 2
    assert "policy ls" in report.learner or "PyTorch is missing" in report.learner


def test_a_learner_that_cannot_be_started_fails_nothing(
    make: Make, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*command: Any, **more: Any) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(spawn.subprocess, "run", refuse)
    monkeypatch.setenv(spawn.SWITCH, "on")
    write(make, store)


def test_the_log_is_begun_anew_when_it_is_long(tmp_path: Path) -> None:
    (tmp_path / spawn.LOG).write_bytes(b"x" * (spawn.MAX_LOG + 1))
    assert not spawn.log_of(tmp_path).exists()
    assert (tmp_path / "learn.log.1").stat().st_size == spawn.MAX_LOG + 1


def test_the_real_process_learns_and_ends(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    for i in range(8):
        record_run(store, f"2026010{i}-000000-abc", "met" if i % 2 else "unmet", taken=(i % 2, 0))
    monkeypatch.setenv(spawn.SWITCH, "on")
    real = subprocess.run

    def wait_for_it(command: list[str], **more: Any) -> Any:
        assert command[:2] == ["/bin/sh", "-c"]
        return real([command[0], command[1], command[2].rstrip("& "), *command[3:]], **more)  # not in the background

    monkeypatch.setattr(spawn.subprocess, "run", lambda command, **more: wait_for_it(command, **more))
    assert spawn.spawn_after_run(store, "20260107-000000-abc")
    assert [v.version for v in Registry.of(store).versions()] == ["v1"]
    assert "v1 was made" in (store.root / spawn.LOG).read_text()


# -- past goals done again -------------------------------------------------------------------------


def test_the_folder_is_as_it_was_before_the_run(make: Make, store: SqliteStore, work: Path, tmp_path: Path) -> None:
    (work / "notes.txt").write_text("old")
    agent = write(make, store)
    (work / "later.txt").write_text("mine")
    past = Past(agent.run_id, agent.goal, "other")
    starting_workspace(store, past, tmp_path / "copy")
    assert sorted(p.name for p in (tmp_path / "copy").iterdir()) == ["later.txt", "notes.txt"]
    assert (work / "report.md").exists()


def test_only_goals_with_checks_whose_folder_is_there_are_done_again(
    make: Make, store: SqliteStore, tmp_path: Path
) -> None:
    good = write(make, store)
    make("No checks", plan=[subtask("x")]).run()
    (tmp_path / "gone").mkdir()
    write(make, store, workspace=tmp_path / "gone")
    shutil.rmtree(tmp_path / "gone")
    forgotten = write(make, store)
    store.append(
        forgotten.run_id, "person.said", {"kind": "forget", "text": ""}, step=store.run(forgotten.run_id).steps
    )
    assert [p.run_id for p in repeatable(store, 9)] == [good.run_id]
    assert repeatable(store, 0) == []


def test_two_versions_do_past_goals_again_and_nothing_else_changes(make: Make, store: SqliteStore, work: Path) -> None:
    write(make, store)
    registry = Registry.of(store)
    registry.add(policy(0), {}, why="")
    before = (work / "report.md").read_bytes(), len(store.runs())

    def brain() -> Any:
        asked = {"n": 0}

        def answer(messages: Any, schema: Any, n: int) -> Any:
            if schema is None:
                return "text"
            if "subtasks" in schema.get("properties", {}):
                return {"subtasks": PLAN}
            if "anyOf" in schema:
                asked["n"] += 1
                return WRITE if asked["n"] % 2 else FINISH
            return {"state": "done"}

        return answer

    said: list[str] = []
    report = try_version(store, "v1", trial_goals(store, "v1", 3), model=chat(brain()), say=said.append)
    assert len(report.pairs) == 1 and report.ruling.decision == "undecided" and not report.promoted
    assert report.pairs[0].old_met
    assert ((work / "report.md").read_bytes(), len(store.runs())) == before
    assert registry.current == "prior" and registry.info("v1").status == "candidate"
    noted = list(store.events("", types=("policy.changed",)))[-1].data
    assert noted["change"] == "noted" and noted["figures"]["pairs"] == 1
    assert len(said) == 1 and "1 of 1" in said[0]
    json.dumps(noted)


def test_nothing_to_try_with(make: Make, store: SqliteStore) -> None:
    registry = Registry.of(store)
    with pytest.raises(UsageError, match="in use already"):
        trial_goals(store, "prior")
    registry.add(policy(0), {}, why="")
    with pytest.raises(UsageError, match="No past goal can be done again"):
        trial_goals(store, "v1")
    with pytest.raises(UsageError, match="no policy version"):
        trial_goals(store, "v5")
