"""What the agent may do: permissions, approvals, budgets, loops, and the session that holds them for a run."""

from wornpath.core import ApprovalScope
from wornpath.guard.limits import Budget, Limits
from wornpath.guard.loops import LoopDetector
from wornpath.guard.permissions import (
    ApprovalAnswer,
    ApprovalRequest,
    ApproveMode,
    Approver,
    Permission,
    Ruling,
    SandboxMode,
    permission,
)
from wornpath.guard.provenance import Provenance
from wornpath.guard.rules import check_names, described, read_rules
from wornpath.guard.session import Session

__all__ = [
    "ApprovalAnswer",
    "ApprovalRequest",
    "ApprovalScope",
    "ApproveMode",
    "Approver",
    "Budget",
    "Limits",
    "LoopDetector",
    "Permission",
    "Provenance",
    "Ruling",
    "SandboxMode",
    "Session",
    "check_names",
    "described",
    "permission",
    "read_rules",
]
