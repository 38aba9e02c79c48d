"""What a goal names, under the roles that it plays: paths new or there already, columns, kinds to sort by, quoted words, proper names,
dates, numbers and short phrases, each by what kind it is and by the words around it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import islice

from wornpath.experience import beginnings
from wornpath.experience.text import content_words, identifiers

MAX_GOAL_READ = 8000
"""Characters of the goal that are looked at: what comes after is material, and every name in it would be a role of its own."""
MAX_VALUES = 200
MAX_TIMES = 20
"""So often a name is looked at where the goal says it."""
NEAR = 60
"""Characters around a name in which its cue is looked for."""

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
_NO_COLUMN = re.compile(r"of|in|to|that|the|from|by|for|with|which|is|are|on|at|as|it|and|or", re.IGNORECASE)
_LISTED = re.compile(r"\s*(?:,|，|、|\band\b|和)\s*")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:[.,]\d+)*(?![\w])")
_TIME = re.compile(r"(?<![\d:])\d{1,2}:\d{2}(?![\d:])")
_QUOTED = re.compile(r"[\"“「『‘`']([^\"”」』’`'\n]{1,60})[\"”」』’`']")
_CAPITALS = re.compile(r"\b[A-Z][\w&'\-]*(?:\s+(?:[A-Z][\w&'\-]*|&))*")


class GoalReader:
    """Reads a goal, with the PATHS of the files that are there and the FOLDERS they are in."""

    def __init__(self, goal: str, paths: Set[str], folders: Set[str]) -> None:
        self.text = _ENDLESS.sub(" ", goal[:MAX_GOAL_READ])
        self.paths, self.folders = paths, folders
        self.roles: dict[str, tuple[str, ...]] = {}
        self.groups: dict[str, tuple[str, ...]] = {}
        self.pairs: tuple[tuple[str, str], ...] = ()
        self.spans: list[tuple[int, int]] = []
        """Where the goal names things: what is left of it are its words."""

    def read(self) -> None:
        self._groups()
        self._paths()
        self._columns()
        self._names()

    def add(self, role: str, values: Iterable[str]) -> None:
        """Let VALUES play ROLE, those who did no more."""
        kept = tuple(dict.fromkeys(v for v in values if v and len(v) <= 200))[:MAX_VALUES]
        if kept:
            self.roles[role] = kept

    def left(self, mark: str) -> str:
        """The goal with a MARK in place of each thing that it names."""
        left, at = [], 0
        for start, end in sorted(self.spans):
            if start >= at:
                left.append(self.text[at:start])
            at = max(at, end)
        return mark.join([*left, self.text[at:]])

    def _pairs(self) -> bool:
        """`number (Bill no), total (To pay)`: names with one thing each, which is no kind of file."""
        kinds = {posixpath.splitext(p)[1].lstrip(".").casefold() for p in self.paths}
        found: list[tuple[str, str]] = []
        spans = []
        for match in _BRACKET.finditer(self.text):
            name, label = self._before_bracket(match.start()), match[1].strip()
            if not name or re.search(r"[,，、/;；]", label) or label.strip(".*").casefold() in kinds:
                return False
            found.append((name, label))
            spans.append((match.start() - len(name) - 1, match.end()))
        if len(found) < 2:
            return False
        self.pairs = tuple(found)
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
        rest = self.text
        for start, end in sorted(spans, reverse=True):
            rest = f"{rest[: max(0, start)]} {rest[end:]}"
        again = [n for n in names if re.search(rf"(?<![A-Za-z0-9_]){re.escape(n)}(?![A-Za-z0-9_])", rest)]
        self.add("goal.columns named again", again)

    def _before_bracket(self, at: int) -> str:
        """The name that stands before the bracket at AT."""
        before = _BEFORE.search(self.text[max(0, at - NEAR) : at])
        if before is None:
            return ""
        return before[1] if before[1].isascii() else _CJK_LEAD.sub("", before[1]) or before[1]

    def _groups(self) -> None:
        """`images (jpg, png), music (mp3)`, and the wordings for the same with "into" or "to"."""
        if self._pairs():
            return
        for match in _BRACKET.finditer(self.text):
            name = self._before_bracket(match.start())
            if not name:
                continue
            members = tuple(m.strip().strip(".*") for m in re.split(r"[,，、/]|\band\b|和", match[1]) if m.strip())
            if members and all(re.fullmatch(r"[\w\-]{1,12}", m) for m in members):
                self.groups[name] = members
                self.spans.append((self.text.rfind(name, 0, match.start()), match.end()))
        if self.groups:
            self.add("goal.group", self.groups)

    def _paths(self) -> None:
        """Paths in the goal: new or there already, file or folder, by extension, by the word before, and by the order of mention."""
        kinds: dict[str, list[str]] = {}
        for begin, end in sorted(self._mentions()):
            path = self.text[begin:end].removeprefix("./")
            self.spans.append((begin, end))
            name = path.rstrip("/")
            folder = path.endswith("/") or name in self.folders
            there = name in self.paths or name in self.folders
            kind = f"goal.{'folder' if folder else 'file'}.{'old' if there else 'new'}"
            kinds.setdefault(kind, []).append(name)
            extension = posixpath.splitext(name)[1].casefold()
            cue = cue_word(self.text[max(0, begin - NEAR) : begin])
            for role in (f"{kind}{extension}" if extension else "", f"{kind} after {cue}" if cue else ""):
                if role:
                    self.add(role, (*self.roles.get(role, ()), name))
        for kind, names in kinds.items():
            self.add(kind, names)
            if len(set(names)) > 1:
                self.add(f"{kind} first", names[:1])
                self.add(f"{kind} last", names[-1:])

    def _mentions(self) -> Iterator[tuple[int, int]]:
        """Where the goal names paths: the folders that are there, however they are written, and what looks like one."""
        taken = list(self.spans)
        for folder in sorted((f for f in self.folders if f in self.text), key=len, reverse=True):
            found = re.finditer(rf"(?<![\w/.\-]){re.escape(folder)}(?![\w/\-])", self.text)
            for match in islice(found, MAX_TIMES):
                if not any(a <= match.start() < b for a, b in taken):
                    taken.append(match.span())
                    yield match.span()
        for begin, end in [span for match in _PATH.finditer(self.text) for span in self._apart(*match.span())]:
            if not any(a < end and begin < b for a, b in taken):
                yield begin, end

    def _apart(self, start: int, end: int) -> list[tuple[int, int]]:
        """The paths from START to END of the goal: Chinese that runs on from one to the next is no part of either."""
        out: list[tuple[int, int]] = []
        while True:
            begin = end - len(self._without_lead(self.text[start:end]))
            out.append((begin, end))
            earlier = _PATH.search(self.text, start, begin) if begin > start else None
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

    def _columns(self) -> None:
        match = _COLUMNS.search(self.text)
        if match is None or self.pairs:
            return
        names = [n for n in _LISTED.split(match[1]) if re.fullmatch(r"[\w\-]+", n)]
        joined = re.fullmatch(r"[\w\-]+(?:,[\w\-]+)+", match[1])  # `from,to` is no run of plain words
        if not joined and all(_NO_COLUMN.fullmatch(n) for n in names):
            return
        self.spans.append(match.span(1))
        self._listed_columns(names, [match.span(1)])

    def _names(self) -> None:
        """Quoted words, proper names, dates, numbers and short phrases, each by what kind it is and by the words around it."""
        goal = self.text
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
            several = self.roles.get(f"goal.{kind}", ())
            if len(several) > 1:
                self.add(f"goal.{kind} first", [min(several, key=goal.find)])
                self.add(f"goal.{kind} last", [max(several, key=goal.rfind)])
        for before, phrase in _phrases(self.left("·")):
            self.add(f"goal.phrase after {before}", (*self.roles.get(f"goal.phrase after {before}", ()), phrase))

    def _named(self, kind: str, value: str, start: int, end: int) -> None:
        before, after = self.text[max(0, start - NEAR) : start], self.text[end : end + NEAR]
        role = f"goal.{kind}"
        self.add(role, (*self.roles.get(role, ()), value))
        for where, cue in (("after", cue_word(before)), ("before", cue_word(after, last=False))):
            if cue:
                self.add(f"{role} {where} {cue}", (*self.roles.get(f"{role} {where} {cue}", ()), value))


def _after_lead(name: str) -> str:
    rest = _CJK_LEAD.sub("", name, count=1)
    latin = re.search(r"(?<=[\u4e00-\u9fff])[A-Za-z][\w\-. ]*$", rest)
    return (latin[0] if latin and latin[0].isascii() and "." in latin[0][1:] else rest) or name


def cue_word(text: str, *, last: bool = True) -> str:
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
