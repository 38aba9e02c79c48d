"""Dense interaction features of a state and its candidates: what a small network needs to tell a good action from a
bad one.

`dense(state, candidates)` gives one row of `len(NAMES)` numbers in about [0, 1] per candidate. They hold relations
(the argument shares words with the goal, the file was opened already), never names, so that they carry over to other
folders, wordings and languages. The candidate's source, prior and cost are left out on purpose: an action is worth
the same whoever proposed it.

From `State.features` these keys are read, all optional: `goal` (text), `subtask` (text), `subtask_kind`, `step`
(count), `last_tool`, `last_result` (a result class), `tried` (action key → times), `tried_here` (action taken where the
observation was this one → visits of where it led), `tools` (tool → times), `observation` (the last text seen). For
commands in words besides: `said` (sentences met so far), `before` (the observation before), `last_argument` (the last
command).
From `State.entities`: `value`, `roles` (listed, name_hit, text_hit, opened, latest, defines, keyed) and `detail`, the
text in which the value was met."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wornpath.core import Action, Candidate, Entity, State, digest
from wornpath.experience.text import content_words, hashed_grams, identifiers, is_stale, trigrams
from wornpath.policy.evidence import Evidence
from wornpath.policy.network import Bag

Array = npt.NDArray[np.float32]

GOAL = 2000
"""Characters of a goal that are read."""
COMMAND = "act"
"""The tool of an action that is a command in words (`take the key`)."""
VERBS = 12
"""Marks among which the verbs of commands are spread: one of each four, so that two verbs seldom share all three."""
NAMES: tuple[str, ...] = (
    *("is_list", "is_read", "is_find", "is_search", "is_finish", "is_other"),
    *("argument_in_goal", "goal_in_argument", "grams_in_goal"),
    *("goal_in_context", "grams_in_context", "argument_lead", "context_lead"),
    *("names_goal_thing", "context_names_goal_thing", "in_observation"),
    *("listed", "name_hit", "text_hit", "opened", "latest", "defines"),
    *("step", "any_opened", "any_text_hit", "answers_on_offer"),
    *("last_ok", "last_empty", "last_error"),
    *("tried", "tool_tried", "same_tool"),
    *("depth", "stale", "kind_asked", "keyed"),
    *("line_in_goal", "goal_in_line", "line_lead", "hits"),
    *("line_roots_in_goal", "roots_lead", "argument_new", "place_tried", "best_read", "best_answer"),
    *("tried_here", "end_visits", "with_last", "fresh", "said", "said_lead"),
    *(f"verb_{i}" for i in range(VERBS)),
)
WIDTH = len(NAMES)
SIGNATURE = digest("|".join(NAMES) + "|v3")
"""Changes whenever the meaning of a row does; version files carry it."""

_TOOLS = {"list_files": 0, "read_file": 1, "find_files": 2, "search_text": 3, "finish": 4}
KNOWN_TOOLS = frozenset(_TOOLS)
_KINDS = tuple(tuple(float(i == j) for j in range(6)) for i in range(6))
_ROLES = ("listed", "name_hit", "text_hit", "opened", "latest", "defines")
_SENTENCE = re.compile(r"[\n.。;；]+")
_NUMBER = re.compile(r"^[^\w]*[\d][\d.,:% ]*\s?\D{0,4}$")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{4}年")
_ASKS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "path",
        re.compile(r"\b(which|what|in) file\b|\bwhere\b|\bpath\b|\bfile\b|\bdocument\b|文件|路径|哪份|哪里|何处", re.I),
    ),
    ("date", re.compile(r"\bwhen\b|\bdate\b|\bday\b|\bdeadline\b|日期|哪天|何时|什么时候|期限|几号", re.I)),
    ("who", re.compile(r"\bwho(m|se)?\b|\bperson\b|\bsigned\b|谁|哪位|何人|签", re.I)),
)
_COMMANDS = NAMES.index("with_last")
"""The first of the features that only commands have."""
_LEADS = (
    ("goal_in_argument", "argument_lead"),
    ("goal_in_context", "context_lead"),
    ("goal_in_line", "line_lead"),
    ("line_roots_in_goal", "roots_lead"),
    ("said", "said_lead"),
)
_LEAD_OF, _LEAD_TO = ([NAMES.index(pair[i]) for pair in _LEADS] for i in (0, 1))
_ANSWERS, _NEW = NAMES.index("answers_on_offer"), NAMES.index("argument_new")
_CONTEXT = NAMES.index("goal_in_context")
_BEST = tuple(
    (_TOOLS[tool], NAMES.index(name)) for tool, name in (("read_file", "best_read"), ("finish", "best_answer"))
)


def argument(action: Action) -> str:
    """The text that ACTION acts on: its argument values, joined."""
    return " ".join(v if isinstance(v, str) else str(v) for v in action.arguments.values())


def _template(state: State, action: Action, by_value: Mapping[str, Entity]) -> str:
    """ACTION's form with its values replaced by what they are in STATE: the template it was recalled from, else the tool
    and the roles of its arguments.
    """
    recalled = recalled_as(state, action)
    if recalled is not None:
        return f"{action.tool} {recalled[0]}"
    parts = [action.tool]
    for name, value in action.arguments.items():
        entity = by_value.get(value) if isinstance(value, str) else None
        parts.append(f"{name}={'+'.join(sorted(entity.roles)) or entity.kind}" if entity else f"{name}=?")
    return " ".join(parts)


def recalled_as(state: State, action: Action) -> tuple[str, float, float, float] | None:
    """What experience STATE holds about ACTION: template, good uses, bad uses, expected return; None where there is none."""
    known = state.features.get("recalled")
    if not known:
        return None
    row = known.get(action.key) if isinstance(known, Mapping) else None
    if not isinstance(row, (list, tuple)) or len(row) != 4:
        return None
    name, good, bad, value = row
    return str(name), float(good), float(bad), float(value)


def evidence_keys(state: State, candidates: Iterable[Candidate]) -> list[str]:
    """What evidence about choosing each of CANDIDATES is counted under: family, subtask kind, last result class, action
    template.
    """
    f = state.features
    by_value = {e.value: e for e in state.entities}
    here = f"{f.get('family', '')}|{f.get('subtask_kind', f.get('kind', ''))}|{f.get('last_result', '')}|"
    return [here + _template(state, c.action, by_value) for c in candidates]


def evidence_key(state: State, candidate: Candidate) -> str:
    """`evidence_keys` of one candidate."""
    return evidence_keys(state, (candidate,))[0]


def known_uses(state: State, candidates: Sequence[Candidate], evidence: Evidence) -> list[float]:
    """n of the choice rule: in how many episodes something like each of CANDIDATES was done, by EVIDENCE or by what STATE
    recalls, which counts the runs since the version was made too.
    """
    counted = [float(evidence.count(key)) for key in evidence_keys(state, candidates)]
    rows = [recalled_as(state, c.action) for c in candidates]
    return [max(n, row[1] + row[2]) if row else n for n, row in zip(counted, rows, strict=True)]


def sentences(text: str) -> list[str]:
    """The sentences of TEXT; a line ends one."""
    return [s.strip() for s in _SENTENCE.split(text) if s.strip()]


def asked_kind(goal: str) -> str:
    """What GOAL asks for: path, date, who, or value."""
    return next((kind for kind, pattern in _ASKS if pattern.search(goal)), "value")


def value_kind(text: str) -> str:
    """What TEXT is: path, date, who (a name) or value (a number or anything else)."""
    if "/" in text or ("@" not in text and re.search(r"\w\.[a-z]{1,4}$", text)):
        return "path"
    if _DATE.search(text):
        return "date"
    return "value" if _NUMBER.match(text) or any(c.isdigit() or c == "@" for c in text) else "who"


def dense(state: State, candidates: Sequence[Candidate]) -> Array:
    """One row of features per candidate, float32 of shape (len(candidates), WIDTH)."""
    if not candidates:
        return np.zeros((0, WIDTH), dtype=np.float32)
    context = _Context(state)
    out = np.zeros((len(candidates), WIDTH), dtype=np.float32)
    out[:, :_COMMANDS] = [context.row(candidate.action) for candidate in candidates]
    for i, candidate in enumerate(candidates):
        if candidate.action.tool == COMMAND:
            out[i, _COMMANDS:] = context.command(argument(candidate.action))
    _leads(out)
    out[:, _ANSWERS] = min(1.0, float(out[:, 4].sum()) / 5)
    for kind, target in _BEST:  # what else is on offer, so that looking further can be weighed against it
        out[:, target] = (out[:, kind] * out[:, _CONTEXT]).max()
    for i, own in enumerate(context.asked_for):
        out[i, _NEW] = _share(own - context.met, own)
    return out


def grams(state: State, candidates: Sequence[Candidate], buckets: int) -> list[Bag]:
    """Hashed sparse features per candidate, see `text.hashed_grams`."""
    goal = _goal(state)
    by_value = {e.value: e for e in state.entities}
    observation = str(state.features.get("observation", ""))[:400]
    out = []
    for candidate in candidates:
        text = argument(candidate.action)
        entity = by_value.get(text)
        detail = entity.detail if entity else observation
        found = hashed_grams(goal, f"{candidate.action.tool} {text}", detail, buckets)
        out.append(np.asarray(found, dtype=np.int32))
    return out


def _goal(state: State) -> str:
    f = state.features
    told = " ".join(f[k] for k in ("goal", "subtask") if isinstance(f.get(k), str))
    return told[:GOAL] or state.text[:300].partition("\n")[0].removeprefix("Goal: ")


def _leads(rows: Array) -> None:
    """Fill in how close each row comes to the best of its tool: a relation among candidates, not of one."""
    kinds = rows[:, :6].argmax(axis=1)
    for kind in set(kinds.tolist()):
        same = np.flatnonzero(kinds == kind)[:, None]
        shares = rows[same, _LEAD_OF]
        best = shares.max(axis=0)
        rows[same, _LEAD_TO] = shares / np.where(best > 0, best, 1.0)


class _Context:
    """What is common to all candidates of one state."""

    def __init__(self, state: State) -> None:
        f = state.features
        self.goal = _goal(state)
        self.tried: Mapping[str, int] = _mapping(f.get("tried"))
        self.tools: Mapping[str, int] = _mapping(f.get("tools"))
        self.last_tool = str(f.get("last_tool", ""))
        self.observed = content_words(str(f.get("observation", ""))[:2000])
        self.entities: dict[str, Entity] = {e.value: e for e in state.entities}
        self.tried_here: Mapping[str, int] = _mapping(f.get("tried_here"))
        said = f.get("said", ())
        self.sentences = sentences(str(f.get("observation", ""))[:2000]) if said else []
        self.said = [content_words(s) for s in said] if isinstance(said, (tuple, list)) else []
        self.fresh = self.observed - content_words(str(f.get("before", ""))) if f.get("before") else frozenset()
        self.last_words = content_words(str(f.get("last_argument", "")))
        self.met: set[str] = set()
        """Words of what the candidates' arguments were met in."""
        self.places = Counter(e.value.rpartition("/")[0] for e in state.entities if "opened" in e.roles)
        """How many files of a folder have been opened."""
        self.asked_for: list[frozenset[str]] = []
        """Words of the goal in each candidate's argument."""
        roles = {role for e in state.entities for role in e.roles}
        last = str(f.get("last_result", ""))
        step = f.get("step", 0)
        self.common = [
            min(1.0, float(step) / 20) if isinstance(step, (int, float)) else 0.0,
            float("opened" in roles),
            float("text_hit" in roles),
            0.0,
            float(last == "ok"),
            float(last == "empty"),
            float(last in ("error", "denied", "timeout")),
        ]

    def row(self, action: Action) -> list[float]:
        text = argument(action)
        entity = self.entities.get(text)
        detail = entity.detail if entity else ""
        if action.tool == COMMAND and self.sentences:
            detail = self._sentence(text)
        told = _told(self.goal, text, detail, entity is not None and entity.kind == "file")
        roles = entity.roles if entity else ()
        self.met |= told.seen
        self.asked_for.append(told.asked_for)
        ended = self.tried_here.get(action.key, 0) if self.tried_here else 0
        return [
            *_KINDS[_TOOLS.get(action.tool, 5)],
            *told.about,
            _share(told.own, self.observed),
            *_role_marks(roles),
            *self.common,
            min(1.0, self.tried.get(action.key, 0) / 3) if self.tried else 0.0,
            min(1.0, self.tools.get(action.tool, 0) / 5),
            float(action.tool == self.last_tool),
            *told.form,
            float("keyed" in roles),
            *told.lines,
            *(0.0, min(1.0, self.places.get(told.place, 0) / 4) if self.places else 0.0, 0.0, 0.0),
            float(ended > 0),
            min(1.0, ended / 4),
        ]

    def command(self, text: str) -> list[float]:
        """How a command goes on from the last one, from what has just appeared and from any sentence met, and its verb."""
        own = content_words(text)
        closest = max((len(own & s) / len(own | s) for s in self.said if s), default=0.0)
        marks = _verb(text.partition(" ")[0].lower())
        return [_share(own, self.last_words), _share(own, self.fresh), closest, 0.0, *marks]

    def _sentence(self, text: str) -> str:
        """What the observation says about the command TEXT: the sentence with most of its words, behind a colon as in
        `Entity.detail`."""
        own = content_words(text)
        best = max(self.sentences, key=lambda s: len(own & content_words(s)) / (8 + len(content_words(s))))
        return f": {best}" if own & content_words(best) else ""


class _Told(NamedTuple):
    """What a goal, an argument and the text in which it was met say about each other, wherever one stands."""

    own: frozenset[str]
    """Words of the argument."""
    seen: frozenset[str]
    """Words of what it was met in."""
    asked_for: frozenset[str]
    """Words of the goal in the argument."""
    place: str
    """The folder of an argument that is a path."""
    about: tuple[float, ...]
    """From `argument_in_goal` to `context_names_goal_thing`."""
    form: tuple[float, float, float]
    """`depth`, `stale` and `kind_asked`."""
    lines: tuple[float, ...]
    """From `line_in_goal` to `roots_lead`."""


@lru_cache(maxsize=2048)
def _told(goal: str, text: str, detail: str, is_file: bool) -> _Told:
    """Kept, since the same candidates are on offer step after step."""
    own, seen, kind = content_words(text), content_words(detail), value_kind(text)
    wanted, goal_grams, things, asked = _wanted(goal)
    return _Told(
        own,
        seen,
        own & wanted,
        text.rpartition("/")[0] if "/" in text else "",
        (
            _share(own, wanted),
            _share(wanted, own),
            _share(trigrams(text), goal_grams),
            _share(wanted, seen),
            _share(goal_grams, trigrams(detail[:300])),
            0.0,
            0.0,
            _named(things, text.lower()),
            _named(things, detail.lower()),
        ),
        (
            min(1.0, (text.count("/") + 1) / 6) if text else 0.0,
            float((kind == "path" and is_stale(text)) or is_stale(detail.partition(": ")[0])),
            float(kind == asked),
        ),
        _lines(wanted, own, detail, is_file),
    )


@lru_cache(maxsize=64)
def _wanted(goal: str) -> tuple[frozenset[str], frozenset[str], tuple[str, ...], str]:
    """Words, trigrams and named things of GOAL, and what it asks for."""
    return content_words(goal), trigrams(goal), identifiers(goal), asked_kind(goal)


def _lines(wanted: frozenset[str], own: frozenset[str], detail: str, is_file: bool) -> tuple[float, ...]:
    """How much of the very line the value stands in (of the best line met in a file) is about the goal, how many
    lines were met, and how much of the line is about the goal by the roots of its words.
    """
    if not detail:
        return (0.0,) * 6
    lines = detail.partition(": ")[2].split(" | ")
    told = [content_words(line) - (own - wanted) for line in (lines if is_file else lines[-1:])]
    best = max(told, key=lambda w: _share(wanted, w))
    hits = min(1.0, len(lines) / 4)
    return _share(best, wanted), _share(wanted, best), 0.0, hits, _share(_roots(best), _roots(wanted)), 0.0


@lru_cache(maxsize=256)
def _role_marks(roles: tuple[str, ...]) -> tuple[float, ...]:
    return tuple(float(role in roles) for role in _ROLES)


@lru_cache(maxsize=4096)
def _roots(words: frozenset[str]) -> frozenset[str]:
    """WORDS without their endings: the first four letters, and single Chinese characters, so that 出错 meets 错误."""
    return frozenset(root for w in words for root in ((w[:4],) if w.isascii() else w))


@lru_cache(maxsize=4096)
def _verb(word: str) -> tuple[float, ...]:
    """The marks of a command's first WORD."""
    found = hashlib.blake2b(word.encode("utf-8", "surrogatepass")).digest()
    return tuple(float(found[i // 4] % 4 == i % 4) for i in range(VERBS))


def _mapping(value: Any) -> Mapping[str, int]:
    return value if isinstance(value, Mapping) else {}


def _share(part: frozenset[str], whole: frozenset[str]) -> float:
    return len(part & whole) / len(part) if part else 0.0


def _named(things: tuple[str, ...], text: str) -> float:
    return sum(thing in text for thing in things) / len(things) if things and text else 0.0
