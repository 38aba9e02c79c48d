"""`wornpath policy`, `learn` on past runs and `why`, as a person types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from shell import Inside, Shell, error_of

from wornpath.policy.files import file_lock
from wornpath.policy.forgetting import mark
from wornpath.policy.registry import Registry
from wornpath.store import SqliteStore

sys.path.append(str(Path(__file__).parents[1] / "policy"))
from version_world import policy, record_run


@pytest.fixture
def learnt(inside: Inside) -> Inside:
    """A home with twelve runs of two families and two versions, the first one in use."""
    with SqliteStore(inside.home) as store:
        registry = Registry.of(store)
        for i in range(12):
            family = "mail" if i % 3 == 0 else "orders"
            record_run(
                store, f"202601{i + 1:02d}-000000-abc", "met" if i % 4 else "unmet", family=family, taken=(i % 2, 0)
            )
        registry.add(policy(1), {"algorithm": "dqn", "episodes": 10}, why="learnt from 10 runs")
        registry.promote("v1", "the trial was won")
        registry.add(policy(2), {"algorithm": "dqn", "episodes": 12}, why="learnt from 12 runs", parent="v1")
    return inside


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["policy", "promote"], "Missing argument"),
        (["policy", "promote", "v9"], "no policy version 'v9'"),
        (["policy", "promote", "v1"], "in use already"),
        (["policy", "diff", "v1", "v1"], "same version twice"),
        (["policy", "diff", "v7"], "no policy version"),
        (["policy", "export", "v9", "x.zip"], "no policy version"),
        (["policy", "import", "nothing.zip"], "cannot be read"),
        (["policy", "forget", "nobody"], "no run and no task family"),
        (["policy", "forget"], "Name a run or a task family"),
        (["policy", "forget", "--tainted"], "nothing to forget"),
        (["policy", "forget", "mail"], "Nobody can be asked here"),
        (["policy", "try", "v1"], "in use already"),
        (["policy", "try", "v9"], "no policy version"),
        (["policy", "try", "--goals", "0"], "--goals"),
        (["policy", "frobnicate"], "No such command"),
        (["learn", "--algorithm", "sarsa"], "no algorithm 'sarsa'"),
        (["learn", "--episodes", "5"], "--episodes needs an environment"),
        (["learn", "--out", "x"], "--out needs an environment"),
        (["learn", "--env", "file-finding", "--fresh"], "past runs"),
        (["learn", "--after", "nobody"], "no run"),
        (["learn", "--seed", "-1"], "--seed"),
        (["why", "20260101", "99"], "its steps are 1 to 2"),
    ],
)
def test_bad_use_is_one_sentence_and_exit_code_2(learnt: Inside, arguments: list[str], said: str) -> None:
    before = {p: p.read_bytes() for p in learnt.home.rglob("*.json")}
    out, err = learnt.say(*arguments, code=2)
    assert said in error_of(err) and not out
    assert {p: p.read_bytes() for p in learnt.home.rglob("*.json")} == before


def test_nothing_was_learnt_yet(inside: Inside) -> None:
    assert "Nothing was learnt yet" in inside.say("policy", "ls")[1]
    assert inside.say("policy", "ls", "--json")[0] == ""
    assert "nothing to roll back" in error_of(inside.say("policy", "rollback", code=2)[1])
    assert "no candidate" in error_of(inside.say("policy", "diff", code=2)[1])
    assert "no candidate to try" in error_of(inside.say("policy", "try", code=2)[1])
    assert "Too few runs" in inside.say("learn", "status")[0]


def test_versions_are_listed_promoted_and_taken_back(learnt: Inside) -> None:
    lines = learnt.say("policy", "ls")[0].splitlines()
    assert lines[1].split()[:2] == ["v2", "candidate"] and lines[2].split()[:3] == ["*", "v1", "promoted"]
    rows = [json.loads(line) for line in learnt.say("policy", "ls", "--json")[0].splitlines()]
    assert [(r["version"], r["status"], r["current"], r["episodes"]) for r in rows] == [
        ("v2", "candidate", False, 12),
        ("v1", "promoted", True, 10),
    ]
    assert "v2 is in use from the next run on; before it, v1 was." in learnt.say("policy", "promote", "v2")[0]
    assert json.loads(learnt.say("policy", "rollback", "--json", "--why", "too dear")[0]) == {
        "type": "result",
        "version": "v1",
        "previous": "v2",
    }
    assert "too dear" in learnt.say("policy", "ls")[0]
    assert "prior is in use again" in learnt.say("policy", "rollback")[0]
    learnt.say("policy", "promote", "v1")
    assert "prior is in use from the next run on" in learnt.say("policy", "promote", "prior")[0]


def test_versions_are_compared(learnt: Inside) -> None:
    out, _ = learnt.say("policy", "diff")
    assert out.startswith("v1 (in use, dqn on 10 episodes): not run yet")
    assert "promoted: the trial was won" in out and "On the last 24 decisions" in out and "Advice from the log" in out
    found = json.loads(learnt.say("policy", "diff", "prior", "v2", "--json")[0])
    assert (found["a"]["version"], found["b"]["version"], found["decisions"]) == ("prior", "v2", 24)


def test_a_version_travels_as_one_file(learnt: Inside) -> None:
    assert "v1 is in v1.zip" in learnt.say("policy", "export", "v1", "v1.zip")[0]
    assert "exists already" in error_of(learnt.say("policy", "export", "v1", "v1.zip", code=2)[1])
    learnt.say("policy", "export", "v1", "v1.zip", "--force")
    assert "It is v3 here, a candidate" in learnt.say("policy", "import", "v1.zip")[0]
    (learnt.cwd / "v1.zip").write_bytes(b"hello")
    assert "not an exported" in error_of(learnt.say("policy", "import", "v1.zip", code=2)[1])


def test_is_it_getting_better(learnt: Inside) -> None:
    out, _ = learnt.say("learn", "status")
    assert len(out.splitlines()) == 1 and "met lately" in out and "policy v1" in out
    found = json.loads(learnt.say("learn", "status", "--json")[0])
    assert {f["family"] for f in found["families"]} == {"mail", "orders"} and found["judged"] == 12
    assert len(found["success_change"]) == 3


def test_learning_from_past_runs_and_forgetting_some(learnt: Inside) -> None:
    pytest.importorskip("torch")
    out, _ = learnt.say("learn", "--seed", "3")
    assert out.startswith("v3 was made: learnt from 12 runs of 2 families.") and "policy promote v3" in out
    made = json.loads(learnt.say("learn", "--algorithm", "ppo", "--json")[0])
    assert (made["version"], made["algorithm"]) == ("v4", "ppo")
    learnt.say("policy", "promote", "v3")
    out, _ = learnt.say("policy", "forget", "mail", "--yes", "--why", "poisoned")
    assert out.startswith("Forgot 4 runs. ") and "In use: v5." in out
    rows = {r["version"]: r for r in map(json.loads, learnt.say("policy", "ls", "--json")[0].splitlines())}
    assert rows["v5"]["current"] and rows["v5"]["episodes"] == 8
    assert all(rows[v]["removed"] for v in ("v1", "v2", "v3", "v4"))
    assert not (learnt.home / "policies" / "v3").exists()
    done = json.loads(learnt.say("policy", "forget", "20260102", "--yes", "--json")[0])
    assert len(done["runs"]) == 1 and done["version"] == "v6"
    with SqliteStore(learnt.home) as store:
        assert len(list(store.episodes())) == 7 and len(store.runs()) == 12


@pytest.mark.parametrize("command", [["learn"], ["policy", "forget", "20260102", "--yes"]])
def test_a_learner_at_work_is_waited_for(learnt: Inside, command: list[str]) -> None:
    """What is forgotten until then is no part of what is learnt afterwards."""
    pytest.importorskip("torch")
    with file_lock(learnt.home / "policies" / "learn.lock"):
        waiting = subprocess.Popen(
            [sys.executable, "-m", "wornpath", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=learnt.environment(),
            cwd=learnt.cwd,
        )
        assert waiting.stderr is not None
        assert waiting.stderr.readline() == "Another learner is at work on these runs; waiting until it is done.\n"
        with SqliteStore(learnt.home) as store:
            assert store.run("20260102").counts
            mark(store, ["20260101-000000-abc", "20260102-000000-abc"], "poisoned")
    out, _ = waiting.communicate(timeout=180)
    assert waiting.returncode == 0 and "v3 was made: learnt from 10 runs" in out


def test_training_on_an_environment_says_what_is_kept_and_has_no_nan(inside: Inside) -> None:
    pytest.importorskip("gymnasium")
    train = ["learn", "--env", "CartPole-v1", "--steps", "10", "--tests", "1"]
    out, err = inside.say(*train, "--json")
    assert "the policy is measured and not kept" in err
    found = json.loads(out, parse_constant=pytest.fail)
    assert found["return_interval"] is None
    out, err = inside.say(*train, "--out", "kept")
    assert "[-]" in out and "nan" not in out and err == ""
    (inside.cwd / "file").write_text("x")
    assert "is a file" in error_of(inside.say(*train, "--out", "file", code=2)[1])


def test_after_a_run(learnt: Inside) -> None:
    pytest.importorskip("torch")
    out, _ = learnt.say("learn", "--after", "20260112")
    assert "v2 is on trial" in out and "v3 was made" in out


def test_why_shows_the_past_it_draws_on(learnt: Inside) -> None:
    out, _ = learnt.say("why", "20260110", "1")
    assert "went well" in out and "drawn from" in out and "v1" in out.splitlines()[3]
    found = json.loads(learnt.say("why", "20260110", "1", "--json")[0])
    assert found["evidence"] and found["now"]["version"] == "v1" and "decision" not in found


def test_help_of_every_option(shell: Shell) -> None:
    for command in (["learn"], ["bench", "file-finding"], ["bench", "cartpole"], ["policy", "try"]):
        out, _ = shell.say(*command, "--help", COLUMNS="100")
        assert "Seed" in out or "seed" in out or "goals" in out
    assert "forget" in shell.say("policy", "--help")[0]
