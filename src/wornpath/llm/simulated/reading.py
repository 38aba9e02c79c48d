"""What the simulated model makes of a prompt: its sections, the files it shows, and the names in the goal. Nothing else reaches it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from posixpath import basename, splitext
from typing import Any

_TITLES = ("Goal", "Task", "Now", "Files", "Known", "Changed", "Tried", "Problem")
_SECTION = re.compile(rf"^({'|'.join(_TITLES)}): ?", re.MULTILINE)
_LAST = re.compile(r"^Last: (\w+)\((.*?)\) -> (\w+)[ \t]*\n?", re.MULTILINE)
_BEGINS = re.compile(r"^(\S[^\n]*) begins:\n", re.MULTILINE)
_NOW = re.compile(r"\((\d+) of (\d+), (\w+)\) (.*?)(?: -> (\S+))?(?: …)?$", re.DOTALL)
_PATH = re.compile(r"(?<![\w./-])((?:[\w-]+/)*[\w-]+\.[a-z]\w{0,4})(?![\w/])", re.ASCII)
_FOLDER_LINE = re.compile(r"^([^\s:][^:\n]*?)/: (.+)$", re.MULTILINE)
_LISTED = re.compile(r"\d+ (\w+) \(([^)]*)\)|([^,()\s][^,()]*)")
_MAKING = re.compile(
    r"(?:\b(?:to|as|into|make|write|save|called|result in|chart in|chart of it,)|:|"
    r"写入|保存为|存为|存成|合并成|一个|复制到|复制为|柱状图)\s*$",
    re.IGNORECASE,
)
_CLING = "The result was checked and is not right yet."


@dataclass(frozen=True)
class View:
    """A prompt as the model reads it. `sections` by title, `shown` the beginnings of files by path."""

    system: str
    text: str
    sections: Mapping[str, str] = field(default_factory=dict)
    shown: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, messages: Sequence[Mapping[str, Any]]) -> View:
        system = next((str(m["content"]) for m in messages if m["role"] == "system"), "")
        text = "\n".join(str(m["content"]) for m in messages if m["role"] != "system")
        head = re.split(
            r"^(?:Last: |Result of |This program was |A program for this |\S[^\n]* begins:$)",
            text,
            maxsplit=1,
            flags=re.M,
        )[0]
        found = list(_SECTION.finditer(head))
        ends = [m.start() for m in found[1:]] + [len(head)]
        sections = {m[1]: head[m.end() : end].strip() for m, end in zip(found, ends, strict=False)}
        begins = list(_BEGINS.finditer(text))
        stops = [m.start() for m in begins[1:]] + [len(text)]
        shown = {}
        for match, stop in zip(begins, stops, strict=False):
            body = re.split(
                r"^(?:A line taken apart by |This program was |A program for this |The text was checked)",
                text[match.end() : stop],
                flags=re.M,
            )[0]
            shown[match[1]] = body.rstrip("\n")
        return cls(system, text, sections, shown)

    # -- the goal ----------------------------------------------------------------------------------

    @property
    def goal(self) -> str:
        return self.sections.get("Goal", "").removesuffix(" …")

    @property
    def task(self) -> str:
        """The subtask at hand; the goal where there is none."""
        return self.sections.get("Task") or self._now[3] or self.goal

    @cached_property
    def _now(self) -> tuple[int, int, str, str, str]:
        match = _NOW.match(self.sections.get("Now", ""))
        if match is None:
            return 1, 1, "other", "", ""
        return int(match[1]), int(match[2]), match[3], match[4].strip(), match[5] or ""

    @property
    def kind(self) -> str:
        return self._now[2]

    @property
    def makes(self) -> str:
        return self._now[4]

    @cached_property
    def paths(self) -> list[str]:
        """The files that the goal names, in order."""
        return list(dict.fromkeys(_PATH.findall(self.goal)))

    @cached_property
    def outputs(self) -> list[str]:
        """The files that the goal names as what is to be made: not there yet, or after a word of making."""
        return [p for p in self.paths if not self.exists(p) or _MAKING.search(self.goal[: self.goal.find(p)])]

    @cached_property
    def sources(self) -> list[str]:
        return [p for p in self.paths if p not in self.outputs]

    def exists(self, path: str) -> bool:
        return path in self.shown or path in self.files

    # -- the files ---------------------------------------------------------------------------------

    @cached_property
    def folders(self) -> dict[str, list[tuple[str, list[str]]]]:
        """Folder → (extension, the names that are told) as far as the map of the workspace shows it."""
        found: dict[str, list[tuple[str, list[str]]]] = {}
        for line in _FOLDER_LINE.finditer(self.sections.get("Files", "")):
            groups = []
            for match in _LISTED.finditer(line[2]):
                if match[1]:
                    groups.append((match[1], [n.strip() for n in re.split(r",| … ", match[2]) if n.strip()]))
                elif match[3].strip() and "…" not in match[3]:
                    groups.append((splitext(match[3].strip())[1][1:].lower(), [match[3].strip()]))
            found[line[1]] = groups
        return found

    @cached_property
    def files(self) -> list[str]:
        """The paths that the map of the workspace tells, not all there are."""
        return [
            name if folder == "." else f"{folder}/{name}"
            for folder, groups in self.folders.items()
            for _, names in groups
            for name in names
        ]

    @cached_property
    def folder(self) -> str:
        """The folder that the goal is about: the longest one it names that is there, else one it names at all."""
        there = {f for f in self.folders if f != "."} | {
            p.rsplit("/", 1)[0] for p in (*self.files, *self.shown) if "/" in p
        }
        named = [f for f in there if re.search(rf"(?<![\w/-]){re.escape(f)}(?![\w-])", self.goal, re.ASCII)]
        if named:
            return max(named, key=len)
        match = re.search(r"(?<![\w./-])((?:[\w-]+/)*[\w-]+)/(?!\w)", self.goal, re.ASCII)
        return match[1] if match else ""

    def extension(self, folder: str) -> str:
        """The ending most files in FOLDER have."""
        counts = {ext: len(names) for ext, names in self.folders.get(folder, [])}
        for path in self.shown:
            if path.startswith(f"{folder}/"):
                ext = splitext(path)[1][1:]
                counts[ext] = counts.get(ext, 0) + 1
        return max(counts, key=lambda e: counts[e]) if counts else "txt"

    def beginning(self, path: str) -> list[str]:
        """The first lines of PATH, or of a file like it."""
        text = self.shown.get(path)
        if text is None:
            text = next((t for p, t in self.shown.items() if splitext(p)[1] == splitext(path)[1]), "")
        return text.splitlines()

    def table(self, path: str) -> tuple[str, list[str], list[list[str]]]:
        """(delimiter, columns, first rows) of a CSV file that is shown."""
        lines = [line for line in self.beginning(path) if line.strip()]
        head = lines[0] if lines else ""
        delimiter = max(",;\t", key=head.count) if head else ","
        cells = [[c.strip().strip('"') for c in line.split(delimiter)] for line in lines]
        return delimiter, cells[0] if cells else [], cells[1:]

    def example(self, program: str) -> bool:
        """Whether a program like PROGRAM, solved before, is shown: most of its lines begin alike."""
        past = self.system.partition("Solved before.")[2]
        heads = [line.strip()[:12] for line in program.splitlines() if len(line.strip()) > 11]
        return bool(past) and sum(head in past for head in heads) * 2 > len(heads)

    # -- the history -------------------------------------------------------------------------------

    @cached_property
    def last(self) -> tuple[str, str, str, str] | None:
        """(tool, arguments, result class, text) of the last action."""
        match = _LAST.search(self.text)
        return (match[1], match[2], match[3], self.text[match.end() :]) if match else None

    @property
    def tried(self) -> str:
        return self.sections.get("Tried", "")

    @property
    def known(self) -> str:
        return self.sections.get("Known", "")

    @property
    def changed(self) -> list[str]:
        return [p.strip() for p in self.sections.get("Changed", "").split(",") if p.strip()]

    @property
    def rejected(self) -> bool:
        """Whether the finished work was checked and found wrong."""
        return _CLING in self.text or "Its result was checked and is wrong" in self.text

    @property
    def crashed(self) -> bool:
        """Whether an earlier program's failure is told."""
        return "It failed:" in self.text or "A program for this failed before" in self.text


def mentioned(word: str, text: str) -> bool:
    """Whether WORD stands in TEXT as a word of its own."""
    return re.search(rf"(?<![A-Za-z0-9_]){re.escape(word)}(?![A-Za-z0-9_])", text, re.IGNORECASE) is not None


def groups(text: str) -> dict[str, list[str]]:
    """`name (a, b), name2 (c)`, as rules are given in a goal, in Latin or Chinese punctuation."""
    found = {}
    for name, members in re.findall(r"([^\s,，、;；:：()（）]+)\s*[(（]([^()（）]+)[)）]", text):
        items = [m.strip().strip("\"'“”") for m in re.split(r"[,、，]", members)]
        found[name] = [m for m in items if m]
    return found


def named_columns(text: str) -> list[str]:
    """The columns that a goal asks for: `columns month,total`, `列为 month,total`."""
    match = re.search(r"(?:columns?|列名?为?|字段为?)\s*:?\s*(\w+(?:,\w+)+)", text, re.ASCII)
    return match[1].split(",") if match else []


def stem(path: str) -> str:
    return splitext(basename(path))[0]
