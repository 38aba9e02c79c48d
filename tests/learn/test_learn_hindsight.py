"""Relabelled failures reach the replay of an off-policy learner, and nothing else."""

from __future__ import annotations

import itertools
from pathlib import Path

from wornpath.envs.file_finding import FileFinding
from wornpath.envs.situation import action_text
from wornpath.learn.dqn import DQNConfig
from wornpath.learn.hindsight import relabelled
from wornpath.learn.ppo import PPOConfig
from wornpath.learn.trainer import Trainer, TrainOptions


def wrong_invoice(env: FileFinding) -> list[tuple[str, str]]:
    """Asked for one invoice, another is found by listing, read and answered with."""
    seed = next(
        s
        for s in range(500)
        if env.reset(seed=s)[1]["task_family"] == "invoice" and "invoices/" in env.reset(seed=s)[0]
    )
    start, _ = env.reset(seed=seed)
    assert env.fact is not None
    other = next(
        p
        for p in env.folder.paths
        if p.startswith("invoices/")
        and p.endswith(".txt")
        and p != env.fact.path
        and "draft" not in p
        and "copy" not in p
    )
    trace = [("", start)]
    for action in (
        action_text("find_files", pattern=f"*{other.split('/')[-1]}*"),
        action_text("read_file", path=other),
    ):
        observation, *_ = env.step(action)
        trace.append((action, observation))
    total = env.folder.text(other).split("Total: ")[1].strip()
    trace.append((action_text("finish", answer=total), env.step(action_text("finish", answer=total))[0]))
    return trace


def test_a_failure_becomes_a_success_at_another_goal(tmp_path: Path) -> None:
    trainer = Trainer(
        lambda s: FileFinding(trees=2, root=tmp_path), "dqn", TrainOptions(episodes=1), DQNConfig(hidden=(8,))
    )
    env = trainer.env
    steps = relabelled(env, wrong_invoice(env), trainer.encoder, trainer.learner)
    assert steps is not None
    assert [s.reward for s in steps][-1] == 0.98 and all(s.success == 1.0 for s in steps)
    assert steps[-1].after is None and steps[-1].last
    assert all(a.after is b.inputs for a, b in itertools.pairwise(steps))
    chosen = steps[-1].inputs.keys[steps[-1].chosen]
    assert "finish" in chosen


def test_relabelled_steps_are_never_evidence_and_never_in_a_rollout(tmp_path: Path) -> None:
    trainer = Trainer(
        lambda s: FileFinding(trees=2, root=tmp_path), "ppo", TrainOptions(episodes=30), PPOConfig(hidden=(8,))
    )
    trainer.train()
    kept = trainer.learner.replay.steps  # type: ignore[attr-defined]
    assert len(kept) == trainer.run.steps and all(s.weight == 1.0 for s in kept)  # its own steps, and no others
