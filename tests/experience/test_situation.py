"""The situation of a goal: what it names, in English and Chinese, and what the folder offers, whatever either comes up with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wornpath.experience.goal_reader import MAX_VALUES
from wornpath.experience.memory import similarity
from wornpath.experience.situation import Situation, take
from wornpath.tools.workspace import Workspace


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path


def look(goal: str, work: Path, **files: str) -> Situation:
    for name, text in files.items():
        place = work / name.replace("__", ".")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return take(goal, Workspace(work))


def test_an_empty_folder_and_a_goal_that_names_nothing(work: Path) -> None:
    found = look("Say hello", work)
    assert found.words >= {"hello"} and found.shape == frozenset() and found.layout == ""
    assert look("?", work).words == frozenset()


@pytest.mark.parametrize(
    ("goal", "role", "values"),
    [
        ("Add up sales.csv and write sum.csv", "goal.file.old", ("sales.csv",)),
        ("Add up sales.csv and write sum.csv", "goal.file.new", ("sum.csv",)),
        ("Put it into out/sum.csv.", "goal.file.new", ("out/sum.csv",)),
        ("Write ./sum.csv", "goal.file.new", ("sum.csv",)),
        ("把sales.csv汇总写入sum.csv", "goal.file.old", ("sales.csv",)),
        ("把sales.csv汇总写入sum.csv", "goal.file.new", ("sum.csv",)),
        ("按月汇总sales.csv，输出到out/汇总.csv", "goal.file.old", ("sales.csv",)),
        ("按月汇总sales.csv，输出到out/汇总.csv", "goal.file.new", ("out/汇总.csv",)),
        ("把结果保存为销售2024.csv", "goal.file.new", ("销售2024.csv",)),
        ("写入 报告.md", "goal.file.new", ("报告.md",)),
        ("整理旧账.csv", "goal.file.old", ("旧账.csv",)),
        ("with columns month and total", "goal.columns", ("month", "total")),
        ("with the columns day,month,total", "goal.columns", ("day", "month", "total")),
        ("列：月份、金额", "goal.columns", ("月份", "金额")),
        ("Sort into images (jpg, png) and music (mp3)", "goal.group", ("images", "music")),
        ("把文件分为图片(jpg, png)和音乐（mp3）", "goal.group", ("图片", "音乐")),
        ("按类型移动：图片（jpg、png），音乐（mp3）；其他的放进 其他", "goal.name last", ("其他",)),
        ('Find "rental contract"', "goal.quoted", ("rental contract",)),
        ("Write to Harbor Books", "goal.name", ("Harbor Books",)),
        ("since 2026-03-01", "goal.date", ("2026-03-01",)),
    ],
)
def test_what_a_goal_names(work: Path, goal: str, role: str, values: tuple[str, ...]) -> None:
    found = look(goal, work, **{"sales.csv": "a,b\n1,2\n", "旧账.csv": "a,b\n1,2\n"})
    assert found.roles.get(role) == values


@pytest.mark.parametrize("goal", ["列出所有文件", "the columns of the table", "Find the monkeys", "a monkey: x, y"])
def test_what_is_no_column(work: Path, goal: str) -> None:
    assert "goal.columns" not in look(goal, work).roles


def test_what_a_goal_names_is_no_part_of_what_it_asks(work: Path) -> None:
    one = look("Add up the amounts in january.csv and write sum_1.txt", work)
    other = look("Add up the amounts in march.csv and write out/sum_3.txt", work)
    assert one.words == other.words and "amount" in one.words
    assert look("Move the photos into images (jpg)", work).words >= {"move", "photo"}


def test_the_folder_by_type_and_place(work: Path) -> None:
    found = look("Tidy docs", work, **{"docs/a.txt": "x", "docs/b c.txt": "x", "图 片.jpg": "x"})
    assert found.roles["file.txt"] == ("docs/a.txt", "docs/b c.txt")
    assert found.roles["file.jpg only"] == ("图 片.jpg",)
    assert found.roles["goal.folder.old"] == ("docs",) and found.roles["folder only"] == ("docs",)
    assert found.roles["file in the goal's folder"] == ("docs/a.txt", "docs/b c.txt")


def test_columns_by_what_stands_under_them(work: Path) -> None:
    found = look("Add up the amount", work, **{"a.csv": "day,amount,who\n2026-01-01,3.50,Ann\n"})
    assert found.roles["column of dates"] == ("day",)
    assert found.roles["column of numbers"] == found.roles["column named in the goal"] == ("amount",)
    assert found.roles["column of text"] == ("who",)


def test_how_files_are_written_makes_the_context(work: Path) -> None:
    one = look("Add up a.csv", work, **{"a.csv": "x,y\n1,2\n"})
    same = look("Add up a.csv", work, **{"a.csv": "p,q\n7,88\n"})
    other = look("Add up a.csv", work, **{"a.csv": "x;y\n1;2\n"})
    assert one.contexts == same.contexts
    assert one.contexts[0] == other.contexts[0] == "" and one.contexts[1] != other.contexts[1]
    assert len(set(one.contexts)) == 4


@pytest.mark.parametrize("bad", [b"", b"\xff\xfe\x00", b"a,b\n" * 3, b'"unclosed\n1,2', b"a" * 300_000, b"\n" * 5000])
def test_any_bytes_in_a_table_are_read_or_left(work: Path, bad: bytes) -> None:
    for name in ("t.csv", "t.xlsx", "t.tsv", "t.txt"):
        (work / name).write_bytes(bad)
    json.dumps(look("Add up t.csv", work).as_dict())


LONG = {
    "words": "word ",
    "one word": "a",
    "dashes": "-",
    "names": "Harbor Books. ",
    "chinese": "把文件写入",
    "paths": "a/b.csv ",
    "groups": "x (a, b) ",
    "quotes": "'a' ",
    "slashes": "/",
    "dots": "a.",
    "spaces": " ",
    "columns": "columns a,",
    "numbers": "1,",
    "open brackets": "a(",
    "digits": "1_",
}


@pytest.mark.parametrize("piece", LONG.values(), ids=LONG.keys())
def test_a_goal_of_100000_characters(work: Path, piece: str) -> None:
    """Patterns that take time in the square of its length would hang here."""
    found = look((piece * 100_000)[:100_000], work, **{"a.csv": "x,y\n1,2\n"})
    assert all(len(values) <= MAX_VALUES for values in found.roles.values())
    assert len(json.dumps(found.as_dict())) < 400_000


def test_a_folder_of_5000_files(work: Path) -> None:
    for i in range(5000):
        folder = work / f"f{i // 100}"
        folder.mkdir(exist_ok=True)
        (folder / f"n{i}.txt").write_text(f"Label: {i}\n")
    found = look("Find the one of Harbor Books", work)
    assert len(found.roles["file.txt"]) == MAX_VALUES
    assert len(json.dumps(found.as_dict())) < 400_000


TEXT = st.text(max_size=12)
SITUATIONS = st.builds(
    Situation,
    st.dictionaries(TEXT, st.lists(TEXT, max_size=3).map(tuple), max_size=4),
    st.dictionaries(TEXT, st.lists(TEXT, max_size=3).map(tuple), max_size=2),
    st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
    st.frozensets(TEXT, max_size=4),
    st.frozensets(TEXT, max_size=4),
    TEXT,
)


@given(SITUATIONS)
def test_a_situation_is_the_same_out_of_json(here: Situation) -> None:
    again = Situation.from_dict(json.loads(json.dumps(here.as_dict())))
    assert again == here and again.contexts == here.contexts and again.as_dict() == here.as_dict()


@pytest.mark.parametrize("bad", [{}, {"roles": 3}, {"roles": {}, "groups": {}, "words": 1, "shape": [], "layout": ""}])
def test_what_is_no_situation_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, AttributeError)):
        Situation.from_dict(bad)


@given(SITUATIONS, SITUATIONS)
def test_similarity_is_a_share(one: Situation, other: Situation) -> None:
    alike = similarity(one.words, one.shape, other.words, other.shape)
    assert 0 <= alike <= 1
    assert alike == similarity(other.words, other.shape, one.words, one.shape)
    assert similarity(one.words, one.shape, one.words, one.shape) == 1


@given(st.text(max_size=120))
def test_any_goal_has_a_situation(goal: str) -> None:
    found = take(goal, Workspace(Path(__file__).parent))
    assert Situation.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_a_folder_is_named_wherever_the_goal_says_it(work: Path) -> None:
    """Its name is no word of the goal, so that the next folder's is none that is new; and one in another is not that one."""
    found = look(
        "Tidy shared/incoming: files of shared/incoming go into subfolders", work, **{"shared/incoming/a__txt": "a"}
    )
    assert found.roles["goal.folder.old"] == ("shared/incoming",)
    assert found.roles["goal.folder.old after tidy"] == ("shared/incoming",)
    assert not {"shared", "incoming"} & found.words
    other = look("Tidy inbox: files of inbox go into subfolders", work, **{"inbox/a__txt": "a"})
    assert other.words == found.words
    plain = look("Tidy my-inbox and inboxes", work, **{"inbox/a__txt": "a"})
    assert "goal.folder.old" not in plain.roles


def test_source_code_has_no_labels(tmp_path: Path) -> None:
    """`best = 0` is no field of a form: a program that names it would be said anew with any other variable."""
    (tmp_path / "tools.py").write_text("best = 0\nif not values:\n    best = 1\n")
    assert "label" not in take("Mend tools.py", Workspace(tmp_path)).roles
    (tmp_path / "settings.ini").write_text("best = 0\n")
    assert take("Mend tools.py", Workspace(tmp_path)).roles["label"] == ("best",)
