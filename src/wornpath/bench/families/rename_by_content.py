"""Rename files after what is written in them."""

from __future__ import annotations

from pathlib import Path

from wornpath.bench.families.common import Dice, Draw, move, places_check
from wornpath.core import Task

FOLDERS_TRAIN = ("scans", "inbox", "papers/new", "photos_of_letters", "import")
FOLDERS_TEST = ("raw_scans", "box/17")
FIRST = (("Date", "Day", "日期"), ("Dated", "When", "时间"))
SECOND = (("Customer", "Sender", "Subject", "客户", "主题"), ("From", "Topic", "来源"))
GOALS_TRAIN = (
    "Rename the files in {folder}/ after their lines {first} and {second}, as in {example}: lower case, - for spaces",
    "The files in {folder}/ have useless names. Give each the name that its lines {first} and {second} make, "
    "like {example} (lower case, spaces "
    "as -)",
)
GOALS_TEST = (
    "Each file in {folder}/ should be called by its lines {first} and {second}, for example {example}, in "
    "lower case and with - for spaces",
)
GOALS_ZH_TRAIN = ("按文件里的 {first} 和 {second} 两行给 {folder}/ 里的文件重命名，例如 {example}：小写，空格改成 -",)
GOALS_ZH_TEST = ("请把 {folder}/ 中的文件改名为其中 {first} 和 {second} 的内容，如 {example}（小写，空格用 -）",)
TEXTS = (
    "Thank you for your message.",
    "We will come back to you.",
    "Enclosed is what you asked for.",
    "Please sign and return.",
)


def draw(seed: int) -> Draw:
    dice = Dice("rename_by_content", seed)
    chinese = dice.chance(0.3)
    first, second = (dice.pick([n for n in (pool[dice.test]) if n.isascii() != chinese]) for pool in (FIRST, SECOND))
    folder, ending = dice.either(FOLDERS_TRAIN, FOLDERS_TEST), dice.pick(("txt", "md", "text"))
    joined = dice.pick(("_", "_", "."))
    companies = dice.companies(dice.number(5, 10))
    files: dict[str, bytes] = {}
    names: dict[str, str] = {}
    for company in companies:
        day = dice.date()
        old = dice.different(lambda: f"scan_{dice.number(1, 9999):04d}.{ending}", 1, *names)[0]
        lines = dice.shuffled([f"{first}: {day}", f"{second}: {company}", f"Page: {dice.number(1, 9)}"])
        files[f"{folder}/{old}"] = ("\n".join([*lines, "", dice.pick(TEXTS)]) + "\n").encode()
        names[old] = f"{day}{joined}{company.lower().replace(' ', '-')}.{ending}"
    other = "2026-01-31" + joined + "some-name." + ending
    pools = (GOALS_ZH_TRAIN, GOALS_ZH_TEST) if chinese else (GOALS_TRAIN, GOALS_TEST)
    goal = dice.either(*pools).format(folder=folder, first=first, second=second, example=other)

    def rename(root: Path, made: dict[str, str]) -> None:
        for old, new in made.items():
            move(root, f"{folder}/{old}", f"{folder}/{new}")

    swapped = {
        o: joined.join(n.removesuffix(f".{ending}").split(joined, 1)[::-1]) + f".{ending}" for o, n in names.items()
    }
    spaces = {o: n.replace("-", " ").replace(" ", "-", 2) for o, n in names.items()}
    return Draw(
        Task(goal, dict(sorted(files.items())), (places_check(folder, dict.fromkeys(names.values(), ".")),)),
        lambda root: rename(root, names),
        {
            "the other way round": lambda root: rename(root, swapped),
            "spaces kept": lambda root: rename(root, spaces),
            "one file short": lambda root: rename(root, dict(list(names.items())[:-1])),
            "the ending lost": lambda root: rename(root, {o: n.removesuffix(f".{ending}") for o, n in names.items()}),
        },
    )
