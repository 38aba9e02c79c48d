"""`wornpath bench recurring`: streams, arms, and the JSON on the last line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wornpath.bench.recurring import recurring
from wornpath.bench.stream import Spec, families, order
from wornpath.cli import main
from wornpath.core import UsageError

Capture = pytest.CaptureFixture[str]
TWO = ("tidy", "triage_log")


def test_the_last_line_has_every_episode_of_every_arm(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as end:
        main(
            [
                "bench",
                "recurring",
                "--arm",
                "frozen",
                "--only",
                ",".join(TWO),
                "--episodes",
                "2",
                "--seeds",
                "2",
                "--json",
            ]
        )
    assert not end.value.code
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    arm = result["frozen"]
    assert set(arm["families"]) == set(TWO)
    for name in ("success", "llm_tokens", "llm_calls", "skipped_llm_calls"):
        assert [len(seed) for seed in arm[name]] == [4, 4]
        assert all([len(seed) for seed in row[name]] == [2, 2] for row in arm["families"].values())
    assert all(t > 500 for seed in arm["llm_tokens"] for t in seed)
    assert all(s == 0 for seed in arm["skipped_llm_calls"] for s in seed)


def test_the_same_seed_gives_the_same_stream_and_episodes_do_not_leak() -> None:
    whole = recurring(only=TWO, episodes=2, arms=["frozen"])
    assert whole == recurring(only=TWO, episodes=2, arms=["frozen"])
    alone = recurring(only=TWO[:1], episodes=2, arms=["frozen"])
    assert alone["frozen"]["families"][TWO[0]] == whole["frozen"]["families"][TWO[0]]


def test_two_processes_give_what_one_gives() -> None:
    options = {"only": TWO[:1], "episodes": 1, "seeds": (0, 1), "arms": ["frozen"]}
    one, two = recurring(**options), recurring(**options, jobs=2)  # type: ignore[arg-type]
    assert sorted(map(tuple, one["frozen"]["llm_tokens"])) == sorted(map(tuple, two["frozen"]["llm_tokens"]))


def test_families_are_interleaved_and_each_comes_as_often() -> None:
    names = ["a", "b", "c"]
    drawn = list(order(Spec("frozen", 7, 4), names))
    assert drawn != list(order(Spec("frozen", 8, 4), names))
    for episode in range(4):
        assert sorted(drawn[3 * episode : 3 * episode + 3]) == [(name, episode) for name in names]


def test_late_families_come_after_the_others() -> None:
    drawn = list(order(Spec("frozen", 7, 2, late=("b",)), ["a", "b", "c"]))
    assert drawn[4:] == [("b", 0), ("b", 1)]
    assert sorted(drawn[:4]) == [("a", 0), ("a", 1), ("c", 0), ("c", 1)]


def test_families_come_from_a_file_too(tmp_path: Path) -> None:
    file = tmp_path / "own_work_families.py"
    file.write_text(
        "from wornpath import Task\n\n\ndef hello(seed):\n    return Task('Say hello', {}, ('true',))\n\n\nFAMILIES = {'hello': hello}\n"
    )
    assert list(families(str(file))) == ["hello"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--arm", "nobody"], "nobody"),
        (["--algorithm", "sarsa"], "sarsa"),
        (["--families", "no.such.module"], "no.such.module"),
        (["--only", "gardening"], "gardening"),
    ],
)
def test_what_does_not_exist_is_named(arguments: list[str], told: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as end:
        main(["bench", "recurring", "--episodes", "1", "--arm", "frozen", *arguments])
    assert end.value.code == UsageError.exit_code
    assert told in capsys.readouterr().err
