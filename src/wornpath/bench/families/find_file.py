"""Find the one document that fits among others like it, and copy it to a given place."""

from __future__ import annotations

import shutil
from pathlib import Path

from wornpath.bench.families.common import Dice, Draw, python_check, write
from wornpath.core import Task

MATTERS_TRAIN = (
    *("rental contract", "insurance policy", "loan agreement", "service contract", "purchase order"),
    *("warranty certificate", "delivery note", "tax notice"),
)
MATTERS_TEST = ("lease amendment", "power of attorney", "supply agreement", "audit report", "licence renewal")
TARGETS_TRAIN = ("found.txt", "result/document.txt", "copy_of_it.txt", "out/letter.txt", "selected.txt")
TARGETS_TEST = ("picked/file.txt", "wanted.txt", "answer/copy.txt")
GOALS_TRAIN = (
    "Find the {matter} with {company} and copy it to {target}",
    "Somewhere in this folder is a {matter} that names {company}. Put a copy of that file at {target}",
    "I need the {matter} of {company}; please save a copy of the file as {target}",
    "找到与 {company} 有关的 {matter}，把该文件复制到 {target}",
)
GOALS_TEST = (
    "Which file is the {matter} with {company}? Place a copy of it at {target}",
    "Look for the {matter} of {company} and make a copy of that file called {target}",
    "请查找 {company} 的 {matter}，并将文件复制为 {target}",
)
LAYOUTS = (
    "{Matter} no. {number}\n{Matter} between {company} and the tenant of unit {unit}.\nValid from {date}. Signed and sealed.\n",
    "To: {company}\nSubject: {matter}, {company}\nReference: {number}\n\nPlease find the terms of {date} below.\nUnit {unit}.\n",
    "{date}\n\nDear {company},\n\nthis is the {matter} of {company}, number {number}, for unit {unit}.\n\nKind regards\n",
)


def draw(seed: int) -> Draw:
    dice = Dice("find_file", seed)
    companies = dice.companies(dice.number(8, 16))
    matters = dice.some(MATTERS_TRAIN, MATTERS_TEST, 4)
    folders = dice.different(dice.folder, dice.number(2, 5))
    layout, ending, prefix = dice.pick(LAYOUTS), dice.pick(("txt", "md")), dice.pick(("doc", "scan", "letter", "file"))
    files: dict[str, bytes] = {}

    def add(company: str, matter: str) -> str:
        path = dice.different(
            lambda: f"{dice.pick(folders)}/{prefix}_{dice.number(1000, 9999)}.{ending}", 1, *files.keys()
        )[0]
        filled = layout.format(
            company=company,
            matter=matter,
            Matter=matter.capitalize(),
            number=dice.number(10000, 99999),
            unit=dice.number(1, 40),
            date=dice.date(),
        )
        files[path] = filled.encode()
        return path

    wanted = add(companies[0], matters[0])
    same_company = add(companies[0], matters[1])
    same_matter = add(companies[1], matters[0])
    for company in companies[2:]:
        add(company, dice.pick(matters))
    target = dice.either(TARGETS_TRAIN, TARGETS_TEST)
    goal = dice.either(GOALS_TRAIN, GOALS_TEST).format(matter=matters[0], company=companies[0], target=target)
    check = python_check(
        f"import os; truth = {files[wanted].decode().strip()!r}\n"
        f"assert open({target!r}, encoding='utf-8').read().strip() == truth\n"
        "texts = [open(os.path.join(at, n), encoding='utf-8').read().strip() for at, _, names in os.walk('.') for n in names]\n"
        "assert texts.count(truth) == 2"  # the original is still where it was
    )

    def copied(source: str, folder: Path) -> None:
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / source, folder / target)

    def moved(folder: Path) -> None:
        copied(wanted, folder)
        (folder / wanted).unlink()

    return Draw(
        Task(goal, dict(sorted(files.items())), (check,)),
        lambda folder: copied(wanted, folder),
        {
            "another matter of the same company": lambda folder: copied(same_company, folder),
            "the same matter of another company": lambda folder: copied(same_matter, folder),
            "moved, not copied": moved,
            "its path instead of its text": lambda folder: write(folder, target, wanted + "\n"),
        },
    )
