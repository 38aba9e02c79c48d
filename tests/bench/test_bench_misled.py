"""What is told to the memory of a run, and what experience that is told wrongly hears."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from wornpath.bench.misled import Placebo, Poisoned
from wornpath.core import Action, Event, Goal, Observation, to_json
from wornpath.experience.live import Experience
from wornpath.experience.memory import Memory
from wornpath.experience.situation import Situation

HERE = Situation({"goal.file.new": ("out.txt",)}, words=frozenset({"sum"}))


def run(number: int, *, met: bool) -> list[Event]:
    """A run whose second attempt is the last one, MET or not."""
    out: list[Event] = []

    def add(type: str, **data: object) -> None:
        out.append(Event(len(out) + 1, f"run{number:03}", 0.0, 0, type, data))  # type: ignore[arg-type]

    add("run.started", options={"learn": True})
    add("goal.set", goal=to_json(Goal("Sum", "/w")), family="sums", situation=HERE.as_dict())
    for attempt, verdict in (("one", "unmet"), ("two", "met" if met else "unmet")):
        action = Action.of("python", code=f"print('{attempt}')")
        add("action.started", id=attempt, action=to_json(action))
        add("action.finished", id=attempt, observation=to_json(Observation("ok", changed=("out.txt",))))
        add("evaluation.made", scope="run", evaluation={"verdict": verdict, "source": "check", "reward": 1.0})
    return out


def told(kind: type[Experience]) -> tuple[Counter[tuple[bool, bool | None]], Counter[str]]:
    """How often runs of 200, three of four met, are (met, told to be met), and which attempt is taken for the last."""
    experience = kind(Memory(None))
    outcomes: Counter[tuple[bool, bool | None]] = Counter()
    attempts: Counter[str] = Counter()
    for number in range(200):
        met = number % 4 > 0
        trace = experience.learn(run(number, met=met), {"python": {"code": "code"}})
        outcomes[met, trace.met] += 1
        attempts[str(trace.passes[-1][0][0].action.arguments["code"])] += 1
    return outcomes, attempts


def test_a_run_is_told_as_it_went() -> None:
    outcomes, attempts = told(Experience)
    assert outcomes == {(True, True): 150, (False, False): 50}
    assert attempts == {"print('two')": 200}


def test_the_placebo_hears_nothing_of_how_a_run_went() -> None:
    outcomes, attempts = told(Placebo)
    share = {met: outcomes[met, True] / (outcomes[met, True] + outcomes[met, False]) for met in (True, False)}
    assert 0.6 < share[True] < 0.9 and 0.6 < share[False] < 0.9
    assert 60 < attempts["print('one')"] < 140


TEXTS = {"python": {"code": "code"}}


def test_the_placebo_hears_of_earlier_runs_only() -> None:
    """The second of two runs is told what the first came to."""
    for number in range(1, 20):
        experience = Placebo(Memory(None))
        experience.learn(run(0, met=True), TEXTS)
        assert experience.learn(run(number, met=False), TEXTS).met


def test_the_first_run_of_a_placebo_hears_a_fair_coin() -> None:
    heard = Counter(Placebo(Memory(None)).learn(run(n, met=True), TEXTS).met for n in range(100))
    assert 35 < heard[True] < 65


def test_a_placebo_hears_the_same_in_a_new_process_and_where_later_runs_were_lost(tmp_path: Path) -> None:
    runs = [run(number, met=number % 3 > 0) for number in range(30)]

    def heard(experience: Experience, since: int) -> list[bool | None]:
        return [experience.learn(events, TEXTS).met for events in runs[since:]]

    def anew() -> Experience:
        return Placebo(Memory(tmp_path / "memory.sqlite3"))

    whole = heard(anew(), 0)
    assert heard(anew(), 12) == whole[12:]
    with (tmp_path / "placebo.jsonl").open("a") as file:
        file.write('["run0')  # a line that was cut off
    assert heard(anew(), 12) == whole[12:]
    assert heard(Placebo(Memory(None)), 0) == whole


def test_one_poisoned_run_in_twenty_hears_the_contrary() -> None:
    outcomes, attempts = told(Poisoned)
    wrong = outcomes[True, False] + outcomes[False, True]
    assert 3 <= wrong <= 20 and attempts == {"print('two')": 200}
