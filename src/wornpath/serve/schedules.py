"""Goals that come back: one small file each in the store's folder, and what hands them in when their time has come.

The files are written by the server and by `wornpath schedule`, each whole or not at all, so that neither needs the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cronsim import CronSim, CronSimError

from wornpath.core import StoreError, UsageError
from wornpath.store.database import private_folder

TICK_SECONDS = 10.0
_ID = re.compile(r"[0-9a-z]{1,20}")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A goal and when to hand it in: CRON in five fields, in this machine's local time. `last_run` is the id of its last run."""

    id: str
    cron: str
    goal: str
    workspace: str | None = None
    checks: tuple[str, ...] = ()
    created: float = 0.0
    last_run: str = ""
    last_time: float = 0.0
    problem: str = ""
    """Why it could not be handed in the last time."""

    def next(self, after: datetime | None = None) -> datetime | None:
        """When it is due, in local time without a zone, so that a clock put forward does not skip it, nor one put back repeat it."""
        try:
            return next(CronSim(self.cron, after or datetime.now()))
        except StopIteration:
            return None

    def as_dict(self) -> dict[str, Any]:
        due = self.next()
        return {**asdict(self), "checks": list(self.checks), "next": due.timestamp() if due is not None else None}


class Schedules:
    """The schedules of the store at ROOT."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "serve" / "schedules"

    def add(self, cron: str, goal: str, *, workspace: str | None = None, checks: tuple[str, ...] = ()) -> Schedule:
        """A new one. Raises UsageError for an expression that means nothing or never comes, and for a workspace that no server has."""
        check_cron(cron)
        if workspace is not None and (not workspace.strip() or os.path.normpath(workspace).split("/")[0] == ".."):
            raise UsageError(
                f"The workspace {workspace[:200]!r} is not in the server's folder of workspaces; name one below it."
            )
        made = Schedule(secrets.token_hex(4), cron, goal, workspace, checks, time.time())
        self.put(made)
        return made

    def put(self, one: Schedule) -> None:
        """Write ONE, in place of what was there. Raises StoreError."""
        try:
            file = private_folder(self.folder) / f"{one.id}.json"
            part = file.with_suffix(f".{secrets.token_hex(4)}.part")
            part.write_text(json.dumps(asdict(one), ensure_ascii=False), encoding="utf-8", errors="backslashreplace")
            part.replace(file)
        except OSError as error:
            raise StoreError(f"The schedule could not be written to {self.folder}: {error.strerror}.") from error

    def all(self) -> list[Schedule]:
        """Those that can be read, oldest first."""
        found = [self._read(file) for file in self.folder.glob("*.json")] if self.folder.is_dir() else []
        return sorted((one for one in found if one is not None), key=lambda one: (one.created, one.id))

    def remove(self, id: str) -> None:
        """Raises UsageError where there is none of that id."""
        known = _ID.fullmatch(id) is not None
        try:
            if known:
                (self.folder / f"{id}.json").unlink()
        except FileNotFoundError:
            known = False
        if not known:
            raise UsageError(f"There is no schedule {id[:40]!r}; `wornpath schedule ls` lists them.")

    def _read(self, file: Path) -> Schedule | None:
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            one = Schedule(**{**data, "id": file.stem, "checks": tuple(data.get("checks", ()))})
            check_cron(one.cron)
            datetime.fromtimestamp(one.created)
        except (OSError, ValueError, OverflowError, TypeError, AttributeError, UsageError):
            return None
        return one


def check_cron(cron: str) -> None:
    """Raises UsageError where CRON is no expression of five fields that comes at some time."""
    example = 'such as "0 8 * * 1" for Mondays at 8'
    if len(cron.split()) != 5:
        raise UsageError(
            f"The schedule {cron[:60]!r} needs five fields (minute, hour, day, month, day of week), {example}."
        )
    try:
        next(CronSim(cron, datetime.now()))
    except CronSimError as error:
        raise UsageError(
            f"The schedule {cron[:60]!r} means nothing ({str(error).lower()}); write one {example}."
        ) from None
    except StopIteration:
        raise UsageError(
            f"The schedule {cron[:60]!r} never comes, since there is no such day; write one {example}."
        ) from None


HandIn = Callable[[Schedule], Awaitable[str]]
"""Hands a goal in; returns the run's id."""


@dataclass(slots=True)
class Clock:
    """Hands in what is due. What came while no server ran is left out; a run that is still at work is not begun twice."""

    schedules: Schedules
    hand_in: HandIn
    at_work: Callable[[str], bool]
    now: Callable[[], datetime] = datetime.now
    _since: dict[str, datetime] = field(default_factory=dict)
    _started: datetime | None = None

    async def follow(self) -> None:
        """Look at the clock for ever."""
        while True:
            with contextlib.suppress(Exception):  # whatever it is, the schedules are looked at again
                await self.look()
            await asyncio.sleep(TICK_SECONDS)

    async def look(self) -> list[str]:
        """Hand in what has become due since the last look; returns the ids of the runs."""
        now, begun = self.now(), []
        self._started = self._started or now
        found = await asyncio.to_thread(self.schedules.all)
        for one in found:
            since = self._since.get(one.id) or min(now, max(self._started, datetime.fromtimestamp(one.created)))
            due = one.next(since)
            if due is None or due > now:
                self._since[one.id] = since
                continue
            self._since[one.id] = now
            run_id = await self._begin(one)
            if run_id:
                begun.append(run_id)
        self._since = {one.id: self._since[one.id] for one in found}
        return begun

    async def _begin(self, one: Schedule) -> str:
        if one.last_run and self.at_work(one.last_run):
            return ""
        run_id, problem = one.last_run, ""
        try:
            run_id = await self.hand_in(one)
        except Exception as error:  # whatever it is, the other schedules go on
            problem = str(error) or type(error).__name__
        now = Schedule(one.id, one.cron, one.goal, one.workspace, one.checks, one.created, run_id, time.time(), problem)
        if os.path.exists(self.schedules.folder / f"{one.id}.json"):  # noqa: PTH110 - removed meanwhile, it stays removed
            await asyncio.to_thread(self.schedules.put, now)
        return run_id if not problem else ""
