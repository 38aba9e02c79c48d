"""One store, several processes: a run that two of them want to go on with, and one that ended in between."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from agent_world import FINISH, Brain, Make, act, chat, events

from wornpath import AutoGPT
from wornpath.core import UsageError
from wornpath.store import SqliteStore

RESUMER = """
import json, sys
sys.path.insert(0, sys.argv[1])
from agent_world import FINISH, Brain, act, chat
from wornpath import AutoGPT, WornpathError
from wornpath.store import SqliteStore
from wornpath.tools import tool

@tool(risk="write")
def once(number: int) -> str:
    "Add a line."
    open(sys.argv[4], "a").write("once\\n")
    return "added"

with SqliteStore(sys.argv[2]) as store:
    try:
        agent = AutoGPT.resume(sys.argv[3], store=store, model=chat(actions=[act("once", number=1), FINISH]), tools=[once])
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps({"status": agent.run().result.status}))
    except WornpathError as error:
        print(json.dumps({"error": str(error)}))
"""


def test_of_many_that_take_up_one_run_one_gets_it(make: Make, tmp_path: Path, store: SqliteStore) -> None:
    agent = make(actions=[FINISH])
    agent.decompose_task()
    agent.close()
    lines = tmp_path / "lines.txt"
    arguments = [str(Path(__file__).parent), str(store.root), agent.run_id, str(lines)]
    many = [
        subprocess.Popen(
            [sys.executable, "-c", RESUMER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in many:  # all of them have found the run paused
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in many:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [json.loads(process.communicate(timeout=120)[0]) for process in many]
    assert sorted(s.get("status", "refused") for s in said) == ["refused", "refused", "unverified"]
    for one in said:
        assert "status" in one or "at work in another process" in one["error"] or "has ended" in one["error"], one
    assert lines.read_text() == "once\n"
    assert len(events(agent, "run.finished")) == 1


def test_a_run_that_was_brought_to_its_end_meanwhile(make: Make) -> None:
    agent = make(actions=[FINISH])
    agent.decompose_task()
    agent.close()
    late = AutoGPT.resume(agent.run_id, store=agent.store, model=chat(actions=[FINISH]))
    with AutoGPT.resume(agent.run_id, store=agent.store, model=chat(actions=[FINISH])) as quick:
        quick.run()
    with late, pytest.raises(UsageError, match="has ended"):
        late.run()
    assert len(events(agent, "run.finished")) == 1


def test_an_agent_at_work_keeps_others_of_its_process_away(make: Make, work: Path) -> None:
    agent = make(brain=Brain(actions=[act("read_file", path="a.txt"), FINISH]))
    agent.decompose_task()
    with AutoGPT.resume(agent.run_id, store=agent.store, model=chat(actions=[FINISH])) as other:
        with pytest.raises(UsageError, match="at work in another process"):
            other.run()
        agent.close()
        assert other.run().result.status == "unverified"
