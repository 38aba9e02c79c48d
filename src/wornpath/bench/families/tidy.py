"""Tidy a folder: files into subfolders by the rule that the goal gives for their extensions; what no rule names stays."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from wornpath.bench.families.common import Dice, Draw, move, places_check
from wornpath.core import Task

KINDS = {
    "images": (("images", "pictures", "photos", "图片"), ("graphics", "照片", "snapshots"), ("jpg", "png", "gif")),
    "documents": (("documents", "papers", "texts", "文档"), ("writing", "文件", "docs"), ("pdf", "txt", "docx", "md")),
    "music": (("music", "audio", "sounds", "音乐"), ("songs", "音频"), ("mp3", "wav", "ogg")),
    "tables": (("tables", "sheets", "spreadsheets", "表格"), ("data", "数据"), ("csv", "xlsx", "tsv")),
    "archives": (("archives", "packed", "压缩包"), ("zipped", "归档"), ("zip", "tar", "gz")),
    "web": (("web", "pages", "网页"), ("sites", "页面"), ("html", "css")),
}
FOLDERS_TRAIN = ("downloads", "desktop", "inbox", "drop", "shared/incoming")
FOLDERS_TEST = ("landing", "unsorted", "my/stuff")
WORDS_TRAIN = ("holiday", "scan", "report", "song", "notes", "budget", "photo", "draft", "memo", "mix", "plan", "list")
WORDS_TEST = ("trip", "copy", "review", "track", "minutes", "costs", "shot", "sketch", "outline", "agenda")
GOALS_TRAIN = (
    "Tidy the folder {folder}: move its files into subfolders of {folder} by type: {rules}",
    "Sort the files in {folder}/ into these folders inside {folder}/ by their extension: {rules}",
    "My folder {folder}/ is a mess. Put every file into the right subfolder of it: {rules}",
)
GOALS_TEST = (
    "Please clear up {folder}/ by moving each file into a subfolder there, by its ending: {rules}",
    "Organise {folder}: the files go into folders inside it as follows: {rules}",
)
GOALS_ZH_TRAIN = ("整理文件夹 {folder}：按类型把文件移到 {folder} 里的子文件夹：{rules}",)
GOALS_ZH_TEST = ("请把 {folder}/ 里的文件按扩展名放进它下面的文件夹：{rules}",)


def draw(seed: int) -> Draw:
    dice = Dice("tidy", seed)
    chinese = dice.chance(0.25)
    chosen = dice.some(sorted(KINDS), sorted(KINDS), dice.number(3, 5))
    rules: dict[str, list[str]] = {}
    for kind in chosen:
        names = [n for n in (KINDS[kind][1] if dice.test else KINDS[kind][0]) if n.isascii() != chinese]
        extensions = KINDS[kind][2]
        rules[dice.pick(names)] = dice.rng.sample(extensions, dice.number(min(2, len(extensions)), len(extensions)))
    folder = dice.either(FOLDERS_TRAIN, FOLDERS_TEST)
    loud = dice.chance(0.3)  # cameras and scanners write their endings in capitals
    files: dict[str, bytes] = {}
    truth: dict[str, str] = {}

    def add(extension: str, place: str) -> None:
        name = dice.different(
            lambda: f"{dice.either(WORDS_TRAIN, WORDS_TEST)}_{dice.number(1, 999)}",
            1,
            *(n.split(".")[0] for n in truth),
        )[0]
        name += "." + (extension.upper() if loud and dice.chance(0.4) else extension)
        files[f"{folder}/{name}"], truth[name] = content(extension, dice), place

    for place, endings in rules.items():
        for _ in range(dice.number(2, 5)):
            add(dice.pick(endings), place)
    if rest := dice.chance(0.4):
        for extension in dice.rng.sample(["ini", "bak", "log", "key"], 2):
            add(extension, ".")
    if chinese:
        told = "，".join(f"{name}（{'、'.join(kinds)}）" for name, kinds in rules.items())
        goal = dice.either(GOALS_ZH_TRAIN, GOALS_ZH_TEST) + ("；其余的留在原处" if rest else "")
    else:
        told = ", ".join(f"{name} ({', '.join(kinds)})" for name, kinds in rules.items())
        goal = dice.either(GOALS_TRAIN, GOALS_TEST) + ("; leave the rest where it is" if rest else "")
    goal = goal.format(folder=folder, rules=told)

    def solve(root: Path, *, case: bool = True, only: int | None = None) -> None:
        for name, place in list(truth.items())[:only]:
            if place != "." and (case or name.split(".")[1].islower()):
                move(root, f"{folder}/{name}", f"{folder}/{place}/{name}")

    def beside(root: Path) -> None:
        for name, place in truth.items():
            if place != ".":
                move(root, f"{folder}/{name}", f"{place}/{name}")

    def by_extension(root: Path) -> None:
        for name in truth:
            move(root, f"{folder}/{name}", f"{folder}/{name.split('.')[1].lower()}/{name}")

    return Draw(
        Task(goal, dict(sorted(files.items())), (places_check(folder, truth),)),
        solve,
        {
            "beside the folder, not inside it": beside,
            "one file short": lambda root: solve(root, only=next(i for i in range(len(truth)) if moved(truth, i))),
            "a folder for each extension": by_extension,
        },
    )


def moved(truth: dict[str, str], index: int) -> bool:
    """Whether a file that has to be moved is at INDEX: stopping before it leaves work undone."""
    return index > 0 and list(truth.values())[index] != "."


def content(extension: str, dice: Dice) -> bytes:
    """A small file of its kind: text where it is text, a real archive, else the right first bytes and noise."""
    heads = {
        "jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
        "png": b"\x89PNG\r\n\x1a\n",
        "gif": b"GIF89a",
        "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "mp3": b"ID3\x04\x00\x00",
        "wav": b"RIFF\x24\x00\x00\x00WAVEfmt ",
        "ogg": b"OggS\x00\x02",
        "gz": b"\x1f\x8b\x08\x00",
        "tar": b"notes.txt" + bytes(91) + b"0000644\0",
    }
    if extension in heads:
        return heads[extension] + dice.rng.randbytes(dice.number(40, 200))
    text = "".join(f"{dice.either(WORDS_TRAIN, WORDS_TEST)},{dice.number(1, 99)}\n" for _ in range(dice.number(2, 6)))
    return archive({"a.txt": text}) if extension in ("zip", "docx", "xlsx") else text.encode()


def archive(members: dict[str, str]) -> bytes:
    """A zip file of MEMBERS, name to text; the same bytes every time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, text in members.items():
            made.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), text)
    return out.getvalue()
