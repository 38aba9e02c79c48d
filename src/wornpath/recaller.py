"""The recaller: what was done in goals like this one, said with today's things, and whether that will do without asking the model."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from wornpath.core import (
    Action,
    Candidate,
    Goal,
    Observation,
    Plan,
    Predicate,
    RewardWeights,
    State,
    StoreError,
    Subtask,
    ToolError,
)
from wornpath.experience import Tracker
from wornpath.experience.filling import SURE, fill
from wornpath.experience.lessons import FINISH, PLAN, position, start, written
from wornpath.experience.lifting import Lifter
from wornpath.experience.live import Experience
from wornpath.experience.memory import readable_name
from wornpath.experience.needles import nothing_to_edit
from wornpath.experience.plans import fill_predicate, lift_plan, plan_id
from wornpath.experience.records import Evidence, Record
from wornpath.experience.situation import Situation, take
from wornpath.experience.template import Template
from wornpath.policy.gate import Standing, may_plan, may_skip, may_write, standing, trusted
from wornpath.tools import Registry, Tool, Workspace

MAX_RECALLED = 8
MAX_TRIES = 6
"""So many known programs are tried in a run before the model writes one."""
MAX_EDITED = 1 << 20
"""Bytes of a file in which what a program replaces is looked for."""
WORTH_A_TRY = 0.3
PROMISING = 0.55
"""From this chance on a recalled text is taken rather than one written anew, where the checks will tell."""
FINISHED = Action.of("finish")
REVERSIBLE = ("read", "write", "execute")
"""What a run's snapshot can undo; the rest always asks the model."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """A template with today's values in. `sure` tells how clear the values are, `covers` that the goal has no word that is new here."""

    action: Action
    evidence: Evidence
    sure: float
    covers: bool
    loop: bool = False
    """One of several that are to be done one after the other."""
    fits: bool = True
    """Whether what its program takes for granted holds today (`experience.grounds`)."""
    usual: float | None = None
    """How likely the model does by itself; None where the checks will tell."""

    @property
    def record(self) -> Record:
        """How it fared in the context closest to today's."""
        return self.evidence.closest

    @property
    def strong(self) -> bool:
        """Whether it is likely enough to go well to stand in for what the model would write."""
        clear = self.covers and self.fits and (self.sure > SURE or self.loop)
        known = self.evidence
        return clear and (known.chance > PROMISING if self.usual is None else known.hope > self.usual)


@dataclass(frozen=True, slots=True)
class Gate:
    """What the gate said: `open` are the actions that may be taken without the model."""

    open: tuple[Recalled, ...] = ()
    arm: str = ""
    why: str = ""
    position: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {"arm": self.arm, "why": self.why, "position": self.position}


@dataclass(slots=True)
class Recaller:
    """One run's dealings with the memory."""

    experience: Experience
    registry: Registry
    workspace: Workspace
    rng: random.Random
    situation: Situation = field(default_factory=Situation)
    family: str = ""
    known: bool = False
    """Whether the family was there before this run."""
    arm: str = ""
    _chain: list[str] = field(default_factory=list)
    _subtask: tuple[int, int, int] = (0, 0, 0)
    _standing: Standing = Standing(0, 0, 1.0)
    _covers: bool = False
    _lifter: Lifter | None = None
    _seen: dict[str, str] = field(default_factory=dict)
    _used: list[str] = field(default_factory=list)
    """The templates that this run was recalled to."""
    _writes: str = ""
    """The template of the action for which a text is to be written, where that is the gate's choice."""

    # -- the goal ----------------------------------------------------------------------------------

    def begin(self, goal: Goal, family: str = "") -> dict[str, Any]:
        """Take the situation of GOAL, and its family where a person did not name one; what `goal.set` keeps of it."""
        self.situation = take(goal.text, self.workspace)
        memory = self.experience.memory
        try:
            self.family = family or memory.family(self.situation) or memory.new_name(self.situation)
            self._settle()
        except StoreError as error:
            self.family = family or readable_name(self.situation)
            self._do_without(error)
        return {"family": self.family, "situation": self.situation.as_dict()}

    def restore(self, data: Mapping[str, Any], arm: str) -> None:
        """Go on with what an earlier sitting took: DATA of `goal.set`. Its subtask in hand is left to the model."""
        self.family = str(data.get("family") or "")
        if self.family and data.get("situation"):
            self.situation = Situation.from_dict(data["situation"])
            self.arm = arm
            try:
                self._settle()
            except StoreError as error:
                self._do_without(error)
        self._chain = ["?"]

    def _do_without(self, error: StoreError) -> None:
        """Go on without the memory, which cannot be used because of ERROR: the run is worth more than what it could recall."""
        logging.getLogger("wornpath").warning("%s", error)
        self.known = self._covers = False

    def _settle(self) -> None:
        memory = self.experience.memory
        self._standing = standing((met, arm) for _, met, arm in memory.outcomes(self.family))
        words = memory.known_words(self.family)
        self.known = bool(words)
        self._covers = self.known and self.situation.words <= words

    # -- plans -------------------------------------------------------------------------------------

    def plan(self, goal: Goal) -> tuple[Plan, Record] | None:
        """The plan that did for this family before, with today's things, if the gate lets it stand in for the model's."""
        config = self.experience.config
        if not (config.recall and config.plans and self._covers):
            return None
        try:
            return self._recalled_plan(goal)
        except StoreError as error:
            self._do_without(error)
            return None

    def _recalled_plan(self, goal: Goal) -> tuple[Plan, Record] | None:
        config = self.experience.config
        plans = self.experience.memory.evidence(self.family, PLAN, self.situation.contexts)
        for known in sorted(
            plans, key=lambda e: -(e.records[0].value if e.records[0] else 0.0)
        ):  # what is needless costs return
            general = known.records[0]
            if general is None or not may_plan(general, self._standing, config.gate):
                continue
            if not self.experience.memory.vouched(self.family, known.template):
                continue
            for body in self.experience.memory.bodies(self.family, known.template):
                plan = filled_plan(body, goal, self.situation)
                if plan is not None and not self._shadowed():
                    self.arm = "written"
                    return plan, known.closest
        return None

    def keeps_plan(self, plan: Plan) -> bool:
        """Whether PLAN has the form that did for this family before, so that after work that was not accepted it is gone through again
        rather than made anew."""
        config = self.experience.config
        if not (config.recall and config.plans and self.known):
            return False
        form = plan_id(lift_plan(plan, self._lift))
        try:
            records = self.experience.memory.records(self.family, PLAN)
        except StoreError as error:
            self._do_without(error)
            return False
        return any(r.template == form and may_plan(r, self._standing, config.gate) for r in records)

    @property
    def _lift(self) -> Lifter:
        self._lifter = self._lifter or Lifter(self.situation, roles=self.experience.config.roles)
        return self._lifter

    def _shadowed(self, tracker: Tracker | None = None) -> bool:
        """Draw, at the first step that could be skipped, whether this run calls the model all the same: until its result was refused or its
        plan failed. What it shows is seen then, and the user's work is worth more than the rest of it."""
        if not self.arm:
            self.arm = "shadow" if self.rng.random() < self.experience.config.shadow else "open"
        plan = tracker.plan if tracker else None
        failed = tracker is not None and (tracker.failures > 0 or (plan is not None and plan.revision > 0))
        return self.arm == "shadow" and not failed

    # -- steps -------------------------------------------------------------------------------------

    def position(self, tracker: Tracker) -> str:
        """Where the run stands among its family's. A subtask that went wrong is not where anything was learnt."""
        active, plan = tracker.active, tracker.plan
        judged = tracker.failures + tracker.tries
        here = (active.id if active else 0, plan.revision if plan else 0, judged)
        if here != self._subtask:
            if self._subtask != (0, 0, 0) or self._chain != ["?"]:
                self._chain = []
            self._subtask, self._seen = here, {}
        wrong = tracker.subtask_errors or tracker.failures or tracker.tries or (plan and plan.revision)
        return "" if wrong else position(active.kind if active else "other", self._chain)

    def _trial(self, tracker: Tracker) -> str:
        """The position to try a known program from that is not sure to do: where the checks can tell, so that it is taken back where it
        does not; a few times."""
        active = tracker.active
        if active is None or not self._telling(tracker):
            return ""
        return position(active.kind, []) if len(self._used) < MAX_TRIES and not self._chain else ""

    def _telling(self, tracker: Tracker) -> bool:
        """Whether the checks can tell when the work is done."""
        return bool(tracker.goal and tracker.goal.checks and tracker.telling)

    def candidates(self, tracker: Tracker, allowed: Callable[[Tool], bool]) -> list[Recalled]:
        """What was done here before, with today's things, best first: whatever is ALLOWED, was not tried, and can be filled."""
        at = self.position(tracker) or self._trial(tracker)
        if not (self.experience.config.recall and self.known and at):
            return []
        try:
            return self._recalled(at, tracker, allowed)
        except StoreError as error:
            self._do_without(error)
            return []

    def _recalled(self, at: str, tracker: Tracker, allowed: Callable[[Tool], bool]) -> list[Recalled]:
        out: list[Recalled] = []
        memory = self.experience.memory
        for known in memory.evidence(self.family, at, self.situation.contexts):
            if known.template == FINISH.id:
                out.append(Recalled(FINISHED, known, 1.0, self._covers))
                continue
            if known.template in self._used and self._chain[-1:] != [known.template]:
                continue
            if not memory.vouched(self.family, known.template):
                continue
            bodies = [b for b in memory.bodies(self.family, known.template) if isinstance(b, Template)]
            for body in sorted(bodies, key=lambda b: sum(not h.sole for h in b.holes())):
                made = self._filled(body, known, tracker, allowed)
                out += made
                if made and not made[0].loop:
                    break  # a way of saying it that leaves less open goes before others
        found = list({r.action.key: r for r in reversed(out)}.values())[::-1]
        return sorted((r for r in found if r.fits or self._telling(tracker)), key=lambda r: not r.fits)[:MAX_RECALLED]

    def _filled(
        self, body: Template, known: Evidence, tracker: Tracker, allowed: Callable[[Tool], bool]
    ) -> list[Recalled]:
        tool = self.registry.get(body.tool)
        if tool is None or not allowed(tool):
            return []
        done = {t.action.key for t in tracker.tried.values() if t.result in ("ok", "empty")}
        found = fill(body, self.situation, self._seen)
        made = [(a, sure) for a, sure in found if a.key not in done and not self._edits_nothing(tool, a)]
        loop = len(self._chain) > 0 and self._chain[-1] == known.template
        tops = [(a, sure) for a, sure in made if made and sure >= made[0][1]]
        if len(tops) == 1 and not loop:
            made = tops
        several = loop or (len(tops) > 1 and known.closest.uses > 2)
        clear = made if several else [(a, sure) for a, sure in made if sure > SURE]
        usual = None if self._telling(tracker) else self._standing.chance
        return [
            Recalled(a, known, sure, self._covers, several, body.grounds.hold(a, self.situation), usual)
            for a, sure in clear[:MAX_RECALLED]
        ]

    def _edits_nothing(self, tool: Tool, action: Action) -> bool:
        """Whether ACTION is a program that replaces what is not there."""
        codes = (str(action.arguments.get(name, "")) for name, kind in tool.text.items() if kind == "code")
        return any(nothing_to_edit(code, self._content) for code in codes)

    def _content(self, path: str) -> bytes | None:
        """The content of the file PATH; of one too large to look into what no text is."""
        try:
            with self.workspace.open_read(path) as file:
                data = file.read(MAX_EDITED)
        except (ToolError, OSError, ValueError):
            return None
        return data if len(data) < MAX_EDITED else b"\xff"

    def gate(self, recalled: Sequence[Recalled], tracker: Tracker, able_to: Callable[[Action], bool]) -> Gate:
        """Which of RECALLED may be taken without the model, or else which action, if the run is ABLE_TO, it need only write the text of."""
        mode = self.experience.config.gate
        able = [r for r in recalled if r.covers and (r.sure > SURE or r.loop) and self._reversible(r.action)]
        at, trial = self.position(tracker), self._trial(tracker)
        good = [r for r in able if at and r.fits and may_skip(r.evidence, self._standing, mode)]
        chosen = [r for r in good if r.loop] or good
        if chosen:
            best = chosen[0].record
            how = "certified" if self._standing.certified else "on trial"
            return self._opened(chosen, tracker, "skipped", at, f"{best.ok} of {best.uses} uses went well ({how})")
        shut = (
            mode == "off" or not self.experience.config.tries or (mode == "certified" and not self._standing.certified)
        )
        worth = [r for r in able if not shut and r.evidence.chance > WORTH_A_TRY]
        worth = [r for r in worth if (trial and self._does(r.action)) or (r.action == FINISHED and tracker.trying)]
        if worth and self._telling(tracker):
            why = "a known program that may do, since the checks will tell"
            return self._opened(worth[:1], tracker, "skipped", at or trial, why)
        return self._to_write(recalled, tracker, able_to, at)

    def _to_write(
        self, recalled: Sequence[Recalled], tracker: Tracker, able_to: Callable[[Action], bool], at: str
    ) -> Gate:
        """The gate, open for an action whose program the model is to write, or for finishing after one, where nothing else is ever done."""
        active, last, config = tracker.active, tracker.last, self.experience.config
        closed = Gate((), "shadow" if self.arm == "shadow" else "", "", at)
        if active is None or not (config.recall and self.family) or any(r.strong for r in recalled):
            return closed
        tool = self.registry.get(last.tool) if last is not None and tracker.subtask_ok else None
        ran = tool is not None and "code" in tool.text.values() and tracker.last_result == "ok"
        if not ran and self._chain:
            return closed
        here = (written if ran else start)(active.kind, not at)
        try:
            known, family = self._usual_action(here, bool(at), tracker)
            bodies = self.experience.memory.bodies(family, known.template) if known else []
        except StoreError as error:
            self._do_without(error)
            return closed
        if known is None:
            return closed
        how = f"{known.closest.ok} times" + ("" if family == self.family else ", in other kinds of work")
        if known.template == FINISH.id and able_to(FINISHED):
            found = Recalled(FINISHED, known, 1.0, self._covers)
            return self._opened([found], tracker, "written", here, f"done after it, {how}")
        for body in bodies if not ran else ():
            made = fill(body, self.situation, self._seen) if body.open and body.tool in self.registry else []
            if made and made[0][1] > SURE and able_to(made[0][0]) and self._reversible(made[0][0]):
                self._writes = known.template
                found = Recalled(made[0][0], known, made[0][1], self._covers)
                return self._opened(
                    [found], tracker, "written", here, f"what is done here, {how}; only its text is to be written"
                )
        return closed

    def _usual_action(self, here: str, unspoiled: bool, tracker: Tracker) -> tuple[Evidence | None, str]:
        """What may be done at HERE without asking, and the family that knows it: this one, or where this one has come to nothing else yet
        and nothing went wrong (UNSPOILED), what the others usually do."""
        memory, mode = self.experience.memory, self.experience.config.gate
        own = memory.evidence(self.family, here, ("",))
        known = may_write(own, self._standing, mode)
        if known is not None and memory.vouched(self.family, known.template):
            return known, self.family
        if not (self.experience.config.transfer and unspoiled):
            return None, ""
        others = memory.elsewhere(self.family, here)
        known = may_write([evidence for evidence, _ in others], self._standing, mode)
        if known is None or any(e.template != known.template or e.closest.bad > e.closest.ok for e in own):
            return None, ""
        if known.template == FINISH.id and not self._telling(tracker):
            return None, ""
        return known, next(family for evidence, family in others if evidence is known)

    def _opened(self, chosen: Sequence[Recalled], tracker: Tracker, arm: str, at: str, why: str) -> Gate:
        """The gate, open for CHOSEN unless this run is one that asks the model throughout."""
        if not chosen or self._shadowed(tracker):
            return Gate((), "shadow" if self.arm == "shadow" else "", "", at)
        self.arm = arm if self.arm != "skipped" else self.arm
        return Gate(tuple(chosen), arm, why, at)

    def _does(self, action: Action) -> bool:
        """Whether ACTION does something that a check can tell of."""
        tool = self.registry.get(action.tool)
        return tool is not None and tool.risk in ("write", "execute")

    def _reversible(self, action: Action) -> bool:
        tool = self.registry.get(action.tool)
        return action.tool == "finish" or (tool is not None and tool.risk in REVERSIBLE)

    def done(self, tracker: Tracker, action: Action, seen: Observation, recalled: str) -> None:
        """Note what was done, so that the next position is known."""
        name = recalled
        if not recalled or recalled == self._writes:
            name = ""  # its text was written by the model
        else:
            self._used.append(recalled)
        if action.tool in ("finish", "replan", "ask_person") or seen.result not in ("ok", "empty"):
            return
        files = [e.value for e in seen.entities if e.kind == "file"]
        if not seen.changed and len(files) == 1:
            self._seen = {"seen alone": files[0]}
        name = name or self._template(action)
        if name and self._chain != ["?"]:
            self._chain.append(name)

    def _template(self, action: Action) -> str:
        """The known template that ACTION is a use of; empty for looks and other steps that nothing was learnt of."""
        tool = self.registry.get(action.tool)
        if tool is None or not self.known:
            return ""
        name = self._lift.lift(action, tool.text, self._seen).id
        try:
            return name if self.experience.memory.knows(self.family, name) else ""
        except StoreError as error:
            self._do_without(error)
            return ""

    def placed(self, state: State) -> State:
        """STATE with the family of its goal."""
        return replace(state, features={**state.features, "family": self.family}) if self.family else state

    def enriched(self, state: State, recalled: Sequence[Recalled], weights: RewardWeights) -> State:
        """STATE with what is known of the recalled actions: what a policy and a reader of `why` go by."""
        if not recalled:
            return state
        known = {
            r.action.key: [r.record.template, r.record.ok, r.record.bad, _worth(r.evidence.chance, weights)]
            for r in recalled
        }
        usual = _worth(self._standing.chance, weights)
        return replace(state, features={**state.features, "recalled": known, "usual": usual})


def _worth(chance: float, weights: RewardWeights) -> float:
    """The return to be expected where the goal is met with CHANCE, whatever it costs."""
    return round(weights.unmet + chance * (weights.met - weights.unmet), 4)


def merged(made: Sequence[Candidate], recalled: Sequence[Recalled], registry: Registry) -> list[Candidate]:
    """The model's candidates and the RECALLED ones. A recalled action that completes a candidate whose text is still to be written takes
    over its share of the prior, as far as experience speaks for it; what both name keeps the model's."""
    out = {c.action.key: c for c in made}
    for r in recalled:
        note = r.record.template
        if r.action.key in out:
            out[r.action.key] = replace(out[r.action.key], note=note)
            continue
        prior = 0.0
        tool = registry.get(r.action.tool)
        bare = Action.of(
            r.action.tool, {k: v for k, v in r.action.arguments.items() if tool is None or k not in tool.text}
        )
        left = out.get(bare.key)
        if left is not None and bare != r.action and r.strong:
            prior = left.prior * r.evidence.chance
            out[bare.key] = replace(left, prior=left.prior - prior)
        out[r.action.key] = Candidate(r.action, "recalled", prior, note=note)
    return list(out.values())


def filled_plan(body: Mapping[str, Any], goal: Goal, situation: Situation) -> Plan | None:
    """The plan in BODY with today's things; None where something in it has no value today."""
    subtasks: list[Subtask] = []
    for number, item in enumerate(body["subtasks"], 1):
        says = goal.text[:400]
        if not item["whole"]:
            found = fill(Template.from_dict(item["says"]), situation)
            if not found:
                return None
            says = str(found[0][0].arguments.get("says", ""))
        expects: list[Predicate] = []
        for raw in item["expects"]:
            predicate = fill_predicate(raw, situation)
            said = goal.text.casefold()
            if predicate is None or any(
                v.casefold() not in said for v in (predicate.path.rsplit("/", 1)[-1], *predicate.values)
            ):
                return None  # it was so last time, and nothing says that it is today
            expects.append(predicate)
        criterion = f"{expects[0].path} is there" if expects else ""
        subtasks.append(Subtask(number, says, item["kind"], criterion, tuple(expects)))
    return Plan(tuple(subtasks)) if subtasks else None


__all__ = ["Gate", "Recalled", "Recaller", "filled_plan", "merged", "trusted"]
