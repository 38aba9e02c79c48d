"""Every family over many seeds: its solver passes its checks, its wrong results do not, and training and test draws keep apart."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from wornpath.bench.families import DRAWS, FAMILIES, TEST_SEED
from wornpath.bench.warm import WarmSandbox
from wornpath.core import Goal, Task
from wornpath.judge import final
from wornpath.judge.checks import capture_originals
from wornpath.tools.workspace import Workspace

SEEDS = (*range(6), TEST_SEED, TEST_SEED + 1)
GOAL_TOKENS = 300


async def verdict(sandbox: WarmSandbox, task: Task, work: Callable[[Path], None] | None) -> bool:
    """Whether the judge, as runs use it, accepts what WORK leaves of TASK's workspace."""
    folder = sandbox.fresh()
    task.write(folder)
    originals = {path: data for check in task.checks for path, data in capture_originals(check, folder).items()}
    if work is not None:
        work(folder)
    goal = Goal(task.goal, str(folder), task.checks)
    return (await final.by_checks(goal, Workspace(folder), sandbox, originals)).verdict == "met"


@pytest.mark.parametrize("name", DRAWS)
def test_checks_accept_the_solver_and_reject_wrong_results(name: str) -> None:
    async def judge_all() -> None:
        async with WarmSandbox() as sandbox:
            with sandbox.temporary():
                for seed in SEEDS:
                    draw = DRAWS[name](seed)
                    assert len(draw.wrong) >= 3
                    assert await verdict(sandbox, draw.task, draw.solve), f"seed {seed}: the solver fails"
                    assert not await verdict(sandbox, draw.task, None), f"seed {seed}: nothing was done, and it passes"
                    for wrong, work in draw.wrong.items():
                        assert not await verdict(sandbox, draw.task, work), f"seed {seed}: {wrong!r} passes"

    asyncio.run(judge_all())


@pytest.mark.parametrize("name", DRAWS)
def test_draws_are_repeatable_and_differ(name: str) -> None:
    from wornpath.llm.tokens import count

    tasks = [FAMILIES[name](seed) for seed in range(40)]
    assert tasks[:5] == [FAMILIES[name](seed) for seed in range(5)]
    contents = {hashlib.sha256(repr(sorted(task.files.items())).encode()).hexdigest() for task in tasks}
    assert len(contents) == len(tasks)
    assert len({task.goal for task in tasks}) > 30
    assert all(count(task.goal) < GOAL_TOKENS for task in tasks)  # the prompts show it whole


@pytest.mark.parametrize("name", DRAWS)
def test_no_goal_of_a_test_draw_is_one_of_training(name: str) -> None:
    train = {FAMILIES[name](seed).goal for seed in range(150)}
    test = {FAMILIES[name](TEST_SEED + seed).goal for seed in range(50)}
    assert not train & test


def test_the_warm_checker_agrees_with_a_process_of_its_own() -> None:
    from wornpath.sandbox import default_sandbox

    async def compare() -> None:
        draw = DRAWS["tidy"](3)
        async with WarmSandbox() as sandbox:
            with sandbox.temporary():
                for work, met in ((draw.solve, True), (None, False)):
                    warm = await verdict(sandbox, draw.task, work)
                    goal = Goal(draw.task.goal, str(sandbox.work), draw.task.checks)
                    cold = await final.by_checks(goal, Workspace(sandbox.work), default_sandbox(), {})
                    assert warm == (cold.verdict == "met") == met
        assert not sandbox.root.exists()

    asyncio.run(compare())


def test_a_warm_kernel_forgets_and_stays_confined(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("not for programs")

    async def episodes() -> None:
        async with WarmSandbox() as sandbox:
            kernel = sandbox.kernel(workspace=sandbox.fresh())
            first = await kernel.run("import os; os.makedirs('a'); os.chdir('a'); left = 1; left", timeout=20)
            assert first.value == "1"
            await kernel.close()
            sandbox.fresh()
            kernel = sandbox.kernel(workspace=sandbox.work)
            assert (
                await kernel.run("'left' in globals(), __import__('os').listdir('.')", timeout=20)
            ).value == "(False, [])"
            peep = await kernel.run(f"open({str(secret)!r}).read()", timeout=20)
            assert "Error" in peep.error and not peep.value
            check = ["sh", "-c", f"python -c 'open({str(sandbox.work / 'x')!r}, \"w\")'"]
            (sandbox.root / "copy").mkdir()
            assert (await sandbox.run(check, workspace=sandbox.root / "copy", writable=False)).exit_code != 0
            assert not (sandbox.work / "x").exists()

    asyncio.run(episodes())
