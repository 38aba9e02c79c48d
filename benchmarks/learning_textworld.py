"""TextWorldExpress: learning curves of ours and of a DRRN baseline, trained on a game's train fold, tested on its test fold.

    python benchmarks/learning_textworld.py --games twc,cookingworld,mapreader --episodes 200 --seeds 3 --picture textworld.svg

Every EVERY episodes each arm plays TESTS games of the test fold greedily. The JSON on the last line has, by game and arm, the curve of
each seed: episodes, success and return (the game's score less .01 a step), and CPU seconds of training. With --log every finished run
is a line of that file, and a second call goes on where the first stopped.

DRRN (He et al., 1511.04636) as in the usual text-game baselines: a GRU encodes the observation, another the action, Q
is an MLP of both; one-step TD from a uniform replay, softmax exploration over Q. It is written apart from
`wornpath.learn` so that it shares none of its choices."""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from wornpath.bench.learning import TEXT_ROLLOUT, Log
from wornpath.core import Candidate, State
from wornpath.envs.textworld import TextWorldExpress
from wornpath.experience.text import bucket
from wornpath.learn.dqn import DQNConfig
from wornpath.learn.evaluation import RulePolicy, bounds, evaluate, mean_interval, random_policy
from wornpath.learn.ppo import PPOConfig
from wornpath.learn.trainer import Trainer, TrainOptions, episode_seed
from wornpath.policy.features import argument
from wornpath.policy.protocol import Policy

VOCABULARY = 4096
Point = dict[str, float]
Curve = dict[str, Any]
"""`points` and the CPU seconds of training, `cpu_s`."""


def tested(policy: Policy, game: str, episodes: int, tests: int) -> Point:
    """How POLICY plays after EPISODES."""
    report = evaluate(policy, lambda seed: TextWorldExpress(game, fold="test"), episodes=tests)
    return {"episode": episodes, "success": report.success, "return": report.mean_return}


def ours(algorithm: Literal["dqn", "ppo"], buckets: int) -> Callable[[str, argparse.Namespace, int], Curve]:
    def run(game: str, options: argparse.Namespace, seed: int) -> Curve:
        spent = 0.0

        def add(row: dict[str, Any]) -> None:
            nonlocal spent
            spent += row["cpu_s"]

        settings = TrainOptions(
            options.episodes, seed=seed, evaluate_every=options.every, evaluation_episodes=options.tests
        )
        config = DQNConfig(buckets=buckets) if algorithm == "dqn" else PPOConfig(rollout=TEXT_ROLLOUT, buckets=buckets)
        trainer = Trainer(
            lambda s: TextWorldExpress(game),
            algorithm,
            settings,
            config,
            progress=add,
            make_test_env=lambda s: TextWorldExpress(game, fold="test"),
        )
        trainer.train()
        rows = [r for r in trainer.run.metrics if r.get("evaluation")]
        points = [{"episode": r["episode"], "success": r["success"], "return": r["mean_return"]} for r in rows]
        return {"points": points, "cpu_s": spent}

    return run


def by_chance(game: str, options: argparse.Namespace, seed: int) -> Curve:
    point = tested(random_policy(), game, 0, options.tests)
    return {
        "points": [{**point, "episode": e} for e in range(options.every, options.episodes + 1, options.every)],
        "cpu_s": 0.0,
    }


def tokens(text: str, limit: int) -> list[int]:
    return [bucket(w, VOCABULARY) for w in re.findall(r"[a-z]+", text.lower())[:limit]] or [0]


class DRRN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 32, padding_idx=0)
        self.observation, self.action = nn.GRU(32, 64, batch_first=True), nn.GRU(32, 64, batch_first=True)
        self.head = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, observations: list[list[int]], actions: list[list[list[int]]]) -> list[Tensor]:
        counts = [len(a) for a in actions]
        states = self._encode(self.observation, observations).repeat_interleave(torch.tensor(counts), dim=0)
        acts = self._encode(self.action, [a for offered in actions for a in offered])
        return list(self.head(torch.cat([states, acts], dim=1)).squeeze(1).split(counts))

    def _encode(self, gru: nn.GRU, texts: list[list[int]]) -> Tensor:
        lengths = torch.tensor([len(t) for t in texts])
        padded = nn.utils.rnn.pad_sequence([torch.tensor(t) for t in texts], batch_first=True)
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embedding(padded), lengths, batch_first=True, enforce_sorted=False
        )
        return gru(packed)[1][0]


def drrn(game: str, options: argparse.Namespace, seed: int) -> Curve:
    torch.manual_seed(seed)
    rng, net = random.Random(seed), DRRN()
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    replay: deque[tuple] = deque(maxlen=20_000)
    env, total = TextWorldExpress(game), 0
    points: list[Point] = []
    spent = 0.0

    def rule(state: State, candidates: tuple[Candidate, ...], rng: random.Random) -> int:
        seen = tokens(f"{state.features['observation']} {state.features['goal']}", 160)
        with torch.no_grad():
            return int(net([seen], [[tokens(argument(c.action), 8) for c in candidates]])[0].argmax())

    for episode in range(1, options.episodes + 1):
        started = time.process_time()
        observation, info = env.reset(seed=episode_seed(seed, episode - 1))
        over = False
        while not over:
            goal, offered = info["goal"], info["admissible_actions"]
            seen, acts = tokens(f"{observation} {goal}", 160), [tokens(a, 8) for a in offered]
            with torch.no_grad():
                q = net([seen], [acts])[0]
            chosen = int(torch.multinomial(torch.softmax(q, 0), 1))
            observation, reward, terminated, truncated, info = env.step(offered[chosen])
            over, total = terminated or truncated, total + 1
            later = tokens(f"{observation} {goal}", 160), [tokens(a, 8) for a in info["admissible_actions"]]
            replay.append((seen, acts[chosen], reward, later, terminated))
            if len(replay) > 64 and total % 2 == 0:
                improve(net, optimiser, rng.sample(list(replay), 32))
        spent += time.process_time() - started
        if episode % options.every == 0:
            points.append(tested(RulePolicy(rule, "drrn"), game, episode, options.tests))
    env.close()
    return {"points": points, "cpu_s": spent}


def improve(net: DRRN, optimiser: torch.optim.Optimizer, batch: list[tuple]) -> None:
    """One step of Q-learning."""
    with torch.no_grad():
        after = torch.stack([q.max() for q in net([b[3][0] for b in batch], [b[3][1] for b in batch])])
    target = torch.tensor([b[2] for b in batch]) + 0.95 * after * torch.tensor([float(not b[4]) for b in batch])
    now = torch.cat(net([b[0] for b in batch], [[b[1]] for b in batch]))
    loss = nn.functional.smooth_l1_loss(now, target)
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    optimiser.step()


ARMS: dict[str, Callable[[str, argparse.Namespace, int], Curve]] = {
    "random": by_chance,
    "dqn": ours("dqn", 0),
    "ppo": ours("ppo", 0),
    "dqn_ngrams": ours("dqn", 4096),
    "ppo_ngrams": ours("ppo", 4096),
    "drrn": drrn,
}
COLOURS = dict(zip(ARMS, ("#777777", "#0b6e4f", "#3a86c8", "#6fb98f", "#9cc3ea", "#c23b22"), strict=True))


def draw(curves: dict[str, dict[str, list[Curve]]], path: Path) -> None:
    """Success by episodes, the mean over seeds and all of them, a panel a game."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "wornpath"
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(
        1, len(curves), figsize=(4 * len(curves), 3.4), constrained_layout=True, squeeze=False
    )
    for axes, (game, arms) in zip(panels[0], curves.items(), strict=True):
        for arm, runs in arms.items():
            x = [p["episode"] for p in runs[0]["points"]]
            y = np.array([[p["success"] for p in run["points"]] for run in runs])
            axes.plot(x, y.mean(axis=0), color=COLOURS[arm], marker="o", markersize=3, label=arm)
            axes.fill_between(x, y.min(axis=0), y.max(axis=0), color=COLOURS[arm], alpha=0.12, linewidth=0)
        axes.set(title=game, xlabel="training episodes", ylabel="success on the test fold", ylim=(-0.02, 1.02))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0][0].legend(frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _mean(values: list[float]) -> dict[str, Any]:
    mean, low, high = mean_interval(values)
    return {"mean": round(mean, 4), "ci95": bounds(low, high)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", default="twc,cookingworld,mapreader")
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tests", type=int, default=50)
    parser.add_argument("--arms", default="random,dqn,ppo,drrn", help=f"of {', '.join(ARMS)}")
    parser.add_argument("--log", type=Path)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    curves: dict[str, dict[str, list[Curve]]] = {}
    for seed in range(options.seeds):
        for game in options.games.split(","):
            log = Log(options.log, game=game, episodes=options.episodes, every=options.every, tests=options.tests)
            for arm in options.arms.split(","):
                run = log.row(arm, seed, lambda a=arm, g=game, s=seed: ARMS[a](g, options, s))
                curves.setdefault(game, {}).setdefault(arm, []).append(run)
                last = run["points"][-1]
                told = f"success {last['success']:.2f}, return {last['return']:.2f}, {run['cpu_s']:.0f} CPU s"
                print(f"{game} {arm} seed {seed}: {told}", file=sys.stderr, flush=True)
    if options.picture:
        draw(curves, options.picture)
    ends = {
        game: {
            arm: {
                "success": [run["points"][-1]["success"] for run in runs],
                **{
                    f"{what}_{name}": value
                    for what in ("success", "return")
                    for name, value in _mean([run["points"][-1][what] for run in runs]).items()
                },
                "cpu_s": [round(run["cpu_s"], 1) for run in runs],
                "curve": [[run["points"][i]["success"] for run in runs] for i in range(len(runs[0]["points"]))],
            }
            for arm, runs in arms.items()
        }
        for game, arms in curves.items()
    }
    print(json.dumps(ends))


if __name__ == "__main__":
    main()
