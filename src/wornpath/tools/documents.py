"""What is in a workspace, in few words: one line about a file, its first lines, and a map of the whole for prompts."""

from __future__ import annotations

import os
import posixpath
import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable
from pathlib import Path

from wornpath.core import ToolError
from wornpath.tools.describers import line_about
from wornpath.tools.readers import text_lines
from wornpath.tools.results import clean
from wornpath.tools.workspace import FileEntry, Workspace, natural

_CACHE: OrderedDict[tuple[str, int, int], str] = OrderedDict()
_CACHE_SIZE = 2048
_LOCK = threading.Lock()  # tools run in threads


def describe(path: str | os.PathLike[str], workspace: Workspace | None = None) -> str:
    """One short line about the file at PATH, such as `csv 3 columns: date,item,amount, 120 rows`; empty where it cannot be read.

    At most 16 KiB of it are read, so counts of bigger files are estimates (`about 5,000 rows`). Cached by path, size and time of
    change. With WORKSPACE, PATH is one of its paths.
    """
    place = Path(path)
    try:
        workspace = workspace or Workspace(place.absolute().parent, writable=False)
        name = os.fspath(path) if not place.is_absolute() or workspace.root in place.parents else place.name
        info = workspace.stat(name)
        if info is None:
            return ""
        key = (str(workspace.resolve(name)), info.st_size, info.st_mtime_ns)
        with _LOCK:
            if key in _CACHE:
                _CACHE.move_to_end(key)
                return _CACHE[key]
        with workspace.open_read(name) as file:
            line = line_about(posixpath.basename(name), file, info.st_size)
    except ToolError:
        return ""
    with _LOCK:
        _CACHE[key] = line
        if len(_CACHE) > _CACHE_SIZE:
            _CACHE.popitem(last=False)
    return line


def preview(path: str | os.PathLike[str], chars: int, workspace: Workspace | None = None) -> str:
    """The first lines of the text in PATH as they are, whole lines of at most CHARS characters in all; empty where it has none."""
    place = Path(path)
    try:
        workspace = workspace or Workspace(place.absolute().parent, writable=False)
        name = os.fspath(path) if not place.is_absolute() or workspace.root in place.parents else place.name
        lines: list[str] = []
        left = chars
        for line in text_lines(workspace, name, hurried=True):
            line = clean(line)
            if len(line) + 1 > left:
                if not lines and left > 1:
                    lines.append(line[: left - 1] + "…")
                break
            lines.append(line)
            left -= len(line) + 1
            if left <= 0:
                break
        return "\n".join(lines).rstrip()
    except ToolError:
        return ""


def overview(workspace: Workspace, budget_chars: int = 480) -> str:
    """A map of the workspace in about BUDGET_CHARS characters, equal for equal workspaces, for every prompt.

    First the folders with their numbers of files by extension and a few names, then for each type (and each set of columns) one
    file's description and, as far as there is room, its first lines.
    """
    listed = workspace.files()
    shown = [entry for entry in listed.entries if not entry.hidden]
    if not shown:
        return "The workspace is empty."
    head = f"{len(shown)}{'' if listed.complete else ' or more'} file{'s' if len(shown) > 1 else ''}"
    lines = [head + (f" and {len(listed.entries) - len(shown)} hidden" if len(listed.entries) > len(shown) else "")]
    lines += _fit(_folders(shown), budget_chars // 2)
    left = budget_chars - sum(len(line) + 1 for line in lines)
    examples: list[tuple[FileEntry, str]] = []
    for entry, about in _examples(workspace, shown):
        line = f"{entry.path}: {about}"
        if len(line) + 1 > left:
            break
        examples.append((entry, line))
        left -= len(line) + 1
    for at, (entry, line) in enumerate(examples):
        body = _beginning(entry.path, min(left // (len(examples) - at), 240), workspace)
        if body and "…" not in body[0]:
            shorter = _without_head(line)
            left += len(line) - len(shorter)
            line = shorter
        left -= sum(len(text) + 1 for text in body)
        lines += [line, *body]
    return "\n".join(lines)[:budget_chars]


def _beginning(path: str, budget: int, workspace: Workspace) -> list[str]:
    """Up to six of the first lines of PATH, indented, in BUDGET characters; none where there is hardly room for one."""
    if budget < 32:
        return []
    lines = ["  " + line for line in preview(path, budget - 4, workspace).splitlines()[:6]]
    while lines and sum(len(line) + 1 for line in lines) > budget:
        lines.pop()
    return lines if any(line.strip() for line in lines) else []


def _folders(entries: Iterable[FileEntry]) -> list[str]:
    """A line a folder: `invoices/: 9 csv (inv_1.csv, inv_2.csv … inv_9.csv)`."""
    folders: dict[str, list[str]] = {}
    for entry in entries:
        folders.setdefault(posixpath.dirname(entry.path), []).append(entry.name)
    lines = []
    for folder in sorted(folders, key=natural):
        names = sorted(folders[folder], key=natural)
        counts = Counter(_extension(n) for n in names)
        groups = []
        for extension, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
            same = [n for n in names if _extension(n) == extension]
            some = ", ".join(same) if count <= 3 else f"{same[0]}, {same[1]} … {same[-1]}"
            groups.append(some if count == 1 else f"{count} {extension} ({some})")
        lines.append(f"{folder or '.'}/: {', '.join(groups)}")
    return lines


def _extension(name: str) -> str:
    return posixpath.splitext(name)[1][1:].lower() or "other"


def _examples(workspace: Workspace, entries: list[FileEntry]) -> list[tuple[FileEntry, str]]:
    """One file of each type, the most frequent first; of tables, one for each set of columns among the first twelve."""
    types: dict[str, list[FileEntry]] = {}
    for entry in entries:
        types.setdefault(_extension(entry.name), []).append(entry)
    found: list[tuple[FileEntry, str]] = []
    for extension, same in sorted(types.items(), key=lambda pair: (-len(pair[1]), pair[0]))[:8]:
        seen: set[str] = set()
        for entry in _spread(same) if extension in ("csv", "tsv", "xlsx", "json") else same[:1]:
            line = describe(entry.path, workspace)
            shape = re.sub(r"(about )?[\d,]+ (rows|lines)|\d+", "", line)
            if line and shape not in seen:
                seen.add(shape)
                found.append((entry, line))
    return found


def _spread(entries: list[FileEntry]) -> list[FileEntry]:
    """The first two of each folder, twelve at most."""
    taken: Counter[str] = Counter()
    out = []
    for entry in entries:
        folder = posixpath.dirname(entry.path)
        taken[folder] += 1
        if taken[folder] <= (12 if not folder else 2):
            out.append(entry)
    return out[:12]


def _without_head(line: str) -> str:
    """A description without the columns or the first line, for where the file's first lines follow."""
    line = re.sub(r': "[^"]*"$', "", line)
    return re.sub(r"(: csv [\d,]+ columns?): .*?((?: \(sep=[^)]*\))?), (?=[^,]* rows?$|about)", r"\1\2, ", line)


def _fit(lines: Iterable[str], budget: int) -> list[str]:
    """As many LINES as BUDGET characters hold, with a note on the others."""
    kept: list[str] = []
    rest = list(lines)
    while rest and len(rest[0]) + 1 <= budget:
        budget -= len(rest[0]) + 1
        kept.append(rest.pop(0))
    if rest and not kept and budget > 20:
        return [rest[0][: budget - 2] + "…"]
    if rest and budget > 12:
        kept.append(f"… {len(rest)} more")
    return kept
