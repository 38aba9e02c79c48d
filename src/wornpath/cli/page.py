"""`wornpath run --web`: one run, watched and answered on a page that this process serves."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wornpath.cli.drive import EXIT_CODES, INTERRUPTED, recorded
from wornpath.cli.goal import workspace_folder
from wornpath.cli.launch import continued
from wornpath.cli.output import note, print_result
from wornpath.cli.terminal import interactive
from wornpath.cli.web import browser, opener_for, page_url, require_web, server_settings
from wornpath.core import UsageError, WornpathError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wornpath.cli.settings import Loaded
    from wornpath.serve.running import Server
    from wornpath.serve.service import Service
    from wornpath.store import RunInfo


def run_on_page(
    text: str,
    loaded: Loaded,
    *,
    workspace: str | None,
    checks: Sequence[str],
    parent: str | None,
    family: str,
    yes: bool,
) -> int:
    """Do the goal TEXT and show it on a page; the page stays until Ctrl-C. Returns the exit code."""
    require_web()
    from wornpath.cli.opening import open_store
    from wornpath.serve import running
    from wornpath.serve.schemas import RunRequest
    from wornpath.serve.service import Service
    from wornpath.store.paths import data_dir

    root = data_dir()
    with open_store() as store:
        store.last_seq()  # one that cannot be used is told here, in a sentence
        if parent:
            earlier = store.run(parent)
            text, workspace, parent = continued(text, earlier), workspace or earlier.workspace, earlier.run_id
    folder = workspace_folder(workspace)
    if any(not check.strip() for check in checks):
        raise UsageError("A check is empty; --check takes a command that exits 0 when the goal is met.")
    address = running.bind("127.0.0.1", 0)
    service = Service(
        root, opener_for(loaded, yes=yes), workspaces=folder, jobs=1, settings=server_settings(loaded), take_up=False
    )
    access = running.access_for(address, secrets.token_urlsafe(24))
    asked = RunRequest(goal=text, checks=list(checks))
    with browser(root) as show:
        watched = _Watched(service, address.url, access.token or "", show)
        watched.handing_in = lambda: service.hand_in(asked, folder=folder, parent=parent, family=family)
        server = running.make_server(service, address, access, watched.begin)
        watched.server = server
        server.run(sockets=[address.socket])
    if watched.error is not None:
        raise watched.error
    return watched.code


class _Watched:
    """The one run of this process, from its beginning to the exit code."""

    def __init__(self, service: Service, base: str, token: str, show: Callable[[str], None]) -> None:
        self.service, self.base, self.token, self.show = service, base, token, show
        self.handing_in: Callable[[], Awaitable[RunInfo]]
        self.server: Server | None = None
        self.code = INTERRUPTED
        self.error: WornpathError | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        try:
            run = await self.handing_in()
        except WornpathError as error:
            self.error = error
            self._exit()
            return
        url = page_url(self.base, self.token, run.run_id)
        note(f"The run is at {url}")
        await asyncio.to_thread(self.show, url)
        await self.service.jobs.ended(run.run_id)
        result = recorded(self.service.reader.run(run.run_id))
        if result.status == "paused":
            note(f"Stopped after step {result.steps}. Go on with: wornpath resume {run.run_id}")
            return
        print_result(result)
        self.code = EXIT_CODES.get(result.status, 1)
        if interactive():
            note("The page stays until Ctrl-C.")
        else:
            self._exit()

    def _exit(self) -> None:
        if self.server is not None:
            self.server.should_exit = True
