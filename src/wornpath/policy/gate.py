"""The skip gate: when a step may be taken from experience, without a language-model call.

*Trial*: a template with at least 3 good uses at this position and none bad among its last 5; no bound is claimed. *Certified*: for the
family as a whole, the one-sided 95 % Clopper-Pearson upper bound (Biometrika 26, 1934) on the share of episodes that failed although, or
because, a call was skipped is at most 5 %. It is looked at after 72 outcomes, 144, 288 and so on, and the error is spent over these looks,
half of what is left at each (59 outcomes without failure would do at a single look). A *shadow* share of the episodes in which a
call could have been skipped calls the model all the same, until its result is refused: the difference in failures between the two is the
price of skipping.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from wornpath.experience.records import Evidence, Record

GateMode = Literal["off", "trial", "certified", "on"]
MIN_GOOD = 3
CLEAN = 5
DELTA = 0.05
CONFIDENCE = 0.95
FIRST_LOOK = 72
"""Outcomes at the first look: as few as can certify a family there."""
LATE = 30
"""So many of the latest skipped episodes decide whether a family is closed, so that it opens again after a change."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a family's skipped episodes went so far. `bound` is the upper confidence bound on their share of failures, `usual` the share of
    failures where the model was asked throughout; `closed` tells that skipping did worse than either allows, lately."""

    episodes: int
    failures: int
    bound: float
    usual: float = 0.0
    closed: bool = False
    asked: int = 0
    """So many episodes were the model's own throughout; `usual` is their share of failures."""
    unwritten: bool = False
    """Episodes in which the model was asked for texts alone lately did worse than those."""

    @property
    def certified(self) -> bool:
        return self.bound <= DELTA

    @property
    def chance(self) -> float:
        """The chance that a run goes well in which the model is asked (Laplace's rule)."""
        return ((1 - self.usual) * self.asked + 1) / (self.asked + 2)


def trusted(record: Record) -> bool:
    """Whether RECORD's template passed its trial."""
    return record.ok >= MIN_GOOD and "-" not in record.recent[-CLEAN:]


def standing(outcomes: Iterable[tuple[bool, str]]) -> Standing:
    """The standing after OUTCOMES, (met, arm) an episode, oldest first, of which those of arm `skipped` count. One of arm `rescued` is a
    failure of the model's, whose result was refused: what it might have made of it in further attempts nobody knows."""
    known = list(outcomes)
    skipped = [met for met, arm in known if arm == "skipped"]
    written = [met for met, arm in known if arm == "written"]
    asked = [met and arm != "rescued" for met, arm in known if arm not in ("skipped", "written")]
    n, failures = len(skipped), skipped.count(False)
    usual = asked.count(False) / len(asked) if asked else 0.0
    closed, unwritten = (_worse(late[-LATE:], usual) for late in (skipped, written))
    return Standing(n, failures, _bound(skipped), usual, closed, len(asked), unwritten)


def _bound(skipped: Sequence[bool]) -> float:
    """The upper bound on the share of failures in SKIPPED, oldest first: that of the last look, or that of all so far where it is worse."""
    n = len(skipped)
    if n < FIRST_LOOK:
        return max(upper_bound(skipped.count(False), n, CONFIDENCE), math.nextafter(DELTA, 1))
    look = int(math.log2(n / FIRST_LOOK))
    confidence = 1 - (1 - CONFIDENCE) / 2 ** (look + 1)
    seen = skipped[: FIRST_LOOK * 2**look]
    return max(upper_bound(part.count(False), len(part), confidence) for part in (seen, skipped))


def _worse(outcomes: Sequence[bool], usual: float) -> bool:
    """Whether OUTCOMES failed more often than both DELTA and what is USUAL, with confidence."""
    return lower_bound(outcomes.count(False), len(outcomes), CONFIDENCE) > max(DELTA, usual)


def may_plan(record: Record, family: Standing, mode: GateMode) -> bool:
    """Whether the gate is open for a plan that did before. A plan by itself does nothing, and is one of many reasons for a failure: it
    stands in for the model's unless runs with it failed more often than the family's runs do anyhow, with confidence on both sides."""
    if mode == "off" or record.ok < MIN_GOOD or (mode == "certified" and not family.certified):
        return False
    usual = upper_bound(round(family.usual * family.asked), family.asked, CONFIDENCE)
    return lower_bound(record.bad, record.uses, CONFIDENCE) <= max(DELTA, usual)


def may_write(known: Sequence[Evidence], family: Standing, mode: GateMode) -> Evidence | None:
    """The action that may be taken without asking which one, its text still to be written: the one most often taken at this position in
    runs that were met, ahead of all others together."""
    if mode == "off" or family.unwritten or (mode == "certified" and not family.certified):
        return None
    general = [(e, r) for e in known if (r := e.records[0]) is not None]
    if not general:
        return None
    best, record = max(general, key=lambda pair: pair[1].ok)
    return best if record.ok >= MIN_GOOD and 2 * record.ok > sum(r.ok for _, r in general) else None


def may_skip(evidence: Evidence, family: Standing, mode: GateMode) -> bool:
    """Whether the gate is open in MODE for the template that EVIDENCE is of: where it passed its trial in some context that today's lies
    in, and has not failed lately in today's own. A family in which skipping lately did worse than asking is closed."""
    if mode == "off" or not any(r is not None and trusted(r) for r in evidence.records):
        return False
    own = evidence.records[-1]
    if own is not None and "-" in own.recent[-CLEAN:]:
        return False
    if family.closed:
        return False
    return mode != "certified" or family.certified


def upper_bound(failures: int, n: int, confidence: float) -> float:
    """The one-sided Clopper-Pearson upper bound on a share of which FAILURES in N were seen."""
    if n == 0 or failures >= n:
        return 1.0
    return _solve(lambda p: _at_most(failures, n, p), 1 - confidence)


def lower_bound(failures: int, n: int, confidence: float) -> float:
    """The one-sided Clopper-Pearson lower bound."""
    if n == 0 or failures == 0:
        return 0.0
    return 1 - _solve(lambda p: _at_most(n - failures, n, p), 1 - confidence)


def _solve(probability: Callable[[float], float], wanted: float) -> float:
    """The p at which PROBABILITY, falling in p, is WANTED."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if probability(middle) > wanted:
            low = middle
        else:
            high = middle
    return high


def _at_most(failures: int, n: int, p: float) -> float:
    """P(X ≤ FAILURES) for X binomial in N and P."""
    if p <= 0:
        return 1.0
    if p >= 1:
        return 0.0
    whole, hit, miss = math.lgamma(n + 1), math.log(p), math.log1p(-p)
    logs = (whole - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * hit + (n - k) * miss for k in range(failures + 1))
    return math.fsum(math.exp(x) for x in logs)
