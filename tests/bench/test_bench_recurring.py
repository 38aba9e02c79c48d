"""`wornpath bench recurring`: streams, arms, and the JSON on the last line."""

from __future__ import annotations

import json
import multiprocessing as mp
import os
from multiprocessing.connection import wait
from pathlib import Path

import pytest

from wornpath.bench.recurring import recurring, run_specs
from wornpath.bench.stream import Record, Spec, families, order
from wornpath.cli import main
from wornpath.core import ModelUnavailable, UsageError

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


FAMILIES = """
import os, signal
from wornpath.core import ModelUnavailable, Task

HERE = os.path.dirname(__file__)


def hello():
    return Task("Say hello", {}, ("true",))


def killed(seed):
    if seed == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return hello()


def later(seed):
    "The first stream waits for a word; the second breaks off after its first episode."
    if seed == 0:
        open(os.path.join(HERE, "word")).close()
    if seed == 10_001:
        raise ModelUnavailable("There is no model.")
    return hello()


FAMILIES = {"killed": killed, "later": later}
"""


def own_families(folder: Path) -> str:
    file = folder / "families_that_break_off.py"
    file.write_text(FAMILIES)
    return str(file)


def test_a_stream_that_is_killed_ends_the_benchmark_with_a_word(tmp_path: Path) -> None:
    found: list[Record] = []
    spec = Spec("frozen", 0, 3, families=own_families(tmp_path), only=("killed",))
    with pytest.raises(ModelUnavailable, match=r"arm frozen on seed 0 .* \(exit code -9\).* repeat the command"):
        run_specs([spec], found.append, jobs=2)
    assert [r.episode for r in found] == [0]


def test_records_of_the_other_stream_are_kept_when_one_ends_early(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "word")
    found: list[Record] = []

    def take(record: Record) -> None:
        found.append(record)
        if len(found) == 1:  # of the stream that breaks off: the other waits
            streams = mp.active_children()
            wait([process.sentinel for process in streams])
            (tmp_path / "word").open("w").close()
            for process in streams:
                process.join()

    of = {"families": own_families(tmp_path), "only": ("later",)}
    with pytest.raises(ModelUnavailable, match="There is no model"):
        run_specs([Spec("frozen", 1, 3, **of), Spec("frozen", 0, 3, **of)], take, jobs=2)  # type: ignore[arg-type]
    assert [(r.seed, r.episode) for r in found] == [(1, 0), (0, 0), (0, 1), (0, 2)]
