"""A small function is wrong and its test fails: mend it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wornpath.bench.families.common import Dice, Draw, write
from wornpath.core import Task


@dataclass(frozen=True, slots=True)
class Bug:
    """A function with its right line, what stands there instead, two mends that look right and are not, and calls with their results.
    `{f}`, `{a}` and `{b}` are names that each draw chooses."""

    code: str
    right: str
    bad: str
    misled: tuple[str, str]
    calls: tuple[tuple[str, str], ...]


TRAIN = (
    Bug(
        'def {f}({a}):\n    """The mean of the numbers."""\n    if not {a}:\n        return 0\n    LINE\n',
        "return sum({a}) / len({a})",
        "return sum({a}) / (len({a}) - 1)",
        ("return sum({a}) // len({a})", "return sum({a})"),
        (("[1, 2]", "1.5"), ("[4, 4, 7]", "5"), ("[]", "0"), ("[3]", "3")),
    ),
    Bug(
        'def {f}({a}, {b}):\n    """The first {b} words of the text."""\n    words = {a}.split()\n    LINE\n',
        'return " ".join(words[:{b}])',
        'return " ".join(words[1:{b}])',
        ('return " ".join(words[:{b} - 1])', "return words[:{b}]"),
        (("'a b c', 2", "'a b'"), ("'one', 3", "'one'"), ("'x y z', 3", "'x y z'")),
    ),
    Bug(
        'def {f}({a}):\n    """How many of the values are greater than zero."""\n    count = 0\n    for value '
        "in {a}:\n        LINE\n            count += 1\n"
        "    return count\n",
        "if value > 0:",
        "if value >= 0:",
        ("if value < 0:", "if value != 0:"),
        (("[0, 1, -2, 3]", "2"), ("[0]", "0"), ("[5]", "1")),
    ),
    Bug(
        'def {f}({a}, {b}):\n    """The price with {b} percent off."""\n    LINE\n',
        "return round({a} * (100 - {b}) / 100, 2)",
        "return round({a} * {b} / 100, 2)",
        ("return round({a} - {b}, 2)", "return round({a} * (100 + {b}) / 100, 2)"),
        (("200, 10", "180"), ("50, 50", "25"), ("10, 0", "10")),
    ),
    Bug(
        'def {f}({a}):\n    """Whether the word reads the same backwards, whatever its case."""\n    word = {a}.lower()\n    LINE\n',
        "return word == word[::-1]",
        "return word == word[:-1]",
        ("return word == word", "return {a} == {a}[::-1]"),
        (("'Anna'", "True"), ("'Otto'", "True"), ("'Bob.'", "False"), ("'ab'", "False")),
    ),
    Bug(
        'def {f}({a}):\n    """The largest of the numbers."""\n    LINE\n    for value in {a}:\n        if '
        "value > best:\n            best = value\n"
        "    return best\n",
        "best = {a}[0]",
        "best = 0",
        ("best = 1", "best = abs({a}[0])"),
        (("[-3, -7]", "-3"), ("[2, 9, 4]", "9"), ("[0, -1]", "0")),
    ),
)
TEST = (
    Bug(
        'def {f}({a}, {b}):\n    """The items of the list that hold the text."""\n    LINE\n',
        "return [item for item in {a} if {b} in item]",
        "return [item for item in {a} if item in {b}]",
        ("return [item for item in {a} if {b} == item]", "return [{b} for item in {a} if {b} in item]"),
        (("['ab', 'cd'], 'a'", "['ab']"), ("['x'], 'xy'", "[]"), ("['tea', 'eat', 'be'], 'ea'", "['tea', 'eat']")),
    ),
    Bug(
        'def {f}({a}):\n    """The sum of the even numbers."""\n    total = 0\n    for value in {a}:\n        '
        "LINE\n            total += value\n    return total\n",
        "if value % 2 == 0:",
        "if value % 2 == 1:",
        ("if value / 2 == 0:", "if value % 2 != 0:"),
        (("[1, 2, 4]", "6"), ("[3]", "0"), ("[2]", "2")),
    ),
    Bug(
        'def {f}({a}):\n    """The seconds of a clock time such as 1:30:05."""\n    hours, minutes, seconds = '
        'map(int, {a}.split(":"))\n    LINE\n',
        "return hours * 3600 + minutes * 60 + seconds",
        "return hours * 60 + minutes * 60 + seconds",
        ("return hours * 3600 + minutes + seconds", "return hours * 360 + minutes * 60 + seconds"),
        (("'1:00:00'", "3600"), ("'0:02:03'", "123"), ("'2:30:05'", "9005")),
    ),
)
NAMES_TRAIN = ("compute", "work_out", "get_it", "evaluate", "process", "result_of")
NAMES_TEST = ("derive", "find_out", "answer_for")
FILES_TRAIN = ("numbers.py", "tools.py", "helpers.py", "shop.py", "lib/util.py")
FILES_TEST = ("core_parts.py", "common.py", "src/basics.py")
ARGUMENTS = (("values", "limit"), ("data", "size"), ("entries", "part"))
GOALS_TRAIN = (
    "{test} fails: fix the function {f} in {file}",
    "There is a bug in {f} in {file}. Mend it so that {test} passes",
    "{file} 里的函数 {f} 有错误，请修复，使 {test} 通过",
)
GOALS_TEST = (
    "Please repair {f} ({file}); its test {test} does not pass, fix it",
    "请修复 {file} 中的 {f}，让 {test} 能通过",
)
AROUND = ('"""Small helpers."""\n\nVERSION = {number}\n\n\n', "# made by hand\n\n\n", "")


def draw(seed: int) -> Draw:
    dice = Dice("fix_function", seed)
    bug = dice.either(TRAIN, TEST)
    a, b = dice.pick(ARGUMENTS)
    file = dice.either(FILES_TRAIN, FILES_TEST)
    names = {"f": f"{dice.either(NAMES_TRAIN, NAMES_TEST)}_{dice.number(1, 40)}", "a": a, "b": b}
    head = dice.pick(AROUND).format(number=dice.number(1, 9))
    tail = (
        '\n\ndef label(text):\n    """The text in brackets."""\n    return "[" + text + "]"\n'
        if dice.chance(0.5)
        else ""
    )
    body = fill(bug.code, names)

    def module(line: str) -> str:
        return head + body.replace("LINE", fill(line, names)) + tail

    test = f"{file.rsplit('/', 1)[0]}/test_it.py" if "/" in file else f"test_{file}"
    asserts = "".join(f"assert {names['f']}({given}) == {wanted}\n" for given, wanted in bug.calls)
    tests = f"from {Path(file).stem} import {names['f']}\n\n{asserts}print('ok')\n"
    goal = dice.either(GOALS_TRAIN, GOALS_TEST).format(test=test, file=file, f=names["f"])

    def mended(line: str, root: Path) -> None:
        write(root, file, module(line))

    def cheat(root: Path) -> None:
        write(root, test, "print('ok')\n")

    return Draw(
        Task(goal, {file: module(bug.bad).encode(), test: tests.encode()}, (f"python {test}",)),
        lambda root: mended(bug.right, root),
        {
            "another mistake instead": lambda root: mended(bug.misled[0], root),
            "mended in the wrong way": lambda root: mended(bug.misled[1], root),
            "the test emptied": cheat,
        },
    )


def fill(text: str, names: dict[str, str]) -> str:
    """TEXT with the names put in; other braces stay."""
    for name, value in names.items():
        text = text.replace("{" + name + "}", value)
    return text
