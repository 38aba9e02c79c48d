"""What the files of a workspace offer, under the roles that it plays: the files by type and folder, those that say what the goal names,
their columns and labels, and how they are written."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from wornpath.core.redact import redact
from wornpath.experience import beginnings
from wornpath.experience.goal_reader import NEAR, GoalReader, cue_word
from wornpath.experience.grounds import tokens
from wornpath.experience.marks import marks
from wornpath.experience.text import content_words
from wornpath.tools.documents import preview
from wornpath.tools.workspace import FileEntry, Workspace

MAX_READ = 240
"""Text files that are looked into for what the goal names."""
MAX_PACKED = 12
"""Spreadsheets and documents among them, which take a hundred times as long to open."""
SAMPLES = 8
MANY = 3
"""With more kinds of files than this it says nothing how they are written."""
TABLES = (".csv", ".tsv", ".xlsx")
UNREADABLE = (".png", ".jpg", ".jpeg", ".gif", ".zip", ".gz", ".tar", ".mp3", ".wav", ".ogg", ".mp4")
PACKED = (".xlsx", ".docx", ".pdf")
SOURCE = re.compile(
    r"\.(?:py|ipynb|[jt]sx?|[cm]js|java|kt|scala|swift|c|h|cc|cpp|hpp|cs|go|rs|rb|php|pl|r|jl|lua|sh|bash|ps1|bat|sql|css|scss)"
)
"""Source code has no labels: `best = 0` is no field of a form."""


class FilesReader:
    """Reads FILES of WORKSPACE after the GOAL, and adds to the roles that it found."""

    def __init__(self, goal: GoalReader, files: Sequence[FileEntry], workspace: Workspace) -> None:
        self.goal, self.files, self.workspace = goal, files, workspace
        self.telling: set[str] = set()
        self.layout = ""
        self.said: frozenset[str] = frozenset()

    def read(self) -> None:
        self._names()
        self._contents()
        self._columns()

    def _names(self) -> None:
        """The files by type and folder, and what is common to the names of many."""
        by_extension: dict[str, list[FileEntry]] = {}
        for entry in self.files:
            by_extension.setdefault(posixpath.splitext(entry.name)[1].casefold(), []).append(entry)
        goal = self.goal.text.casefold()
        self.goal.add("file named in the goal", [f.path for f in self.files if f.name.casefold() in goal])
        if len(self.files) == 1:
            self.goal.add("file only", [self.files[0].path])
        for extension, entries in by_extension.items():
            self.goal.add(f"file{extension}", [e.path for e in entries])
            if len(entries) == 1:
                self.goal.add(f"file{extension} only", [entries[0].path])
            else:
                self.goal.add(f"file{extension} newest", [max(entries, key=lambda e: e.mtime).path])
                self._common(f"files{extension}", entries)
        most = Counter(posixpath.splitext(f.name)[1].casefold() for f in self.files).most_common(1)
        if most and most[0][0]:
            self.goal.add("extension of most", [most[0][0].lstrip(".")])
        folder = next(iter(self.goal.roles.get("goal.folder.old", ())), None)
        if folder is not None:
            inside = [f for f in self.files if f.path.startswith(folder + "/")]
            most = Counter(posixpath.splitext(f.name)[1].casefold() for f in inside).most_common(1)
            if most and most[0][0]:
                self.goal.add("extension in the goal's folder", [most[0][0].lstrip(".")])
            self.goal.add("file in the goal's folder", [f.path for f in inside])
        holding = Counter(posixpath.dirname(f.path) for f in self.files)
        holding.pop("", None)
        if holding:
            self.goal.add("folder of most", [holding.most_common(1)[0][0]])
        if len(self.goal.folders) == 1:
            self.goal.add("folder only", self.goal.folders)

    def _common(self, role: str, entries: Sequence[FileEntry]) -> None:
        """The folder that all ENTRIES are in, and the beginning that their names share."""
        folders = {posixpath.dirname(e.path) for e in entries}
        if len(folders) == 1:
            self.goal.add(f"{role} folder", folders)
        prefix = posixpath.commonprefix([posixpath.splitext(e.name)[0] for e in entries])
        prefix = re.sub(r"\d+$", "", prefix)
        if len(prefix) > 1:
            self.goal.add(f"{role} prefix", [prefix, prefix.rstrip("_- ")])

    def _contents(self) -> None:
        """The files that say most of what the goal names; and which of the goal's words tell one file from the others, so that they are
        what it is about this time and not what is to be done."""
        readable = [f for f in self.files if f.size < 200_000 and not f.path.casefold().endswith(UNREADABLE)]
        packed = sum(f.path.casefold().endswith(PACKED) for f in readable)
        if len(readable) < 2 or len(readable) > MAX_READ or packed > MAX_PACKED:
            return
        texts = {f.path: preview(f.path, 2000, self.workspace).casefold() for f in readable}
        said = Counter(word for text in texts.values() for word in content_words(text))
        self.telling = {w for w in content_words(self.goal.text) if 0 < said[w] <= len(texts) / 2}
        weights: dict[str, float] = {}
        for kind in ("quoted", "name"):
            weights |= {v.casefold(): 2.0 for v in self.goal.roles.get(f"goal.{kind}", ())}
        for role, phrases in self.goal.roles.items():
            if role.startswith("goal.phrase"):
                for phrase in map(str.casefold, phrases):
                    share = sum(phrase in text for text in texts.values()) / len(texts)
                    weights.setdefault(phrase, 1.0 - share)
        scores = {path: sum(w for v, w in weights.items() if v in text) for path, text in texts.items()}
        best = max(scores.values())
        tops = [path for path, score in scores.items() if score >= best - 1e-9]
        if best > 0.5 and len(tops) < len(texts):
            self.goal.add("file that says what the goal names", tops)

    def _columns(self) -> None:
        """Column names and labels of the files, by what the goal says of them and by what stands under them."""
        goal_words = content_words(self.goal.text)
        named: dict[str, list[str]] = {}
        layouts: set[str] = set()
        separators: list[str] = []
        texts: list[str] = []
        seen: list[str] = []
        about = {p for role in ("goal.file.old", "file in the goal's folder") for p in self.goal.roles.get(role, ())}
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
                if SOURCE.fullmatch(extension):
                    continue
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
            self.layout, self.said = "\n".join(sorted(layouts)), tokens([redact("\n".join(seen))])
        else:
            self.layout = "many kinds"
        for role, names in named.items():
            self.goal.add(role, names)
        for role, sign in marks(self.goal.text, filter(None, separators), texts, named.get("column", ())):
            self.goal.add(role, [sign])
        wanted = self.goal.roles.get("goal.columns", ())
        there = {n.casefold() for role in ("column", "label") for n in self.goal.roles.get(role, ())}
        self.goal.add("goal.columns found", [w for w in wanted if w.casefold() in there])
        self.goal.add("goal.columns made", [w for w in wanted if w.casefold() not in there])

    def _surrounded(self, name: str) -> Iterator[str]:
        """The words around NAME where the goal says it: `lower-case email` gives `after case`."""
        for match in re.finditer(rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])", self.goal.text):
            before, after = (
                self.goal.text[max(0, match.start() - NEAR) : match.start()],
                self.goal.text[match.end() :][:NEAR],
            )
            for where, cue in (("after", cue_word(before)), ("before", cue_word(after, last=False))):
                if cue:
                    yield f"{where} {cue}"
