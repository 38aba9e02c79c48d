"""Figures from the records of streams: success, tokens for each goal met, and their intervals.

Arms meet the same draws, so they are compared draw by draw. Intervals are percentile bootstraps in two steps, seeds and then the draws
within them, a draw being one episode of one family with all its steps. Here what has no bound is infinite and what is not known NaN; in
`report`, which is made for JSON, both are None.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wornpath.bench.stream import Record

Array = npt.NDArray[np.float64]
ROUNDS = 2000


@dataclass(frozen=True, slots=True)
class Table:
    """Records as arrays of shape (seeds, draws); a draw is (family, episode). Missing ones are NaN."""

    arms: dict[str, dict[str, Array]]
    families: tuple[str, ...]
    """The family of every draw."""
    episodes: npt.NDArray[np.int64]
    """The episode of every draw."""
    seeds: tuple[int, ...]

    @classmethod
    def of(cls, records: Iterable[Record]) -> Table:
        found = list(records)
        draws = sorted({(r.family, r.episode) for r in found})
        seeds = tuple(sorted({r.seed for r in found}))
        at = {draw: i for i, draw in enumerate(draws)}
        row = {seed: i for i, seed in enumerate(seeds)}
        arms: dict[str, dict[str, Array]] = {}
        for r in found:
            if r.arm not in arms:
                arms[r.arm] = {
                    name: np.full((len(seeds), len(draws)), np.nan) for name in ("met", "tokens", "calls", "skipped")
                }
            for name, values in arms[r.arm].items():
                values[row[r.seed], at[r.family, r.episode]] = float(getattr(r, name))
        return cls(arms, tuple(f for f, _ in draws), np.asarray([e for _, e in draws]), seeds)

    def last(self, share: float = 1 / 3) -> npt.NDArray[np.bool_]:
        """The draws of the last SHARE of the stream."""
        total = int(self.episodes.max()) + 1 if len(self.episodes) else 0
        return self.episodes >= total - max(1, round(total * share))

    def of_family(self, name: str) -> npt.NDArray[np.bool_]:
        return np.asarray([f == name for f in self.families])

    def part(self, arm: str, name: str, draws: npt.NDArray[np.bool_]) -> Array:
        return self.arms[arm][name][:, draws]


def resamples(
    shape: tuple[int, int], rounds: int = ROUNDS, seed: int = 0
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Indices of bootstrap samples: (rounds, seeds) rows, and (rounds, seeds, draws) columns within them."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, shape[0], (rounds, shape[0])) if shape[0] > 1 else np.zeros((rounds, 1), np.int64)
    return rows, rng.integers(0, shape[1], (rounds, shape[0], shape[1]))


def ratios(above: Array, below: Array, rounds: int = ROUNDS, seed: int = 0) -> Array:
    """Bootstrap samples of sum(ABOVE) / sum(BELOW), both of shape (seeds, draws); infinite where nothing is below, NaN where nothing is
    above either."""
    rows, columns = resamples((above.shape[0], above.shape[1]), rounds, seed)
    out = np.empty(len(rows))
    for i in range(len(rows)):
        picked = rows[i][:, None], columns[i]
        out[i] = quotient(np.nansum(above[picked]), np.nansum(below[picked]))
    return out


def quotient(above: Any, below: Any) -> Any:
    """ABOVE / BELOW, of numbers or arrays: infinite where only BELOW is 0; NaN where both are 0, and where both are infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(above, below)


def interval(samples: Array) -> list[float]:
    """The 95 % percentile interval of the samples that are known."""
    low, high = np.percentile(_known(samples), [2.5, 97.5], method="nearest")
    return [_round(low), _round(high)]


def fewer_interval(base: Array, own: Array) -> list[float]:
    """The interval of BASE / OWN, samples of tokens for each goal met. One in which neither met any may be anything: it counts as 0 at the
    lower end and as without bound at the upper."""
    fewer, neither = quotient(base, own), np.isinf(base) & np.isinf(own)
    return [interval(np.where(neither, 0.0, fewer))[0], interval(np.where(neither, np.inf, fewer))[1]]


def per_met(tokens: Array, met: Array) -> float:
    """All tokens for each goal met; infinite where none was."""
    return float(np.nansum(tokens) / np.nansum(met)) if np.nansum(met) else float("inf")


def arm_figures(table: Table, arm: str, draws: npt.NDArray[np.bool_], rounds: int = ROUNDS) -> dict[str, Any]:
    """Success and tokens a met goal of ARM on DRAWS, with intervals."""
    met, tokens = table.part(arm, "met", draws), table.part(arm, "tokens", draws)
    calls, skipped = np.nansum(table.part(arm, "calls", draws)), np.nansum(table.part(arm, "skipped", draws))
    present = (~np.isnan(met)).astype(float)
    return {
        "episodes": int(present.sum()),
        "success": _round(np.nansum(met) / max(present.sum(), 1)),
        "success_ci95": interval(ratios(met, present, rounds)),
        "tokens_per_met": _round(per_met(tokens, met)),
        "tokens_per_met_ci95": interval(ratios(tokens, met, rounds)),
        "calls_skipped": _round(skipped / (calls + skipped) if calls + skipped else 0.0),
    }


def against(table: Table, arm: str, base: str, draws: npt.NDArray[np.bool_], rounds: int = ROUNDS) -> dict[str, Any]:
    """ARM beside BASE on the draws that both had: how many times fewer tokens a met goal, and the difference in success."""
    both = ~np.isnan(table.arms[arm]["met"]) & ~np.isnan(table.arms[base]["met"])

    def of(which: str, name: str) -> Array:
        return np.where(both, table.arms[which][name], np.nan)[:, draws]

    ours, theirs = of(arm, "met"), of(base, "met")
    gain = ratios(ours - theirs, both[:, draws].astype(float), rounds)
    own, base_cost = per_met(of(arm, "tokens"), ours), per_met(of(base, "tokens"), theirs)
    return {
        "times_fewer_tokens": _round(quotient(base_cost, own)),
        "times_fewer_tokens_ci95": fewer_interval(
            ratios(of(base, "tokens"), theirs, rounds), ratios(of(arm, "tokens"), ours, rounds)
        ),
        "success_gain": _round(np.nansum(ours - theirs) / max(both[:, draws].sum(), 1)),
        "success_gain_ci95": interval(gain),
    }


def skip_price(table: Table, arm: str, base: str = "frozen", rounds: int = ROUNDS) -> dict[str, Any]:
    """What skipping costs: ARM's failures in the episodes in which it skipped a call, less BASE's on the same draws."""
    if arm not in table.arms or base not in table.arms:
        return {}
    own, other = table.arms[arm], table.arms[base]
    used = (own["skipped"] > 0) & ~np.isnan(other["met"])
    if not used.any():
        return {"episodes": 0}
    one = used.astype(float)
    failed, usual = np.where(used, 1 - own["met"], 0.0), np.where(used, 1 - other["met"], 0.0)
    price = ratios(failed - usual, one, rounds)
    calls, skipped = own["calls"][used].sum(), own["skipped"][used].sum()
    return {
        "episodes": int(used.sum()),
        "failed": _round(failed.sum() / one.sum()),
        "failed_frozen": _round(usual.sum() / one.sum()),
        "price": _round((failed - usual).sum() / one.sum()),
        "price_upper95": _round(np.percentile(_known(price), 95)),
        "calls_skipped": _round(skipped / (calls + skipped)),
    }


def curve(table: Table, arm: str, width: int = 10, rounds: int = 400) -> list[dict[str, Any]]:
    """Success and tokens a met goal of ARM in windows of WIDTH episodes of every family."""
    out = []
    for start in range(0, int(table.episodes.max()) + 1, width):
        draws = (table.episodes >= start) & (table.episodes < start + width)
        out.append({"from": start, "to": start + width, **arm_figures(table, arm, draws, rounds)})
    return out


def report(records: Sequence[Record], *, base: str = "frozen", rounds: int = ROUNDS) -> dict[str, Any]:
    """All figures: each arm on the whole stream, its first 50 episodes and its last third, by family too; beside BASE; the skip price. Fit
    for JSON: what has no bound or is not known is None."""
    table = Table.of(records)
    late, early = table.last(), table.episodes < 50
    out: dict[str, Any] = {}
    for arm in table.arms:
        row: dict[str, Any] = {"all": arm_figures(table, arm, np.ones_like(late), rounds)}
        row["last_third"] = arm_figures(table, arm, late, rounds)
        if arm != base and base in table.arms:
            row["last_third"] |= against(table, arm, base, late, rounds)
            row["first_50"] = against(table, arm, base, early, rounds)
            row["skip_price"] = skip_price(table, arm, base, rounds)
        row["families"] = {
            name: arm_figures(table, arm, late & table.of_family(name), min(rounds, 400))
            for name in sorted(set(table.families))
        }
        out[arm] = _finite(row)
    return out


def _known(samples: Array) -> Array:
    """SAMPLES without those that are not known, where there are others."""
    known = samples[~np.isnan(samples)]
    return known if len(known) else samples[:1]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _round(value: Any) -> float:
    return round(float(value), 4)
