"""The training run: episodes, warm start, hindsight, evidence, evaluation, checkpoints, metrics and the learning curve.

Equal seeds give equal curves, and a run that was killed and resumed gives the curve of one that was not: all
randomness is in two generators that checkpoints hold, and episode i is reset with a seed computed from (seed, i)."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from wornpath.core import UsageError
from wornpath.envs.situation import Situation, check_reward
from wornpath.learn import checkpoint
from wornpath.learn.dqn import DQN, DQNConfig
from wornpath.learn.encode import Encoder, MakeEnv, shape_of
from wornpath.learn.evaluation import TEST_SEED, EvaluationReport, evaluate, outcome_of
from wornpath.learn.hindsight import relabelled
from wornpath.learn.inputs import Inputs, Step
from wornpath.learn.learner import Learner, draw
from wornpath.learn.ppo import PPO, PPOConfig
from wornpath.learn.returns import discounted
from wornpath.policy import versions
from wornpath.policy.evidence import Evidence
from wornpath.policy.learnt import LearntPolicy

Teacher = Callable[[Situation], int]
"""Shows what to do: the index of a candidate, from what a policy would see and nothing else."""
Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How long and how to train. One of `episodes` and `steps` bounds the run."""

    episodes: int | None = None
    steps: int | None = None
    seed: int = 0
    demonstrations: int = 0
    """Episodes at the start that the teacher acts in; they count as episodes."""
    clone_updates: int = 300
    """Gradient steps on the successful demonstrations before learning by doing."""
    hindsight: bool = True
    """Relabel failures where the environment can."""
    max_steps: int = 10_000
    """Steps after which an episode is cut (a truncation)."""
    evaluate_every: int = 0
    """Episodes between evaluations; 0: none."""
    evaluation_episodes: int = 50
    patience: int = 0
    """Evaluations without improvement after which training stops and the best policy is returned; 0: never. These evaluations have draws of
    their own (CHOOSING_SEED); of an environment with folds, the test environment should then be its dev fold."""
    checkpoint_every: int = 50
    """Episodes between checkpoints, when there is a folder to write to."""


CHOOSING_SEED = 2_000_000
"""From here on are the draws of evaluations that choose the policy, which is tested on those from TEST_SEED on."""
_KEPT = ("episode", "return", "success", "demonstration")


@dataclass(slots=True)
class _Run:
    """What changes while training, besides the learner."""

    episode: int = 0
    steps: int = 0
    best: float = -math.inf
    waited: int = 0
    demos: list[Step] = field(default_factory=list)
    rows: int = 0
    """Lines in `metrics.jsonl`."""
    metrics: list[dict[str, Any]] = field(default_factory=list)
    """What the learning curve is drawn from."""


class Trainer:
    """Trains one learner on one environment."""

    def __init__(
        self,
        make_env: MakeEnv,
        algorithm: Literal["dqn", "ppo"],
        options: TrainOptions,
        config: DQNConfig | PPOConfig | None = None,
        *,
        teacher: Teacher | None = None,
        out: Path | None = None,
        progress: Progress | None = None,
        make_test_env: MakeEnv | None = None,
    ) -> None:
        """Raises UsageError for options that cannot be."""
        if (options.episodes is None) == (options.steps is None):
            raise UsageError(
                "Say how long to train: give a number of episodes or a number of steps, and only one of the two."
            )
        if options.demonstrations and teacher is None:
            raise UsageError("Demonstrations need a teacher; this environment has none, so train without them.")
        self.options, self.out, self._teacher, self._progress = options, out, teacher, progress
        self._make_test = make_test_env or make_env
        self.env = make_env(options.seed)
        self.shape = shape_of(self.env)
        self.algorithm = algorithm
        self.evidence = Evidence()
        self.learner: Learner = _make_learner(algorithm, config, self.shape, options.seed)
        n0 = float(self.learner.config.n0)
        self.encoder = Encoder(self.shape, self.learner.network.spec, self.evidence, n0)
        self.run = _Run()
        self.best: LearntPolicy | None = None

    def train(self, *, resume: bool = False) -> LearntPolicy:
        """Run to the end and return the policy (the best evaluated one when stopping early is on). With RESUME goes
        on from the checkpoint in the run's folder. Raises TrainingDiverged, leaving the last good checkpoint, and UsageError
        for a folder that cannot be written.
        """
        if resume:
            self._restore()
        elif self.out:
            _begin_in(self.out)
        try:
            while not self._done():
                self._one_episode()
                stop = self._evaluate_and_stop()
                if self.out and self.run.episode % self.options.checkpoint_every == 0:
                    self._checkpoint()
                if stop:
                    break
        finally:
            self.env.close()
        if self.out:
            self._checkpoint()
            versions.save(self.policy(), self.out / "policy", info=self.info())
            from wornpath.learn.plots import curve

            curve(self.run.metrics, self.out / "curve.svg")
        return self.policy()

    def policy(self) -> LearntPolicy:
        """What was learnt: the best evaluated policy when stopping early, else the last."""
        name = versions.version_name(self.algorithm, self.options.seed, self.run.episode)
        return self.best or self.learner.policy(self.evidence, name)

    def info(self) -> dict[str, Any]:
        return {
            "algorithm": self.algorithm,
            "seed": self.options.seed,
            "episodes": self.run.episode,
            "steps": self.run.steps,
        }

    def _done(self) -> bool:
        o = self.options
        return self.run.episode >= o.episodes if o.episodes is not None else self.run.steps >= (o.steps or 0)

    def _one_episode(self) -> None:
        o, index = self.options, self.run.episode
        shown = index < o.demonstrations
        started = time.process_time()
        steps, trace, success = self._act(index, shown)
        rewards = [s.reward for s in steps]
        for step in steps:
            step.success = success
        if shown:
            self._keep_demonstration(steps, success)
        self.learner.finish(steps, learn=not shown)
        if self.shape.kind == "rows":
            gamma = float(self.learner.config.gamma)
            keys = [s.inputs.keys[s.chosen] for s in steps]
            self.evidence.add_episode(keys, discounted(rewards, gamma).tolist(), success)
        if o.hindsight and success == 0.0 and self.learner.off_policy:
            self._relabel(trace)
        self.run.episode += 1
        if self.run.episode == o.demonstrations and self.run.demos:
            self.learner.clone(self.run.demos, o.clone_updates)
        self._log(rewards, success, shown, time.process_time() - started)

    def _act(self, index: int, shown: bool) -> tuple[list[Step], list[tuple[str, str]], float]:
        """One episode; its steps, its (action, observation) trace and its success."""
        observation, info = self.env.reset(seed=episode_seed(self.options.seed, index))
        inputs = self.encoder.reset(observation, info)
        steps: list[Step] = []
        trace: list[tuple[str, str]] = [("", str(observation))] if self.shape.kind == "rows" else []
        over = False
        while not over:
            p, value = self.learner.assess(inputs)
            if shown and self._teacher and self.encoder.situation:
                chosen = self._teacher(self.encoder.situation)
            else:
                chosen = draw(p, self.learner.rng)
            action = self.encoder.action(chosen)
            observation, reward, terminated, truncated, info = self.env.step(action)
            self.run.steps += 1
            truncated = bool(truncated) or len(steps) + 1 >= self.options.max_steps
            over = bool(terminated) or truncated
            after = None if terminated else self._after(chosen, observation, info)
            logp = math.log(max(float(p[chosen]), 1e-12))
            step = Step(
                inputs,
                chosen,
                logp,
                check_reward(reward, self.run.steps),
                after,
                truncated and not terminated,
                value=value,
            )
            step.demo, step.last = shown, over
            if self.shape.kind == "rows":
                trace.append((str(action), str(observation)))
            steps.append(step)
            self.learner.observe(step)
            if after is not None:
                inputs = after
        return steps, trace, outcome_of(info, bool(terminated))

    def _after(self, chosen: int, observation: Any, info: Any) -> Inputs:
        return self.encoder.step(chosen, observation, info)

    def _keep_demonstration(self, steps: list[Step], success: float) -> None:
        """Only successful ones are imitated."""
        for step in steps:
            step.demo = success == 1.0
        if success == 1.0:
            rewards = [s.reward for s in steps]
            returns = discounted(rewards, float(self.learner.config.gamma))
            self.run.demos.extend(replace(s, lam_return=r) for s, r in zip(steps, returns.tolist(), strict=True))

    def _relabel(self, trace: list[tuple[str, str]]) -> None:
        base = getattr(self.env, "unwrapped", self.env)
        steps = relabelled(base, trace, self.encoder, self.learner) if hasattr(base, "relabel") else None
        if steps:
            self.learner.add(steps)

    def _log(self, rewards: list[float], success: float, shown: bool, cpu_s: float) -> None:
        row: dict[str, Any] = {
            "episode": self.run.episode,
            "steps": self.run.steps,
            "length": len(rewards),
            "return": round(sum(rewards), 6),
            "success": None if math.isnan(success) else success,
            "demonstration": shown,
            "updates": self.learner.updates,
            **{k: round(v, 6) for k, v in sorted(self.learner.metrics.items())},
        }
        self.run.rows += 1
        self.run.metrics.append({k: row[k] for k in _KEPT})
        self._write(row)
        if self._progress:
            self._progress({**row, "cpu_s": cpu_s})

    def _write(self, row: dict[str, Any]) -> None:
        if self.out:
            with (self.out / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    def _evaluate_and_stop(self) -> bool:
        """Evaluate when it is time; whether to stop early."""
        o = self.options
        if not o.evaluate_every or self.run.episode % o.evaluate_every:
            return False
        counted = Evidence.from_dict(self.evidence.as_dict())  # as it is now: the table goes on counting
        policy = self.learner.policy(counted, versions.version_name(self.algorithm, o.seed, self.run.episode))
        seed = CHOOSING_SEED if o.patience else TEST_SEED
        report: EvaluationReport = evaluate(
            policy, self._make_test, episodes=o.evaluation_episodes, seed=seed, max_steps=o.max_steps
        )
        row = {
            "evaluation": True,
            "episode": self.run.episode,
            "steps": self.run.steps,
            "mean_return": report.mean_return,
            "success": None if math.isnan(report.success) else report.success,
        }
        self.run.rows += 1
        self.run.metrics.append(row)
        self._write(row)
        if not o.patience:
            return False
        if report.mean_return > self.run.best + 1e-9:
            self.run.best, self.run.waited, self.best = report.mean_return, 0, policy
            if self.out:
                versions.save(policy, self.out / "best", info=self.info())
        else:
            self.run.waited += 1
        return self.run.waited >= o.patience

    def _checkpoint(self) -> None:
        assert self.out is not None
        arrays, state = self.learner.checkpoint()
        demos, keys = checkpoint.pack_steps("demos.", self.run.demos)
        arrays.update(demos)
        run = {"episode": self.run.episode, "steps": self.run.steps, "waited": self.run.waited}
        if math.isfinite(self.run.best):
            run["best"] = self.run.best  # type: ignore[assignment]
        whole: dict[str, Any] = {
            "learner": state,
            "demo_keys": keys,
            "evidence": self.evidence.as_dict(),
            "algorithm": self.algorithm,
        }
        whole |= {"seed": self.options.seed, "rows": self.run.rows, "settings": self._settings()}
        checkpoint.write(self.out, arrays, {**run, **whole})

    def _restore(self) -> None:
        if self.out is None:
            raise UsageError("Resuming needs the folder of the run; give --out DIR.")
        arrays, state = checkpoint.read(self.out)
        if state["algorithm"] != self.algorithm or state["seed"] != self.options.seed:
            raise UsageError(
                f"{self.out} holds a run of {state['algorithm']} with seed {state['seed']}; "
                "resume it with those, or use another folder."
            )
        self._check_same(state.get("settings", {}))  # an older release kept none
        self.learner.restore(arrays, state["learner"])
        self.evidence.update_from(state["evidence"])
        lines = (self.out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[: state["rows"]]
        (self.out / "metrics.jsonl").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        rows = [json.loads(line) for line in lines]
        kept = [r if r.get("evaluation") else {k: r[k] for k in _KEPT} for r in rows]
        best = state.get("best", -math.inf)
        self.run = _Run(state["episode"], state["steps"], best, state["waited"], [], len(rows), kept)
        self.run.demos = checkpoint.unpack_steps("demos.", arrays, state["demo_keys"])
        if (self.out / "best").is_dir() and self.options.patience:
            self.best = versions.load(self.out / "best")

    def _settings(self) -> dict[str, Any]:
        """What a run must have in common with the one that it goes on from, as JSON."""
        settings: dict[str, Any] = json.loads(json.dumps(asdict(self.learner.config)))
        return {"environment": _name(self.env), **settings}

    def _check_same(self, before: dict[str, Any]) -> None:
        """Raises UsageError when the checkpoint's settings BEFORE are not this run's; those that it does not name pass."""
        odd = [(k, before[k], now) for k, now in self._settings().items() if k in before and before[k] != now]
        if odd:
            name, was, now = odd[0]
            raise UsageError(
                f"{self.out} holds a run with {name} {was}, not {now}; resume it with that, or use another folder."
            )


def episode_seed(seed: int, index: int) -> int:
    """The seed that episode INDEX of a run with SEED is reset with; below the test seeds."""
    return int(np.random.default_rng([seed, index, 7]).integers(0, 1_000_000))


def _name(env: Any) -> str:
    """What ENV is called: its Gymnasium id, else its class."""
    known = getattr(getattr(env, "spec", None), "id", None)
    return str(known) if known else type(getattr(env, "unwrapped", env)).__qualname__


def _begin_in(out: Path) -> None:
    """Make the folder OUT with an empty record of the training, and nothing left of another that could be resumed. Raises UsageError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for old in (out / checkpoint.STATE, *out.glob("checkpoint-*.safetensors")):
            old.unlink(missing_ok=True)
        if (out / "best").exists():
            shutil.rmtree(out / "best")
        (out / "metrics.jsonl").write_text("", encoding="utf-8")
    except FileExistsError:
        raise UsageError(f"{out} is a file, no folder to train in; name another with --out.") from None
    except OSError as error:
        raise UsageError(
            f"Nothing can be written in {out}: {error.strerror}; name another folder with --out."
        ) from None


def _make_learner(algorithm: str, config: DQNConfig | PPOConfig | None, shape: Any, seed: int) -> Learner:
    if algorithm == "dqn" and (config is None or isinstance(config, DQNConfig)):
        dqn = config or DQNConfig()
        return DQN(DQN.spec_for(dqn, kind=shape.kind, inputs=shape.inputs, outputs=shape.outputs), dqn, seed)
    if algorithm == "ppo" and (config is None or isinstance(config, PPOConfig)):
        ppo = config or PPOConfig()
        return PPO(PPO.spec_for(ppo, kind=shape.kind, inputs=shape.inputs, outputs=shape.outputs), ppo, seed)
    raise UsageError(
        f"There is no algorithm {algorithm!r} with a {type(config).__name__}; "
        "use dqn or ppo with its own configuration."
    )
