"""The vocabulary of Wornpath as frozen, slotted, typed data. Every type makes the JSON round trip (`codec.to_json`, `codec.from_json`)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from wornpath.core import html
from wornpath.core.codec import canonical, digest

Risk = Literal["read", "write", "execute", "send", "spend", "delete"]
"""What an action can do: look, change files, run code in the sandbox, send something out, spend money, destroy."""

ResultClass = Literal["ok", "empty", "error", "denied", "timeout"]
Verdict = Literal["met", "unmet", "unverified"]
VerdictSource = Literal["check", "judge", "person", "environment"]
CandidateSource = Literal["llm", "recalled", "enumerated", "control"]
SubtaskStatus = Literal["pending", "active", "done", "failed"]
SubtaskKind = Literal["find", "read", "compute", "write", "organise", "code", "other"]
LOOKING: tuple[SubtaskKind, ...] = ("find", "read")
"""The kinds of subtask that only look."""
"""The type of a subtask: it selects the tools on offer and is part of the state a policy learns over."""

RunStatus = Literal[
    "queued", "running", "paused", "cancelled", "met", "unmet", "unverified", "needs_person", "budget", "error"
]
Scope = Literal["run", "folder", "user"]
Effect = Literal["allow", "ask", "deny"]
ApprovalScope = Literal["once", "run", "folder", "always"]
"""How far an answer reaches: this one action, the rest of the run, every run in this folder, or every run of this user."""
Origin = Literal["own", "known", "document", "outside"]
"""Whose words a text is: the user's own or what a tool itself says; those of people the user works with; a document that somebody wrote;
or those of anybody (web, mail, reviews). See `wornpath.guard.provenance` for what follows from it."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What language-model calls cost. `prompt` counts all prompt tokens, `cached` those of them the server did not evaluate again."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    calls: int = 0
    cost_usd: float = 0.0

    @property
    def total(self) -> int:
        return self.prompt + self.completion

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt + other.prompt,
            self.completion + other.completion,
            self.cached + other.cached,
            self.calls + other.calls,
            self.cost_usd + other.cost_usd,
        )


@dataclass(frozen=True, slots=True)
class RewardWeights:
    """What an episode's reward is made of, frozen when the goal is set. All in return units, where 1.0 is a goal met."""

    met: float = 1.0
    """The final verdict is `met` (from a check or a person; a model judge's verdict is scaled by `judge`)."""
    unmet: float = -0.5
    """The final verdict is `unmet`. With the step cost this keeps giving up at once from paying."""
    judge: float = 0.5
    """Factor on a verdict that only a model judge gave."""
    step: float = -0.01
    """Every executed action."""
    error: float = -0.02
    """An action that ended in an error, a denial or a timeout, besides its step cost."""
    repeat: float = -0.05
    """The guard found a loop."""
    thousand_tokens: float = -0.01
    """Every thousand language-model tokens."""


MAX_GOAL = 100_000
"""The characters a goal may have."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What the user asked: the sentence, the folder it is about, and the commands that tell whether it was met."""

    text: str
    workspace: str = "."
    checks: tuple[str, ...] = ()
    rubric: str = ""
    weights: RewardWeights = RewardWeights()


@dataclass(frozen=True, slots=True)
class Task:
    """One draw of a task family: a goal, the files of its workspace, and the checks that tell whether it was met."""

    goal: str
    files: Mapping[str, bytes]
    checks: tuple[str, ...] = ()

    def write(self, folder: Path) -> None:
        """Lay the files out in FOLDER, which is made."""
        for name, data in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        folder.mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True, slots=True)
class Predicate:
    """A fact about the workspace that the planner expects after a subtask. It guides and replans; it never rewards.

    `exists`: `path` is a file that is not empty. `columns`: it parses as CSV with `values` among its columns; `header`: in this order.
    `contains`: its text contains every one of `values`. `json`: it parses as JSON with `values` among its top-level keys. `gone`: nothing
    is at `path`.
    """

    kind: Literal["exists", "columns", "header", "contains", "json", "gone"]
    path: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subtask:
    """One step of a plan: what to do, its type, and how one can tell that it is done."""

    id: int
    description: str
    kind: SubtaskKind = "other"
    criterion: str = ""
    predicates: tuple[Predicate, ...] = ()
    status: SubtaskStatus = "pending"

    @property
    def outputs(self) -> list[str]:
        """The files that it is to make."""
        return [p.path for p in self.predicates if p.kind == "exists"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The decomposition of a goal into 1 to 7 subtasks, in order. `revision` counts replans from 0."""

    subtasks: tuple[Subtask, ...]
    revision: int = 0
    reason: str = ""

    def _repr_html_(self) -> str:
        return html.plan_html(self)


@dataclass(frozen=True, slots=True)
class Entity:
    """A thing in play: a file, a folder, a column, a value. `roles` are relations to the goal and the episode, never indices."""

    value: str
    kind: str
    roles: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """Where the episode stands, built without a language model, equal for equal histories.

    `text` is for people and prompts, `features` (named flags, counts and categories) and `entities` are for the policy, `vector` is the
    observation of a plain Box environment.
    """

    text: str
    features: Mapping[str, Any] = field(default_factory=dict)
    entities: tuple[Entity, ...] = ()
    vector: tuple[float, ...] | None = None

    @property
    def key(self) -> str:
        """A hash of all of the state."""
        entities = [(e.value, e.kind, e.roles) for e in self.entities]
        return digest(canonical([self.text, dict(self.features), entities, self.vector]))


@dataclass(frozen=True, slots=True)
class Action:
    """One tool call. Build it with `Action.of`, which brings the arguments into one form and leaves their text as it is."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, tool: str, arguments: Mapping[str, Any] | None = None, /, **more: Any) -> Action:
        """The action with its arguments sorted by name, and absent (None) arguments dropped."""
        merged = {**(arguments or {}), **more}
        return cls(tool, {k: _plain(merged[k]) for k in sorted(merged) if merged[k] is not None})

    @property
    def canonical(self) -> str:
        """The call as one text, equal however it was spelled: text in it is in Unicode NFC, which what is written to files must not be."""
        return canonical([self.tool, _plain(self.arguments, _nfc)])

    @property
    def key(self) -> str:
        """A hash of the canonical form: equal for the same call however it was spelled."""
        return digest(self.canonical)

    def __str__(self) -> str:
        return f"{self.tool}({', '.join(f'{k}={v!r}' for k, v in self.arguments.items())})"

    def __eq__(self, other: object) -> bool:
        """The same call, however it was spelled."""
        if not isinstance(other, Action):
            return NotImplemented
        return self.tool == other.tool and self.canonical == other.canonical

    def __hash__(self) -> int:
        return hash(self.canonical)


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _plain(value: Any, spell: Callable[[str], str] = str) -> Any:
    """VALUE as plain JSON data in one form, its texts as SPELL has them."""
    if isinstance(value, str):
        return spell(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v, spell) for k, v in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [_plain(v, spell) for v in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


@dataclass(frozen=True, slots=True)
class Candidate:
    """An action on offer at a step. `prior` is the language model's probability of it, before the policy has a say."""

    action: Action
    source: CandidateSource
    prior: float = 0.0
    logprob: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Which candidate was taken at a state, with the behaviour probability of every one, and who decided.

    `probabilities`, `mask` and `q` run parallel to `candidates`; a masked candidate (`False`) has probability 0.
    """

    state: State
    candidates: tuple[Candidate, ...]
    chosen: int
    probabilities: tuple[float, ...]
    mask: tuple[bool, ...]
    by: Literal["llm", "policy", "person"] = "llm"
    q: tuple[float, ...] | None = None
    value: float | None = None
    policy_version: str = "prior"

    @property
    def action(self) -> Action:
        return self.candidates[self.chosen].action

    @property
    def probability(self) -> float:
        return self.probabilities[self.chosen]


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of content. Text is held in `text`; images, audio and files by their `path` in the workspace or the run's folder."""

    kind: Literal["text", "image", "audio", "file"] = "text"
    text: str = ""
    path: str = ""
    media_type: str = ""
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Observation:
    """What a tool returned. `facts` are short sentences worth remembering, `changed` the paths it wrote, moved or removed, `entities` the
    things it brought to light; all deterministic.

    `origin` says whose words the text is, and `untrusted` is the short way to say that they are anybody's. `vouched` are values in it that
    the service itself stands for, such as ids, accounts and senders of the user's own records; each may be used as it is, though the text
    around it may not. `private` are values that nobody but the user should read.
    """

    result: ResultClass = "ok"
    parts: tuple[Part, ...] = ()
    facts: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    entities: tuple[Entity, ...] = ()
    untrusted: bool = False
    origin: Origin = "own"
    vouched: tuple[str, ...] = ()
    private: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str, result: ResultClass = "ok", **more: Any) -> Observation:
        return cls(result, (Part(text=text),) if text else (), **more)

    @property
    def text(self) -> str:
        return "\n".join(p.text for p in self.parts if p.kind == "text")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well it went: a reward, a verdict and where the verdict comes from. `comment` is for people, never for the agent."""

    reward: float = 0.0
    verdict: Verdict = "unverified"
    source: VerdictSource = "environment"
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of experience (s, C, a, r, s'), with what is needed to learn from it off-policy."""

    run_id: str
    step: int
    state: State
    candidates: tuple[Candidate, ...]
    chosen: int
    probabilities: tuple[float, ...]
    mask: tuple[bool, ...]
    reward: float
    next_state: State | None = None
    terminated: bool = False
    truncated: bool = False
    result: ResultClass = "ok"
    policy_version: str = "prior"
    model: str = ""
    verdict_source: VerdictSource = "environment"


@dataclass(frozen=True, slots=True)
class Artifact:
    path: str
    bytes: int
    media_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a run, as `--json` prints it."""

    run_id: str
    status: RunStatus
    summary: str = ""
    reward: float = 0.0
    verdict_source: VerdictSource | None = None
    steps: int = 0
    llm_calls: int = 0
    skipped_llm_calls: int = 0
    tokens: Mapping[str, int] = field(default_factory=lambda: {"prompt": 0, "completion": 0})
    cost_usd: float = 0.0
    seconds: float = 0.0
    policy_version: str = "prior"
    workspace: str = ""
    artifacts: tuple[Artifact, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """All fields, defaults too: the shape that programs read."""
        return {
            **{name: getattr(self, name) for name in self.__slots__},
            "tokens": dict(self.tokens),
            "artifacts": [{"path": a.path, "bytes": a.bytes, "media_type": a.media_type} for a in self.artifacts],
        }

    def _repr_html_(self) -> str:
        return html.result_html(self)


@dataclass(frozen=True, slots=True)
class Episode:
    """One attempt at a goal: its outcome and its steps."""

    goal: Goal
    result: Result
    transitions: tuple[Transition, ...] = field(default=(), repr=False)

    @property
    def met(self) -> bool:
        return self.result.status == "met"

    def _repr_html_(self) -> str:
        return html.result_html(self.result)


@dataclass(frozen=True, slots=True)
class Note:
    """Something the agent was told or chose to remember. `where` is the run id or folder that the scope refers to."""

    id: int
    text: str
    scope: Scope = "run"
    where: str = ""
    time: float = 0.0
    run_id: str = ""
    untrusted: bool = False
    """It was made while content from outside was in play."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What may be done: the EFFECT on actions of a tool, a risk class, with arguments like these. All that is named must match.

    `tool` and the values of `arguments` are patterns with `*` and `?`; `hosts` are patterns for the hosts of the links in the arguments.
    """

    effect: Effect
    tool: str = "*"
    risk: tuple[Risk, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    untrusted: bool = False
    """An allowance that holds for arguments from outside too."""
    scope: ApprovalScope = "always"
    where: str = ""
    """The run or the folder that the scope refers to."""
    note: str = ""
    id: int = 0
    time: float = 0.0
