"""The signs that things are written with, and what a known program takes for granted: both decide whether it is used on today's files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wornpath.core import Action
from wornpath.experience.filling import fill
from wornpath.experience.grounds import MAX_TOKENS, Grounds, said, tokens
from wornpath.experience.lifting import Lifter
from wornpath.experience.marks import marks
from wornpath.experience.records import HOPE, Evidence, Record
from wornpath.experience.situation import Situation, take
from wornpath.experience.template import Template, agree
from wornpath.tools.workspace import Workspace

CODE = {"code": "code"}
TABLE = "mark between columns"
SIGNS = st.text("{}[]<>$%#@&*~", min_size=1, max_size=3)


def situation(said: str = "", **roles: str) -> Situation:
    return Situation({r.replace("__", " ").replace("_", "."): (v,) for r, v in roles.items()}, said=tokens([said]))


def lift(code: str, where: Situation) -> Template:
    return Lifter(where).lift(Action.of("python", code=code), CODE)


def today(template: Template, where: Situation) -> str:
    return str(fill(template, where)[0][0].arguments["code"])


# -- marks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("goal", "role", "sign"),
    [
        ("names like 2026-01-31_some-name.txt", "mark after a date", "_"),
        ("例如 2026-01-31.some-name.txt", "mark after a date", "."),
        ("names like 2026-01-31 and no more", "mark after a date", None),
        ("2026-01-31_a or 2026-01-31-b", "mark after a date", None),
        ("as <day>-<customer>.pdf", "mark between placeholders", "-"),
        ("as {day} by {customer}", "mark between placeholders", None),
    ],
)
def test_signs_in_a_goal(goal: str, role: str, sign: str | None) -> None:
    assert dict(marks(goal, (), (), ())).get(role) == sign


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("Dear {{name}},\nyour code is {{code}}.", ("{{", "}}")),
        ("Dear <name>, <code>.", ("<", ">")),
        ("$name$$code$", ("$", "$")),
        ("[name][code]", ("[", "]")),
        ("Dear name, (code)", None),  # once is no habit
        ("{name} and [code]", None),
        ("the name and the code", None),
        ("", None),
    ],
)
def test_signs_around_placeholders(text: str, signs: tuple[str, str] | None) -> None:
    found = dict(marks("", (), (text,), ("name", "code")))
    assert (found.get("mark before a placeholder"), found.get("mark after a placeholder")) == (signs or (None, None))


@given(before=SIGNS, after=SIGNS, words=st.lists(st.sampled_from(("name", "code")), min_size=2, max_size=6))
def test_signs_around_placeholders_are_found_whatever_they_are(before: str, after: str, words: list[str]) -> None:
    size = min(len(before), len(after))
    text = " ".join(f"{before}{word}{after}" for word in words)
    found = dict(marks("", (), (text,), ("name", "code")))
    assert found == {"mark before a placeholder": before[-size:], "mark after a placeholder": after[:size]}


@pytest.mark.parametrize("separators", [(";",), (";", ";")])
def test_a_separator_is_one_where_all_tables_have_it(separators: tuple[str, ...]) -> None:
    assert dict(marks("", separators, (), ())) == {TABLE: ";"}
    assert not dict(marks("", (*separators, ","), (), ()))


def test_a_separator_is_taken_from_the_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("day;amount\n2026-01-01;2\n", encoding="utf-8")
    (tmp_path / "one.tsv").write_text("day\n2026-01-01\n", encoding="utf-8")
    assert take("Sum a.csv", Workspace(tmp_path)).roles[TABLE] == (";",)


def test_signs_are_lifted_as_literals_of_their_own_only() -> None:
    then, now = (situation(mark__between__columns=sign) for sign in (",", ";"))
    code = "csv.reader(f, delimiter=','); print('a, b'); '\\t'; [1, 2]"
    assert today(lift(code, then), now) == code.replace("','", "';'")


@pytest.mark.parametrize("sign", ["\t", ";", "|", "'", "\\", "{"])
def test_a_sign_is_written_as_the_literal_needs_it(sign: str) -> None:
    then = situation(mark__between__columns=",")
    scope: dict[str, object] = {}
    exec(today(lift("plain = ','\nshown = f'{plain}{1}'", then), situation(mark__between__columns=sign)), scope)
    assert scope["plain"] == sign and scope["shown"] == f"{sign}1"


def test_braces_of_an_f_string_are_no_signs() -> None:
    where = situation(mark__before__a__placeholder="{{")
    code = "f'{{{name}'"
    assert today(lift(code, where), situation(mark__before__a__placeholder="<")) == code


# -- grounds ---------------------------------------------------------------------------------------

LOGS = "2026-01-01 level=WARN service=billing took 3 s"


@pytest.mark.parametrize(
    ("literal", "place", "found"),
    [
        (r"level=(\w+) service=(\w+)", "r'", {"level", "service", "="}),
        (r"(\w+)\|[^|]*\|(\w+)", "r'", {"|"} - {"|"}),
        ("total: ", "'", {"total", ":"}),
        ("utf-8", "'", set()),
        ("w", "'", set()),
        ("\\n\\t", "'", set()),
        ("金额合计", "'", {"金额", "额合", "合计"}),
    ],
)
def test_what_a_literal_says(literal: str, place: str, found: set[str]) -> None:
    assert said(literal, place) >= found
    assert not {"(", ")", "w", "\\"} & said(literal, place)


def test_a_program_for_other_lines_does_not_hold() -> None:
    code = r'm = re.match(r".*level=(\w+) service=(\w+)", line); print("warnings -> file")'
    template = lift(code, situation(LOGS + " -> warnings"))
    assert template.grounds.says == {"level", "service", "="}, "what it prints is for people"
    action = Action.of("python", code=code)
    assert template.grounds.hold(action, situation("level=ERROR service=mail"))
    assert not template.grounds.hold(action, situation("2026-01-01 WARN billing: slow"))


def test_what_one_use_did_without_is_no_ground() -> None:
    code = 'x = "service total"'
    both = agree(lift(code, situation("service total")), lift(code, situation("service sum")))
    assert both is not None and both.grounds.says == {"service"}


def test_a_column_that_the_goal_names_and_the_program_does_not_use() -> None:
    code = 'row["mail"].lower()'
    grounds = lift(code, situation(column__named__in__the__goal="mail")).grounds
    now = Situation({"column named in the goal": ("mail", "town")})
    assert not grounds.hold(Action.of("python", code=code), now)
    assert grounds.hold(Action.of("python", code='row["mail"]; row["town"]'), now)


def test_a_program_that_named_no_column_needs_none() -> None:
    code = "for row in rows: clean(row)"
    grounds = lift(code, situation(column__named__in__the__goal="mail")).grounds
    assert grounds.hold(Action.of("python", code=code), Situation({"column named in the goal": ("mail", "town")}))


def test_what_a_program_leaves_unsaid_has_to_be_as_it_was() -> None:
    code = "csv.reader(file)"
    comma, semicolon = (situation(mark__between__columns=sign) for sign in ",;")
    grounds = lift(code, comma).grounds
    action = Action.of("python", code=code)
    assert grounds.hold(action, comma) and not grounds.hold(action, semicolon)
    assert grounds.hold(action, Situation()), "no table today"
    assert grounds.agree(lift(code, semicolon).grounds).hold(action, semicolon), "it did with either"
    assert lift("csv.reader(file, delimiter=',')", comma).grounds.hold(action, semicolon), "it says it"


def test_only_programs_have_grounds() -> None:
    lifted = Lifter(situation("a b c", mark__between__columns=",")).lift(Action.of("move_file", path="abc"), {})
    assert lifted.grounds == Grounds()


def test_secrets_in_files_are_no_tokens(tmp_path: Path) -> None:
    (tmp_path / "app.ini").write_text(
        "api_key: sk-proj-abcdefghijklmnopqrstuvwx0123456789\nport: eighty\n", encoding="utf-8"
    )
    found = take("Look at app.ini", Workspace(tmp_path))
    assert "eighty" in found.said and "abcdefgh" not in json.dumps(found.as_dict())


@given(st.text(max_size=200), st.text(max_size=200))
def test_grounds_survive_being_written_down(code: str, files: str) -> None:
    template = lift(code, situation(files, mark__between__columns=";", goal_columns="day"))
    again = Template.from_dict(json.loads(json.dumps(template.as_dict())))
    assert again == template and again.grounds == template.grounds


@given(st.lists(st.text(max_size=80), max_size=20))
def test_tokens_have_an_end_and_hold_no_space(texts: list[str]) -> None:
    found = tokens(texts)
    assert len(found) <= MAX_TOKENS and not any(c.isspace() for token in found for c in token)


def test_a_program_that_was_never_used_again_is_worth_a_try() -> None:
    """Until it was, the doubt counts for it; then what came of it."""

    def known(ok: int, bad: int) -> Evidence:
        return Evidence("t", (Record("t", ok, bad, 0.0, ""),))

    once, again, failed = known(1, 0), known(2, 0), known(1, 1)
    assert once.hope - once.chance == HOPE > again.hope - again.chance > known(9, 0).hope - known(9, 0).chance
    assert failed.hope < once.hope <= again.hope < known(5, 0).hope
    assert failed.hope < 0.6 < once.hope, "one failure is enough against a model that does it six times in ten"
