from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wornpath.cli import text as t


@given(st.text())
def test_visible_leaves_nothing_that_moves_or_hides(text: str) -> None:
    shown = t.visible(text)
    bad = [c for c in shown if unicodedata.category(c)[0] == "C" and c not in "\n\t\u200d"]
    assert not bad
    shown.encode("utf-8")


@given(st.text())
def test_one_line_is_one_line(text: str) -> None:
    assert len(t.one_line(text).splitlines()) <= 1


@given(st.text(alphabet=st.characters(exclude_categories=["C"])), st.integers(1, 60))
def test_clip_fits_in_columns(text: str, width: int) -> None:
    clipped = t.clip(t.one_line(text), width)
    assert t.cells(clipped) <= width


def test_visible_keeps_ordinary_writing() -> None:
    assert t.visible("写一篇 naïve café 👩\u200d🔬\n\tok") == "写一篇 naïve café 👩\u200d🔬\n\tok"


def test_visible_writes_out_attacks() -> None:
    assert t.visible("a\x1b[2Jb\x07") == "a\\x1b[2Jb\\x07"
    assert t.visible("rm \u202etxt.exe") == "rm \\u202etxt.exe"
    assert t.visible("\U000e0041") == "\\U000e0041"


def test_clip_counts_chinese_as_two_columns() -> None:
    assert t.clip("发票总计", 8) == "发票总计"
    assert t.clip("发票总计", 7) == "发票总…"
    assert t.clip("发票总计", 6) == "发票…"
    assert t.pad("发票", 6) == "发票  "
    assert t.pad("发票", 6, right=True) == "  发票"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3720, "1 h 02 min"),
    ],
)
def test_durations(value: float, said: str) -> None:
    assert t.duration(value) == said


@pytest.mark.parametrize(
    ("value", "said"), [(0, "0 B"), (999, "999 B"), (1234, "1.2 kB"), (99_960, "100 kB"), (1_117_320_768, "1.1 GB")]
)
def test_sizes(value: int, said: str) -> None:
    assert t.size(value) == said


def test_token_counts_fit_their_column() -> None:
    assert t.tokens(9_999) == "9,999 tok"
    assert t.tokens(12_345) == "12.3k tok"


def test_arguments_on_one_line() -> None:
    assert t.arguments({"path": "a b.txt"}) == "a b.txt"
    assert t.arguments({"a": [1, 2], "b": "x\ny"}) == "a=[1,2]  b=x y"
    assert t.arguments({}) == ""


def test_arguments_tell_the_path_first() -> None:
    assert t.arguments({"content": "a\nb", "path": "x.md"}) == "path=x.md  content=a b"
