"""TextWorldExpress: ours, random, and a DRRN baseline, trained on the train fold and tested on the test fold, same
number of episodes.

    python benchmarks/learning_textworld.py --games twc,cookingworld,mapreader --episodes 200 --seeds 3

DRRN (He et al., 1511.04636) as in the usual text-game baselines: a GRU encodes the observation, another the action, Q
is an MLP of both; one-step TD from a uniform replay, softmax exploration over Q. It is written apart from
`wornpath.learn` so that it shares none of its choices."""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wornpath.bench.learning import Log, Rows, tested, textworld
from wornpath.core import Candidate, State
from wornpath.envs.textworld import TextWorldExpress
from wornpath.learn.evaluation import RulePolicy
from wornpath.learn.trainer import episode_seed
from wornpath.policy.features import argument

VOCABULARY = 4096


def tokens(text: str, limit: int) -> list[int]:
    from wornpath.experience.text import bucket

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


def train_drrn(game: str, episodes: int, seed: int) -> RulePolicy:
    torch.manual_seed(seed)
    rng, net = random.Random(seed), DRRN()
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    replay: deque[tuple] = deque(maxlen=20_000)
    env, total = TextWorldExpress(game), 0
    for episode in range(episodes):
        observation, info = env.reset(seed=episode_seed(seed, episode))
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
                batch = rng.sample(list(replay), 32)
                with torch.no_grad():
                    after = torch.stack([q.max() for q in net([b[3][0] for b in batch], [b[3][1] for b in batch])])
                target = torch.tensor([b[2] for b in batch]) + 0.95 * after * torch.tensor(
                    [float(not b[4]) for b in batch]
                )
                now = torch.cat(net([b[0] for b in batch], [[b[1]] for b in batch]))
                loss = nn.functional.smooth_l1_loss(now, target)
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(net.parameters(), 5.0)
                optimiser.step()
    env.close()

    def rule(state: State, candidates: tuple[Candidate, ...], rng: random.Random) -> int:
        seen = tokens(f"{state.features['observation']} {state.features['goal']}", 160)
        with torch.no_grad():
            return int(net([seen], [[tokens(argument(c.action), 8) for c in candidates]])[0].argmax())

    return RulePolicy(rule, "drrn")


def drrn(game: str, episodes: int) -> Callable[[int], RulePolicy]:
    return lambda seed: train_drrn(game, episodes, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", default="twc,cookingworld,mapreader")
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tests", type=int, default=100)
    parser.add_argument("--only", default="", help="arms besides drrn, comma-separated; all if empty")
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    out = {}
    for game in options.games.split(","):
        common: dict[str, Any] = {
            "episodes": options.episodes,
            "seeds": range(options.seeds),
            "tests": options.tests,
            "log": options.log,
            "only": [a for a in options.only.split(",") if a],
        }
        result = textworld(game=game, say=lambda line: print(line, file=sys.stderr, flush=True), **common)
        rows = Rows()

        def make_test(seed: int, game: str = game) -> TextWorldExpress:
            return TextWorldExpress(game, fold="test")

        kept = Log(options.log, game=game, episodes=options.episodes, tests=options.tests)
        for seed in range(options.seeds):
            trained = drrn(game, options.episodes)
            row = kept.row("drrn", seed, lambda a=trained, s=seed, m=make_test: tested(a, s, m, options.tests))
            rows.rows.append(row)
            print(
                f"{game} drrn seed {seed}: {row['success']:.3f}, {row['cpu_s']:.0f} CPU s", file=sys.stderr, flush=True
            )
        out[game] = {**result, "drrn": rows.as_dict(options.episodes)}
    print(json.dumps(out))


if __name__ == "__main__":
    main()
