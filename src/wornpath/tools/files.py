"""Looking at files: listing, finding by name, searching text, reading page by page. None of these changes anything."""

from __future__ import annotations

import contextlib
import difflib
import fnmatch
import os
import posixpath
import re
import time
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated

from wornpath.core import Entity, Observation, Part, ToolError
from wornpath.tools.decorator import tool
from wornpath.tools.documents import describe
from wornpath.tools.nearest import nearest, query_words
from wornpath.tools.readers import read_page, text_lines
from wornpath.tools.search import Matcher, matcher
from wornpath.tools.tool import ToolContext, WorkspacePath
from wornpath.tools.workspace import SKIPPED_FOLDERS, FileEntry, Workspace, natural, spelling

_DESCRIBED = 24
"""How many files a listing describes; with more, names and sizes are all."""
_LARGE_DOCUMENT = 2 << 20
_SEARCH_SECONDS = 10.0
_EXTENSIONS = (".pdf", ".docx", ".xlsx", ".pptx", ".odt", ".ods")


@tool(risk="read", kinds=("find", "read", "compute", "organise", "other"))
def list_files(
    context: ToolContext, path: Annotated[str, WorkspacePath] = ".", depth: int = 1, page: int = 1
) -> Observation:
    """List the files of a folder.

    Args:
        path: a folder
        depth: 2 or more lists the folders in it too
    """
    workspace = context.workspace
    need(workspace, path)
    name = workspace.relative(path)
    if not workspace.is_folder(path):
        raise ToolError(f"{name} is a file, not a folder; use read_file to read it.")
    found = list(_entries(workspace, name, max(1, min(depth, 10))))
    if not found:
        return Observation.of(f"The folder {name} is empty.", "empty", facts=(f"The folder {name} is empty.",))
    files = sum(not e.path.endswith("/") for e in found)
    few = files <= _DESCRIBED
    lines, entities = [], []
    for entry in found:
        detail = _detail(workspace, entry, few)
        shown = entry.path if name == "." else entry.path[len(name) + 1 :]
        lines.append(f"{shown}  {detail}" + (" (hidden)" if entry.hidden else ""))
        kind = "folder" if entry.path.endswith("/") else "file"
        entities.append(Entity(entry.path.rstrip("/"), kind, detail=detail))
    shown_lines, first, note = paged(lines, page, context.max_chars, f"list_files(path={name!r}, page={page + 1})")
    return Observation.of(
        f"{_counted(found, name)}:\n" + "\n".join(shown_lines) + note,
        facts=(f"{_counted(found, name)}: {_some([posixpath.basename(e.path.rstrip('/')) for e in found])}",),
        entities=tuple(entities[first : first + len(shown_lines)]),
    )


@tool(risk="read", kinds=("find", "read", "compute", "write", "code", "other"))
def read_file(context: ToolContext, path: Annotated[str, WorkspacePath], page: int = 1) -> Observation:
    """Read a text file or document (PDF, Word, Excel, mail), page by page."""
    workspace = context.workspace
    need(workspace, path)
    name = workspace.relative(path)
    if workspace.is_folder(path):
        raise ToolError(f"{name} is a folder; use list_files to see what is in it.")
    about = describe(name, workspace)
    entity = Entity(name, "file", detail=about)
    shown = read_page(workspace, name, page, max(200, context.max_chars - 160))
    text = shown.text
    if not text.strip():
        return Observation.of(f"{name} is empty.", "empty", facts=(f"{name} is empty.",), entities=(entity,))
    if shown.pages > 1:
        more = f"; page {page + 1} goes on" if page < shown.pages else ""
        text = text.rstrip("\n") + f"\n[page {page} of {shown.pages:,} of {name}{more}]"
    return Observation(
        parts=(Part(text=text), *shown.parts),
        facts=(f"{name}: {about}",) if about else (),
        entities=(entity,),
        untrusted=shown.kind == "eml",
    )


@tool(risk="read", kinds=("find", "organise", "other"))
def find_files(context: ToolContext, pattern: str, path: Annotated[str, WorkspacePath] = ".") -> Observation:
    """Find files by name: part of it, or a pattern such as *.csv.

    Args:
        pattern: part of a name, or a pattern with * and ?
        path: the folder to look in
    """
    workspace = context.workspace
    need(workspace, path)
    if not pattern.strip():
        raise ToolError("The pattern is empty; give part of a file name, or a pattern such as *.csv.")
    listed = workspace.files(path)
    places = [*_folders(listed.entries), *listed.entries]
    found = _named(places, pattern)
    where = "" if workspace.relative(path) == "." else f" in {workspace.relative(path)}"
    limit = "" if listed.complete else f"\n[only the first {len(listed.entries):,} files were looked at]"
    if not found:
        close = difflib.get_close_matches(pattern.strip("*"), [e.name for e in listed.entries], 3, 0.6)
        hint = f" Names like it: {', '.join(close)}." if close else ""
        if not close and (inside := _instead(workspace, pattern)):
            return replace(inside, parts=(Part(text=f"No file name matches, but in the text: {inside.text}"),))
        return Observation.of(
            f"No file name{where} matches {pattern!r}.{hint}{limit}",
            "empty",
            facts=(f"No file name{where} matches {pattern!r}.",),
        )
    found.sort(key=lambda e: natural(e.path))
    few = len(found) <= _DESCRIBED
    lines = [f"{entry.path}  {_detail(workspace, entry, few)}" for entry in found]
    shown, _, note = paged(lines, 1, context.max_chars - 80, "a narrower pattern")
    number = f"{len(found):,} {'match' if len(found) == 1 else 'matches'}"
    return Observation.of(
        f"{number}{where}:\n" + "\n".join(shown) + note + limit,
        facts=(f"{number}{where} for {pattern!r}: {_some([e.path for e in found])}",),
        entities=tuple(_entity(workspace, e, few) for e in found[: len(shown)]),
    )


@tool(risk="read", kinds=("find", "read", "code"))
def search_text(
    context: ToolContext, query: str, path: Annotated[str, WorkspacePath] = ".", pattern: str = "*"
) -> Observation:
    """Search the text of files for words.

    Args:
        query: words as they stand in the text, or /a regular expression/
        path: a folder or a file
        pattern: which file names, such as *.md
    """
    workspace = context.workspace
    info = need(workspace, path)
    name = workspace.relative(path)
    single = not workspace.is_folder(path)
    entries: tuple[FileEntry, ...]
    if single:
        entries, complete = (FileEntry(name, info.st_size, info.st_mtime),), True
    else:
        listed = workspace.files(path)
        entries, complete = (
            tuple(_named(listed.entries, pattern) if pattern not in ("", "*") else listed.entries),
            listed.complete,
        )
    match, where, elsewhere = matcher(query), "" if name == "." else f" in {name}", ""
    hits = _Hits(context.max_chars - 200, 1000 if single else 12)
    stopped = hits.search(workspace, entries, match)
    if not hits.total and len(entries) < len(workspace.files().entries):
        listed = workspace.files()
        entries, complete = listed.entries, listed.complete
        hits, elsewhere = _Hits(context.max_chars - 200, 12), f" elsewhere, not{where or ' in such files'}"
        stopped = hits.search(workspace, entries, match)
    note = "" if complete and not stopped else f"\n[stopped early, after {hits.files_read:,} of {len(entries):,} files]"
    if not hits.total:
        text = f"{query!r} was not found ({hits.files_read:,} file{'s' if hits.files_read != 1 else ''} searched)."
        return _instead(workspace, query) or Observation.of(text + note, "empty", facts=(text,))
    number = f"{hits.total:,} line{'s' if hits.total > 1 else ''} in {len(hits.files):,} file{'s' if len(hits.files) > 1 else ''}"
    more = f"\n[{hits.total - len(hits.lines):,} more lines left out]" if hits.total > len(hits.lines) else ""
    return Observation.of(
        f"{number}{elsewhere}:\n" + "\n".join(hits.lines) + more + note,
        facts=(f"{query!r} is on {number}: {_some(list(hits.files))}",),
        entities=tuple(Entity(f, "file", detail=describe(f, workspace)) for f in list(hits.files)[:_DESCRIBED]),
    )


LOOKING = (list_files, read_file, find_files, search_text)


def _instead(workspace: Workspace, query: str) -> Observation | None:
    """Where QUERY stands nowhere as it is: the files of the whole workspace that have most of its words; None where none has half."""
    near = nearest(workspace, workspace.iter_files(), query) if not query.startswith("/") else []
    if not near:
        return None
    best, count = len(near[0].words), len(query_words(query))
    top = [n.path for n in near if len(n.words) == best]
    fact = f"{', '.join(top)} {'has' if len(top) == 1 else 'have'} {best} of the {count} words of {query!r}"
    lines = [f"{n.path}: {len(n.words)} of {count} words: {n.line[:160]}" for n in near]
    return Observation.of(
        f"{fact}:\n" + "\n".join(lines),
        facts=(fact,),
        entities=tuple(Entity(n.path, "file", detail=describe(n.path, workspace)) for n in near),
    )


class _Hits:
    """Matching lines, at most EACH of one file and about CHARS characters of all; the others are counted."""

    def __init__(self, chars: int, each: int) -> None:
        self.left, self.each = chars, each
        self.lines: list[str] = []
        self.files: dict[str, int] = {}
        self.total = self.files_read = 0

    def search(self, workspace: Workspace, entries: Iterable[FileEntry], match: Matcher) -> bool:
        """Go through ENTRIES; whether time ran out before the last."""
        end = time.monotonic() + _SEARCH_SECONDS
        for entry in entries:
            if entry.size > _LARGE_DOCUMENT and entry.name.lower().endswith(_EXTENSIONS):
                continue
            with contextlib.suppress(ToolError):
                for number, line in enumerate(text_lines(workspace, entry.path), 1):
                    at = match(line)
                    if at is not None:
                        self._add(entry.path, number, line, at)
                    if time.monotonic() > end:
                        return True
            self.files_read += 1
            if time.monotonic() > end:
                return True
        return False

    def _add(self, path: str, number: int, line: str, at: int) -> None:
        self.total += 1
        count = self.files[path] = self.files.get(path, 0) + 1
        start = max(0, at - 80)
        shown = ("…" if start else "") + line[start : start + 240].strip() + ("…" if start + 240 < len(line) else "")
        text = f"{path}:{number}: {shown}"
        if count <= self.each and len(text) + 1 <= self.left:
            self.lines.append(text)
            self.left -= len(text) + 1


def need(workspace: Workspace, path: str) -> os.stat_result:
    """What is at PATH. Raises ToolError, naming what is most like it, where nothing is there."""
    workspace.resolve(path)
    info = workspace.stat(path)
    if info is not None:
        return info
    name = workspace.relative(path)
    entries = workspace.files().entries
    wanted = posixpath.basename(name).casefold()
    like = [e.path for e in entries if e.name.casefold() == wanted]
    like = like or difflib.get_close_matches(name, [e.path for e in entries[:5000]], 2, 0.7)
    hint = f"did you mean {' or '.join(like[:2])}?" if like else "list or find files to see the names there are."
    raise ToolError(f"There is no file or folder {name}; {hint}")


def paged(lines: list[str], page: int, chars: int, more: str) -> tuple[list[str], int, str]:
    """The LINES of page PAGE with about CHARS characters a page, the index of the first, and a note on the rest and how to get it."""
    pages: list[list[str]] = [[]]
    used = 0
    for line in lines:
        if pages[-1] and used + len(line) + 1 > chars - 120:
            pages.append([])
            used = 0
        pages[-1].append(line)
        used += len(line) + 1
    if not 1 <= page <= len(pages):
        raise ToolError(f"There {'is 1 page' if len(pages) == 1 else f'are {len(pages)} pages'}, no page {page}.")
    first = sum(len(p) for p in pages[: page - 1])
    rest = len(lines) - first - len(pages[page - 1])
    note = f"\n[page {page} of {len(pages)}; {rest:,} more: {more}]" if rest else ""
    return pages[page - 1], first, note


def _entries(workspace: Workspace, path: str, depth: int) -> Iterator[FileEntry]:
    """Folders (their paths end in `/`) and files of PATH in natural order, folders first, DEPTH levels down."""
    prefix = "" if path == "." else path + "/"
    try:
        with os.scandir(workspace.resolve(path)) as entries:
            listed = sorted(
                entries, key=lambda e: (not e.is_dir(follow_symlinks=False), natural(spelling(e.name)), e.name)
            )
    except OSError as error:
        raise workspace.error(error, path) from None
    for entry in listed[:20000]:
        name = prefix + spelling(entry.name)
        with contextlib.suppress(OSError):
            info = entry.stat(follow_symlinks=False)
            hidden = entry.name.startswith(".")
            if not entry.is_dir(follow_symlinks=False):
                yield FileEntry(name, info.st_size, info.st_mtime, hidden)
                continue
            yield FileEntry(name + "/", 0, info.st_mtime, hidden)
            if depth > 1 and entry.name not in SKIPPED_FOLDERS:
                yield from _entries(workspace, name, depth - 1)


def _detail(workspace: Workspace, entry: FileEntry, described: bool) -> str:
    if entry.path.endswith("/"):
        inside = workspace.files(entry.path)
        count = len(inside.entries)
        return f"folder, {count:,}{'' if inside.complete else ' or more'} file{'' if count == 1 else 's'}"
    about = describe(entry.path, workspace) if described else ""
    return size_words(entry.size) + (f", {about}" if about else "")


def _entity(workspace: Workspace, entry: FileEntry, described: bool) -> Entity:
    kind = "folder" if entry.path.endswith("/") else "file"
    return Entity(entry.path.rstrip("/"), kind, detail=_detail(workspace, entry, described))


def size_words(size: int) -> str:
    if size < 1000:
        return f"{size} byte{'' if size == 1 else 's'}"
    power = 1 if size < 10**6 else 2 if size < 10**9 else 3
    return f"{size / 1000**power:.1f} {('KB', 'MB', 'GB')[power - 1]}"


def _counted(found: list[FileEntry], name: str) -> str:
    folders = sum(e.path.endswith("/") for e in found)
    files = len(found) - folders
    parts = [f"{files:,} file{'s' if files != 1 else ''}"] if files or not folders else []
    parts += [f"{folders:,} folder{'s' if folders != 1 else ''}"] if folders else []
    return f"{'The workspace' if name == '.' else name} has {' and '.join(parts)}"


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:3])} … {names[-1]}"


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _named(entries: Iterable[FileEntry], pattern: str) -> list[FileEntry]:
    """The ENTRIES whose name (or path, where PATTERN has a slash) matches PATTERN; else those that have all its words."""
    listed = list(entries)
    wanted = _folded(pattern.strip().removeprefix("./").removesuffix("/"))
    whole = "/" in wanted
    texts = [_folded(e.path.rstrip("/") if whole else posixpath.basename(e.path.rstrip("/"))) for e in listed]
    if re.search(r"[*?\[]", wanted):
        forms = {wanted, wanted.replace("**/", "")}
        return [e for e, text in zip(listed, texts, strict=True) if any(fnmatch.fnmatchcase(text, f) for f in forms)]
    found = [e for e, text in zip(listed, texts, strict=True) if wanted in text]
    words = wanted.split()
    if not found and len(words) > 1:
        found = [e for e, text in zip(listed, texts, strict=True) if all(w in text for w in words)]
    return found


def _folders(entries: Iterable[FileEntry]) -> list[FileEntry]:
    """The folders above ENTRIES."""
    found: dict[str, FileEntry] = {}
    for entry in entries:
        folder = posixpath.dirname(entry.path)
        while folder and folder not in found:
            found[folder] = FileEntry(folder + "/", 0, 0.0, entry.hidden)
            folder = posixpath.dirname(folder)
    return list(found.values())
