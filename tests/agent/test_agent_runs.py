"""Whole runs: how they end, and that only a check, a judge or a person ends them well."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from agent_world import FINISH, Brain, Make, act, events, observations, prompts, purpose, subtask, text_of, tree

from places import another_user
from wornpath import AutoGPT
from wornpath.core import Event, Observation, UsageError
from wornpath.guard import Limits
from wornpath.llm.chat import Completion
from wornpath.llm.scripted import ScriptedChat
from wornpath.llm.tokens import count_messages
from wornpath.store import Snapshot, SqliteStore
from wornpath.tools import ToolContext, tool
from wornpath.verdicts import MAX_EARLY_CHECKS

WRITE = act("write_file", path="out.txt")
PLAN = [subtask("Write out.txt", "write", "out.txt")]
HELLO = ["grep -q hello out.txt"]


def verdicts(agent: object) -> list[str]:
    made = [e.data["evaluation"] for e in events(agent, "evaluation.made") if e.data["scope"] == "run"]  # type: ignore[arg-type]
    return [evaluation.get("verdict", "unverified") for evaluation in made]


def test_a_goal_is_met_when_its_check_says_so(make: Make, work: Path) -> None:
    agent = make("Write hello to out.txt", plan=PLAN, actions=[WRITE], texts=["hello world"], checks=HELLO)
    episode = agent.run()
    result = episode.result
    assert (result.status, result.verdict_source, result.steps) == ("met", "check", 1)
    assert (work / "out.txt").read_text() == "hello world\n"
    assert result.reward == pytest.approx(1.0, abs=0.1)
    assert [(a.path, a.bytes, a.media_type) for a in result.artifacts] == [("out.txt", 12, "text/plain")]
    assert result.llm_calls == 3, "plan, action, text: nothing is asked once the predicates hold"
    assert result.tokens["prompt"] > 0 < result.tokens["completion"]
    assert "out.txt" in result.summary
    assert episode.met and len(episode.transitions) == 1
    assert [e.type for e in events(agent)][-3:] == ["subtask.finished", "evaluation.made", "run.finished"]


@pytest.mark.parametrize("checked", [True, False])
def test_every_token_is_charged_once(make: Make, checked: bool) -> None:
    """Those of the answer and the judge, too, which come after the last step."""
    texts = ["wrong", "hello", "It is done."]
    agent = make("Write hello", plan=PLAN, actions=[WRITE, FINISH], texts=texts, checks=HELLO if checked else [])
    result = agent.run().result
    weights = agent.goal.weights
    worth = weights.met if result.status == "met" else 0.0
    tokens = result.tokens["prompt"] + result.tokens["completion"]
    expected = worth + weights.step * result.steps + weights.thousand_tokens * tokens / 1000
    assert result.reward == pytest.approx(expected, abs=1e-5)
    rest = [e for e in events(agent, "evaluation.made") if e.data["scope"] == "subtask"]
    assert len(rest) == (0 if checked else 1)


def test_an_unmet_result_is_worked_on_again_and_may_be_met(make: Make) -> None:
    agent = make(
        "Write hello to out.txt", plan=PLAN, actions=[WRITE], texts=["wrong", "bad", "hello at last"], checks=HELLO
    )
    result = agent.run().result
    assert result.status == "met"
    assert verdicts(agent) == ["unmet", "unmet", "met"]
    assert result.reward == pytest.approx(1.0, abs=0.2), "only the end is rewarded"


TIDY = [subtask("Make the file", "compute")]
"""A subtask whose end no predicate tells."""


CODE = act("python")


def program(text: str) -> str:
    return f"```python\n{text}\n```"


HELLO_WRITTEN = program("open('out.txt', 'w').write('hello')")


def test_work_that_the_checks_accept_is_finished_without_asking(make: Make) -> None:
    agent = make("Make out.txt", plan=TIDY, actions=[CODE], texts=[HELLO_WRITTEN], checks=HELLO)
    result = agent.run().result
    assert (result.status, result.steps) == ("met", 1)
    assert [e.data["why"] for e in events(agent, "subtask.finished")] == ["the checks hold"]
    assert "progress" not in [e.data["purpose"] for e in events(agent, "model.called")]
    assert verdicts(agent) == ["met"]


def test_the_writer_is_told_what_is_lacking(make: Make) -> None:
    plan = [subtask("Make t.csv", "compute", "t.csv", ["name", "total"])]
    texts = [program(f"open('t.csv', 'w').write('{head}\\n1,2\\n')") for head in ("total,name", "name,total")]
    agent = make("Make t.csv (columns name,total)", plan=plan, actions=[CODE, CODE], texts=texts)
    assert agent.run().result.steps == 2, "a program may be mended at once"
    assert [e.data["why"] for e in events(agent, "subtask.finished")] == ["t.csv is there with name, total"]
    told = prompts(agent, "text")[1]
    assert "But t.csv does not have the columns name, total in this order: it has total, name" in told


def test_a_program_that_comes_out_as_before_is_asked_for_once_more(make: Make) -> None:
    texts = [program("print(open('no.txt').read())")] * 2 + [HELLO_WRITTEN]
    agent = make("Make out.txt", plan=TIDY, actions=[CODE, CODE], texts=texts, checks=HELLO)
    result = agent.run().result
    assert (result.status, result.steps) == ("met", 2), "the same program is not run again"
    second, third = prompts(agent, "text")[1:]
    assert "This program was tried" in second and "A program for this failed before" in third


def test_prose_in_place_of_a_mended_program_is_not_run(make: Make) -> None:
    texts = [
        program("print(open('no.txt').read())"),
        "It printed:\n```\na -> b-01\n```\nwhich is right.",
        HELLO_WRITTEN,
    ]
    agent = make("Make out.txt", plan=TIDY, actions=[CODE, CODE], texts=texts, checks=HELLO)
    result = agent.run().result
    assert (result.status, result.steps) == ("met", 2)


def test_a_model_that_clings_to_its_programs_is_shown_no_more_of_them(make: Make) -> None:
    texts = [program(f"print(open('{name}').read())") for name in ("a", "a", "b", "c")]
    agent = make("Make out.txt", plan=TIDY, actions=[CODE] * 4, texts=[*texts, HELLO_WRITTEN], checks=HELLO)
    assert agent.run().result.status == "met"
    told = prompts(agent, "text")
    assert ["This program was tried" in text for text in told] == [False, True, False, False, False]
    assert all("A program for this failed before" in text for text in told[2:])


def test_what_the_checks_refused_is_not_said_to_be_lacking(make: Make) -> None:
    plan = [subtask("Make t.csv", "compute", "t.csv", ["name", "total"])]
    texts = [program(f"open('t.csv', 'w').write('name,total\\n{n},hello\\n')") for n in (1, 2)]
    checks = ["grep -q 2,hello t.csv"]
    agent = make("Make t.csv (columns name,total)", plan=plan, actions=[CODE, CODE], texts=texts, checks=checks)
    assert agent.run().result.status == "met"
    told = prompts(agent, "text")[1]
    assert "Its result was checked and is wrong" in told and "not there" not in told


def test_a_program_finds_the_folder_of_what_it_is_to_make(make: Make, work: Path) -> None:
    plan = [subtask("Make out/x/t.csv", "compute", "out/x/t.csv", ["name"])]
    texts = [program("open('t.csv', 'w').write('name\\n1\\n')")]
    agent = make(
        "Make out/x/t.csv (columns name)", plan=plan, actions=[CODE], texts=texts, checks=["test -s out/x/t.csv"]
    )
    result = agent.run().result
    assert (result.status, result.steps) == ("met", 1) and not (work / "t.csv").exists()
    Snapshot(agent.store.root / "runs" / agent.run_id, work).undo()
    assert not (work / "out").exists(), "the folder is the run's own making"


MOVED = "import os\nos.mkdir({0!r})\nfor name in ('a.txt', 'b.txt'): os.rename(name, os.path.join({0!r}, name))"


def test_a_program_that_the_checks_refuse_is_written_again_for_files_as_they_were(make: Make, work: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (work / name).write_text(name)
    texts = [program(MOVED.format(folder)) for folder in ("wrong", "right")]
    plan = [subtask("Move the texts to right/", "organise")]
    agent = make(
        "Move the texts to right/", plan=plan, actions=[CODE, CODE], texts=texts, checks=["test -e right/b.txt"]
    )
    result = agent.run().result
    assert (result.status, result.steps) == ("met", 2)
    assert verdicts(agent) == ["unmet", "met"]
    assert not prompts(agent, "progress"), "the checks have told"
    assert "Its result was checked and is wrong" in prompts(agent, "text")[1]


def test_the_checks_are_asked_anew_for_what_a_person_changed_meanwhile(make: Make, work: Path) -> None:
    texts = [program("open('other.txt', 'w').write('x')")]
    agent = make("Make out.txt", plan=TIDY, actions=[CODE, act("list_files"), FINISH], texts=texts, checks=HELLO)

    def mend(event: Event) -> None:
        if event.type == "evaluation.made" and event.data["scope"] == "run":
            (work / "out.txt").write_text("hello")

    agent.listeners.append(mend)
    assert agent.run().result.status == "met"
    assert verdicts(agent) == ["unmet", "met"]


def test_a_file_that_was_edited_in_vain_is_as_it_was_for_the_next_attempt(make: Make, work: Path) -> None:
    (work / "lib.py").write_text("x = 1\n")
    edit = "t = open('lib.py').read()\nassert t.count('= 1') == 1\nopen('lib.py', 'w').write(t.replace('= 1', '= {}'))"
    texts = [program(edit.format(value)) for value in (2, 3)]
    plan = [subtask("Set x to 3 in lib.py", "code")]
    agent = make(
        "Set x to 3 in lib.py", plan=plan, actions=[CODE, CODE], texts=texts, checks=["grep -q 'x = 3' lib.py"]
    )
    assert (agent.run().result.status, (work / "lib.py").read_text()) == ("met", "x = 3\n")


def test_a_copy_that_was_refused_is_made_of_another_file_that_came_to_light(make: Make, work: Path) -> None:
    for number, what in enumerate(("warranty", "receipt", "invoice"), 1):
        (work / f"scan_{number}.txt").write_text(f"{what} of Maple Print\n")
    plan = [subtask("Find the invoice of Maple Print and copy it to got.txt", "find", "got.txt")]
    wrong = act("copy_file", source="scan_1.txt", destination="got.txt")
    actions = [
        act("search_text", query="Maple Print"),
        wrong,
        {**wrong, "arguments": {**wrong["arguments"], "overwrite": True}},
    ]
    goal = "Find the invoice of Maple Print and copy it to got.txt"
    agent = make(goal, plan=plan, actions=actions, checks=["grep -q invoice got.txt"])
    result = agent.run().result
    assert (result.status, result.steps) == ("met", 3), "the same copy with another switch is no other one"
    assert (work / "got.txt").read_text().startswith("invoice")


def test_checks_that_hold_early_leave_no_subtask_out(make: Make, work: Path) -> None:
    plan = [*TIDY, subtask("Write the other", "write", "b.txt")]
    actions = [CODE, FINISH, act("write_file", path="b.txt")]
    agent = make("Make out.txt and b.txt", plan=plan, actions=actions, texts=[HELLO_WRITTEN, "b"], checks=HELLO)
    assert agent.run().result.status == "met"
    assert (work / "b.txt").exists()


def test_slow_checks_are_not_asked_after_every_step(make: Make, work: Path) -> None:
    (work / "a.txt").write_text("a")
    actions = [act("copy_file", source="a.txt", destination=f"{n}.txt") for n in range(40)]
    plan = [subtask("Copy it often", "organise")]
    agent = make("Copy it often", plan=plan, actions=actions, checks=["false"])
    result = agent.run().result
    asked = (agent.store.root / "runs" / agent.run_id / "checks.log").read_text().count("$ false")
    assert result.steps > MAX_EARLY_CHECKS and asked - len(verdicts(agent)) - 1 == MAX_EARLY_CHECKS, "1 before the work"


@pytest.mark.parametrize("check", ["true", "test ! -e nothing || exec sleep 99"])
def test_checks_that_say_nothing_of_the_work_do_not_end_it(
    make: Make, monkeypatch: pytest.MonkeyPatch, check: str
) -> None:
    """Tests that must go on passing hold before the work, too; those that take long are not asked again and again."""
    monkeypatch.setattr("wornpath.verdicts.QUICK_CHECK_SECONDS", 1)
    slow = "sleep" in check
    agent = make(
        "Make out.txt",
        plan=TIDY,
        actions=[CODE, FINISH],
        texts=[HELLO_WRITTEN],
        checks=[check if not slow else "test -e out.txt || exec sleep 99"],
    )
    assert agent.run().result.status == "met"
    assert [e.data["why"] for e in events(agent, "subtask.finished")] == ["finished"]


def test_a_program_that_finds_nothing_left_to_do_ends_the_subtask(make: Make, work: Path) -> None:
    move = program("import os\nif os.path.exists('a.txt'): os.rename('a.txt', 'b.txt')")
    (work / "a.txt").write_text("a")
    result = (
        (agent := make("Rename a.txt", plan=TIDY, actions=[CODE, act("list_files"), CODE], texts=[move])).run().result
    )
    assert [e.data["why"] for e in events(agent, "subtask.finished")] == ["the same program again changed nothing"]
    assert result.steps == 3


def test_retries_end_and_both_reopen_and_replan(make: Make) -> None:
    agent = make("Write hello to out.txt", plan=PLAN, actions=[WRITE], texts=["a", "b", "c", "d", "e"], checks=HELLO)
    result = agent.run().result
    assert result.status == "unmet"
    assert verdicts(agent) == ["unmet"] * 4
    revisions = [e.data["plan"].get("revision", 0) for e in events(agent, "plan.changed")]
    assert len(revisions) == 3 and revisions[0] == 0 and revisions[-1] >= 1
    values = [e.data["evaluation"] for e in events(agent, "evaluation.made") if e.data["scope"] == "run"]
    assert [v.get("reward", 0.0) for v in values] == [0, 0, 0, -0.5]


def test_what_a_check_prints_reaches_no_model(make: Make, work: Path) -> None:
    agent = make(
        "Write hello", plan=PLAN, actions=[WRITE], texts=["x"], checks=["echo SECRET-WORD; echo SECRET-WORD >&2; false"]
    )
    agent.run()
    assert all("SECRET-WORD" not in call.prompt for call in agent.model.calls)  # type: ignore[union-attr]
    assert all("SECRET-WORD" not in str(e.data) for e in events(agent) if e.type not in ("goal.set",))


def test_an_untrusted_judge_leaves_a_run_unverified(make: Make) -> None:
    agent = make(plan=PLAN, actions=[WRITE], judge=[{"reason": "all is there", "met": True}])
    result = agent.run().result
    assert (result.status, result.verdict_source) == ("unverified", "judge")
    assert result.reward < 0, "nothing is earned by it"


def test_a_trusted_judge_may_say_met_for_half_the_reward(make: Make) -> None:
    agent = make("Write a poem", plan=PLAN, actions=[WRITE], texts=["roses"], rubric="It rhymes", large=True)
    result = agent.run().result
    assert (result.status, result.verdict_source) == ("met", "judge")
    assert result.reward == pytest.approx(0.5, abs=0.1)
    judged = agent.model.calls[-1].prompt  # type: ignore[union-attr]
    assert "roses" in judged and "It rhymes" in judged and "Write a poem" in judged
    assert "write_file" not in judged, "the judge sees what was made, not how"


def test_a_trusted_judge_that_doubts_is_listened_to(make: Make) -> None:
    agent = make(plan=PLAN, actions=[WRITE], judge=[{"reason": "it is empty", "met": False}], large=True)
    assert agent.run().result.status == "unmet"


def test_a_judge_that_gives_no_verdict_decides_nothing(make: Make) -> None:
    agent = make(plan=PLAN, actions=[WRITE], judge=["met, I would say"], large=True)
    assert agent.run().result.status == "unverified"


def test_finish_is_only_the_models_word(make: Make) -> None:
    assert make("Nothing is done", actions=[FINISH]).run().result.status == "unverified"
    failing = make("Nothing is done", actions=[FINISH], checks=["test -e made.txt"]).run().result
    assert (failing.status, failing.verdict_source) == ("unmet", "check")


def test_finish_waits_for_what_the_plan_expects(make: Make, work: Path) -> None:
    (work / "out.txt").write_text("it was there before\n")
    agent = make("Write out.txt anew", plan=PLAN, actions=[FINISH, FINISH, WRITE])
    agent.run()
    decisions = [e.data["decision"] for e in events(agent, "action.decided")]
    tools = [d["candidates"][d.get("chosen", 0)]["action"]["tool"] for d in decisions]
    assert tools[0] != "finish" and "write_file" in tools
    finish = [c["action"]["tool"] for c in decisions[0]["candidates"]].index("finish")
    assert decisions[0]["mask"][finish] is False and decisions[0]["probabilities"][finish] == 0


def test_the_goal_is_frozen_before_anything_is_done(make: Make, work: Path) -> None:
    agent = make("Write hello to out.txt", plan=PLAN, actions=[WRITE], texts=["hello"], checks=HELLO, rubric="short")
    agent.run()
    goal = events(agent)[1]
    assert goal.type == "goal.set"
    assert goal.data["goal"]["text"] == "Write hello to out.txt"
    assert goal.data["goal"]["checks"] == HELLO
    assert goal.data["goal"]["rubric"] == "short"
    assert goal.data["goal"]["workspace"] == str(work)


@pytest.mark.parametrize(
    ("limits", "kind"),
    [
        (Limits(max_steps=3), "steps"),
        (Limits(max_steps=None, max_tokens=900), "tokens"),
        (Limits(max_steps=None, max_cost=0.04), "cost_usd"),
        (Limits(max_steps=None, timeout=0.001), "seconds"),
    ],
)
def test_a_limit_that_is_reached_ends_the_run_clearly(make: Make, work: Path, limits: Limits, kind: str) -> None:
    for name in "abcdefgh":
        (work / f"{name}.txt").write_text("x\n")
    agent = make(actions=[act("read_file", path=f"{name}.txt") for name in "abcdefgh"], limits=limits)
    agent.model = Dear(agent.model)  # type: ignore[arg-type]
    result = agent.run().result
    assert result.status == "budget"
    (reached,) = events(agent, "budget.reached")
    assert reached.data["kind"] == kind and reached.data["value"] >= reached.data["limit"]
    assert "limit" in result.summary and "raise it" in result.summary
    if kind == "steps":
        assert result.steps == 3


class Dear:
    """A model of which every call costs a cent."""

    def __init__(self, chat: ScriptedChat) -> None:
        self.chat, self.model, self.sizes = chat, chat.model, chat.sizes

    async def complete(self, messages: object, **more: object) -> Completion:
        from dataclasses import replace

        done = await self.chat.complete(messages, **more)  # type: ignore[arg-type]
        return replace(done, usage=replace(done.usage, cost_usd=0.01))

    async def aclose(self) -> None: ...


def test_prompts_of_steps_stay_small_and_do_not_grow(make: Make, work: Path) -> None:
    for number in range(60):
        (work / f"file-{number:02}.txt").write_text(f"line {number}\n" * 400)
    reading = [act("read_file", path=f"file-{number:02}.txt") for number in range(60)]
    plan = [subtask("Read the files " + "very carefully " * 40, kind) for kind in ("other", "code") * 3]
    goal = "Read every file and tell what is in it. " + "It matters a lot. " * 500
    agent = make(goal, plan=plan, actions=reading, limits=Limits(max_steps=50))
    assert agent.run().result.steps == 50
    calls = [c for c in agent.model.calls if purpose(c.schema) == "action"]  # type: ignore[union-attr]
    sizes = [count_messages(call.messages) for call in calls]
    assert len(sizes) == 50 and max(sizes) < 700
    assert max(sizes[40:]) <= max(sizes[5:15]) + 40


def test_loops_are_found_and_bring_a_new_plan(make: Make) -> None:
    @tool(risk="write")
    def swing(context: ToolContext, to: str) -> Observation:
        """Swing the door."""
        return Observation.of(f"It swings {to}.", changed=("door",))

    swinging = [act("swing", to="left"), act("swing", to="right")] * 3
    agent = make(plan=[subtask("Swing")], actions=[*swinging, FINISH], tools=[swing])
    agent.run()
    (found,) = events(agent, "loop.found")
    assert (found.step, found.data["length"], found.data["action"]["tool"]) == (6, 2, "swing")
    (changed,) = events(agent, "plan.changed")
    assert changed.seq > found.seq and changed.data["reason"] == "the same steps came again"
    first, last = (e.data["evaluation"]["reward"] for e in events(agent, "evaluation.made") if e.step in (1, 6))
    assert last < first - 0.03, "a loop costs"


def test_the_same_failing_program_is_a_loop(make: Make) -> None:
    agent = make(plan=[subtask("Compute", "compute", "out.csv")], actions=[act("python")], texts=["1 / 0"])
    agent.run()
    assert "ZeroDivisionError" in text_of(observations(agent)[0])
    found = events(agent, "loop.found")
    assert found[0].step == 3 and found[0].data["length"] == 1


def test_the_same_action_is_masked_when_nothing_changed(make: Make, work: Path) -> None:
    (work / "a.txt").write_text("a\n")
    agent = make(actions=[act("read_file", path="a.txt")], limits=Limits(max_steps=4))
    agent.run()
    taken = [e.data["action"] for e in events(agent, "action.started")]
    assert taken.count({"tool": "read_file", "arguments": {"path": "a.txt"}}) == 1


def test_a_file_that_nothing_speaks_of_is_not_written_over(make: Make, work: Path) -> None:
    """A small model takes the first path that it sees; the user's invoice is not the file that is to be made."""
    (work / "inbox").mkdir()
    (work / "inbox/i1.txt").write_text("the user's")
    stray = act("write_file", path="inbox/i1.txt")
    agent = make("Write hello to out.txt", plan=PLAN, actions=[stray, WRITE], texts=["hello"], checks=HELLO)
    assert agent.run().result.status == "met"
    assert (work / "inbox/i1.txt").read_text() == "the user's" and (work / "out.txt").read_text() == "hello\n"
    outside = make(
        "Write hello to out.txt", plan=PLAN, actions=[act("write_file", path="../x"), WRITE], texts=["hello"]
    )
    outside.run()
    assert not (work.parent / "x").exists()


@pytest.mark.parametrize(
    ("goal", "plan"),
    [
        ("Replace the text of notes.txt by hello and write out.txt", PLAN),  # it is named
        ("Put hello into my notes and write out.txt", PLAN),
        ("Say hello", [subtask("Say hello", "write")]),  # nothing else is to be made
        ("Say hello", [subtask("Say hello", "write", "notes.txt")]),
    ],
)
def test_a_file_may_be_written_over_where_it_may_be_meant(
    make: Make, work: Path, goal: str, plan: list[object]
) -> None:
    (work / "notes.txt").write_text("old")
    agent = make(goal, plan=plan, actions=[act("write_file", path="notes.txt"), WRITE, FINISH], texts=["hello"])
    agent.run()
    assert (work / "notes.txt").read_text() == "hello\n"


def test_a_subtask_is_done_when_the_model_says_so_of_what_it_sees(make: Make, work: Path) -> None:
    (work / "a.txt").write_text("a\n")
    brain = Brain(actions=[act("read_file", path="a.txt"), act("list_files")])
    brain.lists["progress"] = [{"state": "done"}]
    agent = make(brain=brain)
    agent.run()
    assert [e.data["action"]["tool"] for e in events(agent, "action.started")] == ["read_file", "finish"]
    assert [e.data["purpose"] for e in events(agent, "model.called")].count("propose") == 1


def test_what_the_progress_question_costs_counts_before_the_next_call(make: Make, work: Path) -> None:
    (work / "a.txt").write_text("a\n")
    agent = make(actions=[act("read_file", path="a.txt"), act("list_files")])
    agent.run()
    spent = [e.data["usage"] for e in events(agent, "model.called")]
    purposes = [e.data["purpose"] for e in events(agent, "model.called")]
    until = purposes.index("progress") + 1
    limit = sum(u["prompt"] + u["completion"] for u in spent[:until])
    again = make(actions=[act("read_file", path="a.txt"), act("list_files")], limits=Limits(max_tokens=limit))
    assert again.run().result.status == "budget"
    assert [e.data["purpose"] for e in events(again, "model.called")] == purposes[:until]


def test_notes_enter_later_states(make: Make, store: object, work: Path) -> None:
    first = make(actions=[act("note", fact="The key is under the mat", scope="folder"), FINISH])
    first.run()
    second = make(actions=[FINISH])
    second.run()
    assert "The key is under the mat" in prompts(second, "plan")[0]
    assert "The key is under the mat" in prompts(second)[0], "it is in the state"
    added = events(first, "note.added")[0].data
    assert added == {"text": "The key is under the mat", "scope": "folder", "where": str(work)}


def test_python_really_runs_and_undo_brings_everything_back(make: Make, work: Path, store: object) -> None:
    (work / "keep.txt").write_text("old\n")
    (work / "sub").mkdir()
    (work / "sub" / "b.bin").write_bytes(bytes(range(256)))
    before = tree(work)
    code = "import os\nopen('keep.txt','w').write('new')\nos.remove('sub/b.bin')\nos.mkdir('d')\n"
    code += "open('d/n.txt','w').write('n')\nprint('hi')"
    agent = make(
        plan=[subtask("Compute it", "compute", "d/n.txt")],
        actions=[act("python")],
        texts=[f"```python\n{code}\n```"],
        checks=["test -s d/n.txt"],
    )
    assert agent.run().result.status == "met"
    assert "hi" in text_of(observations(agent)[0])
    assert set(observations(agent)[0]["changed"]) == {"keep.txt", "d/n.txt", "sub/b.bin"}
    snapshot = Snapshot(agent.store.run_folder(agent.run_id), work)
    changes = {change.path: change.kind for change in snapshot.changes()}
    assert changes == {"keep.txt": "changed", "d/n.txt": "added", "sub/b.bin": "removed"}
    assert "-old" in snapshot.diff() and "+new" in snapshot.diff()
    report = snapshot.undo()
    assert not report.conflicts
    assert tree(work) == before


def test_a_file_that_cannot_be_made_is_told_before_the_first_step() -> None:
    with another_user() as folder:
        work = folder / "work"
        (work / "open").mkdir(parents=True)
        work.chmod(0o555)
        with SqliteStore(folder / "home") as store:
            for path, told in (("out.txt", True), ("closed/out.txt", True), ("open/out.txt", False)):
                brain = Brain(plan=[subtask("Write it", "write", path)], actions=[act("write_file", path=path)])
                agent = AutoGPT(f"Write {path}", workspace=work, store=store, model=ScriptedChat(brain), learn=False)
                with contextlib.nullcontext() if not told else pytest.raises(UsageError, match="cannot be written"):
                    agent.run()
                assert bool(observations(agent)) != told
        assert (work / "open" / "out.txt").exists()


@pytest.mark.parametrize("goal", ["", "   \n"])
def test_an_empty_goal_is_refused(work: Path, store: object, goal: str) -> None:
    from wornpath import AutoGPT

    with pytest.raises(UsageError, match="empty"):
        AutoGPT(goal, workspace=work)
    with pytest.raises(UsageError, match="Put long material into a file"):
        AutoGPT("x" * 1_000_000, workspace=work)
    for place in ("/", Path.home()):
        with pytest.raises(UsageError):
            AutoGPT("x", workspace=place)
    for number in (0, 9):
        with pytest.raises(UsageError, match="candidates"):
            AutoGPT("x", workspace=work, candidates=number)
