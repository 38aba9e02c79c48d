"""What an agent may do: people asked and answered, what is never allowed, and tools and models that misbehave."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from agent_world import FINISH, Brain, Make, Person, act, chat, events, observations, offers, prompts, subtask, text_of

from wornpath import AutoGPT
from wornpath.core import Action, ModelAnswerError, ModelUnavailable, Observation, Usage, UsageError
from wornpath.guard import ApprovalAnswer, Limits
from wornpath.store import Snapshot, SqliteStore
from wornpath.tools import Tool, ToolContext, tool

TIDY = [subtask("Delete old.txt", "organise")]
DELETE = act("delete_file", path="old.txt")
ALLOW = ApprovalAnswer("allow")


@pytest.fixture
def old(work: Path) -> Path:
    file = work / "old.txt"
    file.write_text("precious\n")
    return file


def waiting(agent: AutoGPT) -> str:
    return str(events(agent, "approval.requested")[-1].data["id"])


def again(agent: AutoGPT, brain: Brain, **more: Any) -> AutoGPT:
    return AutoGPT.resume(agent.run_id, store=agent.store, model=chat(brain), **more)


def test_deleting_needs_a_person_and_waits(make: Make, old: Path) -> None:
    agent = make(plan=TIDY, actions=[DELETE, FINISH])
    result = agent.run().result
    assert result.status == "needs_person" and old.exists()
    assert f"--allow {waiting(agent)}" in result.summary and agent.run_id in result.summary
    asked = events(agent, "approval.requested")[0].data
    assert (asked["risk"], asked["kind"], asked["rule"]) == ("delete", "approval", "allow delete_file(path=*.txt)")
    assert asked["preview"] == "--- a/old.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-precious"
    with again(agent, Brain(TIDY, [FINISH]), answers={waiting(agent): ALLOW}) as resumed:
        assert resumed.run().result.status == "unverified"
    assert not old.exists()
    Snapshot(agent.store.run_folder(agent.run_id), old.parent).undo()
    assert old.read_text() == "precious\n"


def test_a_denial_on_resume_is_an_observation_and_costs(make: Make, old: Path) -> None:
    agent = make(plan=TIDY, actions=[DELETE])
    agent.run()
    brain = Brain(TIDY, [FINISH])
    with again(agent, brain, answers={waiting(agent): ApprovalAnswer("deny", "I need it")}) as resumed:
        resumed.run()
        denied = observations(agent)[0]
        assert denied["result"] == "denied" and "I need it" in text_of(denied)
        assert any("I need it" in prompt for prompt in prompts(resumed))
    assert old.exists()
    first = events(agent, "evaluation.made")[0].data
    assert first["scope"] == "step" and first["evaluation"]["reward"] <= -0.03
    transition = next(iter(agent.store.transitions(agent.run_id)))
    assert transition.result == "denied" and transition.reward <= -0.03


def test_resuming_without_an_answer_asks_again(make: Make, old: Path) -> None:
    agent = make(plan=TIDY, actions=[DELETE])
    agent.run()
    with again(agent, Brain(TIDY, [FINISH])) as resumed:
        assert resumed.run().result.status == "needs_person"
    assert old.exists()
    with again(agent, Brain(TIDY, [FINISH]), approver=Person(ALLOW)) as resumed:
        resumed.run()
    assert not old.exists()


def test_an_approver_in_the_process_is_shown_the_real_thing(make: Make, old: Path) -> None:
    person = Person(ALLOW)
    make(plan=TIDY, actions=[DELETE, FINISH], approver=person).run()
    assert not old.exists()
    (request,) = person.asked
    assert request.action == Action.of("delete_file", path="old.txt") and request.risk == "delete"


def test_a_denial_with_its_comment_reaches_the_model(make: Make, old: Path) -> None:
    agent = make(plan=TIDY, actions=[DELETE, FINISH], approver=Person(ApprovalAnswer("deny", "keep it for the audit")))
    agent.run()
    assert old.exists()
    assert observations(agent)[0]["result"] == "denied"
    assert "keep it for the audit" in prompts(agent)[1]
    answered = events(agent, "approval.answered")[0].data
    assert answered == {
        "id": answered["id"],
        "answer": "deny",
        "comment": "keep it for the audit",
        "by": "person",
    }


def test_never_masks_what_would_ask(make: Make, old: Path) -> None:
    agent = make(plan=TIDY, actions=[DELETE, FINISH], approve="never")
    agent.run()
    assert old.exists() and not events(agent, "approval.requested")
    assert offers(agent) and all("delete_file" not in offer for offer in offers(agent))
    assert all(e.data["action"]["tool"] != "delete_file" for e in events(agent, "action.started"))


def test_never_denies_also_what_is_called_by_hand(make: Make, old: Path) -> None:
    agent = make(approve="never")
    seen = agent.call_tool(Action.of("delete_file", path="old.txt"))
    assert seen.result == "denied" and old.exists()


def test_ask_asks_before_writing_but_not_before_reading(make: Make, old: Path) -> None:
    person = Person(ALLOW)
    actions = [act("read_file", path="old.txt"), act("write_file", path="new.txt"), FINISH]
    make(plan=[subtask("Write the letter", "write", "new.txt")], actions=actions, approve="ask", approver=person).run()
    assert [request.action.tool for request in person.asked] == ["write_file"]
    assert person.asked[0].action.arguments["content"], "the text is written before it is approved"


def test_a_read_only_sandbox_offers_no_change_and_code_cannot_write(make: Make, old: Path) -> None:
    code = "open('old.txt','w').write('x')"
    agent = make(
        plan=[subtask("Change it", "other")], actions=[act("python"), FINISH], texts=[code], sandbox="read-only"
    )
    agent.run()
    offer = offers(agent)[0]
    assert "read_file" in offer and "python" in offer
    assert not offer & {"write_file", "delete_file", "append_file", "edit_file"}
    assert observations(agent)[0]["result"] == "error" and old.read_text() == "precious\n"
    assert agent.call_tool(Action.of("write_file", path="n.txt", content="x")).result == "denied"


def test_a_question_waits_for_its_answer(make: Make) -> None:
    question = act("ask_person", question="Which year is meant?")
    agent = make(plan=[subtask("Find it", "find")], actions=[question], approver=Person(None))
    result = agent.run().result
    assert result.status == "needs_person" and "--answer" in result.summary
    assert "Which year is meant?" in result.summary
    answer = {waiting(agent): ApprovalAnswer("answer", "It is 2025")}
    with again(agent, Brain([subtask("x")], [FINISH]), answers=answer) as resumed:
        resumed.run()
        assert "It is 2025" in resumed.model.calls[0].prompt  # type: ignore[union-attr]
    assert "It is 2025" in text_of(observations(agent)[0])
    assert events(agent, "approval.answered")[-1].data["answer"] == "answer"


def test_nobody_is_asked_a_question_where_nobody_can_answer(make: Make) -> None:
    agent = make(actions=[act("ask_person", question="Who?"), FINISH])
    agent.run()
    assert "ask_person" not in offers(agent)[0]
    assert not events(agent, "approval.requested")


# -- tools that misbehave ------------------------------------------------------------------------------


def test_a_tool_that_raises_is_an_error_the_model_sees(make: Make) -> None:
    @tool
    def broken(what: str) -> str:
        """Break."""
        raise RuntimeError(f"cannot {what}")

    agent = make(actions=[act("broken", what="fly"), FINISH], tools=[broken])
    assert agent.run().result.status == "unverified"
    seen = observations(agent)[0]
    assert seen["result"] == "error" and "cannot fly" in text_of(seen)
    assert "Traceback" not in text_of(seen)
    assert "cannot fly" in prompts(agent)[1]


def test_a_foreign_tool_object_that_raises_is_an_error_too(make: Make) -> None:
    class Foreign:
        name, description, risk, schema = "foreign", "Do it.", "read", {"type": "object", "properties": {}}
        text, paths, kinds, idempotent = {}, (), frozenset[str](), True

        def canonical(self, arguments: Any) -> dict[str, Any]:
            return {}

        async def __call__(self, context: ToolContext, **arguments: Any) -> Observation:
            raise ValueError("no idea")

    assert isinstance(Foreign(), Tool)
    agent = make(actions=[act("foreign"), FINISH], tools=[Foreign()])
    agent.run()
    assert "no idea" in text_of(observations(agent)[0])


@pytest.mark.parametrize("blocking", [True, False])
def test_a_tool_that_hangs_is_stopped(make: Make, monkeypatch: pytest.MonkeyPatch, blocking: bool) -> None:
    monkeypatch.setattr("wornpath.caller.TOOL_SECONDS", 0.05)
    release = threading.Event()

    @tool
    def hang() -> None:
        """Hang."""
        release.wait(20)

    @tool
    async def sleep() -> None:
        """Sleep."""
        import asyncio

        await asyncio.sleep(20)

    agent = make(actions=[act("hang" if blocking else "sleep"), FINISH], tools=[hang, sleep])
    started = time.monotonic()
    agent.run()
    assert time.monotonic() - started < 10
    release.set()
    seen = observations(agent)[0]
    assert seen["result"] == "timeout" and "0.05 seconds" in text_of(seen)


def test_300_megabytes_of_result_are_cut(make: Make, store: SqliteStore) -> None:
    @tool
    def flood() -> str:
        """Flood."""
        return "water " * (50 << 20)

    agent = make(actions=[act("flood"), FINISH], tools=[flood])
    agent.run()
    assert len(text_of(observations(agent)[0])) < 10_000
    assert sum(len(json.dumps(e.as_dict())) for e in events(agent)) < 200_000


# -- models that misbehave -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        act("fly_to_the_moon"),
        act("read_file", path={"a": 1}),
        act("read_file", path="../../etc/passwd"),
        act("read_file", path="/etc/passwd"),
        act("read_file", path="a.txt", extra=1),
        {"tool": 5, "arguments": []},
        "I would rather not.",
        "",
        "{" * 5000,
    ],
)
def test_an_answer_that_cannot_be_taken_is_not_taken(make: Make, work: Path, answer: Any) -> None:
    (work / "a.txt").write_text("a\n")
    agent = make(actions=[answer, FINISH])
    agent.run()
    decision = events(agent, "action.decided")[0].data["decision"]
    assert all(c["source"] != "llm" for c in decision["candidates"])
    for event in events(agent, "action.started"):
        assert ".." not in json.dumps(event.data["action"]) and "/etc" not in json.dumps(event.data["action"])


def test_a_link_that_leads_out_is_not_written_through(make: Make, work: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (work / "link").symlink_to(outside)
    agent = make(actions=[act("write_file", path="link/x"), FINISH])
    agent.run()
    assert observations(agent)[0]["result"] == "error" and not list(outside.iterdir())


def test_three_useless_answers_in_a_row_end_the_run_which_can_be_resumed(make: Make, work: Path) -> None:
    for name in "abc":
        (work / f"{name}.txt").write_text("x\n")
    agent = make(actions=["what?", act("read_file", path="a.txt"), "what?", "eh?", "hm?"])
    with pytest.raises(ModelAnswerError, match="3 times in a row"):
        agent.run()
    end = events(agent)[-1]
    assert end.type == "run.finished" and end.data["result"]["status"] == "error"
    assert agent.store.run(agent.run_id).status == "error"
    with again(agent, Brain([subtask("x")], [FINISH])) as resumed:
        assert resumed.run().result.status == "unverified"


@pytest.mark.parametrize("at", ["plan", "action", "text", "judge"])
def test_a_model_that_goes_away_leaves_a_run_to_resume(make: Make, work: Path, at: str) -> None:
    brain = Brain([subtask("Write a.txt", "write", "a.txt")], [act("write_file", path="a.txt")])
    brain.lists[at] = [ModelUnavailable("The endpoint does not answer; try later.")]
    agent = make(brain=brain)
    with pytest.raises(ModelUnavailable):
        agent.run()
    assert events(agent, "model.called")[-1].data["error"].startswith("The endpoint does not answer")
    assert events(agent)[-1].data["result"]["status"] == "error"
    with again(agent, Brain([subtask("Write a.txt", "write", "a.txt")], [act("write_file", path="a.txt")])) as resumed:
        result = resumed.run().result
    assert result.status == "unverified" and (work / "a.txt").read_text() == "some text\n"
    assert [e.type for e in events(agent)].count("plan.made") == 1


def test_what_a_failed_call_cost_counts_towards_the_limits(make: Make, work: Path) -> None:
    gone = ModelUnavailable("The endpoint answers nonsense; try later.")
    gone.usage = Usage(900, 100, 0, 2, 0.5)  # type: ignore[attr-defined]
    brain = Brain()
    brain.lists["plan"] = [gone]
    agent = make(brain=brain)
    with pytest.raises(ModelUnavailable):
        agent.run()
    (called,) = events(agent, "model.called")
    assert called.data["usage"] == {"prompt": 900, "completion": 100, "calls": 2, "cost_usd": 0.5}
    for limits, kind in ((Limits(max_tokens=1000), "tokens"), (Limits(max_cost=0.5), "cost_usd")):
        with again(agent, Brain(), limits=limits) as resumed:
            assert resumed.run().result.status == "budget"
        assert events(agent, "budget.reached")[-1].data["kind"] == kind


def test_a_model_that_goes_away_during_a_new_plan_still_makes_it(make: Make) -> None:
    brain = Brain(actions=[act("python"), act("python")], texts=["1/0"])
    brain.lists["plan"] = [{"subtasks": [subtask("Compute", "compute", "a.csv")]}, ModelUnavailable("Gone; try later.")]
    agent = make(brain=brain)
    with pytest.raises(ModelUnavailable):
        agent.run()
    assert events(agent, "subtask.finished")[-1].data["status"] == "failed"
    with again(agent, Brain([subtask("Otherwise")], [FINISH])) as resumed:
        resumed.run()
    (changed,) = events(agent, "plan.changed")
    assert changed.data["plan"]["subtasks"][0]["description"] == "Otherwise"


def test_a_plan_that_makes_no_sense_becomes_the_goal_itself(make: Make) -> None:
    brain = Brain(actions=[FINISH])
    brain.lists["plan"] = ["No plan today."]
    agent = make("Feed the cat", brain=brain)
    agent.run()
    (plan,) = events(agent, "plan.made")
    assert [s["description"] for s in plan.data["plan"]["subtasks"]] == ["Feed the cat"]


def test_what_a_person_edited_is_what_is_done(make: Make, old: Path) -> None:
    (old.parent / "other.txt").write_text("x\n")
    person = Person(
        ApprovalAnswer("allow", arguments={"file": "other.txt"}),
        ApprovalAnswer("allow", arguments={"path": "other.txt"}),
    )
    agent = make(plan=TIDY, actions=[DELETE, FINISH], approver=person)
    agent.run()
    assert old.exists() and not (old.parent / "other.txt").exists()
    assert len(person.asked) == 2 and "does not fit" in person.asked[1].reason
    assert events(agent, "action.started")[0].data["action"] == {
        "tool": "delete_file",
        "arguments": {"path": "other.txt"},
    }
    assert events(agent, "approval.answered")[0].data["arguments"] == {"path": "other.txt"}


def test_edited_arguments_are_carried_out_on_resume(make: Make, old: Path) -> None:
    (old.parent / "other.txt").write_text("x\n")
    agent = make(plan=TIDY, actions=[DELETE])
    agent.run()
    answer = ApprovalAnswer("allow", arguments={"path": "other.txt"})
    with again(agent, Brain(TIDY, [FINISH]), answers={waiting(agent): answer}) as resumed:
        resumed.run()
    assert old.exists() and not (old.parent / "other.txt").exists()


@pytest.mark.parametrize("place", ["", ".records", "a/b"])
def test_nothing_runs_where_the_records_lie_in_the_workspace(tmp_path: Path, place: str) -> None:
    """Code could give itself rules, or read what other runs did."""
    with SqliteStore(tmp_path / place) as store:
        agent = AutoGPT("Do something", workspace=tmp_path, store=store, model=chat())
        with pytest.raises(UsageError, match="inside the workspace"):
            agent.run()
        agent.close()
        assert not [e for run in store.runs() for e in store.events(run.run_id, types=["run.started"])]


def test_nothing_runs_where_the_settings_lie_in_the_workspace(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "config"
    monkeypatch.delenv("WORNPATH_HOME", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(work))
    agent = make(workspace=work)
    with pytest.raises(UsageError, match="your settings"):
        agent.run()
