"""Lifting: what was done is said in roles, and the same comes out in the same situation; nothing in a file's name or columns gets out of
the place it is put into."""

from __future__ import annotations

import ast
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wornpath.core import Action
from wornpath.experience.filling import fill
from wornpath.experience.lifting import Lifter
from wornpath.experience.naming import Names
from wornpath.experience.situation import Situation
from wornpath.experience.source import fitting, literals
from wornpath.experience.template import Hole, Template, agree

CODE = {"code": "code"}
NAME = st.text("abcdefgh销售éX0_- ", min_size=2, max_size=10).map(str.strip).filter(lambda t: len(t) > 1)


def situation(**roles: str | tuple[str, ...]) -> Situation:
    found = {r.replace("__", " ").replace("_", "."): (v,) if isinstance(v, str) else v for r, v in roles.items()}
    return Situation(found)


def code(text: str) -> Action:
    return Action.of("python", code=text)


def refill(text: str, then: Situation, now: Situation) -> list[str]:
    template = Lifter(then).lift(code(text), CODE)
    return [str(action.arguments["code"]) for action, _ in fill(template, now)]


JANUARY = situation(goal_file="january.csv", column="amount", goal_year="2026")
MARCH = situation(goal_file="march.csv", column="betrag", goal_year="2027")


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ("open('january.csv')", "open('march.csv')"),
        ('open(r"january.csv")', 'open(r"march.csv")'),
        ("row['amount'] + row.amount", "row['betrag'] + row.betrag"),
        ("table.amount()", "table.amount()"),  # a method
        ("amount = 1", "amount = 1"),  # the program's own name
        ("x = 2026", "x = 2027"),
        ("f'{x} of january.csv'", "f'{x} of march.csv'"),
        ("f'{january}'", "f'{january}'"),
        ("f'{x[\"amount\"]}'", None),  # lifted or not, by the version of Python; it has to run
        ("f'{{amount}} {x}'", None),
        ("'''\namount\n'''", "'''\nbetrag\n'''"),
        ("# amount\n", "# amount\n"),
        ("'total_amount'", "'total_amount'"),
        ("x = '\\x0c\u2028'\ny = 'amount'", "x = '\\x0c\u2028'\ny = 'betrag'"),
        ("x = '\u2028'; y = 'amount'", "x = '\u2028'; y = 'betrag'"),
        ("x = '\\amount'", "x = '\\amount'"),
        ("x = '销售'\ny = 'amount'", "x = '销售'\ny = 'betrag'"),
        ("x = 'a'\r\ny = 'amount'\r\n", "x = 'a'\r\ny = 'betrag'\r\n"),
        ("x = 'a'\ry = 'amount'", "x = 'a'\ry = 'amount'"),
        ("def f(:\n 'amount'", "def f(:\n 'amount'"),
        ("x = '''amount", "x = '''amount"),
        ("\0", "\0"),
        ("(" * 300, "(" * 300),
        ("", ""),
    ],
)
def test_a_program_is_done_again_with_todays_names(then: str, now: str | None) -> None:
    (made,) = refill(then, JANUARY, MARCH)
    if now is None:
        ast.parse(made)
    else:
        assert made == now


@given(NAME, NAME)
def test_lifted_and_filled_in_the_same_situation_it_is_the_same(one: str, other: str) -> None:
    here = situation(goal_file=f"{one}.csv", column=other)
    for action in (
        Action.of("copy_file", source=f"{one}.csv", destination=f"kept/{one}.csv"),
        Action.of("read_file", path=f"data/{other}.txt", page=3, deep=True, only=[one, other], where={"a": one}),
        code(f'x = open("{one}.csv").read()\ny = f"{other} {{x}}"'),
    ):
        template = Lifter(here).lift(action, CODE)
        assert action in [a for a, _ in fill(template, here)]
        assert action in [a for a, _ in fill(Lifter(here, roles=False).lift(action, CODE), here)]


@given(
    st.dictionaries(
        st.sampled_from(["goal.file", "column", "label", "goal.name"]), st.lists(NAME, max_size=3), max_size=4
    ),
    st.text(max_size=60),
)
def test_a_template_is_the_same_out_of_json(roles: dict[str, list[str]], text: str) -> None:
    here = Situation({r: tuple(v) for r, v in roles.items() if v})
    words = " ".join(v for values in roles.values() for v in values)
    for action in (code(f"x = {words!r}\n"), Action.of("move_file", source=words, destination=text, force=None)):
        template = Lifter(here).lift(action, CODE)
        again = Template.from_dict(json.loads(json.dumps(template.as_dict())))
        assert again == template and again.id == template.id


@given(st.text(max_size=30), st.sampled_from(["'", '"', "'''", '"""', "r'", 'f"', "rb'", "b'", "f'''"]))
def test_no_value_gets_out_of_its_literal(value: str, place: str) -> None:
    """Whatever a column or a file is called, the program keeps its form, and the text in it is the value."""
    written = fitting(value, place)
    if written is None:
        return
    quote = place.lstrip("rfb")
    tree = ast.parse(f"{place}{written} {quote}", mode="eval")
    body = tree.body
    if isinstance(body, ast.JoinedStr):
        assert all(isinstance(part, ast.Constant) for part in body.values)
        (said,) = [str(part.value) for part in body.values if isinstance(part, ast.Constant)]
    else:
        assert isinstance(body, ast.Constant)
        said = body.value.decode() if isinstance(body.value, bytes) else str(body.value)
    assert said == value + " "


@pytest.mark.parametrize(
    "evil", ['x"]); import os; os.system("id"); y = (["', "x\\", "a\nimport os", "{__import__('os')}"]
)
def test_a_column_is_no_way_into_the_program(evil: str) -> None:
    then, now = situation(column="amount"), situation(column=evil)
    for text in ('row["amount"]', "row['amount']", 'f"{x} amount"', "row.amount", "r'amount'"):
        for made in refill(text, then, now):
            calls = [n for n in ast.walk(ast.parse(made)) if isinstance(n, (ast.Call, ast.Import))]
            assert not calls, made


@pytest.mark.parametrize("evil", ["a;id", "$(id)", "-rf", "a b", "`id`", "a'b", "a\nb"])
def test_a_file_is_no_way_into_a_command(evil: str) -> None:
    template = Lifter(situation(file="a.txt")).lift(Action.of("shell", command="wc -l a.txt"), {})
    assert fill(template, situation(file=evil)) == []
    assert fill(template, situation(file="b/销售.txt"))[0][0].arguments["command"] == "wc -l b/销售.txt"


def test_numbers_and_names_stay_what_they_are() -> None:
    assert refill("x = 2026", JANUARY, situation(goal_year="07")) == []
    assert refill("row.amount", JANUARY, situation(column="the amount")) == []
    assert refill("row.amount", JANUARY, situation(column="class")) == []


def test_nothing_is_made_of_a_role_that_nobody_plays() -> None:
    assert refill("open('january.csv')", JANUARY, situation(column="x")) == []


def test_agreeing_narrows_to_what_both_know() -> None:
    one = Lifter(situation(goal_file="a.csv", file_newest="a.csv")).lift(code("open('a.csv')"), CODE)
    two = Lifter(situation(goal_file="b.csv", file_only="b.csv")).lift(code("open('b.csv')"), CODE)
    assert one.id == two.id
    both = agree(one, two)
    assert both is not None and both.id == one.id
    (hole,) = both.holes()
    assert {role for role, _ in hole.roles} == {"goal.file"} and hole.was is None
    alien = Lifter(situation(column="c.csv")).lift(code("open('c.csv')"), CODE)
    assert agree(both, alien) is None


@given(st.lists(st.frozensets(st.sampled_from(["a", "b", "c", "d"]), min_size=1), min_size=1, max_size=5))
def test_agreeing_only_ever_narrows(uses: list[frozenset[str]]) -> None:
    known: Template | None = None
    for roles in uses:
        new = Template("t", {"x": (Hole(frozenset((r, "=") for r in roles), "v"),)})
        if known is None:
            known = new
            continue
        both = agree(known, new)
        assert both is not None
        before, (after,) = next(known.holes()).roles, list(both.holes())
        assert after.roles == before & new.arguments["x"][0].roles
        known = both


def test_a_move_goes_over_all_files_each_with_its_own_target() -> None:
    """The target of a file is told by the file, whether it lies in a folder or not."""
    groups = {"images": ("jpg", "png"), "music": ("mp3",)}
    for folder in ("", "downloads/"):
        then = Situation({"file.jpg": (f"{folder}a.jpg",), "goal.group": tuple(groups)}, groups)
        template = Lifter(then).lift(
            Action.of("move_file", source=f"{folder}a.jpg", destination=f"{folder}images/a.jpg"), {}
        )
        now = Situation(
            {"file.jpg": (f"{folder}x.jpg", f"{folder}y.png", f"{folder}z.mp3"), "goal.group": tuple(groups)}, groups
        )
        made = {a.arguments["source"]: a.arguments["destination"] for a, _ in fill(template, now)}
        assert made == {
            f"{folder}x.jpg": f"{folder}images/x.jpg",
            f"{folder}y.png": f"{folder}images/y.png",
            f"{folder}z.mp3": f"{folder}music/z.mp3",
        }


def test_lists_of_the_goal_are_written_anew_as_a_whole() -> None:
    then, now = situation(goal_columns=("a", "b")), situation(goal_columns=("x", "y", "z"))
    assert refill("w.writerow(['a', 'b'])", then, now) == ["w.writerow(['x', 'y', 'z'])"]
    assert refill("for n in ('a', 'b'): pass", then, now) == ["for n in ('x', 'y', 'z'): pass"]
    (made,) = refill("f\"{['a', 'b']} {x}\"", then, now)
    ast.parse(made)


def test_many_names_and_a_long_program_take_no_time() -> None:
    """It would hang here, not fail."""
    here = Situation({f"file{i}": tuple(f"folder{i}/file_{i}_{j}.txt" for j in range(200)) for i in range(20)})
    program = "".join(f"x{i} = open('folder1/file_1_{i}.txt').read().lower() + 'abc'\n" for i in range(500))
    template = Lifter(here).lift(code(program), CODE)
    assert sum(1 for _ in template.holes()) >= 200


@given(st.lists(NAME, max_size=6), st.lists(NAME, max_size=6))
def test_names_are_found_as_whole_words_in_order(names: list[str], text: list[str]) -> None:
    whole = " / ".join(text)
    at = 0
    for start, end in Names(names).spans(whole):
        assert start >= at and whole[start:end] in names
        assert not (
            whole[start].isascii()
            and whole[start].isalnum()
            and whole[start - 1 : start].isascii()
            and whole[start - 1 : start].isalnum()
            and start
        )
        at = end
    if text and len(text) == 1 and text[0] in names:
        assert list(Names(names).spans(whole))


@given(st.text("ab'\"f{}\\\n()# =0.", max_size=40))
def test_places_of_literals_lie_in_the_source(text: str) -> None:
    try:
        ast.parse(text)
        found = list(literals(text))
    except (SyntaxError, ValueError):
        return
    assert all(0 <= start < end <= len(text) for start, end, _ in found)
    (made,) = refill(text, Situation({"column": ("ab", "aa")}), Situation({"column": ("ab", "aa")}))[:1]
    ast.parse(made)
