"""What a run teaches, read from its events."""

from __future__ import annotations

from typing import Any

import pytest

from wornpath.core import Action, Candidate, Event, Goal, Observation, Plan, Predicate, Subtask, to_json
from wornpath.experience.lessons import (
    FINISH,
    PLAN,
    lessons,
    outcome,
    position,
    start,
    written,
)
from wornpath.experience.lifting import Lifter
from wornpath.experience.plans import lift_plan, plan_id
from wornpath.experience.reading import Trace, read_run
from wornpath.experience.situation import Situation

HERE = Situation({"goal.file.new": ("out.txt",), "file.csv": ("a.csv",)}, words=frozenset({"sum"}))
TEXTS = {"python": {"code": "code"}}


class Tape:
    """The events of a made-up run."""

    def __init__(self, *, learn: bool = True, plan_recalled: str = "", checks: tuple[str, ...] = ()) -> None:
        self.events: list[Event] = []
        self.step = 0
        self.add("run.started", options={"learn": learn})
        self.add("goal.set", goal=to_json(Goal("Sum", "/w", checks)), family="sums", situation=HERE.as_dict())
        self.plan = Plan((Subtask(1, "Sum", "compute", "", (Predicate("exists", "out.txt"),)),))
        recalled = {"recalled": plan_recalled, "skipped": True} if plan_recalled else {}
        self.add("plan.made", plan=to_json(self.plan), reason="", **recalled)
        self.add("subtask.started", subtask=1)

    def add(self, type: Any, **data: Any) -> None:
        self.events.append(Event(len(self.events) + 1, "run", 0.0, self.step, type, data))

    def act(
        self,
        action: Action,
        result: Any = "ok",
        changed: tuple[str, ...] = (),
        recalled: str = "",
        reward: float = 0.0,
        at: str = "compute|",
    ) -> None:
        self.step += 1
        candidate = Candidate(action, "recalled" if recalled else "llm", note=recalled)
        gate = {"gate": {"arm": "written" if "~" in at else "skipped", "position": at}} if recalled else {}
        self.add(
            "action.decided", decision={"candidates": [to_json(candidate)], "chosen": 0}, skipped=bool(recalled), **gate
        )
        self.add("action.started", id=str(self.step), action=to_json(action))
        self.add("action.finished", id=str(self.step), observation=to_json(Observation(result, changed=changed)))
        self.add("evaluation.made", scope="step", evaluation={"reward": reward})

    def verdict(self, verdict: str, source: str = "check") -> None:
        self.add("evaluation.made", scope="run", evaluation={"verdict": verdict, "source": source, "reward": 1.0})

    def read(self) -> Trace:
        return read_run(self.events)

    def taught(self) -> list[tuple[str, str, bool]]:
        return [(x.position, x.template, x.ok) for x in lessons(self.read(), TEXTS)]


LOOK = Action.of("list_files", path=".")
RUN = Action.of("python", code="open('out.txt', 'w').write(open('a.csv').read())")
BAD = Action.of("python", code="print(1/0)")
DONE = Action.of("finish")


def name(action: Action) -> str:
    return Lifter(HERE).lift(action, TEXTS.get(action.tool, {})).id


def bare(action: Action) -> str:
    return Lifter(HERE).bare(action, TEXTS.get(action.tool, {})).id


def test_of_a_run_that_met_its_goal_what_it_needed_is_kept() -> None:
    tape = Tape()
    tape.act(LOOK)
    tape.act(BAD, "error")
    tape.act(RUN, changed=("out.txt",))
    tape.act(DONE)
    tape.verdict("met")
    made = tape.taught()
    assert [m for m in made if m[0] != PLAN and "~" not in m[0]] == [
        ("compute|", name(RUN), True),
        (position("compute", [name(RUN)]), FINISH.id, True),
    ]
    assert sum(m[0] == PLAN for m in made) == 1
    # Besides, at positions of their own, which actions were taken, whatever text they had: the failed program is counted, and not kept.
    assert [m for m in made if "~" in m[0]] == [
        (start("compute", False), bare(LOOK), True),
        (start("compute", False), bare(RUN), True),
        (start("compute", True), bare(RUN), True),
        (written("compute", False), FINISH.id, True),
    ]
    assert bare(RUN) == bare(BAD) and name(BAD) not in {m[1] for m in made}


@pytest.mark.parametrize(
    ("verdict", "source"), [("unmet", "check"), ("met", "judge"), ("unverified", "judge"), ("", "")]
)
def test_what_was_not_met_or_only_judged_by_a_model_teaches_nothing(verdict: str, source: str) -> None:
    tape = Tape()
    tape.act(RUN, changed=("out.txt",))
    if verdict:
        tape.verdict(verdict, source)
    assert tape.taught() == []


def test_a_persons_word_counts_before_any_other() -> None:
    tape = Tape()
    tape.act(RUN, changed=("out.txt",))
    tape.verdict("met", "judge")
    tape.add("person.said", kind="rating", rating="good")
    assert ("compute|", name(RUN), True) in tape.taught()
    tape.add("person.said", kind="rating", rating="bad")
    assert tape.taught() == [] and tape.read().met is False


def test_what_was_recalled_is_counted_as_it_went() -> None:
    for verdict, ok in (("met", True), ("unmet", False)):
        tape = Tape()
        tape.act(RUN, changed=("out.txt",), recalled="t1")
        tape.verdict(verdict)
        assert ("compute|", "t1", ok) in tape.taught()
        assert outcome(tape.read()).met is ok and outcome(tape.read()).arm == "skipped"


def test_what_was_recalled_and_failed_is_bad_although_the_goal_was_met_after_all() -> None:
    tape = Tape()
    tape.act(RUN, "error", recalled="t1")
    tape.act(RUN, changed=("out.txt",))
    tape.verdict("met")
    made = tape.taught()
    assert ("compute|", "t1", False) in made and ("compute|", name(RUN), True) in made


def test_a_loop_over_many_files_is_one_use() -> None:
    tape, again = Tape(), position("compute", ["t1"])
    for i in range(5):
        move = Action.of("move_file", source=f"{i}.jpg", destination=f"x/{i}.jpg")
        tape.act(move, changed=(f"{i}.jpg",), recalled="t1", at=again if i else "compute|")
    tape.verdict("met")
    assert [m for m in tape.taught() if m[1] == "t1"] == [("compute|", "t1", True), (again, "t1", True)]
    tape = Tape()
    tape.act(RUN, changed=("b",), recalled="t1")
    tape.act(RUN, "error", recalled="t1")
    tape.verdict("met")
    assert [m for m in tape.taught() if m[1] == "t1"] == [("compute|", "t1", False)]


def test_a_recalled_plan_counts_as_a_skipped_call() -> None:
    tape = Tape(plan_recalled="plan-1")
    tape.act(RUN, changed=("out.txt",))
    tape.verdict("met")
    trace = tape.read()
    # "written": the model was asked for the program, only not for the plan; "skipped" are runs that left a decision to experience
    assert (trace.arm, trace.skipped) == ("written", 1)
    assert (PLAN, "plan-1", True) in tape.taught()
    tape = Tape(plan_recalled="plan-1")
    tape.act(RUN, changed=("out.txt",), recalled="t1")
    tape.verdict("met")
    assert (tape.read().arm, tape.read().skipped) == ("skipped", 2)


def test_a_recalled_plan_did_unless_another_was_needed() -> None:
    for other, ok in ((Subtask(1, "Sum", "compute", "", (Predicate("exists", "b.txt"),)), True), (None, False)):
        tape = Tape(plan_recalled=plan_id(lift_plan(Tape().plan, Lifter(HERE))))
        tape.act(BAD, changed=("out.txt",))
        tape.verdict("unmet")
        new = Plan((other or Subtask(1, "Sum", "write", ""),), revision=1, reason="no")
        tape.add("plan.changed", plan=to_json(new), reason="no")
        tape.act(RUN, changed=("out.txt",))
        tape.verdict("met")
        assert [m[2] for m in tape.taught() if m[0] == PLAN] == [ok]


def test_only_the_last_pass_is_the_work_that_did() -> None:
    tape = Tape()
    tape.act(BAD, changed=("out.txt",), recalled="t1")
    tape.verdict("unmet")
    tape.act(RUN, changed=("out.txt",))
    tape.verdict("met")
    made = tape.taught()
    assert ("compute|", "t1", False) in made and ("compute|", name(RUN), True) in made
    assert name(BAD) not in {m[1] for m in made}
    # The plan that was only gone through again did, and is kept; one that had to be changed on the way is not.
    assert [m[2] for m in made if m[0] == PLAN] == [True]
    changed = Plan(tape.plan.subtasks, revision=1, reason="no")
    tape = Tape()
    tape.act(BAD, changed=("out.txt",), recalled="t1")
    tape.verdict("unmet")
    tape.add("plan.changed", plan=to_json(changed), reason="no")
    tape.act(RUN, changed=("out.txt",))
    tape.verdict("met")
    assert not any(m[0] == PLAN for m in tape.taught())


def test_an_action_is_counted_without_its_text_only_where_the_run_was_met() -> None:
    tape = Tape()
    tape.act(RUN, changed=("out.txt",))
    tape.verdict("unmet")
    assert not any("~" in m[0] for m in tape.taught())
    tape.act(BAD, changed=("out.txt",))
    tape.act(DONE)
    tape.verdict("met")
    made = tape.taught()
    # after work that was not accepted it is another position: what is done then may be something else
    assert [m for m in made if "~" in m[0]] == [
        (start("compute", False), bare(RUN), True),
        (written("compute", True), bare(RUN), True),
        (written("compute", True), FINISH.id, True),
    ]


def test_what_was_recalled_without_its_text_is_no_worse_for_a_text_that_did_not_do() -> None:
    for verdict, ok in (("met", True), ("unmet", False)):
        tape = Tape()
        tape.act(BAD, changed=("out.txt",), recalled="t1", at=start("compute", False))
        tape.verdict("unmet")
        tape.act(RUN, changed=("out.txt",))
        tape.verdict(verdict)
        assert (start("compute", False), "t1", ok) in tape.taught()


def test_only_who_came_to_an_action_by_themselves_vouches_for_it() -> None:
    move = Action.of("move_file", source="a.csv", target="out.txt")
    tape = Tape()
    tape.act(move, changed=("out.txt",), recalled=name(move))
    tape.verdict("met")
    made = lessons(tape.read(), TEXTS)
    assert [x.position for x in made if x.template == name(move)] == ["compute|", start("compute", False)]
    assert all(x.body is None for x in made if x.template == name(move))


def test_what_is_lifted_anew_under_another_name_is_still_what_was_recalled() -> None:
    tape = Tape()
    tape.act(RUN, changed=("out.txt",), recalled="t1", at="compute|")  # today it would be lifted to name(RUN)
    tape.act(Action.of("move_file", source="a.csv", target="b.csv"), changed=("b.csv",))
    tape.verdict("met")
    made = lessons(tape.read(), TEXTS)
    assert name(RUN) not in {x.template for x in made}
    [after] = [x for x in made if x.position == position("compute", ["t1"])]
    assert after.body is not None, "what the run came to by itself, it teaches"
    tape = Tape()
    tape.act(RUN, changed=("out.txt",), recalled=bare(RUN), at=start("compute", False))
    tape.verdict("met")
    [own] = [x for x in lessons(tape.read(), TEXTS) if x.template == name(RUN)]
    assert own.body is not None, "its text was written by the model"


def test_a_rating_taken_back_leaves_a_run_that_ran_out_of_steps_unmet() -> None:
    tape = Tape(checks=("test -s out.txt",))
    tape.act(RUN, changed=("out.txt",), recalled="t1")
    tape.add("run.finished", result={"status": "budget"})
    assert tape.read().met is False
    tape.add("person.said", kind="rating", rating="good")
    tape.verdict("met", "person")
    assert tape.read().met is True
    tape.add("person.said", kind="rating", rating="none")
    tape.verdict("unverified", "environment")  # what there was before, as `judge.person.rate` records it
    assert tape.read().met is False and ("compute|", "t1", False) in tape.taught()
    tape.add("run.resumed", pid=1)
    assert tape.read().met is None, "it goes on"
    tape.verdict("met")
    tape.add("run.finished", result={"status": "met"})
    assert tape.read().met is True


def test_the_return_from_a_step_on_leaves_out_what_was_not_accepted() -> None:
    tape = Tape()
    tape.act(BAD, changed=("out.txt",), reward=-0.3)
    tape.verdict("unmet")
    tape.act(RUN, changed=("out.txt",), reward=-0.1)
    tape.verdict("met")
    [kept] = [x for x in lessons(tape.read(), TEXTS) if x.template == name(RUN) and x.position == "compute|"]
    assert kept.value == pytest.approx(0.9)


def test_what_is_not_to_be_learnt_says_so() -> None:
    assert Tape(learn=False).read().learn is False
    tape = Tape()
    tape.add("person.said", kind="forget", text="")
    assert tape.read().learn is False


def test_returns_run_to_the_end() -> None:
    tape = Tape()
    tape.act(LOOK, reward=-0.25)
    tape.act(RUN, changed=("out.txt",), recalled="t1", reward=-0.5)
    tape.verdict("met")
    (found,) = [x for x in lessons(tape.read(), TEXTS) if x.template == "t1"]
    assert found.value == pytest.approx(0.5)


def test_plans_of_one_form_are_one_plan_whatever_they_are_about() -> None:
    lifter = Lifter(HERE)
    one = lift_plan(Tape().plan, lifter)
    other = lift_plan(Plan((Subtask(1, "Other words", "compute", "", (Predicate("exists", "x.md"),)),)), lifter)
    third = lift_plan(Plan((Subtask(1, "Other words", "write", ""),)), lifter)
    assert plan_id(one) == plan_id(other) != plan_id(third)


def test_an_empty_run_is_no_lesson() -> None:
    assert lessons(read_run([]), TEXTS) == [] and read_run([]).met is None
