"""What a program or text is written from: the files that tell most, what was done last, and what went wrong with the one before."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

from wornpath.experience import Tracker
from wornpath.llm.chat import Sizes
from wornpath.llm.tokens import clip, clip_ends
from wornpath.proposer import CONTROLS
from wornpath.tools import Tool, Workspace
from wornpath.tools.documents import overview, preview
from wornpath.writer import TABLES, TAKEN_APART

MOST_FIELDS = 12
_EMPTY = re.compile(r"^\[(?:made|changed) (\S+): [^\n]*\b0 rows\]", re.MULTILINE)
_FOLDER = re.compile(
    r"(?<![\w./:-])(?:((?:[\w.-]+/)*[\w-]+)/(?![\w./])|((?:[\w.-]+/)*[\w-]+)/[\w-]+\.[a-z]\w{0,4}\b)",
    re.ASCII | re.IGNORECASE,
)
_MOMENT = re.compile(r"\d:\d{2}|\d{4}[-/.]\d{2}[-/.]\d{2}")


def problem(tracker: Tracker, tool: Tool, kind: str, lacking: Sequence[str] = (), *, shown: bool = True) -> str:
    """What went wrong with the text written before for TOOL, a program if KIND is `code`; empty where nothing did. LACKING is what the
    subtask's files do not fulfil. Unless SHOWN the program itself is not: a small model clings to what it sees."""
    if kind != "code" or not tracker.last_code:
        return "The text was checked before and is not right yet." if tracker.checks == "failed" else ""
    program = clip(tracker.last_code.strip(), 6 * tracker.result_tokens)
    output = clip_ends(tracker.last_text, 2 * tracker.result_tokens)
    if tracker.last is not None and tracker.last.tool == tool.name and tracker.last_result != "ok":
        if not shown or tracker.subtask_steps % 2 == 0:
            said = tracker.last_text.strip().splitlines() or ["it gave no reason"]
            where = next((line.strip() for line in said if line.startswith("    where ")), "")
            return f"A program for this failed before: {said[-1][:200]}{f' ({where})' if where else ''}"
        return (
            f"This program was tried:\n```python\n{program}\n```\nIt failed:\n{output}\n"
            "Write the program again without this mistake."
        )
    if lacking and _ran(tracker):
        if not shown:
            return f"A program for this was run before, but {'; '.join(lacking)}."
        return f"This program was run:\n```python\n{program}\n```\nBut {'; '.join(lacking)}. Write it again, corrected."
    if tracker.checks == "failed":
        wrong = f"Its result was checked and is wrong{_nothing(tracker)}. Compare it with the task and the files word by word, and write"
        if not shown or (tracker.failures and tracker.failures % 2 == 0):
            return f"A program for this was run before. It printed:\n{output}\n{wrong} another one."
        return f"This program was run:\n```python\n{program}\n```\nIt printed:\n{output}\n{wrong} it again, corrected."
    return ""


def _nothing(tracker: Tracker) -> str:
    """That the last program found nothing, where what it made tells so."""
    empty = _EMPTY.search(tracker.last_text)
    return f": {empty[1]} has no rows, so what the program looks for stands elsewhere in the files" if empty else ""


def _ran(tracker: Tracker) -> bool:
    """Whether the last program was run in the active subtask and did not fail."""
    here = tracker.active.id if tracker.active else 0
    codes = (t for t in tracker.tried.values() if t.subtask == here and t.result in ("ok", "empty"))
    return any(t.action.arguments.get("code") == tracker.last_code for t in codes)


def about(
    tracker: Tracker,
    workspace: Workspace,
    files: Sequence[str],
    sizes: Sizes,
    shown: Callable[[str, str], None],
) -> str:
    """The folders, the last result, and the beginnings of FILES; `sizes.argument_context` tokens for these, a third more in all. SHOWN is
    told each text with the file that it is from."""
    room = sizes.argument_context
    parts = [f"Files: {overview(workspace, budget_chars=sizes.state)}"]
    if absent := absent_folders(_wanted(tracker), workspace):
        parts.append(f"Not there yet, to be made first: {', '.join(absent)}")
    last = tracker.last
    if (
        last is not None
        and tracker.last_result == "ok"
        and last.tool not in CONTROLS
        and last.arguments.get("path") not in files
    ):
        parts.append(f"Result of {last.tool}: {clip(tracker.last_text, room // 3)}")
    for path in files:
        text = clip(preview(path, room, workspace), room // max(3, len(files)))
        if text.strip():
            parts += [f"{path} begins:\n{text}", fields(text, path)]
            shown(text, path)
    return clip("\n".join(p for p in parts if p), room + room // 3)


def fields(text: str, path: str = "") -> str:
    """How the lines of TEXT, the beginning of PATH, are taken apart, and the first one as an example; empty where they are no records such
    as those of a log. Counting fields is what small models are worst at: they are to name them in their order."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = lines[: max(1, len(lines) - 1)]  # the last one may be cut off
    if len(lines) < 3 or PurePosixPath(path).suffix.casefold() in TABLES:
        return ""
    separator = next((s for s in "|\t;" if len({line.count(s) for line in lines}) == 1 and s in lines[0]), None)
    if separator is None and sum(bool(_MOMENT.search(line)) for line in lines) < 0.8 * len(lines):
        return ""
    count = min(len(line.split(separator)) for line in lines)
    if not 2 <= count <= MOST_FIELDS:
        return ""
    parts = [part.split("=")[-1].strip(" []:")[:60] for part in lines[0].split(separator, count - 1)]
    return (
        f'{TAKEN_APART} [p.split("=")[-1].strip(" []:") for p in line.split({json.dumps(separator) if separator else None}, '
        f"{count - 1})] has {count} parts; name all of them in this order: {json.dumps(parts, ensure_ascii=False)}"
    )


def absent_folders(text: str, workspace: Workspace) -> list[str]:
    """The folders that TEXT names, by themselves or before a file, and that are not in WORKSPACE."""
    named = dict.fromkeys(f"{m[1] or m[2]}/" for m in _FOLDER.finditer(text))
    return [folder for folder in named if ".." not in folder and not (workspace.root / folder).exists()]


def spelled(code: str, outputs: Iterable[str], workspace: Workspace) -> str:
    """CODE with the names of OUTPUTS as they are expected: a small model leaves the folder out."""
    for output in outputs:
        folder, _, name = output.rpartition("/")
        if folder and not (workspace.root / name).exists() and not re.search(rf"['\"/]{re.escape(folder)}\b", code):
            code = re.sub(rf"(['\"]){re.escape(name)}\1", rf"\g<1>{output}\g<1>", code)
    return code


def _wanted(tracker: Tracker) -> str:
    return f"{tracker.goal.text if tracker.goal else ''} {tracker.active.description if tracker.active else ''}"


def telling_files(tracker: Tracker, workspace: Workspace, most: int = 3) -> list[str]:
    """Files named in the goal or the subtask, what this run wrote last, two of a named folder, then the first of each type."""
    wanted = _wanted(tracker).casefold()
    files = [entry.path for entry in workspace.iter_files() if not entry.hidden]
    named = [f for f in files if f.casefold() in wanted or f.rsplit("/", 1)[-1].casefold() in wanted]
    named.sort(key=lambda f: wanted.find(f.rsplit("/", 1)[-1].casefold()))
    written = sorted((f for f in files if f in tracker.changed), key=lambda p: -tracker.changed[p])
    in_named_folder = [f for f in files if "/" in f and f.rsplit("/", 1)[0].casefold() in wanted]
    kinds: dict[str, str] = {}
    for path in files:
        kinds.setdefault(PurePosixPath(path).suffix.casefold(), path)
    return list(dict.fromkeys([*named[:most], *written[:1], *in_named_folder[:2], *kinds.values()]))[:most]
