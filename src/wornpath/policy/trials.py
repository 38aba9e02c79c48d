"""The tests by which a candidate is promoted or refused, and a promoted version taken back. Pure functions of outcomes.

**Paired trial** (copies of the starting workspaces of past goals, each done once by either version): exact sign tests. On
success the discordant pairs, those that only one of the two met, are Binomial(n, 1/2) when the versions are equally good;
on tokens, likewise the pairs that both met. Promoted when the candidate wins on success (one-sided p ≤ .05), or wins on
tokens without losing a pair more than it wins. Refused when it loses on success (p ≤ .10).

**Canary** (a share of the real runs is given to the candidate): Wald's sequential test of H1, "its success is worse by
DELTA", against H0, "it is as good", where "as good" is the rate of the version in use in the same task family. Stops at
log B = log(β/(1−α)) or log A = log((1−β)/α). By Wald's bounds at most B = 5.6 % of candidates that are worse by DELTA or
more are promoted, and at most 1/A = 10.5 % of those as good are refused, given the rates of the version in use, which are
estimated from its own runs (shrunk towards their mean). Ref.: Wald, Sequential Analysis (1947), section 3.2.

**Rollback**: a CUSUM of the same likelihood ratio over the runs since the promotion (Page 1954). With threshold h its mean
time to a false alarm is at least exp(h) = 100 runs (Lorden 1971); with a baseline of .8 it
takes six failures in a row, with .9 four.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Decision = Literal["promote", "refuse", "undecided"]

ALPHA, BETA = 0.10, 0.05
"""Chance to refuse a candidate as good, and to promote one worse by DELTA, if the evidence met the thresholds exactly."""
REFUSED, PROMOTED = ALPHA / (1 - BETA), BETA / (1 - ALPHA)
"""Wald's bounds on these chances, as the evidence goes beyond the thresholds: 10.5 % and 5.6 %."""
DELTA = 0.2
"""Loss of success that a canary is to find."""
DROP = 0.3
"""Loss of success that a rollback is to find."""
ALARM = math.log(100)
"""h: the CUSUM's threshold; at most one false alarm in about 100 runs."""
MIN_BASELINE = 8
"""Judged runs of the version in use, below which nothing is decided by a canary."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One goal done by the version in use (`old`) and by the candidate (`new`), from the same start."""

    old_met: bool
    new_met: bool
    old_tokens: int
    new_tokens: int


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a test says, in a sentence for people, with its figures."""

    decision: Decision
    why: str
    figures: dict[str, float]


def sign_test(wins: int, losses: int) -> float:
    """P(at least WINS of WINS + LOSSES), one-sided, when both are as likely."""
    n = wins + losses
    return sum(math.comb(n, k) for k in range(wins, n + 1)) / float(2**n)


def paired(pairs: Sequence[Pair]) -> Ruling:
    """The ruling on a paired trial; see the header."""
    won = sum(p.new_met and not p.old_met for p in pairs)
    lost = sum(p.old_met and not p.new_met for p in pairs)
    both = [p for p in pairs if p.old_met and p.new_met]
    cheaper = sum(p.new_tokens < p.old_tokens for p in both)
    dearer = sum(p.new_tokens > p.old_tokens for p in both)
    better, worse, saving = sign_test(won, lost), sign_test(lost, won), sign_test(cheaper, dearer)
    figures = {
        "pairs": len(pairs),
        "old_met": sum(p.old_met for p in pairs),
        "new_met": sum(p.new_met for p in pairs),
        "won": won,
        "lost": lost,
        "p_better": round(better, 5),
        "p_worse": round(worse, 5),
        "cheaper": cheaper,
        "dearer": dearer,
        "p_cheaper": round(saving, 5),
        "old_tokens": sum(p.old_tokens for p in pairs),
        "new_tokens": sum(p.new_tokens for p in pairs),
    }
    said = (
        f"{len(pairs)} goals done by both: met {figures['new_met']:.0f} against {figures['old_met']:.0f}, "
        f"{figures['new_tokens']:,.0f} tokens against {figures['old_tokens']:,.0f}"
    )
    if won + lost and worse <= 0.10:
        return Ruling("refuse", f"{said}; it is worse (sign test, p = {worse:.3f})", figures)
    if won + lost and better <= 0.05:
        return Ruling("promote", f"{said}; it meets more goals (sign test, p = {better:.3f})", figures)
    if won >= lost and cheaper + dearer and saving <= 0.05:
        return Ruling("promote", f"{said}; it is cheaper (sign test, p = {saving:.3f})", figures)
    return Ruling("undecided", f"{said}; that does not tell them apart", figures)


def baseline_rates(outcomes: Iterable[tuple[str, bool]], weight: float = 4.0) -> tuple[dict[str, float], float, int]:
    """Success of (family, met) OUTCOMES: by family, shrunk towards the mean as if WEIGHT runs had it; the mean, with one
    run of either kind added; and how many there were."""
    rows = list(outcomes)
    mean = (sum(met for _, met in rows) + 1) / (len(rows) + 2)
    families: dict[str, list[bool]] = {}
    for family, met in rows:
        families.setdefault(family, []).append(met)
    rates = {f: (sum(m) + weight * mean) / (len(m) + weight) for f, m in families.items()}
    return rates, mean, len(rows)


def evidence_of_loss(met: bool, rate: float, drop: float) -> float:
    """Log of how much likelier the outcome is when success is lower by DROP than RATE, than when it is RATE."""
    good = min(max(rate, 0.05), 0.97)
    bad = max(good - drop, good / 4)
    return math.log(bad / good) if met else math.log((1 - bad) / (1 - good))


def canary(outcomes: Sequence[tuple[str, bool]], baseline: Sequence[tuple[str, bool]]) -> Ruling:
    """The ruling on a candidate by its OUTCOMES (family, met), in order, against those of the version in use."""
    rates, mean, known = baseline_rates(baseline)
    low, high = math.log(PROMOTED), -math.log(REFUSED)
    total, met, used = 0.0, 0, 0
    decision: Decision = "undecided"
    if known >= MIN_BASELINE:
        for family, good in outcomes:
            total += evidence_of_loss(good, rates.get(family, mean), DELTA)
            met, used = met + good, used + 1
            if total <= low or total >= high:
                decision = "promote" if total <= low else "refuse"
                break
    figures = {
        "runs": used,
        "met": met,
        "baseline_runs": known,
        "baseline": round(mean, 4),
        "evidence": round(total, 4),
    }
    figures |= {"promote_at": round(low, 4), "refuse_at": round(high, 4)}
    said = f"met {met} of {used} real runs, where {mean:.0%} is usual"
    if known < MIN_BASELINE:
        return Ruling("undecided", f"the version in use has only {known} judged runs to compare with", figures)
    why = {
        "promote": f"{said}: not worse by {DELTA:.0%} (sequential test, error at most {100 * PROMOTED:.1f} %)",
        "refuse": f"{said}: worse by {DELTA:.0%} or more (sequential test, error at most {100 * REFUSED:.1f} %)",
        "undecided": f"{said}; more runs are needed",
    }[decision]
    return Ruling(decision, why, figures)


def failing(outcomes: Sequence[tuple[str, bool]], rates: dict[str, float], mean: float) -> Ruling | None:
    """A ruling to take a version back when its OUTCOMES since the promotion, in order, raise the alarm; else None."""
    total, since = 0.0, 0
    for i, (family, met) in enumerate(outcomes):
        total = max(0.0, total + evidence_of_loss(met, rates.get(family, mean), DROP))
        since = i + 1 if total == 0.0 else since
        if total >= ALARM:
            recent = outcomes[since : i + 1]
            bad = sum(not m for _, m in recent)
            figures = {"runs": i + 1, "recent": len(recent), "failed": bad, "baseline": round(mean, 4)}
            why = f"{bad} of the last {len(recent)} runs failed, where {mean:.0%} was met before (CUSUM, one false alarm in 100 runs)"
            return Ruling("refuse", why, {**figures, "evidence": round(total, 4)})
    return None
