"""Known edits of what today's files do not hold: they would change nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wornpath.experience.needles import LONG_ENOUGH, nothing_to_edit

EDIT = """\
from pathlib import Path

path = Path({path!r})
text = path.read_text(encoding="utf-8")
text = text.replace({old!r}, {new!r})
path.write_text(text, encoding="utf-8")
"""
LINE = "return a - b"


def edit(old: str = LINE, path: str = "app.py", new: str = "return a + b") -> str:
    return EDIT.format(path=path, old=old, new=new)


@pytest.mark.parametrize(
    ("code", "files", "nothing"),
    [
        (edit(), {"app.py": b"return a * b\n"}, True),
        (edit(), {"app.py": b"  return a - b\n"}, False),
        (edit(), {}, False),  # whatever it edits, it is not this
        (edit(path="other.py"), {"app.py": b"return a * b\n"}, False),
        (edit("x = 1"), {"app.py": b"y = 2\n"}, False),  # too short to tell
        (edit(new=f"{LINE}  # checked"), {"app.py": b"return a * b\n"}, True),
        (edit("one line\nand one"), {"app.py": b"one line\r\nand one\r\n"}, False),
        (edit("总金额是一百元整吗"), {"app.py": "总金额是一百元整吗".encode()}, False),
        (edit("总金额是一百元整吗"), {"app.py": "总金额是一百元整吗".encode("gb18030")}, False),
        (edit(), {"app.py": b"PK\x03\x04\xff\xfe"}, False),  # no text: who knows what is in it
        (edit() + '\nother = "say return a - b"', {"app.py": b"return a * b\n"}, False),  # a text of its own
        (edit() + f'\ntext = text.replace({LINE + " - c"!r}, "")', {"app.py": b"return a - b - c\n"}, False),
        (f"{edit()}\nassert {LINE!r} in text", {"app.py": b"return a * b\n"}, True),  # as the worked example has it
        (edit("one line\r\nand one"), {"app.py": b"one line\r\nand one\r\n"}, False),
        # what may do more than edit the files it names
        ('t["price"].str.replace("[^0-9]{1,9}", "", regex=True)\nopen("app.py")', {"app.py": b"price\n1"}, False),
        ('t["item"].str.replace(" (sample)", "")\nopen("app.py")', {"app.py": b"item\n1"}, False),
        ('p.with_name(p.name.replace("invoice_", "bill_"))\nopen("app.py")', {"app.py": b"x"}, False),
        ('open("app.py").read().lower().replace("total amount", "x")', {"app.py": b"Total Amount"}, False),
        (
            f'for p in Path("src").glob("*.py"):\n    p.read_text().replace({LINE!r}, "x")\nopen("app.py")',
            {"app.py": b"x"},
            False,
        ),
        (f"def mend(text):\n    return text.replace({LINE!r}, 'x')\nopen('app.py')", {"app.py": b"x"}, False),
        ('text.replace(old, "new")\nopen("app.py")', {"app.py": b"x"}, False),
        ("return return", {"app.py": b"x"}, False),
    ],
)
def test_whether_there_is_anything_to_edit(code: str, files: dict[str, bytes], nothing: bool) -> None:
    assert nothing_to_edit(code, files.get) is nothing


@given(content=st.text("ab =\n", max_size=60), old=st.text("ab =\n", min_size=LONG_ENOUGH, max_size=12))
def test_it_says_so_only_of_edits_that_change_nothing(content: str, old: str) -> None:
    nothing = nothing_to_edit(edit(old), {"app.py": content.encode()}.get)
    assert nothing is (old not in content)
