"""Goals handed in by HTTP: the whole way, and everything a person may do to a run."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from serve_world import PATIENCE, World, sse

from wornpath.core import UsageError
from wornpath.learn.forgetting import remove
from wornpath.serve.jobs import Job
from wornpath.serve.problems import Problem


def test_a_goal_is_done_and_shown(world: World) -> None:
    run = world.hand_in("write a.txt then write b/c.txt", seed=7, max_steps=9)
    done = world.until(run, "unverified")
    assert Path(done["workspace"]).name == run
    assert (Path(done["workspace"]) / "b" / "c.txt").read_text() == "Some text.\n"
    assert [s["status"] for s in done["plan"]["subtasks"]] == ["done", "done"]
    assert {a["path"] for a in done["artifacts"]} == {"a.txt", "b/c.txt"}
    assert done["goal_full"]["text"] == "write a.txt then write b/c.txt"
    assert done["tokens"]["prompt"] == 100 * done["llm_calls"] > 0
    events = world.get(f"/runs/{run}/events")
    assert [e["type"] for e in events["events"][:4]] == ["run.started", "goal.set", "run.paused", "run.resumed"]
    assert events["last_seq"] == done["last_seq"] == events["events"][-1]["seq"]
    started = events["events"][0]["data"]
    assert (started["seed"], started["model"], started["options"]["limits"]["max_steps"]) == (7, "doer", 9)
    decided = world.get(f"/runs/{run}/events", params={"types": "action.decided", "limit": 1})["events"]
    assert [e["type"] for e in decided] == ["action.decided"]
    why = world.get(f"/runs/{run}/why/{decided[0]['step']}")
    assert why["decision"] == decided[0]["data"]["decision"]


def test_the_list_is_searched_and_paged(world: World) -> None:
    runs = [world.hand_in(f"write {name}.txt") for name in ("one", "two", "three", "Zwei")]
    for run in runs:
        world.until(run, "unverified")
    first = world.get("/runs", params={"limit": 3})
    assert [r["run_id"] for r in first["runs"]] == runs[:0:-1]
    rest = world.get("/runs", params={"limit": 3, "before": first["next"]})
    assert ([r["run_id"] for r in rest["runs"]], rest["next"]) == (runs[:1], None)
    assert [r["run_id"] for r in world.get("/runs", params={"query": "zWEI"})["runs"]] == [runs[3]]
    assert world.get("/runs", params={"status": "unverified", "limit": 1})["runs"][0]["run_id"] == runs[3]
    assert world.get("/runs", params={"status": "met"})["runs"] == []
    assert world.http.get("/api/v1/runs", params={"status": "odd"}).status_code == 400


def test_an_approval_is_allowed_with_other_arguments_and_another_denied(world: World) -> None:
    run = world.hand_in("write a.txt then write b.txt then delete a.txt then delete a.txt")
    asked = world.question(run)
    assert (asked["kind"], asked["action"]["tool"], asked["risk"]) == ("approval", "delete_file", "delete")
    assert asked["diff"].splitlines()[:2] == ["--- a/a.txt", "+++ /dev/null"]
    assert world.get(f"/runs/{run}")["pending"] == [asked]
    row = world.get("/runs")["runs"][0]
    assert (row["status"], row["waiting"]) == ("running", True)
    wrong = world.http.post(f"/api/v1/approvals/{asked['id']}", json={"answer": "answer", "comment": "x"})
    assert wrong.status_code == 422
    world.post(f"/approvals/{asked['id']}", {"answer": "allow", "arguments": {"path": "b.txt"}})
    second = world.question(run)
    assert second["id"] != asked["id"]
    world.post(f"/approvals/{second['id']}", {"answer": "deny", "comment": "keep it"})
    again = world.http.post(f"/api/v1/approvals/{second['id']}", json={"answer": "allow"})
    assert again.status_code == 404
    for _ in world.changes(run):
        said = [e["data"] for e in world.get(f"/runs/{run}/events", params={"types": "approval.answered"})["events"]]
        if len(said) > 1:
            break
    world.http.post(f"/api/v1/runs/{run}/cancel")  # it may ask a third time, or be over
    folder = Path(world.until(run, "unverified", "cancelled")["workspace"])
    assert ((folder / "a.txt").exists(), (folder / "b.txt").exists()) == (True, False)
    assert [d["answer"] for d in said[:2]] == ["allow", "deny"] and said[1]["comment"] == "keep it"


def test_a_question_is_answered(world: World) -> None:
    run = world.hand_in("ask colour then write a.txt")
    asked = world.question(run)
    assert (asked["kind"], asked["reason"]) == ("question", "Which colour?")
    assert world.http.post(f"/api/v1/approvals/{asked['id']}", json={"answer": "answer"}).status_code == 422
    world.post(f"/approvals/{asked['id']}", {"answer": "answer", "comment": "蓝色"})
    world.until(run, "unverified")
    assert any("蓝色" in prompt for prompt in world.model.prompts)
    assert world.get("/approvals") == {"approvals": []}


def test_who_waits_for_a_person_gives_up_the_turn(tmp_path: Path) -> None:
    with World(tmp_path, jobs=1) as world:
        waiting = world.hand_in("ask colour")
        asked = world.question(waiting)
        other = world.hand_in("write a.txt")
        world.until(other, "unverified")
        world.post(f"/approvals/{asked['id']}", {"answer": "answer", "comment": "red"})
        world.until(waiting, "unverified")


def test_a_question_is_answered_once_though_its_run_must_wait_for_a_turn(tmp_path: Path) -> None:
    with World(tmp_path, jobs=1) as world:
        waiting = world.hand_in("ask colour")
        asked = world.question(waiting)
        world.hand_in("hold on")
        assert world.model.held.wait(PATIENCE)
        answer = {"answer": "answer", "comment": "red"}
        world.post(f"/approvals/{asked['id']}", answer)
        assert world.get("/approvals") == {"approvals": []}
        assert world.http.post(f"/api/v1/approvals/{asked['id']}", json=answer).status_code == 404
        world.model.release()
        world.until(waiting, "unverified")


def test_a_run_that_has_just_ended_is_waited_for(world: World) -> None:
    """The events tell of the end before the server has put the run away; nobody should be told that it is at work still."""
    import time

    jobs = world.service.jobs  # type: ignore[union-attr]
    jobs._settle = lambda job: time.sleep(0.5)  # type: ignore[method-assign]
    for act in ("rating", "undo", "delete"):
        run = world.hand_in("write a.txt")
        for _ in world.changes(run):
            if jobs.store.run(run).status == "unverified":
                break
        assert run in world.live
        body = {"rating": "good"} if act == "rating" else None
        path = f"/api/v1/runs/{run}{'' if act == 'delete' else f'/{act}'}"
        answer = world.http.request("DELETE" if act == "delete" else "POST", path, json=body)
        assert answer.status_code == (204 if act == "delete" else 200), answer.text


def test_pause_resume_and_cancel(tmp_path: Path) -> None:
    with World(tmp_path, jobs=1) as world:
        held, queued, dropped = (
            world.hand_in(goal) for goal in ("hold on then write a.txt", "write b.txt", "write c.txt")
        )
        assert world.model.held.wait(PATIENCE)
        assert [r["status"] for r in world.get("/runs")["runs"]] == ["queued", "queued", "running"]
        world.post(f"/runs/{queued}/pause", status=202)
        world.post(f"/runs/{dropped}/cancel", status=202)
        assert world.until(queued, "paused")["reason"] == "A person paused it."
        assert world.until(dropped, "cancelled")["steps"] == 0
        world.post(f"/runs/{held}/pause", status=202)
        world.model.release()
        assert world.until(held, "paused")["steps"] == 1
        for run in (held, queued, dropped):
            world.post(f"/runs/{run}/resume", status=202)
            assert world.until(run, "unverified")["steps"] >= 1
        over = world.http.post(f"/api/v1/runs/{held}/resume")
        assert (over.status_code, over.headers["content-type"]) == (409, "application/problem+json")
        assert world.http.post(f"/api/v1/runs/{held}/pause").status_code == 409


def test_of_two_resumes_at_once_one_is_refused(tmp_path: Path) -> None:
    """Both were queued, and the one that could not begin ended the run on which the other was at work."""
    with World(tmp_path, jobs=1) as world:
        run = world.hand_in("write a.txt then hold on")
        assert world.model.held.wait(PATIENCE)
        world.post(f"/runs/{run}/cancel", status=202)
        world.until(run, "cancelled")
        world.model.held.clear()
        jobs, loop = world.service.jobs, world.loop  # type: ignore[union-attr]
        assert loop is not None
        stopped = jobs.store.run(run)

        async def resume(times: int) -> list[Any]:
            return await asyncio.gather(*(jobs.resume(stopped) for _ in range(times)), return_exceptions=True)

        job, refused = asyncio.run_coroutine_threadsafe(resume(2), loop).result(PATIENCE)
        assert isinstance(job, Job) and isinstance(refused, Problem) and refused.status == 409
        assert world.model.held.wait(PATIENCE)
        (late,) = asyncio.run_coroutine_threadsafe(resume(1), loop).result(PATIENCE)  # it saw the run before
        assert isinstance(late, Problem) and world.live == {run: job}
        jobs._failed(Job(run), UsageError("It is at work in another process."))
        assert jobs.store.run(run).status == "running"
        world.post(f"/runs/{run}/cancel", status=202)
        world.until(run, "cancelled")


def test_a_run_that_is_removed_while_it_waits_is_not_begun(tmp_path: Path) -> None:
    """As `wornpath runs rm` does it, beside the server."""
    with World(tmp_path, jobs=1) as world:
        busy = world.hand_in("hold on")
        assert world.model.held.wait(PATIENCE)
        new, resumed, cancelled = (world.hand_in("write a.txt") for _ in range(3))
        world.post(f"/runs/{resumed}/pause", status=202)
        world.until(resumed, "paused")
        world.post(f"/runs/{resumed}/resume", status=202)
        jobs, loop = world.service.jobs, world.loop  # type: ignore[union-attr]
        assert loop is not None
        waiting = [world.live[run].task for run in (new, resumed, cancelled)]
        remove(jobs.store, [new, resumed, cancelled])
        loop.call_soon_threadsafe(waiting[2].cancel)
        world.model.release()

        async def over() -> list[Any]:
            return await asyncio.gather(*waiting, return_exceptions=True)

        assert asyncio.run_coroutine_threadsafe(over(), loop).result(PATIENCE) == [None] * 3
        world.until(busy, "unverified")
        assert [row["run_id"] for row in world.get("/runs")["runs"]] == [busy]
        assert not list((tmp_path / "workspaces").rglob("a.txt"))


def test_cancel_stops_at_once_what_the_model_is_asked(world: World) -> None:
    run = world.hand_in("hold on")
    assert world.model.held.wait(PATIENCE)
    world.post(f"/runs/{run}/cancel", status=202)
    done = world.until(run, "cancelled")
    assert done["summary"] == "A person cancelled it."
    assert world.http.delete(f"/api/v1/runs/{run}").status_code == 204
    assert world.http.get(f"/api/v1/runs/{run}").status_code == 404


def test_what_a_deleted_run_taught_is_gone(world: World) -> None:
    from wornpath.experience.live import Experience

    run, kept = (world.hand_in("write a.txt", checks=["test -s a.txt"]) for _ in range(2))
    for one in (run, kept):
        world.until(one, "met")
    memory = Experience.of(world.service.store).memory  # type: ignore[union-attr]
    assert memory.runs() == {run, kept}
    assert world.http.delete(f"/api/v1/runs/{run}").status_code == 204
    assert memory.runs() == {kept}
    assert [row["run_id"] for row in world.get("/runs")["runs"]] == [kept]


def test_a_run_that_is_cancelled_while_it_ends_has_an_end(world: World) -> None:
    """Told to stop, it closes what its code runs in; cancelled in the midst of that, it was left as running for ever."""
    closing, closed = threading.Event(), threading.Event()

    class Kernel:
        async def close(self) -> None:
            closing.set()
            await asyncio.to_thread(closed.wait, PATIENCE)

    run = world.hand_in("hold on then write a.txt")
    assert world.model.held.wait(PATIENCE)
    world.live[run].agent._actor.context.kernel = Kernel()
    world.post(f"/runs/{run}/pause", status=202)
    world.model.release()
    assert closing.wait(PATIENCE)
    world.post(f"/runs/{run}/cancel", status=202)
    closed.set()
    assert world.until(run, "cancelled")["summary"] == "A person cancelled it."


def test_a_limit_ends_a_run_and_a_higher_one_goes_on(world: World) -> None:
    run = world.hand_in("write a.txt then write b.txt", max_steps=1)
    assert world.until(run, "budget")["steps"] == 1
    world.post(f"/runs/{run}/resume", {"max_steps": 10}, status=202)
    assert world.until(run, "unverified")["steps"] > 1


def test_a_model_that_cannot_be_opened_is_told_before_anything_is_recorded(tmp_path: Path) -> None:
    from wornpath.core import ModelUnavailable

    with World(tmp_path) as world:

        def broken(name: str | None) -> None:
            raise ModelUnavailable("The endpoint cannot be reached; start it.")

        world.service.models._opener = broken  # type: ignore[union-attr,assignment]
        answer = world.http.post("/api/v1/runs", json={"goal": "write a.txt", "model": "other"})
        assert (answer.status_code, answer.json()["detail"]) == (503, "The endpoint cannot be reached; start it.")
        assert world.get("/runs")["runs"] == []


def test_people_judge_a_run(world: World) -> None:
    run = world.hand_in("write a.txt", checks=["test -s a.txt"])
    before = world.until(run, "met")
    assert world.post(f"/runs/{run}/rating", {"rating": "bad", "comment": "wrong tone"})["status"] == "unmet"
    rated = world.get(f"/runs/{run}")
    assert (rated["rating"], rated["verdict_source"], rated["reward"]) == ("bad", "person", before["reward"] - 1.5)
    back = world.post(f"/runs/{run}/rating", {"rating": "none"})
    assert {k: back[k] for k in ("status", "rating", "reward")} == {
        k: before[k] for k in ("status", "rating", "reward")
    }
    (episode,) = world.service.store.episodes(run)  # type: ignore[union-attr]
    assert episode.result.status == "met"
    assert sum(t.reward for t in episode.transitions) == pytest.approx(before["reward"])
    world.post(f"/runs/{run}/labels", {"step": 1, "action": {"tool": "note", "arguments": {"fact": "x"}}}, 201)
    said = world.get(f"/runs/{run}/events", params={"types": "person.said"})["events"][-1]
    assert (said["step"], said["data"]["kind"], said["data"]["action"]["tool"]) == (1, "label", "note")
    assert world.http.post(f"/api/v1/runs/{run}/labels", json={"step": 99, "action": {"tool": "x"}}).status_code == 400


def test_the_model_answers_about_a_run(world: World) -> None:
    run = world.hand_in("write a.txt")
    world.until(run, "unverified")
    with world.http.stream("GET", "/api/v1/events", params={"run": run}) as stream:
        lines = stream.iter_lines()
        next(lines)
        assert world.post(f"/runs/{run}/chat", {"message": "Why a.txt?"}) == {"answer": "It was asked for."}
        news = next(event for event in sse(lines) if event.get("event") == "text")
    assert json.loads(news["data"]) == {"run_id": run, "purpose": "chat", "text": "It was asked for."}
    prompt = world.model.prompts[-1]
    assert "Goal: write a.txt" in prompt and "step 1: write_file" in prompt and "Question: Why a.txt?" in prompt


def test_diff_and_undo(world: World) -> None:
    folder = world.folder / "workspaces" / "mine"
    folder.mkdir(parents=True)
    (folder / "old.txt").write_text("old\n")
    run = world.hand_in("write old.txt then write new.txt", workspace="mine")
    world.until(run, "unverified")
    changed = {one["path"]: one for one in world.get(f"/runs/{run}/diff")["files"]}
    assert {path: one["status"] for path, one in changed.items()} == {"old.txt": "changed", "new.txt": "added"}
    assert "-old\n+Some text.\n" in changed["old.txt"]["diff"]
    done = world.post(f"/runs/{run}/undo")
    assert (done["restored"], done["removed"], done["conflicts"]) == (["old.txt"], ["new.txt"], [])
    assert (folder / "old.txt").read_text() == "old\n"


def test_a_secret_of_the_goal_is_in_no_event(world: World) -> None:
    secret = "sk-" + "aB3dE5gH7jK9mN1pQ3" * 2
    run = world.hand_in(f"write a.txt then write b.txt with key {secret}", checks=[f"test {secret} = {secret}"])
    assert secret not in world.http.get(f"/api/v1/runs/{run}/events").text
    done = world.until(run, "met", "unmet", "unverified")
    assert done["status"] == "met"  # the check was run with the real value
    assert secret not in world.http.get(f"/api/v1/runs/{run}/events").text
    assert not any(secret in prompt for prompt in world.model.prompts)


def test_curves_notes_and_the_description(world: World) -> None:
    met = world.hand_in("write a.txt", checks=["test -s a.txt"])
    world.until(met, "met")
    curve = world.get("/curves")
    assert [(p["run_id"], p["success"]) for p in curve["points"]] == [(met, 1)]
    assert 0 < curve["summary"]["success_low"] < curve["summary"]["success"] == 1.0
    note = world.service.store.add_note("tabs, not spaces", scope="user")  # type: ignore[union-attr]
    assert [n["text"] for n in world.get("/notes")["notes"]] == ["tabs, not spaces"]
    assert world.http.delete(f"/api/v1/notes/{note.id}").status_code == 204
    assert world.http.delete(f"/api/v1/notes/{note.id}").status_code == 404
    described = world.get("/openapi.json")
    assert described["openapi"].startswith("3.1")
    assert set(described["paths"]["/runs"]) == {"get", "post"}
    assert "goal" in described["components"]["schemas"]["RunRequest"]["required"]
    assert world.get("/info")["model"] == "doer"
