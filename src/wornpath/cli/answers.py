"""Answers to the questions that a run waits for, as `resume` takes them: from options, or from a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from wornpath.core import ApprovalScope, UsageError

if TYPE_CHECKING:
    from wornpath.guard import ApprovalAnswer

_FIELDS = ("answer", "comment", "arguments", "scope")


@dataclass(frozen=True, slots=True)
class Said:
    """What a person said on the command line, not yet matched with what was asked."""

    allow: Sequence[str] = ()
    deny: Sequence[str] = ()
    comment: str = ""
    answer: str | None = None
    arguments: str | None = None
    """JSON of the arguments to use instead; it goes with one `allow`."""
    scope: ApprovalScope = "once"
    file: str | None = None
    """JSON, request id → `{"answer": ..., "comment": ..., "arguments": ..., "scope": ...}`; `-` is standard input."""

    def answers(self, waiting: Mapping[str, str]) -> dict[str, ApprovalAnswer]:
        """The answers by request id. WAITING has the open requests: id → `approval` or `question`.

        Raises UsageError for an id that nobody asked about, one both allowed and denied, an answer without a question, and what is no
        answer at all.
        """
        from wornpath.guard import ApprovalAnswer

        known = f"it waits for {', '.join(waiting)}" if waiting else "it waits for nothing"
        given = _from_file(self.file) if self.file else {}
        for name, said in given.items():
            kind = "question" if said.answer == "answer" else "approval"
            if waiting.get(name) != kind:
                raise UsageError(f"The run did not ask for the {kind} {name}; {known}.")
        for name in (*self.allow, *self.deny):
            if waiting.get(name) != "approval":
                raise UsageError(f"The run did not ask for an approval {name}; {known}.")
            if name in self.allow and name in self.deny:
                raise UsageError(f"{name} cannot be both allowed and denied.")
        if self.arguments is not None and len(self.allow) != 1:
            raise UsageError("--arguments goes with one --allow ID: those are the arguments to use instead.")
        if self.scope != "once" and not (self.allow or self.deny):
            raise UsageError("--scope goes with --allow ID or --deny ID: so long that answer holds.")
        edited = None if self.arguments is None else _arguments(self.arguments)
        given |= {n: ApprovalAnswer("allow", arguments=edited, scope=self.scope) for n in self.allow}
        given |= {n: ApprovalAnswer("deny", self.comment, scope=self.scope) for n in self.deny}
        if self.answer is not None:
            questions = [name for name, kind in waiting.items() if kind == "question"]
            if not questions:
                raise UsageError(f"The run asked no question, so --answer does not fit; {known}.")
            if not self.answer.strip():
                raise UsageError("The answer is empty; give it as --answer TEXT.")
            given[questions[-1]] = ApprovalAnswer("answer", self.answer.strip())
        return given


def _arguments(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--arguments is no JSON: {error}.") from None
    if not isinstance(data, dict):
        raise UsageError("--arguments is a JSON object with all arguments of the action, by name.")
    return data


def _from_file(name: str) -> dict[str, ApprovalAnswer]:
    from wornpath.guard import ApprovalAnswer

    called = "Standard input" if name == "-" else name
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8-sig")
        data = json.loads(text)
    except OSError as error:
        raise UsageError(f"The answers {name} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{called} is no JSON: {error}.") from None
    if not isinstance(data, dict) or not all(isinstance(said, dict) for said in data.values()):
        raise UsageError(f'{called} must hold answers by request id: {{"ID": {{"answer": "allow"}}}}.')
    answers: dict[str, ApprovalAnswer] = {}
    for request, said in data.items():
        if odd := [field for field in said if field not in _FIELDS]:
            raise UsageError(f"In {called} the answer {request} has a field {odd[0]!r}; they are {', '.join(_FIELDS)}.")
        kind: Literal["allow", "deny", "answer"] | Any = said.get("answer")
        scope, comment, arguments = said.get("scope", "once"), said.get("comment", ""), said.get("arguments")
        if kind not in ("allow", "deny", "answer") or scope not in get_args(ApprovalScope):
            raise UsageError(
                f"In {called} {request} needs an answer (allow, deny or answer) and may have a scope (once, run, folder, always)."
            )
        if not isinstance(comment, str) or not isinstance(arguments, dict | None):
            raise UsageError(f"In {called} the comment of {request} is a text, its arguments are an object.")
        answers[request] = ApprovalAnswer(kind, comment, arguments=arguments, scope=scope)
    return answers
