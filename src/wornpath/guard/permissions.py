"""What may be done without asking: risk class × approval mode × sandbox mode, and who is asked otherwise."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from wornpath.core import Action, ApprovalScope, Risk

ApproveMode = Literal["ask", "on-risk", "never"]
SandboxMode = Literal["read-only", "workspace", "full"]
Permission = Literal["allow", "ask", "deny"]


def permission(risk: Risk, approve: ApproveMode, sandbox: SandboxMode) -> Permission:
    """Whether an action of class RISK runs, asks first, or may not run at all.

    `on-risk`: reading, writing and sandboxed code run; deleting, sending, spending and unsandboxed code ask. `ask`: everything but reading
    asks. `never`: what would ask under `on-risk` is denied. A read-only sandbox denies changes; code still runs there, and cannot write.
    """
    if risk == "read":
        return "allow"
    if sandbox == "read-only" and risk in ("write", "delete"):
        return "deny"
    if approve == "ask":
        return "ask"
    harmless = risk == "write" or (risk == "execute" and sandbox != "full")
    if harmless:
        return "allow"
    return "deny" if approve == "never" else "ask"


def usual_reason(tool: str, risk: Risk) -> str:
    """Why a person is asked where the approval mode alone says so."""
    return f"{tool} ({risk}) needs a person's approval."


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """A question to a person: may this be done (`approval`), or what is the answer (`question`). `preview` is the real thing."""

    id: str
    action: Action
    risk: Risk
    reason: str
    kind: Literal["approval", "question"] = "approval"
    preview: str = ""
    rule: str = ""
    """What an answer for longer than `once` would allow, in words; empty where that cannot be."""


class Ruling(NamedTuple):
    """Whether an action may be done, and why not, or why a person is asked."""

    permission: Permission
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalAnswer:
    """What was said to an `ApprovalRequest`: `allow` or `deny` to an approval, `answer` to a question."""

    answer: Literal["allow", "deny", "answer"]
    comment: str = ""
    """Why it was denied, or the answer to the question."""
    by: str = "person"
    arguments: Mapping[str, Any] | None = None
    """With `allow`: carry the action out with these arguments in place of its own (all of them); None leaves them as they were."""
    scope: ApprovalScope = "once"
    """With more than `once` the answer becomes a rule for actions like this one."""


class Approver(Protocol):
    """Asks a person; asynchronous, or a plain function. None means that nobody can answer now: the run stops, and can be resumed with the
    answer."""

    def __call__(self, request: ApprovalRequest) -> Awaitable[ApprovalAnswer | None] | ApprovalAnswer | None: ...
