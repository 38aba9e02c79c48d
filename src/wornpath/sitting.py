"""One sitting of a run: the parts it is made of, put together when it begins or goes on, and the result read out when it ends."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wornpath.actor import Actor
from wornpath.caller import Caller
from wornpath.chooser import Chooser
from wornpath.core import Result, RunStatus, UsageError, to_json
from wornpath.experience import Tracker
from wornpath.footprint import Footprint
from wornpath.free_text import FreeText
from wornpath.guard import Session
from wornpath.guard.secrets import Discreet
from wornpath.llm.chat import Chat
from wornpath.model_calls import ModelCalls
from wornpath.proposer import Proposer
from wornpath.recaller import Recaller
from wornpath.resuming import not_ended, to_data
from wornpath.senses import ModelSenses
from wornpath.store.paths import config_file
from wornpath.tools import ToolContext
from wornpath.tools.media import MEDIA
from wornpath.verdicts import Verdicts
from wornpath.writer import Writer, libraries

if TYPE_CHECKING:
    from wornpath.agent import AutoGPT


def assemble(agent: AutoGPT, chat: Chat, folder: Path) -> Actor:
    """The session and actor of AGENT's run, with CHAT as its model and FOLDER for its artefacts; the start, or a resume, is recorded."""
    from wornpath.judge.final import load_originals
    from wornpath.store.snapshot import Snapshot

    _keep_apart(agent)
    session = _session(agent, chat)
    chat = Discreet(chat, session.secrets)  # from here on the model is told no secrets
    session.replay()
    if session.started:  # another process may have brought it to its end since this agent was made
        not_ended(agent.store.run(agent.run_id))
    context = _context(agent, folder)
    rng = random.Random(f"{agent.seed}:{session.tracker.step}")
    lots = random.Random(f"{agent.seed}:{agent.run_id}")  # with the seed alone, all runs would draw the same
    able = getattr(chat, "senses", False)
    registry = agent.registry if able else agent.registry.without(tool.name for tool in MEDIA)
    recaller = Recaller(agent.experience, registry, agent.workspace, lots)
    snapshot = Snapshot(folder, agent.workspace.root)
    footprint = Footprint(session, agent.workspace, snapshot)
    model, writer = ModelCalls(session, chat), Writer(chat, libraries())
    explores = getattr(agent.policy, "explores", False)
    proposer = Proposer(chat, registry, agent.candidates, agent.workspace)
    chooser = Chooser(session, model, proposer, agent.policy, recaller, agent.workspace, rng, explores)
    text = FreeText(session, model, writer, agent.workspace, agent.on_text)
    caller = Caller(session, registry, context, footprint, text)
    verdicts = Verdicts(session, model, context)
    actor = Actor(session, model, chooser, caller, writer, context, recaller, footprint, verdicts)
    context.senses = ModelSenses(model) if able else None
    context.before_write, context.remember, context.made = snapshot.keep, actor.remember, snapshot.added
    if session.started:
        _restore(agent, recaller)
        snapshot.close()  # what was cut off is over; what changes from now on until the next action is not the run's
        actor.footprint.restore()
        session.record("run.resumed", _resumed(agent))
    else:
        _begin(agent, session, chat, recaller)
    actor.verdicts.originals = load_originals(folder / "originals.json", agent.goal.checks, agent.workspace.root)
    return actor


def _session(agent: AutoGPT, chat: Chat) -> Session:
    """The session of AGENT's run, which knows whose words the files of the workspace are, and the secrets in them."""
    tracker = Tracker(state_tokens=chat.sizes.state, result_tokens=chat.sizes.result)
    session = Session(
        agent.run_id,
        agent.store,
        tracker,
        agent.limits,
        agent.approve,
        agent.sandbox_mode,
        agent.approver,
        agent.answers,
        agent.listeners,
        list(agent.rules),
        folder=str(agent.workspace.root),
        secrets=agent.secrets,
    )
    for path in agent.store.untrusted_files(session.folder):
        if os.path.lexists(agent.workspace.root / path):  # what is gone can be read by nobody
            session.provenance.files[path] = "outside"
    session.secrets.learn(agent.workspace)
    return session


def _begin(agent: AutoGPT, session: Session, chat: Chat, recaller: Recaller) -> None:
    """Record the start of AGENT's run."""
    notes = agent.store.notes(run_id=agent.run_id, folder=session.folder)
    mark = {"tainted": True} if any(note.untrusted for note in notes) else {}
    start = {**_options(agent, chat), "pid": os.getpid(), **mark}
    goal = {"goal": to_json(agent.goal), **recaller.begin(agent.goal, agent.family)}
    session.record_all([("run.started", start), ("goal.set", goal)])


def _resumed(agent: AutoGPT) -> dict[str, Any]:
    return {"pid": os.getpid(), "options": {"limits": to_data(agent.limits), **_rules(agent)}}


def _keep_apart(agent: AutoGPT) -> None:
    """Raises UsageError where code in the workspace could change Wornpath's own records, rules or settings."""
    root = agent.workspace.root
    for what, place in (("its records", Path(agent.store.root)), ("your settings", config_file().parent)):
        real = Path(os.path.realpath(place))
        if real == root or root in real.parents:
            raise UsageError(
                f"Wornpath keeps {what} in {real}, inside the workspace, where the agent could change them; choose another workspace, or "
                "another place with WORNPATH_HOME."
            )


def _restore(agent: AutoGPT, recaller: Recaller) -> None:
    """What an earlier sitting took of the goal, and whether it called the model where it need not have."""
    for event in agent.store.events(agent.run_id, types=["goal.set"]):
        arm = ""
        for made in agent.store.events(agent.run_id, types=["plan.made", "action.decided"]):
            found = "skipped" if made.data.get("skipped") else (made.data.get("gate") or {}).get("arm", "")
            arm = arm or found
        recaller.restore(event.data, arm)


def _context(agent: AutoGPT, folder: Path) -> ToolContext:
    from wornpath.sandbox import default_sandbox

    sandbox = agent.sandbox or default_sandbox(full=agent.sandbox_mode == "full")
    kernel = sandbox.kernel(workspace=agent.workspace.root, writable=agent.workspace.writable)
    return ToolContext(agent.workspace, agent.run_id, folder, sandbox=sandbox, kernel=kernel)


def _rules(agent: AutoGPT) -> dict[str, Any]:
    return {"rules": [to_json(rule) for rule in agent.rules]} if agent.rules else {}


def _options(agent: AutoGPT, chat: Chat) -> dict[str, Any]:
    from wornpath import __version__

    options = {
        "model": agent.model_name,
        "approve": agent.approve,
        "sandbox": agent.sandbox_mode,
        "candidates": agent.candidates,
        "learn": agent.learn,
        "limits": to_data(agent.limits),
        **_rules(agent),
        **({"attempts": agent.attempts} if agent.attempts > 1 else {}),
    }
    return {
        "version": __version__,
        "model": chat.model,
        "policy_version": agent.policy.version,
        "seed": agent.seed,
        "options": options,
        "parent": agent.parent,
    }


def result_of(agent: AutoGPT, actor: Actor, status: RunStatus, summary: str, seconds: float) -> Result:
    """How AGENT's run stands when it ends as STATUS after SECONDS of this sitting."""
    session, tracker = actor.session, actor.session.tracker
    usage = session.budget.usage
    rewards, source = 0.0, None
    for event in agent.store.events(agent.run_id, types=["evaluation.made"]):
        rewards += event.data["evaluation"].get("reward", 0.0)
        if event.data["scope"] == "run":
            source = event.data["evaluation"].get("source", "environment")
    return Result(
        agent.run_id,
        status,
        summary,
        round(rewards, 6),
        source if status in ("met", "unmet", "unverified") else None,
        session.budget.steps,
        usage.calls,
        tracker.skipped,
        {"prompt": usage.prompt, "completion": usage.completion},
        round(usage.cost_usd, 6),
        round(seconds + session.budget.spent_seconds, 3),
        agent.policy.version,
        str(agent.workspace.root),
        tuple(a for a in agent.store.artefacts(agent.run_id) if (agent.workspace.root / a.path).is_file()),
    )


def texts(agent: AutoGPT) -> dict[str, Mapping[str, str]]:
    """Tool → its arguments of free text."""
    return {tool.name: tool.text for tool in agent.registry}
