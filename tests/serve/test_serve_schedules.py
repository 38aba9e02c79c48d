"""Goals that come back: the expressions, the files, the clock, and the server that hands them in."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serve_world import PATIENCE, World

from wornpath.core import UsageError, WornpathError
from wornpath.serve.schedules import Clock, Schedule, Schedules, check_cron

START = datetime(2026, 3, 2, 7, 30)  # a Monday


class Office:
    """A clock that is put forward by hand, and what it handed in."""

    def __init__(self, root: Path) -> None:
        self.schedules, self.time = Schedules(root), START
        self.done: list[str] = []
        self.busy: set[str] = set()
        self.clock = Clock(self.schedules, self.hand_in, self.busy.__contains__, lambda: self.time)

    async def hand_in(self, one: Schedule) -> str:
        if one.goal == "fail":
            raise WornpathError("There is no model.")
        if one.goal == "crash":
            raise RuntimeError
        self.done.append(one.goal)
        return f"run{len(self.done)}"

    async def at(self, when: datetime) -> list[str]:
        self.time = when
        return await self.clock.look()


async def test_it_comes_when_it_is_due_and_once(tmp_path: Path) -> None:
    office = Office(tmp_path)
    made = office.schedules.add("0 8 * * 1", "report")
    office.schedules.put(Schedule(made.id, made.cron, made.goal, created=START.timestamp() - 100))
    assert await office.at(START) == []
    assert await office.at(datetime(2026, 3, 2, 7, 59, 59)) == []
    assert await office.at(datetime(2026, 3, 2, 8, 0, 4)) == ["run1"]
    assert await office.at(datetime(2026, 3, 2, 8, 0, 14)) == []
    assert office.schedules.all()[0].last_run == "run1"
    assert await office.at(datetime(2026, 3, 10, 12)) == ["run2"]  # the machine slept over Monday: once, not twice
    assert await office.at(datetime(2026, 3, 10, 12, 1)) == []


async def test_a_run_at_work_is_not_begun_again_and_a_failure_is_kept(tmp_path: Path) -> None:
    office = Office(tmp_path)
    for goal in ("slow", "fail"):
        made = office.schedules.add("* * * * *", goal)
        office.schedules.put(Schedule(made.id, made.cron, goal, created=START.timestamp() - 100))
    await office.at(START)
    assert await office.at(START + timedelta(minutes=1)) == ["run1"]
    assert {one.problem for one in office.schedules.all()} == {"", "There is no model."}
    office.busy.add("run1")
    assert await office.at(START + timedelta(minutes=2)) == []
    office.busy.clear()
    assert await office.at(START + timedelta(minutes=3)) == ["run2"]
    for one in office.schedules.all():
        office.schedules.remove(one.id)
    assert await office.at(START + timedelta(minutes=4)) == []


async def test_whatever_goes_wrong_the_others_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    office, looked = Office(tmp_path), asyncio.Event()
    for number, goal in enumerate(("crash", "report")):
        office.schedules.put(Schedule(goal, "* * * * *", goal, created=START.timestamp() - 100 + number))
    office.schedules.put(Schedule("odd", "* * * * *", "report", created=1e300))
    await office.at(START)
    assert await office.at(START + timedelta(minutes=1)) == ["run1"]
    assert [one.problem for one in office.schedules.all()] == ["RuntimeError", ""]

    loop, failures = asyncio.get_running_loop(), [RuntimeError("once")]

    def all_but_the_first_time() -> list[Schedule]:
        if failures:
            raise failures.pop()
        loop.call_soon_threadsafe(looked.set)
        return []

    monkeypatch.setattr("wornpath.serve.schedules.TICK_SECONDS", 0)
    monkeypatch.setattr(office.schedules, "all", all_but_the_first_time)
    following = asyncio.create_task(office.clock.follow())
    seen = asyncio.create_task(looked.wait())
    await asyncio.wait([following, seen], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    assert seen.done() and not following.done()
    following.cancel()


@pytest.mark.parametrize(
    "cron",
    ["", "0 8 * *", "0 8 * * 1 2026", "60 8 * * *", "x 8 * * *", "0 8 31 2 *", "0 8 30 2 *", "@daily", "0 8 * * 1\n0"],
)
def test_expressions_that_mean_nothing(tmp_path: Path, cron: str) -> None:
    with pytest.raises(UsageError, match="schedule"):
        Schedules(tmp_path).add(cron, "x")
    assert Schedules(tmp_path).all() == []


@given(st.text(max_size=30))
def test_any_text_is_taken_or_refused_with_a_sentence(cron: str) -> None:
    try:
        check_cron(cron)
    except UsageError as error:
        assert str(error).endswith(".")


def test_files_that_are_damaged_do_not_hide_the_others(tmp_path: Path) -> None:
    schedules = Schedules(tmp_path)
    good = schedules.add("0 8 * * 1", "周报", workspace="mine", checks=("test -s a",))
    for name, text in (("bad", "{"), ("odd", "[]"), ("old", json.dumps({"id": "old", "cron": "x", "goal": "y"}))):
        (schedules.folder / f"{name}.json").write_text(text)
    assert schedules.all() == [good]
    for id in ("../bad", "none", "", "a" * 50):
        with pytest.raises(UsageError, match="There is no schedule"):
            schedules.remove(id)


def test_over_http(world: World) -> None:
    made = world.post("/schedules", {"cron": "0 8 * * 1", "goal": "write a.txt", "checks": ["test -s a.txt"]}, 201)
    assert made["next"] > made["created"]
    assert world.get("/schedules")["schedules"] == [made]
    for body in ({"cron": "0 8 * *", "goal": "x"}, {"cron": "0 8 * * 1", "goal": " "}, {"goal": "x"}):
        assert world.http.post("/api/v1/schedules", json=body).status_code == 422
    outside = {"cron": "0 8 * * 1", "goal": "x", "workspace": "/etc"}
    assert world.http.post("/api/v1/schedules", json=outside).status_code == 403
    for path, more in (("runs", {}), ("schedules", {"cron": "0 8 * * 1"})):
        refused = world.http.post(f"/api/v1/{path}", json={"goal": "x", "workspace": "~nosuchuser/x", **more})
        assert refused.status_code == 400 and "a user that there is not" in refused.json()["detail"]
    assert world.http.delete(f"/api/v1/schedules/{made['id']}").status_code == 204
    assert world.get("/schedules") == {"schedules": []}


def test_the_server_hands_in_what_is_due(world: World) -> None:
    made = world.post("/schedules", {"cron": "0 8 29 2 *", "goal": "write a.txt", "checks": ["test -s a.txt"]}, 201)
    service, loop = world.service, world.loop
    assert service is not None and loop is not None
    clock = Clock(
        service.schedules, service.clock.hand_in, service.clock.at_work
    )  # beside the server's own, which looks at times of its own

    def look() -> list[str]:
        return asyncio.run_coroutine_threadsafe(clock.look(), loop).result(PATIENCE)

    bad = service.schedules.add(
        "0 8 29 2 *", "write b.txt", checks=("true",) * 51
    )  # `wornpath schedule` does not count

    assert look() == []
    clock.now = lambda: datetime.now() + timedelta(days=5 * 366)
    (run,) = look()
    assert world.until(run, "met")["goal"] == "write a.txt"
    shown = {one["id"]: one for one in world.get("/schedules")["schedules"]}
    assert shown[made["id"]]["last_run"] == run != made["last_run"]
    assert shown[bad.id]["problem"].startswith("The field checks does not fit")
