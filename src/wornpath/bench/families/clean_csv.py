"""Clean a messy table: repeated rows, gaps, stray spaces, mixed case, dates written the other way round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from wornpath.bench.families.common import Dice, Draw, csv_bytes, table_check, write
from wornpath.core import Task

SOURCES_TRAIN = ("contacts.csv", "members.csv", "data/people.csv", "export.csv", "in/list.csv")
SOURCES_TEST = ("subscribers.csv", "raw/guests.csv", "clients.csv")
OUTPUTS_TRAIN = ("clean.csv", "tidy.csv", "out/cleaned.csv", "contacts_clean.csv")
OUTPUTS_TEST = ("fixed.csv", "done/list.csv", "polished.csv")
NAMES = (("name", "full_name", "contact"), ("person", "who"))
MAILS = (("email", "mail", "e_mail"), ("mail_address", "contact_mail"))
DAYS = (("joined", "since", "date"), ("registered", "entry_date"))
PLACES = (("city", "town", "branch"), ("location", "place"))
CITIES = ("Oslo", "Porto", "Lyon", "Graz", "Turku", "Bern", "Ghent", "Split", "Bergen", "Cork")
OPENINGS = (
    (
        "Clean {source} and save it as {output}: ",
        "{source} is messy. Write the cleaned table to {output}: ",
        "清理 {source}，保存为 {output}：",
    ),
    ("Please put {source} in order and store the result in {output}: ", "请整理 {source} 并存为 {output}："),
)
STEPS = {
    "gaps": (
        ("drop rows without {column}", "remove rows where {column} is empty"),
        ("leave out rows with no {column}",),
    ),
    "space": (("strip the spaces around all values",), ("trim every value",)),
    "lower": (("write {column} in lower case", "lower-case {column}"), ("make {column} all lower case",)),
    "dates": (
        ("turn the dates in {column} from DD.MM.YYYY into YYYY-MM-DD",),
        ("rewrite {column} from DD.MM.YYYY as YYYY-MM-DD",),
    ),
}
STEPS_ZH = {
    "gaps": (("删除 {column} 为空的行",), ("去掉没有 {column} 的行",)),
    "space": (("去掉所有值两边的空格",), ("修剪每个值的空格",)),
    "lower": (("把 {column} 改成小写",), ("{column} 全部小写",)),
    "dates": (("把 {column} 的日期从 DD.MM.YYYY 改为 YYYY-MM-DD",), ("将 {column} 从 DD.MM.YYYY 写成 YYYY-MM-DD",)),
}
ALWAYS = ("drop duplicate rows", "删除重复行")
Rows = list[list[str]]


def draw(seed: int) -> Draw:
    dice = Dice("clean_csv", seed)
    columns = [dice.either(*names) for names in (NAMES, MAILS, DAYS, PLACES)]
    _, mail, day, place = columns
    order = dice.shuffled(columns) if dice.chance(0.5) else columns
    delimiter = ";" if dice.chance(0.3) else ","
    steps = dice.rng.sample(sorted(STEPS), 2)
    gap = dice.pick([mail, place])
    about = {"gaps": gap, "space": "", "lower": mail, "dates": day}
    messy = messy_rows(dice, columns, steps, gap)
    table = [[row[columns.index(c)] for c in order] for row in messy]
    source, output = dice.either(SOURCES_TRAIN, SOURCES_TEST), dice.either(OUTPUTS_TRAIN, OUTPUTS_TEST)
    opening = dice.either(*OPENINGS)
    chinese = not opening.isascii()
    words = [dice.either(*(STEPS_ZH if chinese else STEPS)[s]).format(column=about[s]) for s in steps]
    listed = [ALWAYS[chinese], *words] if steps[0] != "space" else [words[0], ALWAYS[chinese], *words[1:]]
    goal = opening.format(source=source, output=output) + ("，" if chinese else ", ").join(listed)
    goal += "" if delimiter == "," else ("；输出用逗号分隔" if chinese else "; part the values by commas")

    def result(which: Sequence[str], *, double: bool = False) -> Rows:
        return cleaned(order, table, which, gap, mail, day, double=double)

    def saved(rows: Rows, delimiter: str = ",") -> Callable[[Path], None]:
        return lambda folder: write(folder, output, csv_bytes([order, *rows], delimiter))

    right = result(steps)
    return Draw(
        Task(goal, {source: csv_bytes([order, *table], delimiter)}, (table_check(output, [order, *right]),)),
        saved(right),
        {
            "repeated rows kept": saved(result(steps, double=True)),
            "one step left out": saved(result(steps[:1])),
            "the other step left out": saved(result(steps[1:])),
            "no header": lambda folder: write(folder, output, csv_bytes(right)),
        },
    )


def messy_rows(dice: Dice, columns: list[str], steps: list[str], gap: str) -> Rows:
    """Rows with just the flaws that the steps mend, each at least twice."""
    count = dice.number(14, 40)
    rows: Rows = []
    for who in dice.people(count):
        mail = f"{who.lower().replace(' ', '.')}{dice.number(1, 99)}@example.{dice.pick(['org', 'com', 'net'])}"
        date = dice.date(dice.number(2019, 2026))
        rows.append([who, mail, date, dice.pick(CITIES)])
    at = {name: index for index, name in enumerate(columns)}

    spare = dice.shuffled(range(count))  # a row has one flaw at most, so that every step left out shows

    def flawed() -> list[int]:
        return [spare.pop() for _ in range(max(2, count // 6))]

    if "dates" in steps:
        for row in rows:
            year, month, day = row[2].split("-")
            row[2] = f"{day}.{month}.{year}"
    if "lower" in steps:
        for index in flawed():
            rows[index][1] = rows[index][1].title()
    if "gaps" in steps:
        for index in flawed():
            rows[index][at[gap]] = ""
    if "space" in steps:
        for index in flawed():
            column = dice.number(0, 3)
            rows[index][column] = f" {rows[index][column]} " if rows[index][column] else ""
    for index in flawed():
        rows.insert(dice.number(0, len(rows)), list(rows[index]))
    return rows


def cleaned(
    order: list[str], rows: Rows, steps: Sequence[str], gap: str, mail: str, day: str, *, double: bool = False
) -> Rows:
    out: Rows = []
    for row in rows:
        values = dict(zip(order, row, strict=True))
        if "space" in steps:
            values = {k: v.strip() for k, v in values.items()}
        if "gaps" in steps and not values[gap].strip():
            continue
        if "lower" in steps:
            values[mail] = values[mail].lower()
        if "dates" in steps:
            values[day] = "-".join(values[day].strip().split(".")[::-1])
        made = [values[c] for c in order]
        if double or made not in out:
            out.append(made)
    return out
