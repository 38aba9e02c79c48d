"""Without its mistakes the simulated model meets the goals of every family, from its prompts alone; with them, not always."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path
from typing import Any

import pytest

from wornpath import AutoGPT
from wornpath.bench.families import DRAWS, TEST_SEED
from wornpath.bench.warm import WarmSandbox
from wornpath.llm.simulated import SimulatedChat, rates
from wornpath.store import SqliteStore

SEEDS = (0, 1, 2, TEST_SEED, TEST_SEED + 1)


def faultless() -> dict[str, Any]:
    table = copy.deepcopy(rates.load())
    table["program"]["hazard"] = table["narrow"] = table["edit"] = 0.0
    table["plan"], table["choose"] = {"good": 1.0}, 1.0
    table["progress"] = {"made": 1.0, "moved": 1.0, "looked": 0.0}
    table["propose"]["make"] = {situation: {"program": 1.0} for situation in table["propose"]["make"]}
    table["propose"]["find"] = {
        s: {"search" if s in ("start", "empty") else "copy": 1.0} for s in ("start", "empty", "ok", "error")
    }
    return table


@pytest.mark.parametrize("name", DRAWS)
def test_a_model_without_mistakes_meets_every_goal(name: str, tmp_path: Path) -> None:
    async def work() -> None:
        async with WarmSandbox() as sandbox:
            with sandbox.temporary():
                for seed in SEEDS:
                    task = DRAWS[name](seed).task
                    task.write(sandbox.fresh())
                    with SqliteStore(tmp_path / str(seed)) as store:
                        chat = SimulatedChat(seed, fitted=faultless())
                        agent = AutoGPT(
                            task.goal, workspace=sandbox.work, checks=task.checks, model=chat, store=store, learn=False
                        )
                        agent.sandbox = sandbox
                        result = (await agent.arun()).result
                    assert result.status == "met", f"seed {seed}: {task.goal}"
                    assert result.llm_calls <= 8, f"seed {seed}: {result.llm_calls} calls"

    asyncio.run(work())
