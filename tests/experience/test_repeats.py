"""Repeats: what a program says for each item of a list in the goal is said again for other items, and nothing else with it."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wornpath.core import Action
from wornpath.experience.filling import fill
from wornpath.experience.lifting import Lifter
from wornpath.experience.repeats import Item, fitting_element, items
from wornpath.experience.situation import Situation
from wornpath.experience.template import Element, Hole, Repeat, Template, agree

CODE = {"code": "code"}
EVIL = [
    '"); import os; os.system("id"); ("',
    "'); import os; ('",
    "x\\",
    "{__import__('os')}",
    "a\nimport os",
    '"""',
    "金额 (元)",
    "it's",
    'say "so"',
    "two words",
    "{0}",
    "%s",
    "class",
]
NAME = st.one_of(st.text("abcdefgh销售éX0_- '\"{}\\", min_size=2, max_size=8), st.sampled_from(EVIL))


def columns(*names: str, numbers: tuple[str, ...] = (), dates: tuple[str, ...] = ()) -> Situation:
    """A goal with columns NAMES, of which the files have numbers and dates."""
    roles = {"goal.columns": names, "column": names, "column of numbers": numbers, "column of dates": dates}
    return Situation({r: v for r, v in roles.items() if v})


def pairs(*found: tuple[str, str], numbers: tuple[str, ...] = ()) -> Situation:
    """A goal with names and what each stands for: labels of the files, some of which are NUMBERS."""
    labels = tuple(label for _, label in found)
    roles = {"goal.columns": tuple(n for n, _ in found), "goal.labels": labels, "label": labels}
    return Situation({**roles, **({"label of numbers": numbers} if numbers else {})}, pairs=found)


def lifted(text: str, then: Situation) -> Template:
    return Lifter(then).lift(Action.of("python", code=text), CODE)


def refill(text: str, then: Situation, now: Situation) -> list[str]:
    return [str(action.arguments["code"]) for action, _ in fill(lifted(text, then), now)]


def repeats(template: Template) -> list[Repeat]:
    return [p for v in template.arguments.values() if isinstance(v, tuple) for p in v if isinstance(p, Repeat)]


THEN = columns("day", "who", "sum", numbers=("sum",), dates=("day",))


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ('[row["day"], row["who"], float(row["sum"])]', '[float(row["cost"]), row["on"]]'),
        ('(row["day"], row["who"], float(row["sum"]))', '(float(row["cost"]), row["on"])'),
        ('w(row["day"], row["who"], float(row["sum"]))', 'w(float(row["cost"]), row["on"])'),
        (
            '{"day": row["day"], "who": row["who"], "sum": float(row["sum"])}',
            '{"cost": float(row["cost"]), "on": row["on"]}',
        ),
        ('[f"{row}day", f"{row}who", f"{row}sum!"]', '[f"{row}cost!", f"{row}on"]'),
        ("[row.day, row.who, float(row.sum)]", "[float(row.cost), row.on]"),
        ("['day',\n 'who',\n 'sum' * 2]", "['cost' * 2,\n 'on']"),
    ],
)
def test_a_program_says_it_again_for_other_and_fewer_columns(then: str, now: str) -> None:
    assert refill(then, THEN, columns("cost", "on", numbers=("cost",), dates=("on",))) == [now]


def test_more_items_and_the_same_ones() -> None:
    text = 'w.writerow([row["day"], row["who"], float(row["sum"])])'
    assert refill(text, THEN, THEN) == [text]
    more = columns("a1", "b1", "c1", "d1", "e1", numbers=("b1", "d1"), dates=("a1",))
    assert refill(text, THEN, more) == [
        'w.writerow([row["a1"], float(row["b1"]), row["c1"], float(row["d1"]), row["e1"]])'
    ]


def test_names_with_labels() -> None:
    then = pairs(("number", "Bill no"), ("total", "To pay"), numbers=("To pay",))
    text = '{"number": take("Bill no"), "total": float(take("To pay"))}'
    now = pairs(("net", "Net sum"), ("who", "Sold to"), ("tax", "VAT"), numbers=("Net sum", "VAT"))
    assert refill(text, then, now) == [
        '{"net": float(take("Net sum")), "who": take("Sold to"), "tax": float(take("VAT"))}'
    ]


def test_of_an_item_that_nothing_tells_how_to_say_it_nothing_is_made() -> None:
    text = '[row["day"], row["who"].upper(), float(row["sum"])]'
    made = columns("day", "who", "sum", numbers=("sum",), dates=("day",))
    made.roles["column of text"] = ("who",)
    strange = Situation({"goal.columns": ("p1", "q1")})  # columns that no file has
    assert refill(text, made, strange) == []
    assert refill(text, made, Situation({"goal.columns": ("day",)})) == []  # one is no list
    assert refill(text, made, Situation()) == []


def test_an_element_that_names_another_item_is_no_part_of_a_repeat() -> None:
    """`sum` of who says something about two of the items: for others it would be anyone's guess."""
    for text in (
        '[row["day"], row["who"], row["sum"] + row["day"]]',
        '{"day": row["who"], "who": row["who"], "sum": row["sum"]}',
        '[row["sum"], row["who"], row["day"]]',  # another order
        '[row["day"], row["who"]]',  # not all of them
        "[x, y, z]",
        '[row["day"], 1, 2]',  # one alone is no repetition
        'f(row["day"], row["who"], sum=row["sum"])',
        '{**a, "who": 1, "sum": 2}',
    ):
        assert not repeats(lifted(text, THEN)), text
    assert repeats(lifted('[row["day"], row["who"], row["sum"]]', THEN))


def test_elements_with_unlike_joints_or_no_roles_are_left() -> None:
    assert not repeats(lifted('[row["day"],  # when\n row["who"], row["sum"]]', THEN))
    plain = Lifter(THEN, roles=False).lift(Action.of("python", code='[row["day"], row["who"], row["sum"]]'), CODE)
    assert not repeats(plain)


def test_two_uses_agree_on_what_both_know() -> None:
    text = '[row["{}"], row["{}"], float(row["{}"])]'
    one = lifted(text.format("day", "who", "sum"), THEN)
    other = lifted(text.format("on", "by", "fee"), columns("on", "by", "fee", numbers=("fee",)))
    assert one.id == other.id
    both = agree(one, other)
    assert both is not None and both.id == one.id
    (repeat,) = repeats(both)
    assert {t for e in repeat.elements for t in e.tags} == {
        t for use in (one, other) for r in repeats(use) for e in r.elements for t in e.tags
    }
    assert agree(both, one) == both
    for now in (THEN, columns("p1", "q1", numbers=("q1",))):
        (made,) = [a.arguments["code"] for a, _ in fill(both, now)]
        ast.parse(str(made))
    assert fill(both, columns("p1", "q1", numbers=("q1",)))[0][0].arguments["code"] == '[row["p1"], float(row["q1"])]'


def test_two_uses_of_different_forms_are_two_templates() -> None:
    assert (
        lifted('[row["day"], row["who"], float(row["sum"])]', THEN).id
        != lifted('[row["day"], row["who"], int(row["sum"])]', THEN).id
    )


def test_values_that_different_roles_told_alone_are_two_ways() -> None:
    """What both know besides is a list that many play: it does not say which one is meant."""

    def use(sole: str, was: str) -> Template:
        roles = frozenset({(sole, "="), ("column", "=")})
        return Template("t", {"x": (Hole(roles, was, "", frozenset({(sole, "=")})),)})

    assert agree(use("goal.columns first", "a"), use("goal.columns last", "b")) is None
    assert (
        agree(use("goal.columns first", "a"), use("goal.columns last", "a")) is not None
    )  # the value itself is what they share
    both = agree(use("goal.columns first", "a"), use("goal.columns first", "b"))
    assert both is not None and next(both.holes()).sole == {("goal.columns first", "=")}


@given(
    st.lists(NAME, min_size=2, max_size=5, unique=True), st.lists(NAME, min_size=2, max_size=6, unique=True), st.data()
)
@settings(max_examples=400, deadline=None)
def test_said_again_it_means_the_same_for_any_names(then: list[str], now: list[str], data: st.DataObject) -> None:
    """Whatever the items are called: the program parses, and each of its strings is a name, in the order of the goal."""
    which = data.draw(st.sampled_from(["list", "call", "dict", "comma"]))
    said = [repr(n) for n in then]
    text = {
        "list": f"[{', '.join(f'row[{n}]' for n in said)}]",
        "call": f"write({', '.join(f'row[{n}]' for n in said)})",
        "dict": f"{{{', '.join(f'{n}: row[{n}]' for n in said)}}}",
        "comma": f"[{', '.join(f'row[{n}]' for n in said)}, ]",
    }[which]
    there, here = Situation({"goal.columns": tuple(then)}), Situation({"goal.columns": tuple(now)})
    template = lifted(text, there)
    again = Template.from_dict(json.loads(json.dumps(template.as_dict())))
    assert again == template and again.id == template.id
    if not repeats(template):
        return  # a name that plays another part, such as being the form of another
    for made, _ in fill(template, here):
        tree = ast.parse(str(made.arguments["code"]), mode="eval")
        values = [
            n.slice.value for n in ast.walk(tree) if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Constant)
        ]
        assert values == now
        assert not [n for n in ast.walk(tree) if isinstance(n, ast.Call)] or which == "call"
        if isinstance(tree.body, ast.Dict):
            assert [k.value for k in tree.body.keys if isinstance(k, ast.Constant)] == now
    for made, _ in fill(template, there):
        assert ast.dump(ast.parse(str(made.arguments["code"]))) == ast.dump(ast.parse(text))


@pytest.mark.parametrize("evil", EVIL)
def test_a_name_is_no_way_into_the_program(evil: str) -> None:
    now = columns("fine", evil, numbers=(evil,))
    for text in (
        '[row["day"], row["who"], float(row["sum"])]',
        "[row['day'], row['who'], float(row['sum'])]",
        '{"day": row["day"], "who": row["who"], "sum": float(row["sum"])}',
        "[row.day, row.who, float(row.sum)]",
        'w(f"{a}day", f"{a}who", f"{a}sum!")',
        '[r"day", r"who", r"sum"]',
        '"""[day, who, sum]"""',
    ):
        for made in refill(text, THEN, now):
            tree = ast.parse(made)
            calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
            assert calls <= {"float", "w"} and not [
                n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))
            ]
            assert len(tree.body) == 1


PIECE = st.sampled_from(
    [
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        ",",
        ":",
        " ",
        "\n",
        '"day"',
        "'who'",
        "sum",
        "row",
        ".",
        "f",
        '"',
        "'",
        "#",
        "**",
        "=",
        "1",
        "f'{x}who'",
        'row["day"]',
        "\\",
        "é",
        "销",
        "\r\n",
        "\t",
        "\0",
        "lambda",
        "if",
        "for x in y",
    ]
)
ROLE = st.sampled_from(
    [
        "goal.columns",
        "goal.columns named again",
        "column",
        "column of numbers",
        "label",
        "label of text",
        "goal.labels",
        "x",
    ]
)
ANY = st.builds(
    lambda roles, found: Situation({r: tuple(v) for r, v in roles.items()}, pairs=tuple(found)),
    st.dictionaries(ROLE, st.lists(st.one_of(st.sampled_from(["day", "who", "sum"]), NAME), max_size=4), max_size=5),
    st.lists(st.tuples(st.one_of(st.sampled_from(["day", "who", "sum"]), NAME), NAME), max_size=3),
)


@given(st.lists(PIECE, max_size=30).map("".join), ANY, ANY)
@settings(max_examples=2000, deadline=None)
def test_any_program_in_any_situation_is_lifted_and_filled_without_a_fault(
    text: str, there: Situation, here: Situation
) -> None:
    template = lifted(text, there)
    assert Template.from_dict(json.loads(json.dumps(template.as_dict()))) == template
    agree(template, template)
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        assert template.arguments["code"] in ((text,), ())
        return
    for made, sure in [*fill(template, here), *fill(template, there)]:
        ast.parse(str(made.arguments["code"]))
        assert 0 < sure <= 1


LIST = st.lists(
    st.sampled_from(
        ['row["day"]', "'who'", 'float(row["sum"])', "x", "1", "f'{x} sum'", "[1]", '"day who"', "row.who"]
    ),
    min_size=1,
    max_size=4,
)


@given(st.lists(LIST, min_size=1, max_size=3), st.sampled_from(["[{}]", "w({})", "({},)", "x = [[{}], 1]"]), ANY)
@settings(max_examples=1000, deadline=None)
def test_lists_of_any_elements_stay_programs(lists: list[list[str]], form: str, here: Situation) -> None:
    text = "\n".join(form.format(", ".join(each)) for each in lists)
    template = lifted(text, THEN)
    (same,) = fill(template, THEN)[:1]
    assert ast.dump(ast.parse(str(same[0].arguments["code"]))) == ast.dump(ast.parse(text))
    for made, _ in fill(template, here):
        ast.parse(str(made.arguments["code"]))


TAGS = st.frozensets(st.sampled_from(["numbers", "dates", "text", "in the files", "named again"]))


@given(TAGS, st.lists(st.lists(TAGS, min_size=1, max_size=3), min_size=1, max_size=4))
def test_an_element_that_was_used_for_such_an_item_is_surest(
    tags: frozenset[str], known: list[list[frozenset[str]]]
) -> None:
    found = fitting_element(tags, known)
    exact = [n for n, seen in enumerate(known) if tags in seen]
    if len(exact) == 1:
        assert found == (exact[0], 1.0)
    elif len(exact) > 1:
        assert found is None
    elif found is not None:
        assert found[1] < 1


def test_items_in_their_order_with_what_tells_them_apart() -> None:
    here = Situation(
        {
            "goal.columns": ("a1", "b1"),
            "goal.columns named again": ("b1",),
            "column": ("a1",),
            "column of numbers": ("a1",),
        }
    )
    assert items(here) == [
        Item("a1", "", frozenset({"numbers", "in the files"})),
        Item("b1", "", frozenset({"named again"})),
    ]
    assert items(pairs(("n1", "No"), ("t1", "To"), numbers=("To",)))[1] == Item(
        "t1", "To", frozenset({"numbers", "in the files"})
    )
    assert items(Situation({"goal.columns": ("a1",)})) == [] == items(Situation())


def test_a_template_with_a_repeat_out_of_json() -> None:
    hole = Hole(frozenset({("item", "=")}), None, '"', frozenset({("item", "=")}))
    repeat = Repeat(", ", (Element(("x[", hole, "]"), (frozenset({"numbers"}), frozenset())),))
    template = Template("python", {"code": ("[", repeat, "]")})
    data: Any = json.loads(json.dumps(template.as_dict()))
    assert Template.from_dict(data) == template and Template.from_dict(data).id == template.id
    assert list(template.holes()) == [hole]
