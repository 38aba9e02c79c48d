"""The final verdict on a run. Never the acting model's word: a check, a person, or a model judge that is good enough; else `unverified`."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wornpath.core import Evaluation, Goal, StoreError
from wornpath.experience import final_reward
from wornpath.judge import model as model_judge
from wornpath.sandbox.protocol import SandboxLimits
from wornpath.tools.workspace import Workspace

if TYPE_CHECKING:
    from wornpath.llm.chat import Chat, Completion, Message
    from wornpath.sandbox.protocol import Sandbox

Ask = Callable[["Sequence[Message]"], "Awaitable[Completion]"]


async def by_checks(
    goal: Goal,
    workspace: Workspace,
    sandbox: Sandbox,
    originals: Mapping[str, Any],
    log: Path | None = None,
    limits: SandboxLimits = SandboxLimits(),  # noqa: B008 - frozen
) -> Evaluation:
    """`met` when every check of GOAL exits 0 on a read-only copy of the workspace. Which one failed is for people only."""
    from wornpath.judge.checks import run_check

    for number, command in enumerate(goal.checks, 1):
        result = await run_check(
            command, workspace=workspace.root, originals=originals, sandbox=sandbox, log=log, limits=limits
        )
        if not result.passed:
            why = "timed out" if result.timed_out else f"ended with {result.exit_code}"
            return final_reward("unmet", "check", goal.weights, f"check {number} of {len(goal.checks)} {why}")
    return final_reward("met", "check", goal.weights, f"{len(goal.checks)} of {len(goal.checks)} checks passed")


async def by_model(goal: Goal, artefacts: Sequence[tuple[str, str]], answer: str, chat: Chat, ask: Ask) -> Evaluation:
    """The model judge's verdict. A judge that is not trusted can doubt, but its yes leaves the run `unverified`."""
    if not artefacts and not answer:
        return final_reward("unverified", "judge", goal.weights, "nothing was made that could be judged")
    completion = await ask(model_judge.messages(goal, artefacts, answer, chat))
    verdict = model_judge.read(completion.text)
    if verdict is None:
        return final_reward("unverified", "judge", goal.weights, "the judge gave no verdict")
    met, reason = verdict
    if not model_judge.trusted(chat):
        return final_reward(
            "unverified", "judge", goal.weights, f"the judge {'has no objection' if met else 'doubts it'}: {reason}"
        )
    return final_reward("met" if met else "unmet", "judge", goal.weights, reason)


def load_originals(file: Path, checks: Sequence[str], workspace: Path) -> dict[str, bytes]:
    """The files that CHECKS name, as they were when the run began: captured once, then read back from FILE.

    Raises StoreError when FILE cannot be read or written.
    """
    from wornpath.judge.checks import capture_originals

    try:
        if file.exists():
            return {path: base64.b64decode(data) for path, data in json.loads(file.read_text("utf-8")).items()}
        found: dict[str, bytes] = {}
        for command in checks:
            found |= capture_originals(command, workspace)
        if checks:
            kept = json.dumps({path: base64.b64encode(data).decode() for path, data in found.items()})
            temporary = file.with_suffix(".new")
            temporary.write_text(kept, "utf-8")
            temporary.replace(file)  # whole or not at all
        return found
    except (OSError, ValueError) as error:
        raise StoreError(f"The files that the checks name could not be kept in {file}: {error}.") from error


def read_artefacts(workspace: Workspace, paths: Sequence[str], max_chars: int) -> list[tuple[str, str]]:
    """The text of up to 6 artefacts for the judge, newest first."""
    from wornpath.tools.documents import preview

    newest = list(paths)[::-1][:6]
    return [(path, text) for path in newest if (text := preview(path, max_chars // len(newest), workspace))]
