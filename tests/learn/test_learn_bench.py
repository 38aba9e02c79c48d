"""`wornpath learn` and `wornpath bench`: the whole way from the command line to the last line on stdout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from toy_env import make

from wornpath.bench.learning import Coin, cartpole, file_finding
from wornpath.cli import main
from wornpath.core import UsageError
from wornpath.envs.named import environment
from wornpath.learn.evaluation import difference_interval

Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command line, run in this process (importing PyTorch afresh takes seconds)."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    told = capsys.readouterr()
    return int(str(end.value.code)), told.out, told.err


def test_learn_on_a_factory_in_a_file(tmp_path: Path, capsys: Capture) -> None:
    toy = Path(__file__).with_name("toy_env.py")
    command = (
        "learn",
        "--env",
        f"{toy}:make",
        "--episodes",
        "20",
        "--tests",
        "5",
        "--out",
        str(tmp_path / "o"),
        "--json",
    )
    code, out, err = run(capsys, *command)
    assert code == 0, err
    result = json.loads(out.splitlines()[-1])
    assert result["type"] == "result" and result["episodes"] == 5 and 0 <= result["success"] <= 1
    assert (tmp_path / "o" / "policy" / "policy.safetensors").exists()
    assert json.loads(run(capsys, *command, "--resume")[1].splitlines()[-1]) == result


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--env", "no-such-thing"], "There is no environment 'no-such-thing'"),
        (["--env", "no_module:make"], "cannot be imported"),
        (["--env", "json:make"], "no function or class 'make'"),
        (["--algorithm", "sarsa", "--episodes", "1"], "no algorithm 'sarsa'"),
        (["--env", "textworld:chess", "--episodes", "1"], "no game 'chess'"),
    ],
)
def test_bad_options_end_with_one_sentence_and_code_two(arguments: list[str], says: str, capsys: Capture) -> None:
    code, out, err = run(capsys, "learn", *arguments)
    assert code == 2 and out == ""
    assert says in err and "Traceback" not in err and len(err.splitlines()) == 1


def test_bench_rows_have_the_promised_fields(tmp_path: Path) -> None:
    result = file_finding(
        episodes=4,
        demonstrations=2,
        seeds=(0, 1),
        tests=8,
        trees=2,
        only=("random", "table"),
        root=str(tmp_path),
    )
    assert list(result) == ["random", "table"]
    for row in result.values():
        assert len(row["success"]) == len(row["cpu_s"]) == 2
        assert set(row) == {"success", "families", "mean_steps", "cpu_s", "episodes"}
        assert len(row["families"]) == 8
    assert result["table"]["episodes"] == 4 and result["random"]["episodes"] == 0
    with pytest.raises(UsageError, match="no arm dnq"):
        file_finding(only=("dnq",))


def test_cartpole_runs_for_ours(tmp_path: Path) -> None:
    result = cartpole(steps=400, seeds=(0,), only=("random", "dqn", "ppo"), evaluations=1)
    assert all(len(row["returns"]) == 1 and row["returns"][0] >= 8 for row in result.values())


def test_under_a_placebo_a_coin_says_what_was_right() -> None:
    env, told = Coin(make(0), 1.0, -0.5, seed=0), []
    for episode in range(40):
        env.reset(seed=episode)
        _, _, over, _, info = env.step("look")
        assert not over and "success" not in info
        _, reward, over, _, info = env.step(info["admissible_actions"][-1])
        assert over and reward == (1.0 if info["success"] else -0.5)
        told.append(info["success"])
    assert 10 < sum(told) < 30


def test_an_interrupted_measurement_goes_on_where_it_stopped(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "episodes": 4,
        "tests": 8,
        "trees": 2,
        "root": str(tmp_path),
        "log": tmp_path / "log.jsonl",
    }
    first = file_finding(seeds=(0,), only=("random", "table"), demonstrations=2, **given)
    lines = given["log"].read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2
    assert file_finding(seeds=(0,), only=("random", "table"), demonstrations=2, **given) == first  # not run again
    file_finding(seeds=(0, 1), only=("table",), demonstrations=2, **given)
    assert len(given["log"].read_text(encoding="utf-8").splitlines()) == 3
    file_finding(seeds=(0,), only=("random",), demonstrations=2, split="dev", **given)
    assert len(given["log"].read_text(encoding="utf-8").splitlines()) == 4  # other settings are another measurement


def test_the_interval_of_a_difference() -> None:
    mean, low, high = difference_interval([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert mean == 0 and low == -high and low == pytest.approx(-2.776 * (2 / 3) ** 0.5)
    assert difference_interval([5.0, 5.0], [5.0, 5.0]) == (0.0, 0.0, 0.0)


def test_named_environments() -> None:
    assert environment("file-finding").teacher is not None
    assert environment("CartPole-v1").make(0).action_space.n == 2
