"""The seed document's methods one by one, training, streaming, many agents at once, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path
from typing import Any

import pytest
from agent_world import FINISH, Brain, Make, Person, act, audit, chat, events, prompts, subtask, text_of

from wornpath import AutoGPT
from wornpath.core import Action, Event, ModelUnavailable, UsageError
from wornpath.guard import ApprovalAnswer
from wornpath.store import Snapshot, SqliteStore
from wornpath.training import COUNTED, NOT_LEARNT

WRITE = act("write_file", path="out.txt")
PLAN = [subtask("Write out.txt", "write", "out.txt")]
HELLO = ["grep -q hello out.txt"]


def test_the_methods_one_by_one_do_what_run_does(make: Make, work: Path) -> None:
    agent = make("Write hello to out.txt", plan=PLAN, actions=[WRITE], texts=["hello"], checks=HELLO)
    plan = agent.decompose_task()
    assert [s.description for s in plan.subtasks] == ["Write out.txt"]
    assert agent.decompose_task() == plan and len(events(agent, "plan.made")) == 1
    state = agent.observe()
    assert "Write hello to out.txt" in state.text and state.features["kind"] == "write"
    decision = agent.choose_action(state)
    assert decision.action == Action.of("write_file", path="out.txt") and decision.state == state
    seen = agent.call_tool(decision)
    assert seen.result == "ok" and (work / "out.txt").read_text() == "hello\n"
    evaluation = agent.evaluate_result(seen)
    assert evaluation.reward < 0 and evaluation.verdict == "unverified"
    assert [e.data["status"] for e in events(agent, "subtask.finished")] == ["done"]
    result = agent.run().result
    assert (result.status, result.steps) == ("met", 1), "run goes on from there"
    assert agent.run_id in agent.store.run(agent.run_id).run_id


def test_methods_in_any_order(make: Make, work: Path) -> None:
    agent = make(plan=PLAN, actions=[WRITE])
    assert agent.choose_action().action.tool == "write_file", "it plans first"
    other = make(plan=PLAN, actions=[WRITE])
    assert other.call_tool(Action.of("list_files")).result in ("ok", "empty")
    assert other.call_tool(Action.of("no_such_tool")).result == "error"
    assert "Write out.txt" in other.decompose_task().subtasks[0].description


def test_a_person_is_asked_by_hand_too(make: Make, work: Path) -> None:
    (work / "a.txt").write_text("a\n")
    agent = make(approver=Person(ApprovalAnswer("allow")))
    assert agent.call_tool(Action.of("delete_file", path="a.txt")).result == "ok"
    assert not (work / "a.txt").exists()


def test_closing_leaves_a_begun_run_to_be_resumed(make: Make, work: Path) -> None:
    with make(plan=PLAN, actions=[WRITE]) as agent:
        agent.decompose_task()
        agent.call_tool(Action.of("python", code="x = 1"))
    assert agent.store.run(agent.run_id).status == "paused"
    resumed = AutoGPT.resume(agent.run_id, store=agent.store, model=chat(plan=PLAN, actions=[WRITE]))
    with resumed:
        assert resumed.run().result.status == "unverified"
    assert (work / "out.txt").exists()


def test_run_inside_a_running_loop(make: Make) -> None:
    agent = make(plan=PLAN, actions=[WRITE])

    async def notebook() -> str:
        return agent.run().result.status

    assert asyncio.run(notebook()) == "unverified"


async def test_stream_gives_every_event_as_it_happens(make: Make) -> None:
    agent = make("Write hello to out.txt", plan=PLAN, actions=[WRITE], texts=["hello"], checks=HELLO)
    seen: list[Event] = []
    async for event in agent.stream():
        seen.append(event)
        if event.type == "action.started":
            assert not events(agent, "run.finished")
    assert seen == events(agent) and seen[-1].data["result"]["status"] == "met"


async def test_a_stream_that_is_left_stops_the_run(make: Make) -> None:
    agent = make(plan=PLAN, actions=[WRITE])
    stream = agent.stream()
    async for event in stream:
        if event.type == "plan.made":
            break
    await stream.aclose()
    assert agent.store.run(agent.run_id).status == "paused"


async def test_a_stream_raises_what_the_run_raises(make: Make) -> None:
    from wornpath.core import ModelUnavailable

    brain = Brain(PLAN)
    brain.lists["plan"] = [ModelUnavailable("No network; try later.")]
    agent = make(brain=brain)
    with pytest.raises(ModelUnavailable):
        async for _ in agent.stream():
            pass


def test_a_notebook_shows_the_plan_safely(make: Make) -> None:
    agent = make("Say <b>hi</b>", plan=PLAN, actions=[WRITE])
    assert agent._repr_html_() == "<b>Say &lt;b&gt;hi&lt;/b&gt;</b><ol></ol>"
    agent.decompose_task()
    assert "<li>Write out.txt <i>pending</i></li>" in agent._repr_html_()


def test_a_notebook_shows_how_it_ended(make: Make) -> None:
    agent = make("Write hello to out.txt", plan=PLAN, actions=[WRITE], texts=["hello"], checks=HELLO)
    report = agent.train()
    for shown in (agent, report, report.episodes[0], report.episodes[0].result):
        page = shown._repr_html_()
        assert "<b>met</b> (check)" in page and "<code>out.txt</code>" in page
    assert "<i>done</i>" in agent._repr_html_() and "1 of 1 met" in report._repr_html_()
    assert "transitions" not in repr(report.episodes[0])


# -- training ------------------------------------------------------------------------------------------


def test_train_once_leaves_the_work_in_the_workspace(make: Make, work: Path) -> None:
    report = make("Write a post", plan=PLAN, actions=[WRITE], texts=["hello"], checks=HELLO).train()
    assert report.met == 1 and len(report.episodes) == 1
    assert report.learner == COUNTED
    assert (work / "out.txt").read_text() == "hello\n"
    assert make("Write it", plan=PLAN, actions=[WRITE], learn=False).train().learner == NOT_LEARNT


def test_train_three_times_in_copies_and_applies_the_best(make: Make, work: Path, store: SqliteStore) -> None:
    (work / "keep.txt").write_text("keep\n")
    (work / "gone.txt").write_text("gone\n")
    (work / "mine.txt").write_text("mine\n")
    code = (
        "import os, pathlib\nassert not os.path.exists('out.txt')\nopen('out.txt','w').write('hello')\n"
        "os.remove('gone.txt')\npathlib.Path('deep/er').mkdir(parents=True)\nopen('deep/er/x.txt','w').write('x')\n"
        "open('mine.txt','w').write('theirs')\nos.symlink('/etc/hostname','link')"
    )

    def text(messages: Any, schema: Any, n: int) -> str:
        if (
            len(store.runs()) == 3
        ):  # the parent and two: the second episode is the good one; meanwhile someone changes a file
            (work / "mine.txt").write_text("changed meanwhile\n")
            return code
        return f"open('out.txt','w').write('bad {brain.used['text']}')"

    brain = Brain([subtask("Make out.txt", "compute", "out.txt")], [act("python")], [text])
    agent = make("Make out.txt", brain=brain, checks=HELLO)
    report = agent.train(3)
    assert [e.result.status for e in report.episodes].count("met") == report.met == 1
    assert len({e.result.run_id for e in report.episodes}) == 3
    assert all(e.goal.workspace != str(work) for e in report.episodes)
    assert set(report.applied) == {"out.txt", "gone.txt", "deep/er/x.txt", "link"}
    assert report.conflicts == ("mine.txt",)
    assert (work / "out.txt").read_text() == "hello" and not (work / "gone.txt").exists()
    assert (work / "deep" / "er" / "x.txt").read_text() == "x"
    assert (work / "mine.txt").read_text() == "changed meanwhile\n" and (work / "keep.txt").read_text() == "keep\n"
    assert (work / "link").is_symlink(), "a link is applied as a link, never followed"
    assert len({e.result.run_id for e in store.episodes()}) == 3, "what holds them together is no attempt itself"
    whole = store.run(agent.run_id)
    assert (whole.status, whole.steps, whole.workspace) == ("met", 0, str(work)) and "1 left alone" in whole.summary
    assert {store.run(e.result.run_id).parent for e in report.episodes} == {agent.run_id}
    undone = Snapshot(store.run_folder(agent.run_id), work).undo()
    assert undone.conflicts == () and (work / "gone.txt").read_text() == "gone\n"
    assert not (work / "out.txt").exists() and not (work / "deep").exists() and not (work / "link").is_symlink()
    assert (work / "mine.txt").read_text() == "changed meanwhile\n", "that was not the run's change"


def test_training_that_breaks_off_is_on_record(make: Make, work: Path, store: SqliteStore) -> None:
    agent = make("Write hello", model=chat(Brain(PLAN, [ModelUnavailable("no model")])))
    with pytest.raises(ModelUnavailable):
        agent.train(2)
    assert [info.status for info in store.runs()] == ["error", "error"]
    assert store.run(agent.run_id).parent is None


def test_training_that_never_succeeds_changes_nothing(make: Make, work: Path) -> None:
    agent = make("Write hello", plan=PLAN, actions=[WRITE], texts=["bye"], checks=HELLO)
    report = agent.train(2)
    assert (report.met, report.applied, report.conflicts) == (0, (), ())
    assert not list(work.iterdir())
    with pytest.raises(UsageError, match="at least 1"):
        agent.train(0)


# -- many agents, and what is left of them -------------------------------------------------------------


def small(folder: Path, store: SqliteStore, number: int) -> AutoGPT:
    place = folder / str(number)
    place.mkdir(parents=True)
    brain = Brain(PLAN, [WRITE], [f"hello {number}"])
    return AutoGPT(f"Write hello {number}", workspace=place, store=store, model=chat(brain))


async def test_twenty_agents_at_once_do_not_mix(tmp_path: Path, store: SqliteStore) -> None:
    agents = [small(tmp_path, store, number) for number in range(20)]
    episodes = await asyncio.gather(*(agent.arun() for agent in agents))
    for number, (agent, episode) in enumerate(zip(agents, episodes, strict=True)):
        assert episode.result.status == "unverified"
        assert (tmp_path / str(number) / "out.txt").read_text() == f"hello {number}\n"
        assert all(f"hello {number}" in prompt for prompt in prompts(agent))
        audit(store, agent.run_id)
    assert len({agent.run_id for agent in agents}) == 20


def test_agents_in_threads_do_not_mix(tmp_path: Path, store: SqliteStore) -> None:
    agents = [small(tmp_path, store, number) for number in range(6)]
    threads = [threading.Thread(target=agent.run) for agent in agents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for number, agent in enumerate(agents):
        agent.close()
        assert (tmp_path / str(number) / "out.txt").read_text() == f"hello {number}\n"
        audit(store, agent.run_id)


def held() -> tuple[int, set[str], set[int]]:
    """Open descriptors, the agents' threads, and child processes."""
    gc.collect()
    names = {t.name for t in threading.enumerate() if t.name.startswith("wornpath")}
    children = {int(p) for f in Path("/proc/self/task").glob("*/children") for p in f.read_text().split()}
    return sum(1 for _ in Path("/proc/self/fd").iterdir()), names, children


def test_closing_frees_everything(make: Make, work: Path) -> None:
    def use() -> None:
        with make(plan=[subtask("Compute", "compute", "a.txt")], actions=[act("python")]) as agent:
            agent.decompose_task()
            assert text_of(vars_of(agent.call_tool(Action.of("python", code="print(6 * 7)")))) == "42"
        with make(plan=PLAN, actions=[WRITE]) as agent:
            agent.run()

    use()
    before = held()
    for _ in range(3):
        use()
    after = held()
    assert after[1] <= before[1] and after[2] <= before[2]
    assert after[0] <= before[0] + 1


def vars_of(seen: Any) -> Any:
    from wornpath.core import to_json

    return to_json(seen)


def test_an_agent_that_nobody_closes_lets_its_thread_go(work: Path, store: SqliteStore) -> None:
    before = threading.active_count()
    for _ in range(3):
        AutoGPT("Do it", workspace=work, store=store, model=chat(actions=[FINISH])).run()
    gc.collect()
    for thread in [t for t in threading.enumerate() if t.name == "wornpath"]:
        thread.join(5)
    assert threading.active_count() <= before


def test_nothing_is_opened_before_it_is_needed(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORNPATH_HOME", str(tmp_path / "nothing"))
    before = held()
    AutoGPT("Do it", workspace=work)
    assert held() == before and not (tmp_path / "nothing").exists()


# -- what it is given ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"approve": "sometimes"}, "approve must be one of ask, on-risk, never"),
        ({"sandbox": "none"}, "sandbox must be one of read-only, workspace, full"),
        ({"candidates": 9}, "candidates must be 1 to 8"),
        ({"limits": {"max_steps": 3}}, "limits is of type dict"),
        ({"model": object()}, "model is of type object, which has no model and no sizes and no complete"),
        ({"policy": object()}, "policy is of type object, which has no version and no decide"),
        ({"approver": 42}, "approver is of type int"),
        ({"tools": print}, "give a list"),
        ({"checks": ["true", " "]}, "' ' is no check"),
        ({"goal": None}, "The goal is of type NoneType"),
        ({"goal": "x" * 100_001}, "at most 100,000"),
    ],
)
def test_a_mistake_in_what_is_given_is_said_at_once(make: Make, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make(given.pop("goal", "x"), **given)


def test_a_single_check_needs_no_list(make: Make) -> None:
    assert make(checks="grep -q a b").goal.checks == ("grep -q a b",)


def test_a_plain_function_can_approve(make: Make, work: Path) -> None:
    (work / "a.txt").write_text("a\n")
    agent = make(approver=lambda request: ApprovalAnswer("allow"))
    assert agent.call_tool(Action.of("delete_file", path="a.txt")).result == "ok"
    (work / "a.txt").write_text("a\n")
    with pytest.raises(UsageError, match="must return an ApprovalAnswer"):
        make(approver=lambda request: True).call_tool(Action.of("delete_file", path="a.txt"))
    assert (work / "a.txt").exists()
