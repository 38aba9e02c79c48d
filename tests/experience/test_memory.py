"""The memory: what is learnt is counted, what is forgotten is gone as if it had never been there, and damage is told in a sentence."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wornpath.core import Plan, Predicate, StoreError, Subtask
from wornpath.experience.doubt import WITNESSES
from wornpath.experience.lessons import PLAN, start
from wornpath.experience.lifting import Lifter
from wornpath.experience.memory import SCHEMA_VERSION, Memory, within
from wornpath.experience.plans import agree_plans, fill_predicate, lift_plan, plan_id
from wornpath.experience.records import Lesson, Outcome
from wornpath.experience.situation import Situation
from wornpath.experience.template import Hole, Template


def body(*roles: str, was: str = "a", tool: str = "read_file") -> Template:
    return Template(tool, {"path": (Hole(frozenset((r, "=") for r in roles), was),)})


def lesson(ok: bool = True, value: float = 1.0, at: str = "find|", template: Template | None = None) -> Lesson:
    template = template or body("file.csv", "goal.file")
    return Lesson(at, template.id, ok, value, "action", template)


def here(words: str = "sum csv", layout: str = "") -> Situation:
    return Situation(words=frozenset(words.split()), shape=frozenset({"in.csv"}), layout=layout)


def dump(memory: Memory) -> dict[str, list[Any]]:
    """All that is recalled from, without the numbers of rows."""
    return {
        "member": memory._all(
            "select run_id, name, words, shape, met, arm from member join family on id = family order by run_id"
        ),
        "template": memory._all(
            "select name, template.id, body from template join family on family.id = family order by 1, 2, 3"
        ),
        "tally": [
            (*row, round(value, 9))
            for *row, value in memory._all(
                "select name, position, template, ok, bad, recent, tally.value from tally join family on id = family order by 1, 2, 3"
            )
        ],
    }


def test_an_empty_memory_knows_nothing() -> None:
    memory = Memory()
    assert memory.family(here()) is None and memory.families() == {} and memory.runs() == set()
    assert memory.evidence("x", "find|", here().contexts) == [] and memory.bodies("x", "y") == []
    assert not memory.forget("x") and memory.forget_family("x") == 0 and not memory.knows("x", "y")


def test_evidence_tells_apart_the_contexts_and_today_counts_most() -> None:
    memory = Memory()
    one, other = here(layout="comma"), here(layout="semicolon")
    for i in range(4):
        memory.learn(f"a{i}", "sums", one, [lesson(True)], Outcome(True))
    memory.learn("b", "sums", other, [lesson(False)], Outcome(False))
    ((there,), (now,)) = (memory.evidence("sums", "find|", s.contexts) for s in (one, other))
    assert (there.closest.ok, there.closest.bad, now.closest.ok, now.closest.bad) == (4, 0, 0, 1)
    assert now.records[0] == there.records[0] and now.records[0] is not None and now.records[0].recent == "++++-"
    assert now.chance < 0.5 < there.chance


def test_what_only_tainted_runs_taught_is_vouched_for_by_nobody() -> None:
    memory, known = Memory(), lesson()
    recalled = Lesson(known.position, known.template, True, 1.0)
    memory.learn("outside", "sums", here(), [known], Outcome(True), tainted=True)
    memory.learn("recalled it", "sums", here(), [recalled], Outcome(True))
    memory.learn("recalled it elsewhere, too", "sums", here(), [recalled, lesson(at="write|")], Outcome(True))
    assert memory.knows("sums", known.template) and not memory.vouched("sums", known.template)
    memory.learn("came to it by itself", "sums", here(), [lesson()], Outcome(True))
    assert memory.vouched("sums", known.template) and not memory.vouched("mails", known.template)
    memory.forget("came to it by itself")
    assert not memory.vouched("sums", known.template)
    memory.learn("outside", "sums", here(), [known], Outcome(True))
    assert memory.vouched("sums", known.template), "it was learnt anew, and is tainted no more"
    memory.forget_family("sums")
    assert not memory._all("select * from doubted")


def test_several_tainted_runs_that_came_to_the_same_vouch_for_it() -> None:
    memory, known = Memory(), lesson()
    for number in range(WITNESSES):
        assert not memory.vouched("sums", known.template)
        memory.learn(f"outside {number}", "sums", here(), [known], Outcome(True), tainted=True)
    assert memory.vouched("sums", known.template)
    memory.forget("outside 1")
    assert not memory.vouched("sums", known.template)


@pytest.mark.parametrize("tainted", [True, False])
def test_who_was_recalled_to_something_anywhere_is_no_witness_of_it(tainted: bool) -> None:
    memory, known = Memory(), lesson()
    memory.learn("outside", "sums", here(layout="comma"), [known], Outcome(True), tainted=True)
    recalled = [Lesson(known.position, known.template, True, 1.0), lesson(at="write|")]
    for number in range(WITNESSES):
        memory.learn(f"{number}", "sums", here(layout="comma"), recalled, Outcome(True), tainted=tainted)
    assert not memory.vouched("sums", known.template)
    for number in range(WITNESSES - 1):
        assert not memory.vouched("sums", known.template)
        memory.learn(f"outside {number}", "sums", here(), [known, lesson(at="write|")], Outcome(True), tainted=True)
    assert memory.vouched("sums", known.template)


def test_a_run_that_is_rated_later_keeps_its_place_in_time() -> None:
    memory = Memory()
    for number in range(8):
        memory.learn(f"run {number}", "sums", here(), [lesson()], Outcome(True, "skipped"))
    memory.learn("run 1", "sums", here(), [lesson(ok=False, value=0.0)], Outcome(False, "skipped"))
    assert memory.records("sums", "find|")[0].recent == "+-++++++"
    assert [met for _, met, _ in memory.outcomes("sums")] == [True, False, *[True] * 6]


def test_families_lend_each_other_what_several_of_them_vouch_for() -> None:
    memory, at = Memory(), start("compute", False)
    program, other = Template("python", {}), body("goal.file.new", tool="write_file")
    for number, family in enumerate(("sums", "sums", "sums", "mails")):
        memory.learn(f"run {number}", family, here(), [lesson(at=at, template=program)], Outcome(True))
    memory.learn("by hand", "mails", here(), [lesson(at=at, template=other)], Outcome(True))
    memory.learn("outside", "letters", here(), [lesson(at=at, template=other)], Outcome(True), tainted=True)
    [(known, lender)] = memory.elsewhere("new", at)
    assert (known.template, known.closest.ok, lender in ("sums", "mails")) == (program.id, 4, True)
    assert memory.bodies(lender, program.id) == [program]
    assert memory.elsewhere("sums", at) == [], "one family alone is none of several"
    assert memory.elsewhere("new", "compute|") == [], "only positions at which a text is written are lent"
    memory.forget_family("mails")
    assert memory.elsewhere("new", at) == []


def test_a_memory_of_an_older_version_gets_the_table(tmp_path: Path) -> None:
    Memory(tmp_path / "m").learn("1", "sums", here(), [lesson()], Outcome(True))
    with sqlite3.connect(tmp_path / "m") as db:
        db.execute("drop table doubted")
    db.close()
    assert Memory(tmp_path / "m").vouched("sums", lesson().template)


def test_a_goal_belongs_to_the_family_of_the_most_similar_one() -> None:
    memory = Memory()
    memory.learn("1", "sums", here("add sum amount"), [], Outcome(True))
    memory.learn("2", "mails", here("sort mail folder"), [], Outcome(True))
    assert memory.family(here("add sum amount please")) == "sums"
    assert memory.family(here("sort mail")) == "mails"
    assert memory.family(Situation(words=frozenset({"compile"}), shape=frozenset({"in.py"}))) is None
    assert memory.new_name(here("add")) == "add" and memory.new_name(here()) == "csv-sum"
    memory.learn("3", "add", here("add"), [], Outcome(True))
    assert memory.new_name(here("add")) == "add-2"


def test_only_met_goals_make_words_known() -> None:
    memory = Memory()
    memory.learn("1", "sums", here("add sum"), [], Outcome(True))
    memory.learn("2", "sums", here("add refunds"), [], Outcome(False))
    memory.learn("3", "sums", here("add tips"), [], Outcome(None))
    assert memory.known_words("sums") == {"add", "sum"}
    assert memory.outcomes("sums") == [("sums", True, ""), ("sums", False, "")]


RUN = st.tuples(
    st.sampled_from(["sums", "mails"]),
    st.sampled_from(["", "comma", "semicolon"]),
    st.lists(
        st.builds(
            lesson,
            st.booleans(),
            st.sampled_from([-1.0, 0.0, 0.25, 1.0]),
            st.sampled_from(["find|", "compute|"]),
            st.sampled_from([body("r1", "r2"), body("r2", "r3"), body("r4", was="b"), body("r1", tool="x"), None]),
        ),
        max_size=4,
    ),
    st.sampled_from([True, False, None]),
)


def tell(memory: Memory, number: int, run: Any) -> None:
    family, layout, lessons, met = run
    memory.learn(f"run{number}", family, here(layout=layout), lessons, Outcome(met))


@given(st.lists(RUN, max_size=7))
def test_the_tally_is_what_a_recount_gives(runs: list[Any]) -> None:
    memory = Memory()
    for number, run in enumerate(runs):
        tell(memory, number, run)
    for family in ("sums", "mails"):
        for at in ("find|", "compute|"):
            told = [x for f, _, lessons, _ in runs if f == family for x in lessons if x.position == at]
            for record in memory.records(family, at):
                mine = [x for x in told if x.template == record.template]
                assert (record.ok, record.bad) == (sum(x.ok for x in mine), sum(not x.ok for x in mine))
                assert record.value == pytest.approx(sum(x.value for x in mine) / len(mine))
                assert record.recent == "".join("-+"[x.ok] for x in mine)[-8:]
            assert {r.template for r in memory.records(family, at)} == {x.template for x in told}
    memory.close()


@given(st.lists(RUN, min_size=1, max_size=7), st.data())
def test_what_is_forgotten_was_never_there(runs: list[Any], data: st.DataObject) -> None:
    left = data.draw(st.integers(0, len(runs) - 1))
    memory, other = Memory(), Memory()
    for number, run in enumerate(runs):
        tell(memory, number, run)
        if number != left:
            tell(other, number, run)
    assert memory.forget(f"run{left}")
    assert dump(memory) == dump(other)
    assert not memory.forget(f"run{left}")


@given(st.lists(RUN, min_size=1, max_size=5))
def test_learning_a_run_anew_changes_nothing(runs: list[Any]) -> None:
    memory = Memory()
    for number, run in enumerate(runs):
        tell(memory, number, run)
    before = dump(memory)
    tell(memory, len(runs) - 1, runs[-1])
    assert dump(memory) == before


def test_what_a_forgotten_run_taught_is_gone_although_others_recalled_it() -> None:
    """A poisoned action does not live on in the runs that took it over."""
    memory = Memory()
    evil = body("file.csv", tool="python")
    memory.learn("bad", "sums", here(), [lesson(template=evil)], Outcome(True))
    memory.learn("later", "sums", here(), [Lesson("find|", evil.id, True, 1.0)], Outcome(True, "skipped"))
    assert memory.bodies("sums", evil.id) == [evil]
    memory.forget("bad")
    assert memory.bodies("sums", evil.id) == [] and not memory.knows("sums", evil.id)


def test_a_forgotten_family_leaves_nothing_to_the_next() -> None:
    memory = Memory()
    memory.learn("1", "sums", here(), [lesson()], Outcome(True))
    assert memory.forget_family("sums") == 1
    memory.learn("2", "other", here(), [], Outcome(True))
    assert memory.records("other", "find|") == [] and memory.families()["other"]["runs"] == 1
    memory.clear()
    assert memory.runs() == set() and memory.families() == {}


def test_uses_narrow_what_explains_a_value_and_what_does_not_agree_stands_beside() -> None:
    memory = Memory()
    for number, template in enumerate((body("r1", "r2"), body("r2", "r3", was="b"), body("r9", was="c"))):
        memory.learn(str(number), "sums", here(), [lesson(template=template)], Outcome(True))
    found = memory.bodies("sums", body("x").id)
    assert [sorted(r for h in t.holes() for r, _ in h.roles) for t in found] == [["r2"], ["r9"]]


def test_it_is_there_again_and_shared(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "memory.sqlite3"
    memory = Memory.shared(path)
    assert Memory.shared(path) is memory
    memory.learn("1", "sums", here(), [lesson()], Outcome(True))
    before = dump(memory)
    memory.close()
    assert dump(memory) == before == dump(Memory(path))


def test_a_file_from_before_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "memory.sqlite3"
    memory = Memory(path)
    memory.learn("1", "sums", here(), [lesson()], Outcome(True))
    memory._db.executescript("drop table taught; drop index member_order; pragma user_version=1")
    memory.close()
    assert memory.families()["sums"]["runs"] == 1
    memory.learn("2", "sums", here(), [lesson()], Outcome(True))
    assert memory.records("sums", "find|")[0].ok == 2
    memory.close()


def test_damage_is_told_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "memory.sqlite3"
    path.write_bytes(b"no database" * 100)
    for act in (
        lambda m: m.families(),
        lambda m: m.learn("1", "x", here(), [], Outcome(True)),
        lambda m: m.forget("1"),
    ):
        with pytest.raises(StoreError, match=r"memory\.sqlite3 cannot be .*move it away"):
            act(Memory(path))
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match="cannot be opened"):
        Memory(path).families()


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "memory.sqlite3"
    with sqlite3.connect(path) as db:
        db.execute(f"pragma user_version={SCHEMA_VERSION + 1}")
    db.close()
    with pytest.raises(StoreError, match="newer release"):
        Memory(path).families()


def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "memory.sqlite3")
    memory.learn("1", "sums", here(), [lesson()], Outcome(True))
    before = dump(memory)
    broken: Any = Lesson("find|", "t", True, None)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="cannot be written"):
        memory.learn("2", "sums", here(), [lesson(), broken], Outcome(True))
    assert dump(memory) == before
    memory.close()


def test_a_position_in_a_context() -> None:
    assert within("find|", "") == "find|" and within("find|", "files x") == "find| @ files x"


def plan(path: str, says: str = "Do it", kind: str = "compute", **roles: str) -> dict[str, Any]:
    """A plan that expects PATH, where it plays ROLES."""
    made = Plan(
        (
            Subtask(1, says, kind, "", (Predicate("exists", path),)),  # type: ignore[arg-type]
            Subtask(2, "Look at it", "read", ""),
        )
    )
    return lift_plan(made, Lifter(Situation({r.replace("_", "."): (v,) for r, v in roles.items()})))


def expected(body: Any) -> list[set[str]]:
    """The roles of what a plan expects."""
    return [
        {r for h in Template.from_dict(e).holes() for r, _ in h.roles} for s in body["subtasks"] for e in s["expects"]
    ]


def test_a_plan_that_expects_the_goals_columns_does_for_any_number_of_them() -> None:
    def table(*columns: str) -> tuple[dict[str, Any], Situation]:
        where = Situation({"goal.file.new": ("out.csv",), "goal.columns": columns, "goal.columns first": columns[:1]})
        made = Plan((Subtask(1, "Do it", "compute", "", (Predicate("header", "out.csv", columns),)),))
        return lift_plan(made, Lifter(where)), where

    (three, _), (two, today) = table("day", "sum", "file"), table("month", "total")
    assert plan_id(three) == plan_id(two)
    both = agree_plans(three, two)
    assert both is not None
    (body,) = both["subtasks"][0]["expects"]
    assert fill_predicate(body, today) == Predicate("header", "out.csv", ("month", "total"))
    assert fill_predicate(body, Situation({"goal.file.new": ("out.csv",)})) is None


def test_two_columns_of_a_plan_are_never_one() -> None:
    """Each of the two played the same role; today one thing plays it."""
    where = Situation({"goal.file": ("out.csv",), "column": ("day", "sum")})
    made = Plan((Subtask(1, "Do it", "compute", "", (Predicate("header", "out.csv", ("day", "sum")),)),))
    body = lift_plan(made, Lifter(where))["subtasks"][0]["expects"][0]
    assert fill_predicate(body, Situation({"goal.file": ("out.csv",), "column": ("month",)})) is None


def test_plans_agree_on_the_roles_of_what_they_expect() -> None:
    one = plan("a.txt", goal_file="a.txt", file_old="a.txt")
    two = plan("b.md", "Other words", goal_file="b.md", file_new="b.md")
    assert plan_id(one) == plan_id(two)
    # each path plays one role that no other value does, so a third role in common is what says which is meant
    both = agree_plans(one, two)
    assert both is not None and expected(both) == [{"goal.file"}] and plan_id(both) == plan_id(one)
    assert agree_plans(one, plan("c.txt", file_new="c.txt")) is None
    assert agree_plans(one, one) == one


def test_how_a_subtask_is_worded_does_not_keep_plans_apart() -> None:
    one, two = (plan(p, says, goal_file=p) for p, says in (("a.txt", "Write a.txt"), ("b.txt", "Put it all down")))
    both = agree_plans(one, two)
    assert both is not None and both["subtasks"][0]["says"] == one["subtasks"][0]["says"]
    three = plan("c.txt", "Write c.txt", goal_file="c.txt")
    again = agree_plans(one, three)
    assert again is not None and [p["roles"] for p in again["subtasks"][0]["says"]["arguments"]["says"][1:2]]


PLANS = [
    plan("a.txt", goal_file="a.txt", file_old="a.txt"),
    plan("b.txt", "Write b.txt", goal_file="b.txt", file_new="b.txt"),
    plan("c.txt", file_new="c.txt"),
    plan("d.txt", "Write d.txt now", goal_file="d.txt"),
    plan("e.txt", column="x"),
    plan("a.txt", kind="write", goal_file="a.txt"),
]


@given(st.lists(st.sampled_from(range(len(PLANS))), min_size=1, max_size=7), st.data())
def test_forgetting_a_run_brings_the_plans_back_as_they_were(uses: list[int], data: st.DataObject) -> None:
    """The variants of a plan are what the other runs alone would have made of them, whichever is taken out."""
    left = data.draw(st.integers(0, len(uses) - 1))
    memory, other = Memory(), Memory()
    for number, use in enumerate(uses):
        told = Lesson(PLAN, plan_id(PLANS[use]), True, 1.0, "plan", PLANS[use])
        for known in (memory, other):
            if known is memory or number != left:
                known.learn(f"run{number}", "sums", here(), [told], Outcome(True))
    assert memory.forget(f"run{left}")
    assert dump(memory) == dump(other)
    for body in PLANS:
        assert memory.bodies("sums", plan_id(body)) == other.bodies("sums", plan_id(body))


def test_plans_of_one_form_are_narrowed_and_what_does_not_agree_stands_beside() -> None:
    memory = Memory()
    for number in (0, 1, 4, 3):
        told = Lesson(PLAN, plan_id(PLANS[number]), True, 1.0, "plan", PLANS[number])
        memory.learn(str(number), "sums", here(), [told], Outcome(True))
    found = [expected(b) for b in memory.bodies("sums", plan_id(PLANS[0]))]
    assert found == [[{"goal.file"}], [set()]]
    memory.forget("1")
    memory.forget("3")
    assert [expected(b) for b in memory.bodies("sums", plan_id(PLANS[0]))] == [[{"goal.file", "file.old"}], [set()]]
