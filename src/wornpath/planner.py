"""The planner: a goal into 1 to 7 subtasks with acceptance criteria, and a new plan when one fails."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, get_args

from wornpath.core import LOOKING, Goal, Plan, Predicate, Subtask, SubtaskKind
from wornpath.experience import Tracker
from wornpath.experience.tracker import newest_within
from wornpath.experience.wording import asks_for_copy
from wornpath.llm.chat import Chat, Completion, Message
from wornpath.llm.parse import parse_json
from wornpath.llm.tokens import clip

_NAME = re.compile(r"[^\n*?<>|]{1,120}")
_FILE = re.compile(r"(?<![\w./-])[\w./-]+\.\w{1,5}\b")
_SAMPLE = re.compile(
    r"(?:\b(?:as in|like|such as|e\.g\.,?|for example,?)|例如|比如|形如|如)[\s:：,，`'\"“]{0,3}([\w./-]+\.\w{1,5})\b",
    re.IGNORECASE,
)
"""A name that only shows what names look like."""
_PATTERN = re.compile(r"[<{\[]\w[\w -]{0,30}[>}\]][\w.-]*\.\w{1,5}\b")
"""A name with a place in it for what differs from file to file: `<number>.md`."""
_LISTED = re.compile(r"(?:\bcolumns?|列(?:为|是)?)[:：\s]*([\w-]+(?:,[\w-]+)+|[\w-]+(?:、[\w-]+)+)", re.IGNORECASE)
"""Columns as a goal lists them, with nothing between but commas: after a comma and a space the sentence may go on."""
_TOUCH = re.compile(
    r"\s*(sort|order|round|format|save|arrange)\b(?! (the |all )?files?\b)|\s*(按.{0,12})?(排序|四舍五入|保存)",
    re.IGNORECASE,
)
"""How a part of making a file begins that is no subtask of its own."""
_BY = re.compile(r"(?:\bby (?:the |their )?|按)([\w-]+?)(?:排序|排列)?\W*$", re.IGNORECASE)
"""What something is sorted by, at the end of a description."""
_VERIFYING = re.compile(
    r"\s*(test|verify|check|confirm|validate|ensure|make sure)\b|.{0,80}?\bto (ensure|verify|check|confirm|validate|indicate|make sure)\b"
    r"|\s*(测试|验证|检查|确认|确保)",
    re.IGNORECASE,
)
"""How looking over what was done begins, which every run does at its end."""
_READING = re.compile(r"\s*(read|load|open|look|view|list)\b|\s*(读|打开|查看|加载)", re.IGNORECASE)
KINDS: tuple[str, ...] = get_args(SubtaskKind)
MAX_SUBTASKS = 7
DATA = (".csv", ".tsv", ".json", ".jsonl", ".xlsx", ".png", ".svg", ".jpg", ".pdf")

SYSTEM = """\
You plan work for an agent in a folder of files. Split the goal into as few subtasks as possible, 1 to 7, in order.
One subtask for each file that the goal asks for. Reading or listing files is never a subtask of its own: every subtask can look at all
files. Moving, sorting or renaming many files is one subtask. Add nothing that the goal does not ask for, and guess no file names.
kind: find (look for a file or fact, and copy or report it), read (learn what files say), compute (Python: data, tables, charts, sums),
write (a text, letter or article in the agent's own words), organise (sort, move, rename or copy files), code (change a program), other.
output: the file that the subtask makes, exactly as the goal names it, else "".
has: words or column names that the goal says the output must have, else [].
Example. Goal: Which of my letters is about a boat?
{"subtasks":[{"do":"Search the letters for the word boat","kind":"find","output":"","has":[]}]}
Example. Goal: Count the words of each letter in letters/ into counts.csv (columns letter, words), then write thanks.txt to the authors
{"subtasks":[{"do":"Count the words of each letter in letters/ and write counts.csv","kind":"compute","output":"counts.csv",\
"has":["letter","words"]},\
{"do":"Write a text that thanks the authors","kind":"write","output":"thanks.txt","has":[]}]}
Example. Goal: Sort the recordings in tapes/ into speech (ogg, opus) and video (mkv)
{"subtasks":[{"do":"Sort the recordings in tapes/ into speech (ogg, opus) and video (mkv)","kind":"organise","output":"","has":[]}]}
Example. Goal: Average the temperatures in logs/ by month and save them in months.json
{"subtasks":[{"do":"Average the temperatures in logs/ by month and save them in months.json","kind":"compute","output":"months.json",\
"has":[]}]}
Answer with compact JSON only, in the goal's language."""

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "subtasks": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_SUBTASKS,
            "items": {
                "type": "object",
                "properties": {
                    "do": {"type": "string", "minLength": 3, "maxLength": 200},
                    "kind": {"enum": list(KINDS)},
                    "output": {"type": "string", "maxLength": 80},
                    "has": {"type": "array", "items": {"type": "string", "maxLength": 40}, "maxItems": 6},
                },
                "required": ["do", "kind", "output", "has"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["subtasks"],
    "additionalProperties": False,
}


class Planner:
    """Asks the model for a plan. A model that answers with nothing usable gets the goal as the one subtask. EXISTS tells whether there
    is a file at a path now: what is only looked at is nothing that a subtask makes."""

    def __init__(self, chat: Chat, exists: Callable[[str], bool]) -> None:
        self.chat, self.exists = chat, exists

    def messages(self, goal: Goal, overview: str, notes: list[str]) -> list[Message]:
        sizes = self.chat.sizes
        fitting = clip("; ".join(newest_within(notes, sizes.state // 2)), sizes.state // 2)
        known = f"\nKnown: {fitting}" if fitting else ""
        text = f"Goal: {clip(goal.text, sizes.argument_context)}\nFiles: {clip(overview, sizes.state // 2)}{known}"
        return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]

    def replan_messages(self, tracker: Tracker, reason: str) -> list[Message]:
        state = tracker.text(budget=self.chat.sizes.state + self.chat.sizes.result)
        text = f"{state}\nProblem: {reason}\nPlan only what is still to do, in another way than before."
        return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]

    async def ask(self, messages: list[Message], *, retry: bool = False) -> Completion:
        return await self.chat.complete(
            messages, schema=SCHEMA, max_tokens=3 * self.chat.sizes.action, temperature=0.7 if retry else 0.0
        )

    def read(self, text: str, goal: Goal, *, revision: int = 0, reason: str = "") -> Plan:
        """The plan in a model's answer TEXT; the goal as one subtask where it holds none."""
        data = parse_json(text)
        items = data.get("subtasks") if isinstance(data, dict) else data
        subtasks: list[Subtask] = []
        for item in items if isinstance(items, list) else []:
            if isinstance(item, str):
                item = {"do": item}
            if isinstance(item, dict) and isinstance(item.get("do"), str) and item["do"].strip():
                subtasks.append(_subtask(len(subtasks) + 1, item, goal, self.exists))
        subtasks = _needed(subtasks[:MAX_SUBTASKS], goal, self.exists)
        if not subtasks:
            subtasks = [
                Subtask(1, goal.text[:400], "other", predicates=_predicates(_named_output(goal.text), [], goal))
            ]
        return Plan(tuple(subtasks), revision, reason)


def _needed(subtasks: list[Subtask], goal: Goal, exists: Callable[[str], bool]) -> list[Subtask]:
    """SUBTASKS without those that a small model adds for no reason: a file nobody asked for, one that is made already, what an example of
    the prompt says, a touch or a part of what another makes, and looking at files before a computation or at the end. Fragments of one
    kind that make no file are one subtask."""
    named = goal.text.casefold()
    outputs = [{p.path.casefold() for p in s.predicates} for s in subtasks]
    asked = [any(path in named for path in paths) for paths in outputs]
    spoken = set().union(*outputs)
    unmade = any(not exists(name) and name.casefold() not in spoken for name in _files(goal.text))
    kept: list[Subtask] = []
    for at, subtask in enumerate(subtasks):
        later = " ".join(s.description.casefold() for s in subtasks[at + 1 :])
        invented = any(asked) and outputs[at] and not asked[at] and not any(path in later for path in outputs[at])
        again = bool(outputs[at]) and any(outputs[at] <= before for before in outputs[:at])
        following = next((s for s in subtasks[at + 1 :] if s.kind not in LOOKING or s.predicates), None)
        idle = any(asked[:at]) if following is None else _looks_itself(following)
        other = any(exists(word) for word in _words(subtask.description) - spoken)  # work on something else
        other = other and not _by_field(subtask, subtasks[:at])
        touch = not outputs[at] and any(asked) and not other and bool(_TOUCH.match(subtask.description))
        part = not outputs[at] and subtask.kind == "compute" and any(asked[at:]) and not unmade
        only_looking = subtask.kind in LOOKING and not asked[at] and idle
        verifying = bool(kept) and kept[-1].kind not in LOOKING and not outputs[at] and _verifies(subtask, named)
        parroted = f'"do":"{subtask.description}"' in SYSTEM and subtask.description.casefold() not in named
        if not (invented or parroted or verifying or again or only_looking or touch or part):
            kept.append(subtask)
    if len(kept) > 1 and len({s.kind for s in kept}) == 1 and not any(s.predicates for s in kept):
        kept = kept[:1]
    if len(kept) > 1 and all(s.kind == "compute" for s in kept):  # one program, which sees all that the goal says
        kept = [replace(kept[0], predicates=tuple(dict.fromkeys(p for s in kept for p in s.predicates)))]
    if len(kept) == 1 < len(subtasks):
        expected = ", ".join(kept[0].outputs)
        kept = [replace(kept[0], description=goal.text[:400], criterion=f"{expected} is there" if expected else "")]
    return [replace(s, id=number) for number, s in enumerate(kept, 1)]


def _verifies(subtask: Subtask, goal: str) -> bool:
    """Whether SUBTASK only looks over what was done before it, which GOAL (folded) does not ask for."""
    match = _VERIFYING.match(subtask.description)
    word = next(filter(None, match.groups())).casefold() if match else ""
    asked = re.search(rf"\b{word}\b" if word.isascii() else word, goal)
    return bool(word) and asked is None


def _by_field(subtask: Subtask, before: list[Subtask]) -> bool:
    """Whether SUBTASK puts in order by a field that a file made BEFORE it has: the rows of that file, not the files of a folder."""
    fields = {value.casefold() for s in before for p in s.predicates for value in p.values}
    match = _BY.search(subtask.description)
    return match is not None and match[1].casefold() in fields


def _words(text: str) -> set[str]:
    """The words of TEXT that can be names of files or folders."""
    words = {word.strip("/.,;:'\"`()") for word in text.split()}
    return {word for word in words if word and len(word.encode("utf-8", "replace")) < 200 and word.isprintable()}


def _subtask(number: int, item: Mapping[str, Any], goal: Goal, exists: Callable[[str], bool]) -> Subtask:
    output = item["output"] if isinstance(item.get("output"), str) else ""
    has = [v for v in item.get("has") or [] if isinstance(v, str)] if isinstance(item.get("has"), list) else []
    output = output if _NAME.fullmatch(output.strip().removeprefix("./")) else ""
    kind = _kind(item.get("kind"), item["do"], PurePosixPath(output).suffix.casefold())
    output = _as_named(output, goal.text, exists)
    if output and exists(output) and _READING.match(item["do"]) and _named_output(item["do"]) != output:
        kind = "read"
    moved = kind == "organise" and output.casefold() not in goal.text.casefold()
    sample = output in _SAMPLE.findall(goal.text)
    many = bool(_PATTERN.search(goal.text)) and output.casefold() not in goal.text.casefold()
    if not PurePosixPath(output).suffix or moved or sample or many or (kind in LOOKING and exists(output)):
        # a folder, one of the files that are moved about or made by a pattern, how names look, or what the subtask only looks at
        output = ""
    predicates = _predicates(output, has, goal)
    criterion = f"{output} is there" + (
        f" with {', '.join(predicates[-1].values)}" if predicates and predicates[-1].values else ""
    )
    return Subtask(number, item["do"].strip()[:400], kind, criterion if predicates else "", predicates)


def _as_named(output: str, text: str, exists: Callable[[str], bool]) -> str:
    """OUTPUT as the goal's TEXT spells it: a small model translates names. A file that the goal does not name becomes the one of its type
    that the goal does, if there is just one such and it is not there yet."""
    suffix = PurePosixPath(output).suffix.casefold()
    if not suffix:
        return output
    whole = {p for p in _files(text) if p.casefold().endswith("/" + output.casefold())}
    if len(whole) == 1 and "/" not in output:  # a small model leaves the folder out
        return whole.pop()
    if output.casefold() in text.casefold():
        return output
    named = {name for name in _files(text) if name.casefold().endswith(suffix) and not exists(name)}
    return named.pop() if len(named) == 1 else output


def _looks_itself(subtask: Subtask) -> bool:
    """Whether SUBTASK looks for what it needs, so that no subtask before it has to."""
    return subtask.kind in ("compute", "find") or asks_for_copy(subtask.description)


def _kind(kind: Any, description: str, suffix: str) -> SubtaskKind:
    """KIND, put right where the rest of the subtask says otherwise: one file's copy is found and copied, data and pictures are computed."""
    if suffix and asks_for_copy(description):
        return "find"
    if kind in ("write", "other", "read", "find") and suffix in DATA:
        return "compute"
    return kind if kind in KINDS else "other"


def _predicates(output: str, has: list[str], goal: Goal) -> tuple[Predicate, ...]:
    """What must hold of OUTPUT. Only what the goal itself says is asked for: a model likes to add columns of its own."""
    output = output.strip().removeprefix("./")
    path = PurePosixPath(output)
    if path.is_absolute() or ".." in path.parts or not _NAME.fullmatch(output):
        return ()
    found: list[Predicate] = [Predicate("exists", output)]
    folded, files = goal.text.casefold(), {name.casefold() for name in _files(goal.text)}  # a file is no column
    said = (v.strip() for v in has if v.strip().casefold() in folded and v.strip().casefold() not in files)
    named = tuple(dict.fromkeys(v for v in said if v and v != output))
    match path.suffix.casefold():
        case ".csv" if named:
            found.append(_columns(output, named, goal.text))
        case ".json":
            found.append(Predicate("json", output, named))
        case _:
            pass
    return tuple(found)


def _columns(output: str, names: tuple[str, ...], text: str) -> Predicate:
    """That OUTPUT has the columns NAMES, in the order in which the goal's TEXT lists them where it does; all of such a list."""
    lists = [tuple(re.split("[,、]", found)) for found in _LISTED.findall(text)]
    whole = [listed for listed in lists if {n.casefold() for n in names} <= {n.casefold() for n in listed}]
    if len(whole) == 1:
        return Predicate("header", output, whole[0])
    folded = text.casefold()
    ordered = sorted(names, key=lambda name: folded.find(name.casefold()))
    listed = len(names) > 1 and re.search(r"\s*[,、，;；]\s*".join(map(re.escape, ordered)), text, re.IGNORECASE)
    if listed:
        return Predicate("header", output, tuple(ordered))
    return Predicate("columns", output, names)


def carried(plan: Plan, before: Plan, goal: Goal) -> Plan:
    """PLAN, made anew after BEFORE, with all that was expected of files that GOAL names: a new plan is of what is still to do, and a small
    model forgets what the goal says of it."""
    subtasks, named = list(plan.subtasks), goal.text.casefold()
    left = [s for s in before.subtasks if s.status != "done"] or before.subtasks  # all done, and the result refused
    for owner, old in ((s, p) for s in left for p in s.predicates if p.path.casefold() in named):
        about = next(
            (at for at, s in enumerate(subtasks) if any(p.path == old.path for p in s.predicates)), len(subtasks) - 1
        )
        subtask = subtasks[about]
        known = any(p.path == old.path and set(old.values) <= set(p.values) for p in subtask.predicates)
        if not known and (subtask.kind not in LOOKING or owner.kind in LOOKING):
            kept = (
                p
                for p in subtask.predicates
                if p.path != old.path or not p.values or not set(p.values) <= set(old.values)
            )
            subtasks[about] = replace(subtask, predicates=(*kept, old))
    return replace(plan, subtasks=tuple(subtasks))


def _named_output(text: str) -> str:
    """The last file that the goal's TEXT names after a word for writing, for want of a plan."""
    names = re.findall(
        r"(?:write|save|create|into|as|to|写|保存|存)[^\n]{0,40}?([\w./-]{1,200}\.\w{1,5})\b",
        text[:4000],
        re.IGNORECASE,
    )
    meant = _files(text[:4000])
    return next((name for name in reversed(names) if name in meant), "")


def _files(text: str) -> list[str]:
    """The names of files in TEXT, without those that only show what a name looks like."""
    samples = tuple(_SAMPLE.findall(text))
    return [name for name in _FILE.findall(text) if not (samples and name.endswith(samples))]
