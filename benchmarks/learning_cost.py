"""What learning costs: updates and choices per CPU second, a training run, and memory over many episodes.

python benchmarks/learning_cost.py

One thread; CPU time of this process; JSON on the last line.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wornpath.core import Action, Candidate, Entity, State
from wornpath.envs.file_finding import FileFinding
from wornpath.learn import train
from wornpath.learn.dqn import DQN, DQNConfig
from wornpath.learn.inputs import Inputs, Step
from wornpath.policy.evidence import Evidence
from wornpath.policy.features import WIDTH


def updates(buckets: int, seconds: float = 5.0) -> float:
    """Updates per CPU second on batches of 32 transitions with 17 candidates, distinct ones."""
    rng = np.random.default_rng(0)

    def inputs() -> Inputs:
        bags = tuple(tuple(rng.integers(1, buckets, 80).tolist()) for _ in range(17)) if buckets else None
        bias = np.full(17, -np.log(17), dtype=np.float32)
        return Inputs(rng.random((17, WIDTH), dtype=np.float32), bias, np.ones(17, dtype=np.float32), bags)

    config = DQNConfig(buckets=buckets)
    learner = DQN(DQN.spec_for(config, kind="rows", inputs=WIDTH), config)
    steps = [Step(inputs(), i % 17, -1.0, -0.02, inputs(), success=float(i % 2)) for i in range(512)]
    learner.replay.add(steps)
    learner._learn(50)  # what is imported and made at the first update is not counted
    count, started = 0, time.process_time()
    while time.process_time() - started < seconds:
        learner._learn(10)
        count += 10
    return count / (time.process_time() - started)


def choice(buckets: int) -> float:
    """CPU milliseconds of `LearntPolicy.decide` among 16 candidates, features included, states all different."""
    config = DQNConfig(buckets=buckets)
    learner = DQN(DQN.spec_for(config, kind="rows", inputs=WIDTH), config)
    policy = learner.policy(Evidence(), "v")
    names = [f"services/part{i}/config.yaml" for i in range(16)]
    offered = tuple(Candidate(Action.of("read_file", path=n), "enumerated", 1 / 16) for n in names)
    entities = tuple(Entity(n, "file", ("listed", "text_hit"), f"{n}: port: 80{i}") for i, n in enumerate(names))
    rng, mask = random.Random(0), (True,) * 16
    states = [State("", {"goal": f"Which port does part{i % 16} use?", "step": i}, entities) for i in range(400)]
    for state in states[:50]:
        policy.decide(state, offered, mask, explore=True, rng=rng)
    started = time.process_time()
    for state in states:
        policy.decide(state, offered, mask, explore=True, rng=rng)
    return 1000 * (time.process_time() - started) / len(states)


def training(episodes: int, config: DQNConfig) -> tuple[float, float]:
    """CPU seconds of EPISODES file-finding episodes with learning, trees made and read before, and the peak memory in MiB after them."""
    env = FileFinding("train")
    for seed in range(3000):  # every tree is on disk and read
        env.reset(seed=seed)
        for path in env.folder.paths:
            env.folder.text(path)
        if len(env._facts) == 50:
            break
    started = time.process_time()
    train(lambda seed: env, "dqn", episodes=episodes, config=config)
    return time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory(episodes: int) -> dict[int, float]:
    """Resident memory in MiB at every fifth of a long run; one update for eight steps, and a small replay, so that it is full early."""
    held: dict[int, float] = {}

    def watch(row: dict[str, Any]) -> None:
        if row["episode"] % max(1, episodes // 5) == 0:
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            held[row["episode"]] = round(pages * resource.getpagesize() / 2**20, 1)
            print(row["episode"], held[row["episode"]], "MiB", file=sys.stderr, flush=True)

    config = DQNConfig(updates=1, train_every=8, capacity=1000)
    train(lambda s: FileFinding("train"), "dqn", episodes=episodes, config=config, progress=watch)
    return held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory-episodes", type=int, default=5000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    out: dict[str, Any] = {}

    def put(name: str, value: Any) -> None:
        out[name] = value
        print(name, value, file=sys.stderr, flush=True)

    put("updates_per_cpu_s_dense", round(updates(0), 1))
    put("updates_per_cpu_s_ngrams", round(updates(4096), 1))
    put("choice_ms_dense", round(choice(0), 3))
    put("choice_ms_ngrams", round(choice(4096), 3))
    seconds, peak = training(300, DQNConfig())
    put("300_episodes_cpu_s_dense", round(seconds, 1))
    put("300_episodes_peak_mib", round(peak, 1))
    put("memory_mib_by_episode", memory(options.memory_episodes))
    print(json.dumps(out))


if __name__ == "__main__":
    main()
