"""The situation: what today's goal and workspace offer, each thing under the roles that it plays.

A role is a relation, never an index into a listing: "the new CSV file that the goal asks for", "the column that the goal names", "the
file that says most of what the goal names". What was done once, said in roles, can be done again with today's things.

The situation is taken when the goal is set, from the goal's sentence and the files as they are then, without a language model, and is
frozen in `goal.set`; so what a run teaches is read from its events alone.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wornpath.core import digest
from wornpath.experience.files_reader import FilesReader
from wornpath.experience.goal_reader import GoalReader
from wornpath.experience.text import content_words, words
from wornpath.tools.workspace import FileEntry, Workspace

MAX_FILES = 2000


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
    files = [e for e in workspace.files(limit=MAX_FILES).entries if not e.hidden]
    folders = {parent for f in files for parent in _parents(f.path)}
    asked = GoalReader(goal, {f.path for f in files}, folders)
    asked.read()
    there = FilesReader(asked, files, workspace)
    there.read()
    said = _words(asked, there.telling)
    shape = _shape(files, asked.roles)
    return Situation(asked.roles, asked.groups, asked.pairs, said, shape, there.layout, there.said)


def _words(goal: GoalReader, telling: set[str]) -> frozenset[str]:
    """The goal's words without what it names, and without those TELLING which file it is about."""
    named = ("column", "goal.columns", "goal.labels")
    there = {w for role, vs in goal.roles.items() if role.startswith(named) for v in vs for w in words(v)}
    return frozenset(w for w in content_words(goal.left(" ")) if not w.isdigit() and w not in there | telling)


def _shape(files: Sequence[FileEntry], roles: Mapping[str, Sequence[str]]) -> frozenset[str]:
    counts = Counter(posixpath.splitext(f.name)[1].casefold() or "none" for f in files)
    out = {f"in{extension}{'*' if count > 2 else ''}" for extension, count in counts.items()}
    if len(counts) > 3:
        out = {"in many kinds"}
    out |= {f"out{posixpath.splitext(v)[1].casefold()}" for v in roles.get("goal.file.new", ())}
    for role in ("goal.folder.old", "goal.file.old", "goal.columns", "goal.group", "goal.name", "goal.quoted"):
        if role in roles:
            out.add(role)
    return frozenset(out)


def _parents(path: str) -> Iterable[str]:
    while path := posixpath.dirname(path):
        yield path
