"""From a marked program to the one that the model writes: the more it has to write, the likelier something is wrong.

A place `«right¦wrong»` holds what is right and what a small model writes there when it slips. A program of N tokens is right at first with
probability exp(-hazard·N/100). Some slips are misconceptions: the same goal brings the same one, and it is given up seldom.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from wornpath.llm.simulated.chance import pick, uniform
from wornpath.llm.tokens import count

_SITE = re.compile(r"«([^«»]*)¦([^«»]*)»")


def written(marked: str, goal: str, prompt: str, seed: int, rates: Mapping[str, float], *, again: bool) -> str:
    """The program for MARKED. AGAIN: an earlier one failed, so the model looks harder."""
    sites = [m.span() for m in _SITE.finditer(marked) if m[1] != m[2]]
    right = _SITE.sub(r"\1", marked)
    if not sites:
        return right
    slip = 1 - math.exp(-rates["hazard"] * count(right) / 100)
    wrong: set[tuple[int, int]] = set()
    clings = uniform(seed, goal, "cling") < rates["cling"] * slip
    if clings and not (again and uniform(seed, prompt, "clear") < rates["clear"]):
        wrong.add(pick(sites, seed, goal, "where"))
    fresh = (1 - rates["cling"]) * slip * (rates["again"] if again else 1.0)
    if uniform(seed, prompt, "slip") < fresh:
        wrong.add(pick(sites, seed, prompt, "where"))
    return _SITE.sub(lambda m: m[2] if m.span() in wrong else m[1], marked)
