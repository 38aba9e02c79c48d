"""What the planner makes of a small model's plans: nothing needless, nothing invented, kinds put right."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wornpath import Goal, Plan, ScriptedChat
from wornpath.experience.text import identifiers
from wornpath.llm.tokens import count
from wornpath.planner import KINDS, Planner, carried

FILES = {"sales.csv", "notes.txt"}
planner = Planner(ScriptedChat([]), FILES.__contains__)


def plan(goal: str, *subtasks: tuple[str, str, str]) -> Plan:
    items = [
        {"do": do, "kind": kind, "output": output, "has": ["region", "total", "moon"]} for do, kind, output in subtasks
    ]
    return planner.read(json.dumps({"subtasks": items}), Goal(goal))


def outputs(made: Plan) -> list[list[str]]:
    return [[p.path for p in s.predicates if p.kind == "exists"] for s in made.subtasks]


@pytest.mark.parametrize("notes", [[f"note number {i} of this folder" for i in range(400)], ["and that " * 9000]])
def test_notes_take_their_share_of_the_prompt_and_no_more(notes: list[str]) -> None:
    [_, bare], [_, noted] = (
        planner.messages(Goal("Sum it"), "a.csv", []),
        planner.messages(Goal("Sum it"), "a.csv", notes),
    )
    taken = count(str(noted["content"])) - count(str(bare["content"]))
    assert 0 < taken <= planner.chat.sizes.state // 2 + 5
    assert "note number 399" in str(noted["content"]) or len(notes) == 1, "the newest stay"


@pytest.mark.parametrize("word", ["a", "中", "1-", "a.", "as", "x_"])
def test_a_very_long_word_is_read_at_once(word: str) -> None:
    """Where the time grew with the square of the length, these took minutes."""
    goal = Goal(f"Write {word * 50_000} to out7.csv")
    made = planner.read(json.dumps({"subtasks": [{"do": "Write it", "kind": "write", "output": "out7.csv"}]}), goal)
    assert outputs(made) == [["out7.csv"]]
    assert planner.read("{}", goal).subtasks and "out7" in identifiers(goal.text)


def test_looking_at_files_before_a_computation_is_no_subtask() -> None:
    made = plan(
        "Sum sales.csv by region into out.csv (region,total)",
        ("Read sales.csv", "read", "sales.csv"),
        ("Load the file sales.csv", "compute", "sales.csv"),
        ("Sum it by region", "compute", "out.csv"),
    )
    assert outputs(made) == [["out.csv"]] and made.subtasks[0].id == 1
    columns = next(p for p in made.subtasks[0].predicates if p.kind == "header")
    assert columns.values == ("region", "total"), "only what the goal names is asked for"


def test_files_that_nobody_asked_for_and_files_made_already_are_dropped() -> None:
    made = plan(
        "Sum sales.csv into out.csv",
        ("Sum it", "compute", "out.csv"),
        ("Write a summary", "write", "summary.txt"),
        ("Save the sums", "compute", "out.csv"),
        ("Read out.csv", "read", ""),
    )
    assert outputs(made) == [["out.csv"]]


def test_what_is_made_again_is_made_and_not_read() -> None:
    """As in a second run, when the file of the first is there; the rest is an example of the prompt, word for word."""
    made = plan(
        "Sum the notes and write sales.csv with the columns region,total.",
        ("Read the notes, sum them, and write the results to sales.csv", "compute", "sales.csv"),
        ("Write a text that thanks the authors", "write", "thanks.txt"),
    )
    assert outputs(made) == [["sales.csv"]] and made.subtasks[0].kind == "compute"


def test_what_an_example_says_is_no_subtask_unless_the_goal_says_it() -> None:
    thanks = "Write a text that thanks the authors"
    made = plan("Look for a boat in the letters", ("Look for a boat", "find", ""), (thanks, "write", "thanks.txt"))
    assert [s.kind for s in made.subtasks] == ["find"]
    made = plan(f"{thanks} to thanks.txt", (thanks, "write", "thanks.txt"))
    assert outputs(made) == [["thanks.txt"]]


@pytest.mark.parametrize("touch", ["Sort out.csv by region", "Round the sums", "按地区排序", "Save the table"])
def test_a_last_touch_is_no_subtask(touch: str) -> None:
    goal = "Sum sales.csv by region into out.csv, sorted by region"
    made = plan(goal, ("Sum it by region", "compute", "out.csv"), (touch, "organise", ""))
    assert outputs(made) == [["out.csv"]]


@pytest.mark.parametrize(
    "look", ["Run test_lib.py to ensure the bug is fixed", "Print 'ok' to indicate success", "Test lib.py", "验证结果"]
)
def test_looking_over_the_work_is_no_subtask_unless_the_goal_says_so(look: str) -> None:
    goal = "There is a bug in lib.py; mend it so that test_lib.py passes"
    mend = ("Mend the bug in lib.py", "code", "")
    assert [s.kind for s in plan(goal, mend, (look, "compute", "")).subtasks] == ["code"]
    asked = f"{goal}, ensure that, indicate it and test lib.py, 并验证结果"
    assert [s.kind for s in plan(asked, mend, (look, "compute", "")).subtasks] == ["code", "compute"]
    assert len(plan(goal, ("Verify the links of index.html", "read", "")).subtasks) == 1


def test_a_computation_that_makes_no_file_is_a_part_of_the_one_that_does() -> None:
    made = plan(
        "Sum the sheets of north/ by region into out.csv",
        ("Read the sheets", "read", "north/*.xlsx"),
        ("Take the region of each", "compute", ""),
        ("Sort them", "organise", "north/*.xlsx|region"),
        ("Write the sums", "compute", "out.csv"),
    )
    assert outputs(made) == [["out.csv"]]


def test_sorting_files_is_work_of_its_own() -> None:
    goal = "Sum sales.csv into out.csv, then sort the files in inbox by type"
    made = plan(goal, ("Sum it", "compute", "out.csv"), ("Sort the files by type", "organise", ""))
    assert outputs(made) == [["out.csv"], []]


def test_sorting_a_folder_that_is_there_is_work_of_its_own() -> None:
    goal = "Sum sales.csv into out.csv, then sort inbox/ by type"
    items = [
        {"do": "Sum it", "kind": "compute", "output": "out.csv", "has": []},
        {"do": "Sort inbox/ by type", "kind": "organise", "output": "", "has": []},
    ]
    there = Planner(ScriptedChat([]), {"sales.csv", "inbox"}.__contains__)
    made = there.read(json.dumps({"subtasks": items}), Goal(goal))
    assert outputs(made) == [["out.csv"], []]


@pytest.mark.parametrize(
    "sorting", ["Sort the inbox by id", "Sort inbox by the id.", "按 id 排序", "按id排序 inbox 按id"]
)
def test_rows_put_in_order_by_a_field_are_no_subtask_though_a_folder_has_their_name(sorting: str) -> None:
    goal = "Write out.json from inbox/: the id and the sum of each, sorted by id"
    items = [
        {"do": "Write out.json", "kind": "compute", "output": "out.json", "has": ["id", "sum"]},
        {"do": sorting, "kind": "organise", "output": "", "has": []},
    ]
    there = Planner(ScriptedChat([]), {"inbox"}.__contains__)
    assert outputs(there.read(json.dumps({"subtasks": items}), Goal(goal))) == [["out.json"]]


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("columns total,region", "header", ("total", "region")),
        ("列为 total、region", "header", ("total", "region")),
        ("the region of each and its total", "columns", ("region", "total")),
        ("the region alone", "columns", ("region",)),
        ("columns region,sum,total, sorted by sum", "header", ("region", "sum", "total")),
        ("列为 total,region,数量，按 total 排序", "header", ("total", "region", "数量")),
    ],
)
def test_columns_that_the_goal_lists_are_in_its_order(text: str, kind: str, values: tuple[str, ...]) -> None:
    made = plan(f"Sum sales.csv into out.csv: {text}", ("Sum it", "compute", "out.csv"))
    found = made.subtasks[0].predicates[-1]
    assert (found.kind, found.values) == (kind, values)


def test_a_file_is_no_column() -> None:
    """The 1.5B lists in `has` what a subtask starts from."""
    goal = "Clean sales.csv and save it as clean.csv. Then write summary.csv with the columns branch,total"
    items = [
        {"do": "Drop duplicate rows", "kind": "compute", "output": "clean.csv", "has": ["sales.csv"]},
        {"do": "Sum the totals", "kind": "compute", "output": "summary.csv", "has": ["Clean.csv", "total"]},
    ]
    made = Planner(ScriptedChat([]), {"sales.csv"}.__contains__).read(json.dumps({"subtasks": items}), Goal(goal))
    expected = [(p.kind, p.path, p.values) for s in made.subtasks for p in s.predicates]
    assert ("header", "summary.csv", ("branch", "total")) in expected
    assert not [kind for kind, path, _ in expected if path == "clean.csv" and kind != "exists"]


def test_a_new_plan_keeps_what_was_expected_of_files_it_forgets() -> None:
    goal = "Sum sales.csv into out.csv"
    before = plan(goal, ("Sum it", "compute", "out.csv"))
    again = plan(goal, ("Try it in another way", "code", ""))
    expected = before.subtasks[0].predicates
    assert carried(again, before, Goal(goal)).subtasks[-1].predicates == expected
    assert carried(before, before, Goal(goal)) == before
    narrower = plan(f"{goal}: region, total", ("Sum it", "compute", "out.csv"))
    wider = plan(f"{goal}: columns region,total,x", ("Sum", "compute", "out.csv"))
    kept = carried(narrower, wider, Goal(goal)).subtasks[0].predicates
    assert [p.values for p in kept] == [(), ("region", "total", "x")]
    assert carried(narrower, wider, Goal("Sum it")) == narrower, "the goal does not name the file"
    done = replace(before, subtasks=(replace(before.subtasks[0], status="done"),))
    assert carried(again, done, Goal(goal)).subtasks[-1].predicates == expected, "all was done, and refused"
    half = replace(before, subtasks=(*done.subtasks, *plan(goal, ("Draw it", "code", "")).subtasks))
    assert carried(again, half, Goal(goal)) == again
    looking = plan(goal, ("Look for it", "find", ""))
    assert carried(looking, before, Goal(goal)) == looking


def test_fragments_of_one_kind_are_one_subtask_in_the_goals_words() -> None:
    goal = "Tidy inbox by type"
    made = plan(goal, *((f"Move the {kind} files", "organise", kind) for kind in ("mp3", "pdf", "csv")))
    assert [s.description for s in made.subtasks] == [goal]


def test_the_files_that_are_moved_about_are_nothing_that_is_made() -> None:
    goal = "Tidy inbox by type"
    made = plan(goal, ("Move the mp3 files", "organise", "song.mp3"), ("Move the pdf files", "organise", "inbox/a.pdf"))
    assert [(s.description, s.predicates) for s in made.subtasks] == [(goal, ())]


@pytest.mark.parametrize(
    "how", ["as in 2026-01-31_some-name.txt", "例如2026-01-31_some-name.txt（小写）", "like a/b_c.txt"]
)
def test_a_name_that_shows_what_names_look_like_is_nothing_that_is_made(how: str) -> None:
    goal = f"Rename the files in new/ after their first lines, {how}"
    name = next(word for word in ("2026-01-31_some-name.txt", "a/b_c.txt") if word in goal)
    for output in (name, "new/scan_1.txt"):
        assert plan(goal, ("Rename them", "organise", output)).subtasks[0].predicates == ()
    made = plan(f"{goal}; list them in names.txt", ("List them", "write", "list.txt"))
    assert [p.path for p in made.subtasks[0].predicates] == ["names.txt"]


@pytest.mark.parametrize("name", ["letters/<number>.md", "letters/{number}.md", "letters/[customer name]_1.md"])
def test_a_name_with_a_place_in_it_is_no_one_file(name: str) -> None:
    goal = f"Fill the template for every row of a.xlsx and save each as {name}"
    assert (
        plan(goal, (goal, "compute", ""), ("Save the result to output.csv", "write", "output.csv"))
        .subtasks[0]
        .predicates
        == ()
    )
    made = plan(f"{goal}; list them in index.csv", ("List them", "compute", "index.csv"))
    assert [p.path for p in made.subtasks[0].predicates] == ["index.csv"]


def test_a_search_and_the_copy_of_what_it_finds_are_one_subtask() -> None:
    goal = "Find the policy of Ada and copy it to found.txt"
    made = plan(goal, ("Search for Ada", "find", ""), ("Copy the found file to found.txt", "code", "found.txt"))
    assert [(s.kind, s.description) for s in made.subtasks] == [("find", goal)]


@pytest.mark.parametrize(
    ("do", "kind", "output", "wanted"),
    [
        ("Write the table out.csv", "write", "out.csv", "compute"),
        ("Draw out.png", "other", "out.png", "compute"),
        ("Write the letter out.txt", "write", "out.txt", "write"),
        ("Copy it to out.txt", "write", "out.txt", "find"),
        ("复制到 out.txt", "write", "out.txt", "find"),
        ("Fix the bug", "code", "", "code"),
        ("Do it", "nonsense", "", "other"),
    ],
)
def test_kinds_follow_what_a_subtask_makes(do: str, kind: str, output: str, wanted: str) -> None:
    assert plan(f"{do} {output}", (do, kind, output)).subtasks[0].kind == wanted


def test_outputs_are_spelled_as_the_goal_spells_them() -> None:
    assert outputs(plan("写一篇文章，存到 文章.md", ("Write an article", "write", "article.md"))) == [["文章.md"]]
    two = plan("Write a.md and b.md", ("Write it", "write", "c.md"))
    assert outputs(two) == [["c.md"]], "which of the two is meant, nobody can tell"


def test_a_folder_that_the_model_left_out_is_put_back() -> None:
    made = plan("Sum sales.csv by month into out/by_month.csv", ("Sum it", "compute", "by_month.csv"))
    assert outputs(made) == [["out/by_month.csv"]]


def test_computations_alone_are_one_program_that_sees_the_whole_goal() -> None:
    goal = "Clean sales.csv into clean.csv and sum it in sums.csv"
    made = plan(goal, ("Clean it", "compute", "clean.csv"), ("Sum it", "compute", "sums.csv"))
    assert outputs(made) == [["clean.csv", "sums.csv"]]
    assert made.subtasks[0].description == goal and "sums.csv" in made.subtasks[0].criterion


def test_several_wanted_files_stay_several_subtasks() -> None:
    made = plan(
        "Clean sales.csv into clean.csv, sum it in sums.csv and write letter.txt about it",
        ("Clean it", "compute", "clean.csv"),
        ("Sum it", "compute", "sums.csv"),
        ("Write the letter", "write", "letter.txt"),
    )
    assert outputs(made) == [["clean.csv"], ["sums.csv"], ["letter.txt"]] and [s.id for s in made.subtasks] == [1, 2, 3]


@given(
    st.text(max_size=300)
    | st.recursive(st.none() | st.booleans() | st.text(max_size=20), st.lists, max_leaves=9).map(json.dumps)
)
def test_any_answer_gives_a_plan(text: str) -> None:
    made = planner.read(text, Goal("Do the thing"))
    assert 1 <= len(made.subtasks) <= 7 and all(s.kind in KINDS for s in made.subtasks)


def test_mutated_plans_give_plans() -> None:
    rng = random.Random(4)
    whole = json.dumps(
        {
            "subtasks": [
                {"do": "Sum it", "kind": "compute", "output": "out.csv", "has": ["a"]},
                {"do": "x", "output": 3, "has": {}},
            ]
        }
    )
    for _ in range(2000):
        chars = list(whole)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(chars))
            chars[at : at + rng.randint(0, 3)] = rng.choice(['"', "}", "[", "null", "../", "", "\\", "/etc"])
        made = planner.read("".join(chars), Goal("Sum it into out.csv"))
        assert 1 <= len(made.subtasks) <= 7
        for predicate in (p for s in made.subtasks for p in s.predicates):
            assert not predicate.path.startswith("/") and ".." not in predicate.path.split("/")
