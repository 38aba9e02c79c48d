"""Fill a letter's template for every row of a list."""

from __future__ import annotations

from pathlib import Path

from wornpath.bench.families.common import Dice, Draw, csv_bytes, python_check, write
from wornpath.core import Task

TEMPLATES_TRAIN = ("template.txt", "letter.txt", "forms/reminder.txt", "invitation.md")
TEMPLATES_TEST = ("blank.txt", "drafts/notice.md")
LISTS_TRAIN = ("people.csv", "customers.csv", "data/guests.csv", "members.csv")
LISTS_TEST = ("receivers.csv", "input/parents.csv")
FOLDERS_TRAIN = ("letters", "out", "done/letters")
FOLDERS_TEST = ("mailing", "ready/post")
IDS = (("id", "number", "code"), ("key", "ref"))
NAMES = (("name", "customer", "guest"), ("person", "recipient"))
THIRD = (("amount", "date", "place"), ("deadline", "table"))
STYLES = ("{{{{{}}}}}", "[{}]", "<{}>", "${}$")
BODIES = (
    "Dear {name},\n\nthis is about {third}. Your reference is {id}.\n\nKind regards\nThe office\n",
    "{id}\n\nHello {name},\n\nplease note: {third}.\n\nYours, {id}\n",
    "To {name} ({id})\n\nWe look forward to seeing you. {third}\n",
    "尊敬的 {name}：\n\n您的编号是 {id}，请注意：{third}。\n\n此致\n",
)
GOALS_TRAIN = (
    "Fill the template {template} for every row of {source} and save each letter as {folder}/<{id}>{ending}, "
    "with <{id}> from that column",
    "Make a letter from {template} for each row in {source}: replace the placeholders by the columns of the "
    "same name and save it in {folder}/ as "
    "<{id}>{ending}",
    "用 {source} 的每一行填写模板 {template}，把占位符换成同名列的值，保存为 {folder}/<{id}>{ending}",
)
GOALS_TEST = (
    "For each line of {source} write a letter with {template}, its placeholders filled from the columns, to {folder}/<{id}>{ending}",
    "请按 {source} 逐行套用 {template}，用对应列替换占位符，存到 {folder}/<{id}>{ending}",
)


def draw(seed: int) -> Draw:
    dice = Dice("fill_letter", seed)
    names = [dice.either(*IDS), dice.either(*NAMES), dice.either(*THIRD)]
    columns = dice.shuffled(names)
    template, source = dice.either(TEMPLATES_TRAIN, TEMPLATES_TEST), dice.either(LISTS_TRAIN, LISTS_TEST)
    folder, style, delimiter = (
        dice.either(FOLDERS_TRAIN, FOLDERS_TEST),
        dice.pick(STYLES),
        ";" if dice.chance(0.25) else ",",
    )
    slots = dict(zip(("id", "name", "third"), (style.format(n) for n in names), strict=True))
    text = dice.pick(BODIES).format(**slots)
    rows = []
    for number, person in enumerate(dice.people(dice.number(3, 9))):
        third = dice.pick((dice.date(), f"{dice.number(10, 900)}.00", dice.pick(("Hall 2", "Room 7", "Main office"))))
        rows.append({names[0]: f"{dice.pick('ABC')}{100 + number}", names[1]: person, names[2]: third})
    ending = ".txt" if template.endswith("txt") else ".md"
    goal = dice.either(GOALS_TRAIN, GOALS_TEST).format(
        template=template, source=source, folder=folder, id=names[0], ending=ending
    )

    def filled(row: dict[str, str], which: list[str]) -> str:
        out = text
        for name in which:
            out = out.replace(style.format(name), row[name])
        return out

    truth = {f"{row[names[0]]}{ending}": filled(row, names) for row in rows}
    check = python_check(
        f"import os; truth = {truth!r}\n"
        f"got = {{n: open(os.path.join({folder!r}, n), encoding='utf-8').read() for n in os.listdir({folder!r})}}\n"
        "assert got.keys() == truth.keys() and all(got[n].strip() == truth[n].strip() for n in truth)"
    )

    def save(root: Path, letters: dict[str, str]) -> None:
        for name, letter in letters.items():
            write(root, f"{folder}/{name}", letter)

    table = csv_bytes([columns, *([row[c] for c in columns] for row in rows)], delimiter)
    return Draw(
        Task(goal, {template: text.encode(), source: table}, (check,)),
        lambda root: save(root, truth),
        {
            "a placeholder left": lambda root: save(
                root, {n: filled(r, names[:2]) for n, r in zip(truth, rows, strict=True)}
            ),
            "called by the name": lambda root: save(
                root, {f"{r[names[1]]}{ending}": t for r, t in zip(rows, truth.values(), strict=True)}
            ),
            "the last row missing": lambda root: save(root, dict(list(truth.items())[:-1])),
        },
    )
