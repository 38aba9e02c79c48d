"""`wornpath doctor`: whether everything works here, and what to do where it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

GIGABYTE = 10**9
EXTRAS = {
    "local": ("xllamacpp", "pandas", "matplotlib"),
    "learn": ("torch", "safetensors", "gymnasium"),
    "web": ("starlette", "uvicorn", "python-multipart", "cronsim"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `warn` is worth knowing, `fail` keeps Wornpath from doing its work."""

    name: str
    state: Literal["ok", "warn", "fail"]
    detail: str


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check whether everything works here. The sandbox is attacked for real; exit code 1 when something fails."""
    import sys

    from rich.text import Text

    from wornpath.cli import text as t
    from wornpath.cli.narrate import Marks
    from wornpath.cli.output import console, hanging, json_line

    found = [finding for check in CHECKS for finding in _guarded(check)]
    failed = any(finding.state == "fail" for finding in found)
    if json:
        checks = [{"name": f.name, "state": f.state, "detail": f.detail} for f in found]
        json_line({"ok": not failed, "checks": checks})
    else:
        marks, screen = Marks.fitting(sys.stdout.encoding), console(sys.stdout)
        signs = {"ok": (marks.done, "green"), "warn": ("!", "yellow"), "fail": (marks.failed, "bold red")}
        for finding in found:
            name, _, which = finding.name.partition(": ")
            head = Text.assemble(signs[finding.state], " ", (t.pad(t.visible(name), 18), "bold"), " ")
            hanging(screen, head, t.one_line(f"{which}: {finding.detail}" if which else finding.detail), indent=4)
    raise typer.Exit(1 if failed else 0)


def _guarded(check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """What CHECK finds; a check that fails is itself a finding."""
    from wornpath.core import WornpathError

    found: list[Finding] = []
    try:
        found.extend(check())
    except (WornpathError, OSError, ImportError) as error:
        found.append(Finding(check.__name__.strip("_"), "fail", str(error)))
    return found


def _versions() -> Iterator[Finding]:
    import platform
    import sys

    from wornpath import __version__

    where = f"Python {platform.python_version()} on {platform.system()} {platform.release()} ({platform.machine()})"
    yield Finding("wornpath", "ok" if sys.version_info >= (3, 11) else "fail", f"{__version__}, {where}")


def _settings() -> Iterator[Finding]:
    from wornpath.cli.settings import load

    loaded = load()
    sources = sorted({str(origin) for origin in loaded.origins.values()})
    yield Finding("settings", "ok", "from " + ", ".join(sources) if sources else "all defaults")


def _model() -> Iterator[Finding]:
    from wornpath.cli.settings import load

    settings = load().settings
    if settings.base_url or (settings.api_key and not (settings.model or "").startswith("local")):
        yield _endpoint(settings.base_url)
        return
    from wornpath.llm import weights

    name = settings.model or "local"
    listed = {one.weights.name: one for one in weights.ls()}
    if name not in listed:
        there = Path(name).expanduser().is_file()
        yield Finding("model", "ok" if there else "fail", f"{name}{'' if there else ' is no file and no known model'}")
    elif listed[name].state == "ready":
        yield Finding("model", "ok", f"{name}: {listed[name].weights.title}, checked")
    else:
        hint = f"its weights are {listed[name].state}; fetch them with: wornpath models pull {name}"
        yield Finding("model", "warn", f"{name}: {hint}")


def _endpoint(base_url: str | None) -> Finding:
    """Whether the endpoint answers at all. No key is sent."""
    import httpx2

    from wornpath.llm.openai_chat import OPENAI_URL

    url = (base_url or OPENAI_URL).rstrip("/")
    try:
        answer = httpx2.get(f"{url}/models", timeout=5.0)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return Finding("model", "fail", f"the endpoint {url} cannot be reached: {error}")
    return Finding("model", "ok", f"the endpoint {url} answers (status {answer.status_code} without a key)")


_LAYER_STATES: dict[str, Literal["ok", "warn", "fail"]] = {"on": "ok", "off": "warn", "failed": "fail"}


def _sandbox() -> Iterator[Finding]:
    import tempfile

    from wornpath.sandbox.doctor import report

    temporary = Path(tempfile.gettempdir())
    for layer in report():
        detail = layer.detail
        if (layer.name, layer.state) == ("bubblewrap", "off") and temporary.is_relative_to("/dev"):
            detail = f"does not work with TMPDIR={temporary}, since /dev is hidden in it; name a folder elsewhere"
        yield Finding(layer.name, _LAYER_STATES[layer.state], detail)


def _disk() -> Iterator[Finding]:
    import shutil

    from wornpath.cli.text import size
    from wornpath.store.paths import cache_dir, data_dir

    for name, folder in (("disk for runs", data_dir()), ("disk for models", cache_dir())):
        there = next(p for p in (folder, *folder.parents) if p.exists())
        free = shutil.disk_usage(there).free
        state: Literal["ok", "warn", "fail"] = (
            "ok" if free > 3 * GIGABYTE else "warn" if free > GIGABYTE / 10 else "fail"
        )
        yield Finding(name, state, f"{size(free)} free in {folder}")


def _store() -> Iterator[Finding]:
    import os

    from wornpath.cli.opening import open_store
    from wornpath.cli.text import plural
    from wornpath.store.paths import data_dir

    there = next(p for p in (data_dir(), *data_dir().parents) if p.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        what = "cannot be written; make it writable" if there.is_dir() else "is a file; move it away"
        yield Finding("store", "fail", f"{there} {what}, or name another folder with WORNPATH_HOME")
        return
    if not (data_dir() / "events.sqlite3").exists():
        yield Finding("store", "ok", f"not made yet, will be in {data_dir()}")
        return
    with open_store() as store:
        runs = store.runs()
        events = sum(1 for _ in store.events())
        open_runs = [run.run_id for run in runs if run.status in ("paused", "needs_person")]
    waiting = f"; {plural(len(open_runs), 'run')} can be resumed, the newest is {open_runs[0]}" if open_runs else ""
    yield Finding("store", "ok", f"{plural(len(runs), 'run')}, {plural(events, 'event')} read{waiting}")


def _extras() -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    for extra, packages in EXTRAS.items():
        have, lack = [], []
        for package in packages:
            try:
                have.append(f"{package} {version(package)}")
            except PackageNotFoundError:
                lack.append(package)
        if lack:
            hint = f'missing: {", ".join(lack)}; pip install "wornpath[{extra}]"'
            yield Finding(f"extra {extra}", "warn", hint)
        else:
            yield Finding(f"extra {extra}", "ok", ", ".join(have))


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (_versions, _settings, _model, _store, _disk, _extras, _sandbox)
