"""Benchmarks of the learning core: what each arm reaches on test draws, one value a seed, as the JSON that `wornpath
bench` prints.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import gymnasium
import numpy as np

from wornpath.core import UsageError
from wornpath.learn.encode import MakeEnv
from wornpath.learn.evaluation import TEST_SEED, EvaluationReport, RulePolicy, evaluate, random_policy
from wornpath.policy.protocol import Policy

Arm = Callable[[int], Policy]
"""Trains (if it does) with a seed and returns what is to be tested."""


class Log:
    """What every finished run of an arm with a seed gave, as lines of JSON in a file, so that a measurement that was
    interrupted goes on where it stopped; kept nowhere without a file.
    """

    def __init__(self, path: Path | None, **about: Any) -> None:
        """ABOUT are the settings of the measurement; only lines with the same ones count."""
        self.path, self.about = path, json.loads(json.dumps(about))
        self._done: dict[tuple[str, int], dict[str, Any]] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path and path.exists() else ():
            row = json.loads(line)
            if row["about"] == self.about:
                self._done[row["arm"], row["seed"]] = row

    def row(self, arm: str, seed: int, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What ARM with SEED gave, run now if the file does not say."""
        if (arm, seed) not in self._done:
            row = {"about": self.about, "arm": arm, "seed": seed, **run()}
            self._done[arm, seed] = row
            if self.path:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
        return self._done[arm, seed]


@dataclass(slots=True)
class Rows:
    """The figures of one arm over seeds."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self, episodes: int) -> dict[str, Any]:
        """`success` (or `returns`), one value a seed; `families`, `mean_steps` over seeds; `cpu_s` of training;
        `episodes` trained.
        """
        known = all(r["success"] is not None for r in self.rows)
        names = sorted({name for r in self.rows for name in r["families"]})
        families = {name: _round(np.mean([r["families"][name] for r in self.rows])) for name in names}
        return {
            "success" if known else "returns": [_round(r["success" if known else "return"]) for r in self.rows],
            "families": families,
            "mean_steps": _round(np.mean([r["steps"] for r in self.rows])),
            "cpu_s": [_round(r["cpu_s"]) for r in self.rows],
            "episodes": episodes,
        }


def tested(arm: Arm, seed: int, make_test: MakeEnv, tests: int) -> dict[str, Any]:
    """Train ARM with SEED and test it greedily on TESTS draws: its row."""
    started = time.process_time()
    policy = arm(seed)
    cpu_s = time.process_time() - started
    report: EvaluationReport = evaluate(policy, make_test, episodes=tests, seed=TEST_SEED)
    return {
        "success": None if np.isnan(report.success) else report.success,
        "return": report.mean_return,
        "steps": report.mean_steps,
        "families": report.families,
        "cpu_s": cpu_s,
    }


def measure(
    arms: Mapping[str, tuple[Arm, int]],
    make_test: MakeEnv,
    *,
    seeds: Sequence[int],
    tests: int,
    say: Callable[[str], None],
    log: Log | None = None,
) -> dict[str, Any]:
    """Every arm (a training function and its number of episodes) on every seed, interleaved, tested greedily on the
    same TESTS draws.
    """
    out = {name: Rows() for name in arms}
    log = log or Log(None)
    for seed in seeds:
        for name, (arm, _) in arms.items():
            row = log.row(name, seed, lambda arm=arm, seed=seed: tested(arm, seed, make_test, tests))  # type: ignore[misc]
            out[name].rows.append(row)
            good = row["return"] if row["success"] is None else row["success"]
            say(f"{name} seed {seed}: {good:.3f}, {row['steps']:.1f} steps, trained in {row['cpu_s']:.1f} CPU s")
    return {name: out[name].as_dict(arms[name][1]) for name in arms}


class Coin(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment in which a coin says whether an answer was right: RIGHT or WRONG is the reward for it."""

    def __init__(self, env: gymnasium.Env[Any, Any], right: float, wrong: float, seed: int) -> None:
        super().__init__(env)
        self._rewards, self._rng = (wrong, right), random.Random(f"coin:{seed}")

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        if terminated:
            said = self._rng.random() < 0.5
            reward, info = self._rewards[said], {**info, "success": said}
        return observation, float(reward), terminated, truncated, info


def file_finding(
    *,
    episodes: int = 200,
    demonstrations: int = 50,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    tests: int = 200,
    trees: int = 50,
    only: Sequence[str] = (),
    root: str | None = None,
    split: Literal["dev", "test"] = "test",
    log: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Finding things in unseen trees under unseen wording: random, heuristic, teacher, cloning, count table, DQN and
    policy gradient, warm and from scratch, and both from scratch where a coin says whether an answer was right
    (placebo, without hindsight, which knows), all after EPISODES episodes, demonstrations included. Settings are chosen
    with the SPLIT dev, never with test. With LOG an interrupted measurement is gone on with. Raises UsageError for an
    arm that does not exist.
    """
    from wornpath.envs.file_finding import FileFinding

    def make(seed: int) -> Any:
        return FileFinding("train", trees=trees, root=root)

    def make_test(seed: int) -> Any:
        return FileFinding(split, trees=trees, root=root)

    arms = _chosen(_finders(make, episodes, demonstrations), only)
    about = {"episodes": episodes, "demonstrations": demonstrations, "tests": tests, "trees": trees, "split": split}
    return measure(arms, make_test, seeds=seeds, tests=tests, say=say, log=Log(log, **about))


def _finders(make: MakeEnv, episodes: int, demonstrations: int) -> dict[str, tuple[Arm, int]]:
    """The arms of file finding on the environments that MAKE gives, and their episodes."""
    from wornpath.envs.file_finding import RIGHT, WRONG
    from wornpath.envs.file_finding_rules import heuristic, teacher
    from wornpath.envs.situation import Situation
    from wornpath.learn import train
    from wornpath.learn.ppo import regression
    from wornpath.learn.table import train_table

    def learn(algorithm: Any, shown: int, length: int = episodes, config: Any = None) -> Arm:
        return lambda seed: train(
            make, algorithm, episodes=length, seed=seed, demonstrations=shown, teacher=teacher, config=config
        )

    def misled(algorithm: Any) -> Arm:
        def coin(seed: int) -> Any:
            return Coin(make(seed), RIGHT, WRONG, seed)

        return lambda seed: train(coin, algorithm, episodes=episodes, seed=seed, hindsight=False)

    def fixed(policy: Policy) -> Arm:
        return lambda seed: policy

    return {
        "random": (fixed(random_policy()), 0),
        "heuristic": (fixed(RulePolicy(heuristic, "heuristic")), 0),
        "teacher": (fixed(RulePolicy(lambda s, c, r: teacher(Situation(s, c, (True,) * len(c), ())), "teacher")), 0),
        "cloning": (learn("dqn", demonstrations, demonstrations), demonstrations),
        "table": (
            lambda seed: train_table(make, episodes, seed=seed, demonstrations=demonstrations, teacher=teacher),
            episodes,
        ),
        "dqn": (learn("dqn", demonstrations), episodes),
        "ppo": (learn("ppo", demonstrations), episodes),
        "awr": (learn("ppo", demonstrations, config=regression()), episodes),
        "dqn_scratch": (learn("dqn", 0), episodes),
        "ppo_scratch": (learn("ppo", 0), episodes),
        "awr_scratch": (learn("ppo", 0, config=regression()), episodes),
        "dqn_placebo": (misled("dqn"), episodes),
        "ppo_placebo": (misled("ppo"), episodes),
    }


def cartpole(
    *,
    steps: int | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    only: Sequence[str] = (),
    evaluations: int = 10,
    log: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """CartPole-v1: ours and, where Stable-Baselines3 is installed, its DQN and PPO, with the same hyper-parameters,
    runs interleaved; the value of a seed is the mean return of the last EVALUATIONS evaluations, spread over the last
    tenth of training. STEPS are those of the algorithm (`bench.cartpole.STEPS`) unless given. With LOG an interrupted
    measurement is gone on with.
    """
    from wornpath.bench import cartpole as runs

    long: dict[str, int] = runs.STEPS if steps is None else dict.fromkeys(runs.STEPS, steps)

    plan: dict[str, Callable[[int], runs.Run]] = {
        "random": lambda seed: runs.random_return(seed),
        "dqn": lambda seed: runs.ours("dqn", long["dqn"], seed, evaluations),
        "ppo": lambda seed: runs.ours("ppo", long["ppo"], seed, evaluations),
    }
    if runs.sb3_installed():
        plan["sb3_dqn"] = lambda seed: runs.theirs("dqn", long["dqn"], seed, evaluations)
        plan["sb3_ppo"] = lambda seed: runs.theirs("ppo", long["ppo"], seed, evaluations)
    kept = Log(log, steps=long, evaluations=evaluations, settings=[runs.DQN_SETTINGS, runs.PPO_SETTINGS, runs.TRAINING])
    out: dict[str, dict[str, Any]] = {}
    for seed in seeds:
        for name, run in _chosen(plan, only).items():
            got = kept.row(name, seed, lambda run=run, seed=seed: run(seed)._asdict())  # type: ignore[misc]
            row = out.setdefault(name, {"returns": [], "families": {}, "cpu_s": [], "updates": [], "episodes": 0})
            for field_name, key in (("returns", "value"), ("cpu_s", "cpu_s"), ("updates", "updates")):
                row[field_name].append(_round(got[key]))
            row.update(
                steps=long.get(name.removeprefix("sb3_"), 0), mean_steps=_round(np.mean(row["returns"]))
            )  # a step is worth 1
            say(f"{name} seed {seed}: return {got['value']:.1f}, {got['cpu_s']:.1f} CPU s, {got['updates']} updates")
    return out


TEXT_ROLLOUT = 64
"""Steps of a rollout of PPO on text games; with the default of 128 it learns less from as many games of mapreader."""


def textworld(
    *,
    game: str = "twc",
    episodes: int = 200,
    seeds: Sequence[int] = (0, 1, 2),
    tests: int = 50,
    only: Sequence[str] = (),
    log: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """A TextWorldExpress game, trained on its train fold and tested on its test fold: random, DQN and policy gradient,
    each dense and with n-grams. The DRRN baseline is in `benchmarks/learning_textworld.py`. With LOG an interrupted
    measurement is gone on with. Raises UsageError when textworld-express or Java is missing.
    """
    from wornpath.envs.textworld import TextWorldExpress
    from wornpath.learn import train
    from wornpath.learn.dqn import DQNConfig
    from wornpath.learn.ppo import PPOConfig

    def make(seed: int) -> Any:
        return TextWorldExpress(game, fold="train")

    def make_test(seed: int) -> Any:
        return TextWorldExpress(game, fold="test")

    def learn(algorithm: Any, config: Any = None) -> Arm:
        return lambda seed: train(make, algorithm, episodes=episodes, seed=seed, config=config)

    plan: dict[str, tuple[Arm, int]] = {
        "random": (lambda seed: random_policy(), 0),
        "dqn": (learn("dqn"), episodes),
        "ppo": (learn("ppo", PPOConfig(rollout=TEXT_ROLLOUT)), episodes),
        "dqn_ngrams": (learn("dqn", DQNConfig(buckets=4096)), episodes),
        "ppo_ngrams": (learn("ppo", PPOConfig(rollout=TEXT_ROLLOUT, buckets=4096)), episodes),
    }
    kept = Log(log, game=game, episodes=episodes, tests=tests)
    return measure(_chosen(plan, only), make_test, seeds=seeds, tests=tests, say=say, log=kept)


def _chosen(plan: Mapping[str, Any], only: Sequence[str]) -> dict[str, Any]:
    unknown = set(only) - set(plan)
    if unknown:
        raise UsageError(f"There is no arm {', '.join(sorted(unknown))}; there are {', '.join(plan)}.")
    return {name: arm for name, arm in plan.items() if not only or name in only}


def _round(value: Any) -> float:
    return round(float(value), 4)
