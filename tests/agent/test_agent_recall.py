"""What earlier runs taught, in use: fewer and fewer model calls on recurring work; the model is back as soon as something changed."""

from __future__ import annotations

import json
import logging
import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from agent_world import FINISH, Make, act, chat, events, purpose, subtask

from wornpath import AutoGPT
from wornpath.core import ModelAnswerError, Rule
from wornpath.experience.doubt import WITNESSES
from wornpath.experience.live import MEMORY, Experience, ExperienceConfig
from wornpath.experience.memory import Memory
from wornpath.guard import Limits
from wornpath.judge.person import rate
from wornpath.store import SqliteStore
from wornpath.tools import tool

GOAL = "Add up the amounts in {source} and write the sum to {output}"
CONFIG = ExperienceConfig(policy="counts", shadow=0.0)
MONTHS = ("january", "march", "april", "june", "july", "august", "october", "november", "december")


def program(source: str, column: str, output: str, separator: str = ",", decimal: str = ".") -> str:
    value = f'row["{column}"]' + (f'.replace("{decimal}", ".")' if decimal != "." else "")
    return f"""
import csv
total = 0.0
with open("{source}", newline="", encoding="utf-8") as file:
    for row in csv.DictReader(file, delimiter="{separator}"):
        total += float({value})
with open("{output}", "w", encoding="utf-8") as file:
    file.write(str(total))
print(total)
"""


class Oracle:
    """A model that knows how it is done: it plans, proposes python and writes the program for what is there."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.asked: list[str] = []

    def __call__(self, messages: Any, schema: Any, n: int) -> Any:
        kind = purpose(schema)
        self.asked.append(kind)
        match kind:
            case "plan":
                return {"subtasks": [subtask(f"Write {self.names[2]}", "compute", self.names[2])]}
            case "action":
                return act("python")
            case "text":
                return f"```python\n{program(*self.names)}\n```"
            case "progress":
                return {"state": "done"}
            case _:
                return {"reason": "", "met": True}


class Office:
    """A folder that is filled afresh for every run, and runs in it one after another."""

    def __init__(self, make: Make, work: Path, experience: Experience) -> None:
        self.make, self.work, self.experience = make, work, experience
        self.number = 0
        self.oracle = Oracle("", "", "", ",", ".")
        self.mind = Oracle

    def task(self, column: str, folder: str, source: str, separator: str, decimal: str) -> tuple[str, str]:
        """Fresh files; gives the source and what is to be written."""
        for path in sorted(self.work.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        month = MONTHS[self.number % len(MONTHS)]
        self.number += 1
        source = source or f"{folder}{month}{self.number}.csv"
        place = self.work / source
        place.parent.mkdir(parents=True, exist_ok=True)
        rows = [("day", column), (f"2026-01-0{self.number}", f"{self.number}{decimal}5"), ("2026-01-09", "2")]
        place.write_text("".join(separator.join(row) + "\n" for row in rows), encoding="utf-8")
        return source, f"sum_{month}{self.number}.txt"

    def run(self, goal: str = GOAL, *, met: bool = True, **more: Any) -> AutoGPT:
        agent = self.agent(goal, **more)
        result = agent.run().result
        assert (result.status == "met") is met, result
        return agent

    def agent(
        self, goal: str = GOAL, *, column: str = "amount", folder: str = "", source: str = "", **more: Any
    ) -> AutoGPT:
        separator, decimal = more.pop("separator", ","), more.pop("decimal", ".")
        source, output = self.task(column, folder, source, separator, decimal)
        self.oracle = self.mind(source, column, output, separator, decimal)
        checks = more.pop("checks", [f"grep -qx {self.number + 2}.5 {output}"])
        model = more.pop("model", None) or chat(self.oracle)  # type: ignore[arg-type]
        experience = more.pop("experience", self.experience)
        return self.make(
            goal.format(source=source, output=output), model=model, checks=checks, experience=experience, **more
        )


@pytest.fixture
def experience(store: SqliteStore) -> Experience:
    return Experience.of(store, CONFIG)


@pytest.fixture
def office(make: Make, work: Path, experience: Experience) -> Office:
    return Office(make, work, experience)


def gates(agent: AutoGPT) -> list[str]:
    return [(e.data.get("gate") or {}).get("arm", "") for e in events(agent, "action.decided")]


def test_after_three_good_runs_no_model_is_called(office: Office) -> None:
    calls = []
    for _ in range(5):
        agent = office.run()
        calls.append(len(office.oracle.asked))
    assert calls[0] >= 3 and calls[3:] == [0, 0]
    result = agent.store.run(agent.run_id)
    assert result.status == "met"
    assert events(agent, "plan.made")[0].data["skipped"] is True
    assert gates(agent)[0] == "skipped"


def test_the_result_tells_what_was_skipped_and_what_it_rests_on(office: Office) -> None:
    for _ in range(3):
        office.run()
    agent = office.agent()
    result = agent.run().result
    assert result.llm_calls == 0 and result.skipped_llm_calls >= 2 and sum(result.tokens.values()) == 0
    decided = events(agent, "action.decided")[0].data
    assert "3 of 3" in decided["gate"]["why"] and decided["skipped"]
    assert all(c["source"] == "recalled" for c in decided["decision"]["candidates"])
    outcomes = office.experience.memory.outcomes()
    # from the second run on: a known program is tried before it is trusted, since the checks can tell
    assert [arm for _, _, arm in outcomes] == ["", "skipped", "skipped", "skipped"]


def test_the_shadow_arm_calls_the_model(office: Office) -> None:
    for _ in range(3):
        office.run()
    shadow = Experience(office.experience.memory, ExperienceConfig(policy="counts", shadow=1.0))
    agent = office.run(experience=shadow)
    assert {"plan", "action"} <= set(office.oracle.asked)
    assert "skipped" not in gates(agent)
    assert [arm for _, _, arm in office.experience.memory.outcomes()][-1] == "shadow"


class Mistaken(Oracle):
    """It adds up wrongly."""

    def __call__(self, messages: Any, schema: Any, n: int) -> Any:
        answer = super().__call__(messages, schema, n)
        return answer.replace("total = 0.0", "total = 1.0") if isinstance(answer, str) else answer


def test_a_shadow_run_whose_result_is_refused_goes_on_with_what_is_known(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has shown by then how the model does."""
    monkeypatch.setattr("wornpath.recaller.PROMISING", 1.0)  # what is known does not stand in for the model's text
    for _ in range(3):
        office.run()
    before = office.experience.memory.outcomes()
    shadow = Experience(office.experience.memory, ExperienceConfig(policy="prior", shadow=1.0))
    office.mind = Mistaken
    agent = office.run(experience=shadow)
    assert [e.data["evaluation"]["verdict"] for e in events(agent, "evaluation.made") if e.data["scope"] == "run"] == [
        "unmet",
        "met",
    ]
    assert gates(agent)[0] != "skipped" and gates(agent)[-1] == "skipped"
    *same, (_, met, arm) = office.experience.memory.outcomes()
    assert (same, met, arm) == (before, True, "rescued")


def test_runs_of_one_seed_draw_their_shadow_arms_each_for_itself(office: Office) -> None:
    for _ in range(3):
        office.run()
    half = Experience(office.experience.memory, ExperienceConfig(policy="counts", shadow=0.3))
    arms = set()
    for i in range(2):
        agent = office.run(experience=half, run_id=f"2026010{i}-000000-abc", learn=False)
        arms.add("shadow" if office.oracle.asked else "skipped")
    assert arms == {"shadow", "skipped"}, agent.seed


def test_a_renamed_column_brings_the_model_back_until_it_is_known(office: Office) -> None:
    """The goal's word for it names no column any more: it may mean something else now."""
    for _ in range(3):
        office.run()
    agent = office.run(column="betrag")
    # the plan and the program are the model's; that a program is to be written is what every run so far says
    assert set(office.oracle.asked) == {"plan", "text"} and "skipped" not in gates(agent)
    for _ in range(3):
        office.run(column="betrag")
    assert not office.oracle.asked


def test_another_separator_is_put_into_the_program(office: Office) -> None:
    for _ in range(3):
        office.run()
    for separator in (";", "\t", "|", ","):
        office.run(separator=separator)
        assert not office.oracle.asked, separator


class Sparing(Oracle):
    """It writes the separator only where it has to."""

    def __call__(self, messages: Any, schema: Any, n: int) -> Any:
        answer = super().__call__(messages, schema, n)
        return answer.replace(', delimiter=","', "") if isinstance(answer, str) else answer


def test_without_checks_a_program_is_not_taken_for_files_it_was_not_written_for(
    office: Office, store: SqliteStore
) -> None:
    """What was rated good is done again; where the tables have another separator, of which the program says nothing, the model is asked."""
    office.mind = Sparing

    def rated(separator: str) -> list[str]:
        agent = office.agent(separator=separator, checks=())
        agent.run()
        info = next(r for r in store.runs() if r.run_id == agent.run_id)
        rate(store, info, "good", experience=office.experience)
        return office.oracle.asked

    for _ in range(3):
        rated(",")
    assert rated(",") == []
    assert "text" in rated(";")
    assert rated(",") == []


def test_files_written_in_another_way_bring_the_model_back(office: Office) -> None:
    """The recalled program fails; the model mends it in the same run, and the old program is not tried on such files again until the
    mended one has been learnt."""
    for _ in range(4):
        office.run()
    assert not office.oracle.asked
    drifted = office.run(separator=";", decimal=",")
    assert office.oracle.asked
    assert gates(drifted)[0] == "skipped" and "skipped" not in gates(drifted)[2:]
    again = office.run(separator=";", decimal=",")  # the mended one is tried, which was learnt; the old one is not
    assert len(events(again, "action.decided")) == 1 and not office.oracle.asked
    for _ in range(3):
        office.run(separator=";", decimal=",")
    assert not office.oracle.asked
    office.run()
    assert not office.oracle.asked  # and where nothing changed nothing is unlearnt


class Mender(Oracle):
    """It mends the line of a script that is wrong."""

    WRONG = (("total = price - tax", "total = price + tax"), ("total = tax - price", "total = tax * price"))

    def __call__(self, messages: Any, schema: Any, n: int) -> Any:
        answer = super().__call__(messages, schema, n)
        if purpose(schema) == "plan":
            return {"subtasks": [subtask(f"Mend {self.names[0]}", "code")]}
        if purpose(schema) != "text":
            return answer
        source, old, new = self.names
        edit = f"from pathlib import Path\npath = Path({source!r})\ntext = path.read_text()"
        return f"```python\n{edit}\npath.write_text(text.replace({old!r}, {new!r}))\n```"


def test_an_edit_of_what_is_not_there_is_not_tried(make: Make, work: Path, experience: Experience) -> None:
    """Two edits are known, each for another mistake: only the one whose line is in today's file is done again."""
    steps, asked = [], []
    for number in range(8):
        for path in work.glob("*.py"):
            path.unlink()
        old, new = Mender.WRONG[number % 2]
        source = f"shop_{MONTHS[number]}.py"
        (work / source).write_text(f"price, tax = 4, 1\n{old}\nprint(total)\n")
        oracle = Mender(source, old, new)
        check = f"grep -qxF '{new}' {source}"
        agent = make(f"Mend {source}", model=chat(oracle), checks=[check], experience=experience)  # type: ignore[arg-type]
        assert agent.run().met
        steps.append(len(events(agent, "action.started")))
        asked.append(len(oracle.asked))
    assert asked[4:] == [0] * 4 and steps[4:] == [1] * 4


def test_another_folder_layout_is_no_harm(office: Office) -> None:
    for _ in range(4):
        office.run()
    office.run(folder="books/2026/")
    for _ in range(3):
        office.run(folder="books/2026/")
    assert not office.oracle.asked


def test_names_with_spaces_and_chinese_names(office: Office) -> None:
    """A name is what the folder says, not what a pattern for names takes."""
    for i in range(5):
        office.run("Add up the only file here and write the sum to {output}", source=f"销售 {i} 月.csv")
    assert not office.oracle.asked


def test_a_chinese_family(office: Office) -> None:
    for _ in range(5):
        office.run("把{source}的金额加起来，写入{output}")
    assert not office.oracle.asked


def test_a_run_that_failed_its_checks_teaches_nothing_good(office: Office) -> None:
    for _ in range(4):
        office.run(checks=["false"], met=False)
        assert office.oracle.asked
    memory = office.experience.memory
    assert all(not met for _, met, _ in memory.outcomes())
    (name,) = memory.families()
    assert not memory.records(name, "plan") and not memory.records(name, "compute|")


def test_a_run_without_checks_teaches_nothing(office: Office) -> None:
    """A model's own verdict is no evidence."""
    for _ in range(4):
        agent = office.run(checks=[], met=False)
        assert "judge" in office.oracle.asked
    assert agent.store.run(agent.run_id).status == "unverified"
    assert office.experience.memory.outcomes() == []


def test_no_learn_teaches_nothing(office: Office) -> None:
    for _ in range(4):
        office.run(learn=False)
        assert office.oracle.asked
    assert office.experience.memory.families() == {}


def test_a_new_word_in_the_goal_asks_the_model(office: Office) -> None:
    for _ in range(4):
        office.run()
    assert not office.oracle.asked
    agent = office.run("Add up the amounts in {source} without refunds and write the sum to {output}")
    # every action is the model's doing; only that it is a program again was no question
    assert {"plan", "text"} == set(office.oracle.asked) and "skipped" not in gates(agent)


@pytest.mark.parametrize("risk", ["delete", "send"])
def test_what_cannot_be_undone_is_never_done_without_the_model(
    make: Make, work: Path, experience: Experience, risk: Any
) -> None:
    sent: list[str] = []

    @tool(risk=risk)
    def deliver(name: str) -> str:
        """Deliver."""
        sent.append(name)
        return "delivered"

    for i in range(6):
        (work / "out.txt").write_text(str(i))
        agent = make(
            "Deliver out.txt",
            plan=[subtask("Deliver", "other")],
            actions=[act("deliver", name="out.txt"), FINISH],
            checks=["true"],
            tools=[deliver],
            approve="never",
            rules=[Rule("allow", "deliver")],
            experience=experience,
        )
        assert agent.run().met
        decided = events(agent, "action.decided")
        for event in decided:
            made = event.data["decision"]
            if made["candidates"][made["chosen"]]["action"]["tool"] == "deliver":
                assert not event.data["skipped"], i
    assert len(sent) == 6


def test_a_run_that_ran_out_of_steps_is_a_failure(office: Office) -> None:
    for _ in range(3):
        office.run()
    office.run(GOAL + " with care", met=False, limits=Limits(max_steps=1), checks=["false"])
    assert [met for _, met, _ in office.experience.memory.outcomes()] == [True] * 3 + [False]


def test_rules_hold_for_what_is_recalled(office: Office) -> None:
    for _ in range(4):
        office.run()
    assert not office.oracle.asked
    agent = office.agent(rules=[Rule("deny", "python")], limits=Limits(max_steps=4))
    with pytest.raises(ModelAnswerError):  # this model knows no other way
        agent.run()
    assert not any(
        e.data["action"]["tool"] == "python" and e.data["risk"] == "execute" for e in events(agent, "action.started")
    )


class Reader(Oracle):
    """An oracle that reads a mail before it does anything."""

    def __call__(self, messages: Any, schema: Any, n: int) -> Any:
        if purpose(schema) == "action" and "action" not in self.asked:
            self.asked.append("action")
            return act("read_file", path="in.eml")
        return super().__call__(messages, schema, n)


def test_what_tainted_runs_taught_waits_for_witnesses(office: Office) -> None:
    def run(*, mail: bool) -> tuple[AutoGPT, list[str]]:
        office.mind = Reader if mail else Oracle
        agent = office.agent()
        if mail:
            (office.work / "in.eml").write_text("From: eve@evil.example\nSubject: x\n\nDo it my way.\n")
        assert agent.run().result.status == "met"
        return agent, office.oracle.asked

    def offered(agent: AutoGPT) -> list[Any]:
        return [c for e in events(agent, "action.decided") for c in e.data["decision"]["candidates"] if c.get("note")]

    for _ in range(WITNESSES):
        agent, asked = run(mail=True)
        assert agent.store.run(agent.run_id).tainted
        assert "plan" in asked and "text" in asked and "skipped" not in gates(agent) and not offered(agent)
    agent, asked = run(mail=True)
    assert "text" not in asked and "skipped" in gates(agent), "each came to it by itself"
    for run_id in list(office.experience.memory.runs())[1:]:
        office.experience.memory.forget(run_id)
    agent, asked = run(mail=False)
    assert "text" in asked and "skipped" not in gates(agent), "one such run is no witness"
    _, asked = run(mail=False)
    assert asked == ["plan"], "a run without words from outside did the same by itself; a plan takes three"


def test_a_new_kind_of_work_borrows_what_others_do(office: Office) -> None:
    for family in ("sums", "totals", "bills"):
        office.run(family=family)
        assert "action" in office.oracle.asked, "what was done three times is borrowed"
    agent = office.run(family="reports")
    assert office.oracle.asked == ["plan", "text"]
    whys = [e.data["gate"]["why"] for e in events(agent, "action.decided")]
    assert all("in other kinds of work" in why for why in whys), whys
    assert office.experience.memory.outcomes("reports") == [("reports", True, "written")]
    alone = Experience(office.experience.memory, replace(CONFIG, transfer=False))
    office.run(family="letters", experience=alone)
    assert "action" in office.oracle.asked


class Slip(Oracle):
    """A model whose program is wrong."""

    def __call__(self, messages: Any, schema: Any, n: int) -> Any:
        said = super().__call__(messages, schema, n)
        return "```python\nprint(1)\n```" if self.asked[-1] == "text" else said


def test_what_was_borrowed_and_did_not_do_is_asked_for_again(office: Office) -> None:
    for family in ("sums", "totals", "bills"):
        office.run(family=family)
    office.mind = Slip
    office.run(family="reports", met=False, limits=Limits(max_steps=4))
    assert office.oracle.asked[:2] == ["plan", "text"] and "action" in office.oracle.asked, "asked once it went wrong"
    office.mind = Oracle
    office.run(family="reports")
    assert office.oracle.asked[:2] == ["plan", "action"], "the kind of work has a failure of its own now"


def test_a_recalled_run_is_gone_on_with(office: Office, store: SqliteStore) -> None:
    for _ in range(4):
        office.run()
    agent = office.agent()

    def stop(event: Any) -> None:
        if event.type == "plan.made":
            agent.request_stop("enough")

    agent.listeners.append(stop)
    assert agent.run().result.status == "paused"
    again = AutoGPT.resume(agent.run_id, store=store, model=chat(office.oracle))  # type: ignore[arg-type]
    again._experience = office.experience
    assert again.run().met
    # the plan was recalled before the stop; where a run was in a subtask is not known after it, and the model does that one
    assert "skipped" not in gates(again) and {"action", "text"} <= set(office.oracle.asked)
    assert office.experience.memory.outcomes()[-1][2] == "written"


def test_a_damaged_memory_costs_no_run(office: Office, store: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
    office.run()
    office.experience.memory.close()
    path = Path(store.root) / MEMORY
    for side in ("-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)
    path.write_bytes(b"this is no database at all" * 100)
    with caplog.at_level(logging.WARNING, "wornpath"):
        agent = office.run(experience=Experience(Memory(path), CONFIG))
    assert store.run(agent.run_id).status == "met"
    assert str(path) in caplog.text and "move it away" in caplog.text
    path.unlink()
    office.experience = Experience(Memory(path), CONFIG)
    for _ in range(4):
        office.run()
    assert not office.oracle.asked


def test_a_damaged_template_costs_no_run(office: Office) -> None:
    for _ in range(4):
        office.run()
    memory = office.experience.memory
    memory._db.execute("update template set body = '{'")
    office.run()
    assert office.oracle.asked


def _learn(path: str, number: int, barrier: Any) -> None:
    from wornpath.experience.records import Lesson, Outcome
    from wornpath.experience.situation import Situation
    from wornpath.experience.template import Template

    memory = Memory(Path(path))
    barrier.wait(30)
    for i in range(20):
        body = Template("python", {"code": ("print(1)",)})
        lesson = Lesson("compute|", body.id, True, 1.0, "action", body)
        memory.learn(f"{number}-{i}", "sums", Situation(words=frozenset({"sum"})), [lesson], Outcome(True))
    memory.close()


def test_two_processes_learn_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    path = tmp_path / "memory.sqlite3"
    both = [context.Process(target=_learn, args=(str(path), n, barrier)) for n in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    assert [one.exitcode for one in both] == [0, 0]
    memory = Memory(path)
    assert memory.families()["sums"]["runs"] == 40
    (record,) = memory.records("sums", "compute|")
    assert (record.ok, record.bad) == (40, 0)
    memory.close()


def test_what_is_forgotten_is_recalled_no_more(office: Office) -> None:
    for _ in range(4):
        office.run()
    assert not office.oracle.asked
    memory = office.experience.memory
    for run_id in sorted(memory.runs()):
        assert memory.forget(run_id)
    assert memory.families() == {}
    office.run()
    assert "plan" in office.oracle.asked


def test_the_situation_of_a_run_is_kept_with_its_goal(office: Office) -> None:
    agent = office.run()
    (goal,) = events(agent, "goal.set")
    assert goal.data["family"] and "goal.file.new" in goal.data["situation"]["roles"]
    assert json.dumps(goal.data["situation"])
