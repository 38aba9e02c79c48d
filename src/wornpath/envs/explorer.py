"""What has been seen of a folder so far, from the outputs of the file tools alone, and what could be done next.

It knows nothing but the goal's sentence and the texts that the tools returned; the candidates it offers are the same
for every policy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from wornpath.core import Action, Entity
from wornpath.envs.situation import action_text
from wornpath.experience.text import content_words, has_cjk, identifiers, key_phrases

_HIT = re.compile(r"^(.+?):(\d+): (.*)$")
_PAIR = re.compile(r"^(.{1,80})(?:[:=]\s+|\s*：\s*)(\S.*)$|^([\w.-]{1,40})=(\S.*)$")
_DEFINES = re.compile(r"^\s*(?:async def|def|class|function|fn|func|const|interface|type|struct) (\w+)")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_VALUE = re.compile(r"[A-Za-z]{0,4}-?\d[\d.,:-]*\d[A-Za-z%]{0,3}|\d+[A-Za-z%]{0,3}")
MORE = "... "
"""Start of the line that says how much of an output was left out."""


@dataclass(slots=True)
class _Seen:
    """A file, folder or value met so far."""

    kind: str
    roles: set[str] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)
    title: str = ""
    path: str = ""
    score: float = 0.0


class Explorer:
    """Follows one episode."""

    def __init__(self, goal: str) -> None:
        self.goal = goal
        self._words = content_words(goal)
        self._things = identifiers(goal)
        self._phrases = list(key_phrases(goal))
        self._seen: dict[str, _Seen] = {}
        self._done: set[str] = set()

    def observe(self, action: Action | None, text: str, result: str) -> None:
        """Take in what ACTION (None: the listing shown at the start) returned."""
        if action is not None:
            self._done.add(action.canonical)
            if action.tool == "search_text" and result == "empty":
                self._shorten(str(action.arguments.get("query", "")))
        if result not in ("ok", ""):
            return
        lines = [line for line in text.split("\n") if line and not line.startswith(MORE)]
        tool = action.tool if action else "list_files"
        if tool == "list_files":
            for line in lines:
                self._file(line, "listed")
        elif tool == "find_files":
            for line in lines:
                self._file(line, "name_hit")
        elif tool == "search_text":
            for line in lines:
                match = _HIT.match(line)
                if match:
                    self._file(match.group(1), "text_hit", match.group(3))
        elif tool == "read_file" and action is not None:
            self._open(str(action.arguments.get("path", "")), lines)
        self._mark_roles()

    def entities(self) -> tuple[Entity, ...]:
        """Everything worth a role: what candidates refer to, best first."""
        return tuple(
            Entity(value, seen.kind, tuple(sorted(seen.roles)), _detail(seen))
            for value, seen in self._ranked(self._seen.items())
        )[:48]

    def actions(self) -> list[str]:
        """At most 16 actions on offer."""
        out: list[str] = []
        values = [(v, s) for v, s in self._seen.items() if s.kind == "value"]
        files = [(v, s) for v, s in self._seen.items() if s.kind == "file"]
        folders = [(v, s) for v, s in self._seen.items() if s.kind == "folder"]
        found = [(v, s) for v, s in files if s.roles - {"listed"}]
        out += [action_text("finish", answer=v) for v, _ in self._ranked(values)[:4]]
        out += [action_text("finish", answer=v) for v, _ in self._ranked(found)[:3]]
        out += self._fresh("read_file", "path", [v for v, _ in self._ranked(files)], 4)
        out += self._fresh("search_text", "query", self._phrases, 2)
        out += self._fresh("find_files", "pattern", [f"*{p}*" for p in self._phrases], 1)
        out += self._fresh("list_files", "path", [v for v, _ in self._ranked(folders)], 1)
        out.append(action_text("finish", answer=""))
        return out

    def _shorten(self, query: str) -> None:
        """A Chinese QUERY that nothing holds may be a name with a word of the sentence before or after it, for there are
        no spaces: what is left of it without either comes next.
        """
        if not has_cjk(query) or len(query) < 3:
            return
        cut = 1 if len(query) == 3 else 2
        left = [part for part in (query[:-cut], query[cut:]) if part not in self._phrases]
        place = self._phrases.index(query) + 1 if query in self._phrases else 0
        self._phrases[place:place] = left

    def _fresh(self, tool: str, name: str, values: Iterable[str], limit: int) -> list[str]:
        """The first LIMIT calls of TOOL not made yet."""
        out: list[str] = []
        for value in values:
            if len(out) == limit:
                break
            if Action.of(tool, {name: value}).canonical not in self._done:
                out.append(action_text(tool, **{name: value}))
        return out

    def _file(self, path: str, role: str, line: str = "") -> None:
        kind = "folder" if path.endswith("/") else "file"
        seen = self._seen.setdefault(path, _Seen(kind, path=path))
        if seen.kind == "value":
            return
        seen.roles.add(role)
        if line and line not in seen.lines and len(seen.lines) < 4:
            seen.lines.append(line[:160])
        seen.score = self._score(path, " ".join(seen.lines))

    def _open(self, path: str, lines: list[str]) -> None:
        seen = self._seen.setdefault(path, _Seen("file", path=path))
        seen.roles.add("opened")
        title = lines[0][:120] if lines else ""
        head = lines[0].split(",") if path.endswith(".csv") and lines else []
        for line in lines[:200]:
            for value, context, keyed in _values(line, head):
                self._value(value, context, title, path, keyed)

    def _value(self, value: str, context: str, title: str, path: str, keyed: bool) -> None:
        """A value read in a file; KEYED when the line says what it is (`key: value`, a table's cell)."""
        score = self._score(path, f"{title} {context}") + 0.1 * keyed
        seen = self._seen.get(value)
        if seen is None or (seen.kind == "value" and score > seen.score):
            roles = {"in_file", "keyed"} if keyed else {"in_file"}
            self._seen[value] = _Seen("value", roles, [context[:160]], title, path, score)

    def _score(self, path: str, context: str) -> float:
        """How much of the goal PATH and CONTEXT speak of."""
        if not self._words:
            return 0.0
        met = content_words(path) | content_words(context)
        lower = f"{path} {context}".lower()
        return len(self._words & met) / len(self._words) + 0.5 * sum(thing in lower for thing in self._things)

    def _mark_roles(self) -> None:
        """Relations among what is known: of files whose names differ only in their date the last one; the file that
        defines a name of the goal.
        """
        groups: dict[str, list[tuple[str, str]]] = {}
        for path, seen in self._seen.items():
            seen.roles.discard("latest")
            for line in seen.lines if seen.kind == "file" else ():
                match = _DEFINES.match(line)
                if match and match.group(1).lower() in self._things:
                    seen.roles.add("defines")
            date = _DATE.search(path) if seen.kind == "file" else None
            if date:
                groups.setdefault(_DATE.sub("#", path), []).append((date.group(), path))
        for members in groups.values():
            self._seen[max(members)[1]].roles.add("latest")

    @staticmethod
    def _ranked(items: Iterable[tuple[str, _Seen]]) -> list[tuple[str, _Seen]]:
        return sorted(items, key=lambda item: -item[1].score - 0.1 * bool(item[1].roles & {"latest", "defines"}))


def _detail(seen: _Seen) -> str:
    return f"{seen.path}: {' | '.join(filter(None, (seen.title, *seen.lines)))}"


def _values(line: str, head: list[str]) -> list[tuple[str, str, bool]]:
    """What LINE says: (value, the words about it, whether these are its key). HEAD names the columns of a table."""
    if head:
        cells = line.split(",")
        if cells == head:
            return []
        return [(c, f"{h} {cells[0]}", True) for h, c in zip(head[1:], cells[1:], strict=False) if c and c != "-"]
    pair = _PAIR.match(line)
    told = (pair.group(2) or pair.group(4)).strip() if pair else ""
    out = [(told, line, True)] if told and len(told) <= 40 else []
    out += [(v, line, False) for v in _VALUE.findall(line) if len(v) > 1 and v != told]
    return out[:4]
