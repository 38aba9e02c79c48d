"""Known programs are tried where the checks can tell; what a try did is gone before the model is asked, what is somebody else's stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agent_world import Make, act, chat, events, observations, purpose, subtask, text_of, tree

from wornpath import AutoGPT
from wornpath.actor import Actor
from wornpath.core import Event, ModelAnswerError, Rule
from wornpath.experience.live import Experience, ExperienceConfig
from wornpath.guard import Limits
from wornpath.loop import MAX_RETRIES, Paused
from wornpath.recaller import MAX_TRIES
from wornpath.store import SqliteStore
from wornpath.store.snapshot import run_snapshot

GOAL = "Tidy the papers here and write out.txt"
CONFIG = ExperienceConfig(policy="counts", shadow=0.0)
TIDY = """
import os, pathlib
os.makedirs("done/deep")
os.rename("old.txt", "done/deep/old.txt")
os.remove("junk.txt")
pathlib.Path("kept.txt").write_text("spoilt by {mark}")
os.chmod("kept.txt", 0o600)
pathlib.Path("out.txt").write_text("{mark}")
"""
WRITE = 'open("out.txt", "w").write("{mark}")\nprint("said {mark}")\n'


class Desk:
    """A folder laid out afresh for every run, and a model that plans, proposes python and writes PROGRAM."""

    def __init__(self, make: Make, work: Path, experience: Experience) -> None:
        self.make, self.work, self.experience = make, work, experience
        self.program = ""
        self.asked: list[str] = []
        self.seen: list[dict[str, Any]] = []
        """The folder at each request for an action or a program."""

    def __call__(self, messages: Any, schema: Any, n: int) -> Any:
        kind = purpose(schema)
        self.asked.append(kind)
        match kind:
            case "plan":
                return {"subtasks": [subtask("Write out.txt", "compute", "out.txt")]}
            case "action":
                self.seen.append(self.look())
                return act("python")
            case "text":
                self.seen.append(self.look())
                return f"```python\n{self.program}\n```"
            case "progress":
                return {"state": "done"}
            case _:
                return {"reason": "", "met": True}

    def look(self) -> dict[str, Any]:
        return {"bytes": tree(self.work), "modes": {p.name: p.stat().st_mode for p in sorted(self.work.rglob("*"))}}

    def lay_out(self) -> dict[str, Any]:
        for path in sorted(self.work.rglob("*"), reverse=True):
            path.unlink() if not path.is_dir() else path.rmdir()
        for name, text in (("old.txt", "old\r\n"), ("junk.txt", "junk\0"), ("kept.txt", "kept, 销售\n")):
            (self.work / name).write_bytes(text.encode())
        (self.work / "kept.txt").chmod(0o640)
        return self.look()

    def agent(self, program: str, wanted: str, **more: Any) -> AutoGPT:
        self.program, self.asked, self.seen = program, [], []
        self.laid = self.lay_out()
        checks = more.pop("checks", [f"grep -qx {wanted} out.txt"])
        experience = more.pop("experience", self.experience)
        return self.make(GOAL, model=chat(self), checks=checks, experience=experience, **more)  # type: ignore[arg-type]

    def run(self, program: str, wanted: str, status: str = "met", **more: Any) -> AutoGPT:
        agent = self.agent(program, wanted, **more)
        assert agent.run().result.status == status
        return agent

    def teach(self, form: str = TIDY) -> None:
        self.run(form.format(mark="first"), "first")


@pytest.fixture
def experience(store: SqliteStore) -> Experience:
    return Experience.of(store, CONFIG)


@pytest.fixture
def desk(make: Make, work: Path, experience: Experience) -> Desk:
    return Desk(make, work, experience)


def arms(agent: AutoGPT) -> list[str]:
    return [(e.data.get("gate") or {}).get("arm", "") for e in events(agent, "action.decided")]


def verdicts(agent: AutoGPT) -> list[str]:
    made = events(agent, "evaluation.made")
    return [e.data["evaluation"]["verdict"] for e in made if e.data["scope"] == "run"]


def told(agent: AutoGPT) -> str:
    """All that the model was told for its actions and texts."""
    return "\n".join(c.prompt for c in agent.model.calls if purpose(c.schema) in ("action", "text"))  # type: ignore[union-attr]


def at(agent: AutoGPT, when: Callable[[Event], bool], do: Callable[[], None]) -> None:
    """DO something at the first event that is the one."""
    done: list[int] = []

    def saw(event: Event) -> None:
        if not done and when(event):
            done.append(event.seq)
            do()

    agent.listeners.append(saw)


def unmet(event: Event) -> bool:
    return event.type == "evaluation.made" and event.data["evaluation"].get("verdict") == "unmet"


def test_a_known_program_that_does_needs_no_model(desk: Desk) -> None:
    desk.teach(WRITE)
    agent = desk.run("raise SystemExit('not asked')", "first")
    assert arms(agent) == ["skipped"] and "text" not in desk.asked and "action" not in desk.asked


def test_a_try_that_does_not_do_is_gone_before_the_model_is_asked(desk: Desk) -> None:
    """Moved, deleted, edited, made: every byte and mode is as it was, and the model hears nothing of it."""
    desk.teach()
    agent = desk.run(WRITE.format(mark="second"), "second")
    assert verdicts(agent) == ["unmet", "met"] and arms(agent)[0] == "skipped"
    assert desk.seen and all(seen == desk.laid for seen in desk.seen)
    prompts = told(agent)
    for trace in (
        "first",
        "spoilt",
        "done/deep",
        "not right yet",
        "recalled",
        "did not do",
        "Last:",
        "Tried:",
        "Changed:",
    ):
        assert trace not in prompts, trace
    (changed,) = events(agent, "plan.changed")
    assert set(changed.data["retracted"]) == {"done/deep/old.txt", "junk.txt", "kept.txt", "old.txt", "out.txt"}


def test_a_try_costs_the_model_no_attempt(desk: Desk) -> None:
    desk.teach(WRITE)
    agent = desk.run(WRITE.format(mark="wrong"), "second", "unmet", limits=Limits(max_steps=60))
    assert verdicts(agent)[0] == "unmet" and arms(agent)[0] == "skipped"
    assert len(verdicts(agent)) == 1 + 1 + MAX_RETRIES  # the try, the first attempt, and those after it


def test_undoing_the_finished_run_brings_all_back(desk: Desk, store: SqliteStore) -> None:
    desk.teach()
    agent = desk.run(TIDY.format(mark="second"), "second")
    assert desk.look() != desk.laid
    report = run_snapshot(store, store.run(agent.run_id)).undo()
    assert not report.conflicts and desk.look() == desk.laid


@pytest.mark.parametrize("name", ["kept.txt", "out.txt", "old.txt", "done/deep/new.txt"])
def test_what_a_user_changes_meanwhile_is_left(desk: Desk, name: str) -> None:
    """Also where the run had removed it, and in a folder that the run had made."""
    desk.teach()
    agent = desk.agent(WRITE.format(mark="second"), "second")
    at(agent, unmet, lambda: (desk.work / name).write_text("the user's") and None)
    assert agent.run().met
    assert desk.seen[0]["bytes"][name] == b"the user's"
    others = {"old.txt", "junk.txt", "kept.txt"} - {name}
    assert all(desk.seen[0]["bytes"][n] == desk.laid["bytes"][n] for n in others)


@pytest.mark.parametrize("theirs", ["", "kept.txt", "old.txt"])
def test_cut_off_between_the_verdict_and_the_retraction(
    desk: Desk, store: SqliteStore, monkeypatch: pytest.MonkeyPatch, theirs: str
) -> None:
    """It is taken back after the resume, but for what a user changed before it."""
    desk.teach()
    agent = desk.agent(WRITE.format(mark="second"), "second")
    with monkeypatch.context() as patch:

        def cut(self: Actor, reason: str) -> None:
            raise Paused("cut off")

        patch.setattr(Actor, "retract", cut)
        assert agent.run().result.status == "paused"
    assert desk.look() != desk.laid and not desk.seen
    if theirs:
        (desk.work / theirs).write_text("the user's")
    with AutoGPT.resume(agent.run_id, store=store, model=chat(desk)) as again:  # type: ignore[arg-type]
        again._experience = desk.experience
        assert again.run().met
        assert verdicts(again) == ["unmet", "met"]
        assert "first" not in told(again)
    if theirs:
        assert desk.seen[0]["bytes"].pop(theirs) == b"the user's"
        assert desk.laid["bytes"].pop(theirs) is not None
        assert desk.seen[0]["bytes"] == desk.laid["bytes"]
    else:
        assert desk.seen[0] == desk.laid


def test_stopped_after_the_retraction(desk: Desk, store: SqliteStore) -> None:
    desk.teach()
    agent = desk.agent(WRITE.format(mark="second"), "second")
    at(agent, unmet, lambda: agent.request_stop("enough"))
    assert agent.run().result.status == "paused"
    assert desk.look() == desk.laid
    with AutoGPT.resume(agent.run_id, store=store, model=chat(desk)) as again:  # type: ignore[arg-type]
        again._experience = desk.experience
        assert again.run().met and verdicts(again) == ["unmet", "met"]


def test_cancelled_in_the_retraction(desk: Desk, store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files were put back, and the record does not say so yet: it is done again."""
    desk.teach()
    agent = desk.agent(WRITE.format(mark="second"), "second")
    with monkeypatch.context() as patch:

        def cut(self: Actor, reason: str, **more: Any) -> None:
            raise asyncio.CancelledError

        patch.setattr(Actor, "reopen", cut)
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(agent.arun())
    assert desk.look() == desk.laid
    with AutoGPT.resume(agent.run_id, store=store, model=chat(desk)) as again:  # type: ignore[arg-type]
        again._experience = desk.experience
        assert again.run().met and desk.seen[0] == desk.laid


def test_a_program_that_fails_half_way_is_undone(desk: Desk) -> None:
    """The model's own too: the next attempt finds what the goal speaks of."""
    bad = TIDY.format(mark="half") + "\nraise ValueError('half way')\n"
    agent = desk.agent(bad, "second")

    def mend() -> None:
        desk.program = WRITE.format(mark="second")

    at(agent, lambda e: e.type == "action.finished", mend)
    assert agent.run().met
    first = observations(agent)[0]
    assert first["result"] == "error" and "were put back" in text_of(first) and not first.get("changed")
    assert all(seen == desk.laid for seen in desk.seen)


def test_a_program_that_fails_without_displacing_anything_is_left(desk: Desk) -> None:
    bad = 'open("part.txt", "w").write("part")\nraise ValueError\n'
    agent = desk.agent(bad, "second")

    def mend() -> None:
        desk.program = WRITE.format(mark="second")

    at(agent, lambda e: e.type == "action.finished", mend)
    assert agent.run().met
    assert "were put back" not in text_of(observations(agent)[0])
    assert (desk.work / "part.txt").read_text() == "part"


def test_after_a_try_a_program_that_fails_half_way_is_undone_too(desk: Desk) -> None:
    """What the try left of a file says nothing any more of who changes it next."""
    desk.teach()
    bad = 'import os\nos.remove("kept.txt")\nos.remove("old.txt")\nraise ValueError\n'
    agent = desk.agent(bad, "second")
    finished: list[Event] = []

    def saw(event: Event) -> None:
        if event.type == "action.finished":
            finished.append(event)
            if len(finished) == 2:
                desk.program = WRITE.format(mark="second")

    agent.listeners.append(saw)
    assert agent.run().met
    assert all(seen == desk.laid for seen in desk.seen)


def test_files_that_the_models_work_moved_are_there_again_for_the_next_attempt(desk: Desk) -> None:
    agent = desk.agent(TIDY.format(mark="wrong"), "second")

    def mend() -> None:
        desk.program = WRITE.format(mark="second")

    at(agent, unmet, mend)
    assert agent.run().met and verdicts(agent) == ["unmet", "met"]
    assert desk.seen[-1] == desk.laid
    assert "not right yet" in told(agent)  # its own work it does hear of


def test_a_pipe_that_a_try_made_holds_nothing_up(desk: Desk) -> None:
    desk.teach('import os\nos.mkfifo("pipe")\nos.remove("junk.txt")\nopen("out.txt", "w").write("{mark}")\n')
    agent = desk.run(WRITE.format(mark="second"), "second")
    assert verdicts(agent) == ["unmet", "met"]
    assert "junk.txt" in desk.seen[0]["bytes"]


def test_without_checks_nothing_is_tried(desk: Desk) -> None:
    desk.teach(WRITE)
    agent = desk.run(WRITE.format(mark="second"), "second", "unverified", checks=[])
    # the model chooses the action; the known text may stand in for what it would write for it, as anywhere
    assert "skipped" not in arms(agent) and "action" in desk.asked and not events(agent, "plan.changed")


def test_the_shadow_arm_tries_nothing(desk: Desk) -> None:
    desk.teach(WRITE)
    shadow = Experience(desk.experience.memory, ExperienceConfig(policy="counts", shadow=1.0))
    agent = desk.run(WRITE.format(mark="second"), "second", experience=shadow)
    assert "skipped" not in arms(agent) and "shadow" in arms(agent) and {"action", "text"} <= set(desk.asked)


@pytest.mark.parametrize("gate", ["off", "certified"])
def test_a_shut_gate_tries_nothing(desk: Desk, gate: Any) -> None:
    desk.teach(WRITE)
    shut = Experience(desk.experience.memory, ExperienceConfig(policy="counts", shadow=0.0, gate=gate))
    agent = desk.run(WRITE.format(mark="second"), "second", experience=shut)
    assert "skipped" not in arms(agent)


@pytest.mark.parametrize("decision", ["deny", "ask"])
def test_rules_hold_for_tries(desk: Desk, decision: Any) -> None:
    desk.teach(WRITE)
    agent = desk.agent(
        WRITE.format(mark="second"), "first", rules=[Rule(decision, "python")], limits=Limits(max_steps=3)
    )
    if decision == "deny":
        with pytest.raises(ModelAnswerError):  # this model knows no other way
            agent.run()
    else:
        assert agent.run().result.status == "needs_person"
    assert "skipped" not in arms(agent)
    assert not (desk.work / "out.txt").exists()


def test_so_many_are_tried_and_no_more(desk: Desk) -> None:
    form = "x{n} = {n}\n" + WRITE
    for n in range(MAX_TRIES + 2):  # each of a form of its own, and good when it was written
        only = Experience(desk.experience.memory, ExperienceConfig(policy="counts", recall=False))
        desk.run(form.format(n=n * 7, mark=f"mark{n}"), f"mark{n}", experience=only)
    agent = desk.run(WRITE.format(mark="second"), "second", limits=Limits(max_steps=60))
    tried = arms(agent).count("skipped")
    assert 2 <= tried <= MAX_TRIES and verdicts(agent) == ["unmet"] * tried + ["met"]
    assert all(seen == desk.laid for seen in desk.seen)
