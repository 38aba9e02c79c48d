"""Which policy version a run acts with: the one in use, or, for a share of the runs, the candidate on trial."""

from __future__ import annotations

import logging
import zlib
from typing import TYPE_CHECKING

from wornpath.core import UsageError
from wornpath.policy.prior import PriorPolicy
from wornpath.policy.registry import PRIOR, PackageMissing, Registry

if TYPE_CHECKING:
    from wornpath.policy.protocol import Policy
    from wornpath.store.protocol import Store

TRIAL_SHARE = 0.3
"""Share of the runs that a candidate on trial is given."""


def policy_for(store: Store, run_id: str, base: Policy | None = None) -> Policy:
    """The policy that run RUN_ID of STORE acts with; BASE (default: the prior) where no learnt version is in use. While a
    trial lasts, the same run always draws the same arm.

    A version that cannot be read (its files are gone or damaged, or made for another release's features) never stops a
    run: it is retired with the reason, and what was in use before it acts. Where only the package that reads versions is
    missing, nothing is retired: BASE acts in this run.
    """
    registry = Registry.of(store)
    try:
        wanted = assigned(registry, run_id)
        while wanted != PRIOR:
            try:
                return registry.learnt(wanted)
            except PackageMissing as error:
                logging.getLogger("wornpath").warning("This run does without policy %s: %s", wanted, error)
                break
            except UsageError as error:
                registry.retire(wanted, f"it cannot be used: {error}")
                wanted = registry.current
    except UsageError:  # the registry itself cannot be read; `wornpath policy ls` says why
        pass
    return base or PriorPolicy()


def assigned(registry: Registry, run_id: str) -> str:
    """The version for RUN_ID, by a draw that only the run and the trial decide."""
    trial, current = registry.trial, registry.current
    if trial and zlib.crc32(f"{trial}:{run_id}".encode()) % 1000 < TRIAL_SHARE * 1000:
        return trial
    return current
