"""The situation: what today's goal and workspace offer, each thing under the roles that it plays.

A role is a relation, never an index into a listing: "the new CSV file that the goal asks for", "the column that the goal names", "the
file that says most of what the goal names". What was done once, said in roles, can be done again with today's things.

The situation is taken when the goal is set, from the goal's sentence and the files as they are then, without a language model, and is
frozen in `goal.set`; so what a run teaches is read from its events alone.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from wornpath.core import digest
from wornpath.core.redact import redact
from wornpath.experience import beginnings
from wornpath.experience.grounds import tokens
from wornpath.experience.marks import marks
from wornpath.experience.text import content_words, identifiers, words
from wornpath.tools.documents import preview
from wornpath.tools.workspace import FileEntry, Workspace

MAX_GOAL_READ = 8000
"""Characters of the goal that are looked at: what comes after is material, and every name in it would be a role of its own."""
MAX_VALUES = 200
MAX_TIMES = 20
"""So often a name is looked at where the goal says it."""
MAX_FILES = 2000
MAX_READ = 240
"""Text files that are looked into for what the goal names."""
MAX_PACKED = 12
"""Spreadsheets and documents among them, which take a hundred times as long to open."""
SAMPLES = 8
MANY = 3
"""With more kinds of files than this it says nothing how they are written."""
NEAR = 60
"""Characters around a name in which its cue is looked for."""
TABLES = (".csv", ".tsv", ".xlsx")
UNREADABLE = (".png", ".jpg", ".jpeg", ".gif", ".zip", ".gz", ".tar", ".mp3", ".wav", ".ogg", ".mp4")
PACKED = (".xlsx", ".docx", ".pdf")

_ENDLESS = re.compile(r"[\w\-./:]{400,}", re.ASCII)
"""No name is that long, and patterns for names take time in the square of it."""
_PATH = re.compile(
    r"(?<![A-Za-z0-9_/.\-])(?:[\w\-.]+/)*[\w\-.]*\w\.[A-Za-z][A-Za-z0-9]{0,4}(?![A-Za-z0-9_])(?!\()|(?<![A-Za-z0-9_/.\-])(?:[\w\-.]+/)+"
)
_BRACKET = re.compile(r"[(（]([^()（）]{1,80})[)）]")
_BEFORE = re.compile(r"([A-Za-z0-9_\-]{1,40}|[\u4e00-\u9fff]{1,20})\s*$")
_CJK_LEAD = re.compile(
    r".*(?:写入|写到|写成|存为|存到|存入|存成|输出到|导出到|导出为|归入|归到|放进|放到|放入|移到|移入|分为|分成|读取|打开|整理|汇总|统计|叫做|名为"
    r"|[把将按从在到为成入给用和与叫是的、，])",
    re.DOTALL,
)
"""Chinese is written without spaces: what stands before a name in the same run."""
_COLUMNS = re.compile(
    r"(?:\b(?:columns?|fields?|keys?)\b|列(?![出表举为入])|列(?=[为是]\s*[A-Za-z_][\w\-]*\s*[,，、和])|字段)(?:\s+(?:named|called|are)|名?[为是])?\s*[:：]?\s*"
    r"([\w\-]+(?:,[\w\-]+)+|[\w\-]+(?:\s*(?:,|，|、|\band\b|和)\s*[\w\-]+)*)",
    re.IGNORECASE,
)
_NO_COLUMN = {
    "of",
    "in",
    "to",
    "that",
    "the",
    "from",
    "by",
    "for",
    "with",
    "which",
    "is",
    "are",
    "on",
    "at",
    "as",
    "it",
    "and",
    "or",
}
_LISTED = re.compile(r"\s*(?:,|，|、|\band\b|和)\s*")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:[.,]\d+)*(?![\w])")
_TIME = re.compile(r"(?<![\d:])\d{1,2}:\d{2}(?![\d:])")
_QUOTED = re.compile(r"[\"“「『‘`']([^\"”」』’`'\n]{1,60})[\"”」』’`']")
_CAPITALS = re.compile(r"\b[A-Z][\w&'\-]*(?:\s+(?:[A-Z][\w&'\-]*|&))*")


@dataclass(slots=True)
class Situation:
    """Role → the values that play it, in order. `words` are the goal's words without the things it names, `shape` what kind of task it is
    by the look of it: both make the task's family."""

    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The kinds that the goal sorts by: `images (jpg, png)` gives `images → jpg, png`."""
    pairs: tuple[tuple[str, str], ...] = ()
    """The names that the goal gives with what each stands for: `number (Bill no), total (To pay)`."""
    words: frozenset[str] = frozenset()
    shape: frozenset[str] = frozenset()
    layout: str = ""
    """How the files are written: the punctuation and the kinds of values of their first lines."""
    said: frozenset[str] = frozenset()
    """The words and signs in those lines."""

    @property
    def contexts(self) -> tuple[str, ...]:
        """What a template's success may depend on, from the most general to the most special: nothing, how the files are written, what the
        goal asks for, and both."""
        asks = digest(" ".join(sorted(self.words)))[:8]
        wrote = digest(self.layout)[:8]
        return "", f"files {wrote}", f"words {asks}", f"both {wrote} {asks}"

    def explain(self) -> dict[str, list[str]]:
        """Value → the roles that it plays."""
        out: dict[str, list[str]] = {}
        for role, values in self.roles.items():
            for value in values:
                out.setdefault(value, []).append(role)
        return out

    def as_dict(self) -> dict[str, Any]:
        return {
            "roles": {role: list(values) for role, values in self.roles.items()},
            "groups": {name: list(values) for name, values in self.groups.items()},
            "pairs": [list(pair) for pair in self.pairs],
            "words": sorted(self.words),
            "shape": sorted(self.shape),
            "layout": self.layout,
            "said": sorted(self.said),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Situation:
        """The situation that `as_dict` gave. Raises KeyError, TypeError or AttributeError when DATA is none."""
        return cls(
            {str(role): tuple(map(str, values)) for role, values in data["roles"].items()},
            {str(name): tuple(map(str, values)) for name, values in data["groups"].items()},
            tuple((str(name), str(label)) for name, label in data.get("pairs", ())),
            frozenset(map(str, data["words"])),
            frozenset(map(str, data["shape"])),
            str(data["layout"]),
            frozenset(map(str, data.get("said", ()))),
        )


def take(goal: str, workspace: Workspace) -> Situation:
    """The situation of GOAL in WORKSPACE."""
    return _Taker(goal, [e for e in workspace.files(limit=MAX_FILES).entries if not e.hidden], workspace).take()


class _Taker:
    def __init__(self, goal: str, files: Sequence[FileEntry], workspace: Workspace) -> None:
        self.goal = _ENDLESS.sub(" ", goal[:MAX_GOAL_READ])
        self.files, self.workspace = files, workspace
        self.found = Situation()
        self.spans: list[tuple[int, int]] = []
        """Where the goal names things: what is left of it are its words."""
        self.telling: set[str] = set()
        self.paths = {f.path for f in files}
        self.folders = {posixpath.dirname(p) for p in self.paths}
        self.folders |= {parent for f in self.folders for parent in _parents(f)}
        self.folders.discard("")

    def take(self) -> Situation:
        self._groups()
        self._goal_paths()
        self._goal_columns()
        self._goal_names()
        self._files()
        self._contents()
        self._columns()
        self.found.words = self._words()
        self.found.shape = self._shape()
        return self.found

    def add(self, role: str, values: Iterable[str]) -> None:
        kept = tuple(dict.fromkeys(v for v in values if v and len(v) <= 200))[:MAX_VALUES]
        if kept:
            self.found.roles[role] = kept

    # -- what the goal names -----------------------------------------------------------------------

    def _pairs(self) -> bool:
        """`number (Bill no), total (To pay)`: names with one thing each, which is no kind of file."""
        kinds = {posixpath.splitext(p)[1].lstrip(".").casefold() for p in self.paths}
        found: list[tuple[str, str]] = []
        spans = []
        for match in _BRACKET.finditer(self.goal):
            name, label = self._before_bracket(match.start()), match[1].strip()
            if not name or re.search(r"[,，、/;；]", label) or label.strip(".*").casefold() in kinds:
                return False
            found.append((name, label))
            spans.append((match.start() - len(name) - 1, match.end()))
        if len(found) < 2:
            return False
        self.found.pairs = tuple(found)
        self.spans += spans
        names = [name for name, _ in found]
        self._listed_columns(names, spans)
        self.add("goal.labels", [label for _, label in found])
        return True

    def _listed_columns(self, names: Sequence[str], spans: Sequence[tuple[int, int]]) -> None:
        self.add("goal.columns", names)
        if len(names) > 1:
            self.add("goal.columns first", names[:1])
            self.add("goal.columns last", names[-1:])
        rest = self.goal
        for start, end in sorted(spans, reverse=True):
            rest = f"{rest[: max(0, start)]} {rest[end:]}"
        again = [n for n in names if re.search(rf"(?<![A-Za-z0-9_]){re.escape(n)}(?![A-Za-z0-9_])", rest)]
        self.add("goal.columns named again", again)

    def _before_bracket(self, at: int) -> str:
        """The name that stands before the bracket at AT."""
        before = _BEFORE.search(self.goal[max(0, at - NEAR) : at])
        if before is None:
            return ""
        return before[1] if before[1].isascii() else _CJK_LEAD.sub("", before[1]) or before[1]

    def _groups(self) -> None:
        """`images (jpg, png), music (mp3)`, and the wordings for the same with "into" or "to"."""
        if self._pairs():
            return
        for match in _BRACKET.finditer(self.goal):
            name = self._before_bracket(match.start())
            if not name:
                continue
            members = tuple(m.strip().strip(".*") for m in re.split(r"[,，、/]|\band\b|和", match[1]) if m.strip())
            if members and all(re.fullmatch(r"[\w\-]{1,12}", m) for m in members):
                self.found.groups[name] = members
                self.spans.append((self.goal.rfind(name, 0, match.start()), match.end()))
        if self.found.groups:
            self.add("goal.group", self.found.groups)

    def _goal_paths(self) -> None:
        """Paths in the goal: new or there already, file or folder, by extension, by the word before, and by the order of mention."""
        kinds: dict[str, list[str]] = {}
        for begin, end in sorted(self._mentions()):
            path = self.goal[begin:end].removeprefix("./")
            self.spans.append((begin, end))
            name = path.rstrip("/")
            folder = path.endswith("/") or name in self.folders
            there = name in self.paths or name in self.folders
            kind = f"goal.{'folder' if folder else 'file'}.{'old' if there else 'new'}"
            kinds.setdefault(kind, []).append(name)
            extension = posixpath.splitext(name)[1].casefold()
            cue = _cue(self.goal[max(0, begin - NEAR) : begin])
            for role in (f"{kind}{extension}" if extension else "", f"{kind} after {cue}" if cue else ""):
                if role:
                    self.add(role, (*self.found.roles.get(role, ()), name))
        for kind, names in kinds.items():
            self.add(kind, names)
            if len(set(names)) > 1:
                self.add(f"{kind} first", names[:1])
                self.add(f"{kind} last", names[-1:])

    def _mentions(self) -> Iterator[tuple[int, int]]:
        """Where the goal names paths: the folders that are there, however they are written, and what looks like one."""
        taken = list(self.spans)
        for folder in sorted((f for f in self.folders if f in self.goal), key=len, reverse=True):
            found = re.finditer(rf"(?<![\w/.\-]){re.escape(folder)}(?![\w/\-])", self.goal)
            for match in islice(found, MAX_TIMES):
                if not any(a <= match.start() < b for a, b in taken):
                    taken.append(match.span())
                    yield match.span()
        for begin, end in [span for match in _PATH.finditer(self.goal) for span in self._paths(*match.span())]:
            if not any(a < end and begin < b for a, b in taken):
                yield begin, end

    def _paths(self, start: int, end: int) -> list[tuple[int, int]]:
        """The paths from START to END of the goal: Chinese that runs on from one to the next is no part of either."""
        out: list[tuple[int, int]] = []
        while True:
            begin = end - len(self._without_lead(self.goal[start:end]))
            out.append((begin, end))
            earlier = _PATH.search(self.goal, start, begin) if begin > start else None
            if earlier is None:
                return out[::-1]
            start, end = earlier.span()

    def _without_lead(self, path: str) -> str:
        """PATH without the Chinese words that run into it: from where a file or folder that is there begins, else after the last word that
        leads to a name, else where Latin letters begin."""
        if path.isascii() or path.rstrip("/") in self.paths | self.folders:
            return path
        for start in range(1, len(path) - 2):
            if path[start:].rstrip("/") in self.paths | self.folders:
                return path[start:]
        folder, slash, name = path.rpartition("/") if not path.endswith("/") else ("", "", path)
        if slash:
            lead = folder.partition("/")
            return path[len(lead[0]) - len(_after_lead(lead[0])) :]
        return _after_lead(name)

    def _goal_columns(self) -> None:
        match = _COLUMNS.search(self.goal)
        if match is None or self.found.pairs:
            return
        names = [n for n in _LISTED.split(match[1]) if re.fullmatch(r"[\w\-]+", n)]
        joined = re.fullmatch(r"[\w\-]+(?:,[\w\-]+)+", match[1])  # `from,to` is no run of plain words
        if not joined and all(n.casefold() in _NO_COLUMN for n in names):
            return
        self.spans.append(match.span(1))
        self._listed_columns(names, [match.span(1)])

    def _goal_names(self) -> None:
        """Quoted words, proper names, dates, numbers and short phrases, each by what kind it is and by the words around it."""
        goal = self.goal
        for kind, pattern in (("quoted", _QUOTED), ("date", beginnings.DATE), ("time", _TIME), ("number", _NUMBER)):
            for match in pattern.finditer(goal):
                value = match[1] if kind == "quoted" else match[0]
                if any(a <= match.start() < b for a, b in self.spans):
                    continue
                self.spans.append(match.span())
                self._named(kind, value, match.start(), match.end())
        for match in _CAPITALS.finditer(goal):
            before = goal[max(0, match.start() - NEAR) : match.start()]
            begins = re.search(r"(^|[.!?:]\s+|\n\s*)$", before) is not None and " " not in match[0]
            if begins or any(a <= match.start() < b for a, b in self.spans):
                continue
            self.spans.append(match.span())
            self._named("name", match[0], match.start(), match.end())
        for value in identifiers(goal):
            if value and not value.isascii():
                for match in islice(re.finditer(re.escape(value), goal, re.IGNORECASE), MAX_TIMES):
                    self._named("name", match[0], match.start(), match.end())
        for kind in ("quoted", "date", "time", "number", "name"):
            several = self.found.roles.get(f"goal.{kind}", ())
            if len(several) > 1:
                self.add(f"goal.{kind} first", [min(several, key=goal.find)])
                self.add(f"goal.{kind} last", [max(several, key=goal.rfind)])
        for before, phrase in _phrases(self._left("·")):
            self.add(f"goal.phrase after {before}", (*self.found.roles.get(f"goal.phrase after {before}", ()), phrase))

    def _named(self, kind: str, value: str, start: int, end: int) -> None:
        before, after = self.goal[max(0, start - NEAR) : start], self.goal[end : end + NEAR]
        role = f"goal.{kind}"
        self.add(role, (*self.found.roles.get(role, ()), value))
        for where, cue in (("after", _cue(before)), ("before", _cue(after, last=False))):
            if cue:
                self.add(f"{role} {where} {cue}", (*self.found.roles.get(f"{role} {where} {cue}", ()), value))

    # -- what is there -----------------------------------------------------------------------------

    def _files(self) -> None:
        """The files by type and folder, and what is common to the names of many."""
        by_extension: dict[str, list[FileEntry]] = {}
        for entry in self.files:
            by_extension.setdefault(posixpath.splitext(entry.name)[1].casefold(), []).append(entry)
        goal = self.goal.casefold()
        self.add("file named in the goal", [f.path for f in self.files if f.name.casefold() in goal])
        if len(self.files) == 1:
            self.add("file only", [self.files[0].path])
        for extension, entries in by_extension.items():
            self.add(f"file{extension}", [e.path for e in entries])
            if len(entries) == 1:
                self.add(f"file{extension} only", [entries[0].path])
            else:
                self.add(f"file{extension} newest", [max(entries, key=lambda e: e.mtime).path])
                self._common(f"files{extension}", entries)
        most = Counter(posixpath.splitext(f.name)[1].casefold() for f in self.files).most_common(1)
        if most and most[0][0]:
            self.add("extension of most", [most[0][0].lstrip(".")])
        folder = next(iter(self.found.roles.get("goal.folder.old", ())), None)
        if folder is not None:
            inside = [f for f in self.files if f.path.startswith(folder + "/")]
            most = Counter(posixpath.splitext(f.name)[1].casefold() for f in inside).most_common(1)
            if most and most[0][0]:
                self.add("extension in the goal's folder", [most[0][0].lstrip(".")])
            self.add("file in the goal's folder", [f.path for f in inside])
        holding = Counter(posixpath.dirname(f.path) for f in self.files)
        holding.pop("", None)
        if holding:
            self.add("folder of most", [holding.most_common(1)[0][0]])
        if len(self.folders) == 1:
            self.add("folder only", self.folders)

    def _common(self, role: str, entries: Sequence[FileEntry]) -> None:
        """The folder that all ENTRIES are in, and the beginning that their names share."""
        folders = {posixpath.dirname(e.path) for e in entries}
        if len(folders) == 1:
            self.add(f"{role} folder", folders)
        prefix = posixpath.commonprefix([posixpath.splitext(e.name)[0] for e in entries])
        prefix = re.sub(r"\d+$", "", prefix)
        if len(prefix) > 1:
            self.add(f"{role} prefix", [prefix, prefix.rstrip("_- ")])

    def _contents(self) -> None:
        """The files that say most of what the goal names; and which of the goal's words tell one file from the others, so that they are
        what it is about this time and not what is to be done."""
        readable = [f for f in self.files if f.size < 200_000 and not f.path.casefold().endswith(UNREADABLE)]
        packed = sum(f.path.casefold().endswith(PACKED) for f in readable)
        if len(readable) < 2 or len(readable) > MAX_READ or packed > MAX_PACKED:
            return
        texts = {f.path: preview(f.path, 2000, self.workspace).casefold() for f in readable}
        said = Counter(word for text in texts.values() for word in content_words(text))
        self.telling = {w for w in content_words(self.goal) if 0 < said[w] <= len(texts) / 2}
        weights: dict[str, float] = {}
        for kind in ("quoted", "name"):
            weights |= {v.casefold(): 2.0 for v in self.found.roles.get(f"goal.{kind}", ())}
        for role, phrases in self.found.roles.items():
            if role.startswith("goal.phrase"):
                for phrase in map(str.casefold, phrases):
                    share = sum(phrase in text for text in texts.values()) / len(texts)
                    weights.setdefault(phrase, 1.0 - share)
        scores = {path: sum(w for v, w in weights.items() if v in text) for path, text in texts.items()}
        best = max(scores.values())
        tops = [path for path, score in scores.items() if score >= best - 1e-9]
        if best > 0.5 and len(tops) < len(texts):
            self.add("file that says what the goal names", tops)

    def _columns(self) -> None:
        """Column names and labels of the files, by what the goal says of them and by what stands under them."""
        goal_words = content_words(self.goal)
        named: dict[str, list[str]] = {}
        layouts: set[str] = set()
        separators: list[str] = []
        texts: list[str] = []
        seen: list[str] = []
        about = {p for role in ("goal.file.old", "file in the goal's folder") for p in self.found.roles.get(role, ())}
        for extension in sorted({posixpath.splitext(f.name)[1].casefold() for f in self.files}):
            most = 3 if extension in PACKED else SAMPLES
            some = [f for f in self.files if f.name.casefold().endswith(extension) and extension][:most]
            for entry in some:
                lines = preview(entry.path, 1500, self.workspace).splitlines()
                if not about or entry.path in about:
                    layouts.add(f"{extension} {beginnings.layout(lines, extension in TABLES)}")
                    seen += lines
                    if extension not in TABLES:
                        texts.append("\n".join(lines))
                    elif extension not in PACKED:
                        separators.append(beginnings.separator(lines))
                fields = beginnings.header(lines) if extension in TABLES else beginnings.labels(lines)
                what = "column" if extension in TABLES else "label"
                for name, sample in fields.items():
                    kind = beginnings.kind(sample)
                    for role in (what, f"{what} of {kind}"):
                        named.setdefault(role, []).append(name)
                    if content_words(name) & goal_words:
                        named.setdefault(f"{what} named in the goal", []).append(name)
                        named.setdefault(f"{what} named in the goal of {kind}", []).append(name)
                        for where in self._surrounded(name):
                            named.setdefault(f"{what} {where}", []).append(name)
        kinds = {layout.partition(" ")[0] for layout in layouts}
        if len(kinds) <= MANY:
            self.found.layout, self.found.said = "\n".join(sorted(layouts)), tokens([redact("\n".join(seen))])
        else:
            self.found.layout = "many kinds"
        for role, names in named.items():
            self.add(role, names)
        for role, sign in marks(self.goal, filter(None, separators), texts, named.get("column", ())):
            self.add(role, [sign])
        wanted = self.found.roles.get("goal.columns", ())
        there = {n.casefold() for role in ("column", "label") for n in self.found.roles.get(role, ())}
        self.add("goal.columns found", [w for w in wanted if w.casefold() in there])
        self.add("goal.columns made", [w for w in wanted if w.casefold() not in there])

    def _surrounded(self, name: str) -> Iterator[str]:
        """The words around NAME where the goal says it: `lower-case email` gives `after case`."""
        for match in re.finditer(rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])", self.goal):
            before, after = self.goal[max(0, match.start() - NEAR) : match.start()], self.goal[match.end() :][:NEAR]
            for where, cue in (("after", _cue(before)), ("before", _cue(after, last=False))):
                if cue:
                    yield f"{where} {cue}"

    # -- the family's marks ------------------------------------------------------------------------

    def _words(self) -> frozenset[str]:
        """The goal's words without what it names."""
        named = ("column", "goal.columns", "goal.labels")
        there = {w for role, vs in self.found.roles.items() if role.startswith(named) for v in vs for w in words(v)}
        return frozenset(w for w in content_words(self._left(" ")) if not w.isdigit() and w not in there | self.telling)

    def _left(self, mark: str) -> str:
        """The goal with a MARK in place of each thing that it names."""
        left, at = [], 0
        for start, end in sorted(self.spans):
            if start >= at:
                left.append(self.goal[at:start])
            at = max(at, end)
        return mark.join([*left, self.goal[at:]])

    def _shape(self) -> frozenset[str]:
        counts = Counter(posixpath.splitext(f.name)[1].casefold() or "none" for f in self.files)
        out = {f"in{extension}{'*' if count > 2 else ''}" for extension, count in counts.items()}
        if len(counts) > 3:
            out = {"in many kinds"}
        out |= {f"out{posixpath.splitext(v)[1].casefold()}" for v in self.found.roles.get("goal.file.new", ())}
        for role in ("goal.folder.old", "goal.file.old", "goal.columns", "goal.group", "goal.name", "goal.quoted"):
            if role in self.found.roles:
                out.add(role)
        return frozenset(out)


def _after_lead(name: str) -> str:
    rest = _CJK_LEAD.sub("", name, count=1)
    latin = re.search(r"(?<=[\u4e00-\u9fff])[A-Za-z][\w\-. ]*$", rest)
    return (latin[0] if latin and latin[0].isascii() and "." in latin[0][1:] else rest) or name


def _parents(folder: str) -> Iterable[str]:
    while folder := posixpath.dirname(folder):
        yield folder


def _cue(text: str, *, last: bool = True) -> str:
    """The word of TEXT next to what it surrounds: its last, or its first; of Chinese its nearest two characters."""
    run = re.search(
        r"([A-Za-z]+|[\u4e00-\u9fff]{1,2})[^\w]*$" if last else r"^[^\w]*([A-Za-z]+|[\u4e00-\u9fff]{1,2})", text
    )
    return run[1].casefold() if run else ""


def _phrases(goal: str) -> Iterable[tuple[str, str]]:
    """Runs of one to three plain words between function words, with the word before: `the rental contract with` → the, rental contract."""
    tokens = re.findall(r"[A-Za-z][A-Za-z\-]*|[^\sA-Za-z]", goal)
    before, run = "", []
    for token in [*tokens, "."]:
        if token.isascii() and token.isalpha() and content_words(token):
            run.append(token)
            continue
        if 1 <= len(run) <= 3 and before:
            yield before, " ".join(run)
        run = []
        before = token.casefold() if token.isalpha() else ""
