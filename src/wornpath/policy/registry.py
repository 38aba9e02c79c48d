"""The policy versions of one home: immutable folders, their statuses, and the pointer to the one in use.

    candidate -> promoted -> retired         (and retired -> promoted by a rollback)

`policies/registry.json` is replaced whole, so readers see the state before a change or after it. Every change is an event
(`policy.changed`), which says why it was made. Version `prior` is always there: no learnt weights, the language model's own
choice corrected by what was counted.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wornpath.core import UsageError, from_json, to_json
from wornpath.policy.files import file_lock, replace_file
from wornpath.policy.prior import PriorPolicy

if TYPE_CHECKING:
    from wornpath.policy.learnt import LearntPolicy
    from wornpath.policy.protocol import Policy
    from wornpath.store.protocol import Store

FORMAT, FORMAT_VERSION = "wornpath-policies", 1
FOLDER, FILE, LOCK = "policies", "registry.json", "registry.lock"
PRIOR = PriorPolicy.version
KEPT_CANDIDATES = 3
"""Candidates kept besides the one on trial: a newer one was trained on all that an older one was trained on."""

Status = Literal["candidate", "promoted", "retired"]
Change = Literal["made", "imported", "trial", "promoted", "refused", "retired", "rolled back", "forgotten", "noted"]
Emit = Callable[[Mapping[str, Any]], None]
Figures = Mapping[str, Any]


class PackageMissing(UsageError):
    """What reading versions needs is not installed here; nothing is known of the version itself."""


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One version. Times are seconds since the epoch; `why` is the reason of its last change of status."""

    version: str
    status: Status = "candidate"
    created: float = 0.0
    changed: float = 0.0
    algorithm: str = ""
    episodes: int = 0
    """How many episodes it was trained on."""
    parent: str = ""
    """The version whose weights it started from, empty when it started afresh."""
    imported: bool = False
    why: str = ""
    baseline: float | None = None
    """Share of runs met by the version before it, as known when it was promoted; what a rollback is measured against."""
    removed: bool = False
    """Its files are gone: it was superseded untried, or held what was to be forgotten."""
    metrics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _State:
    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    current: str = PRIOR
    trial: str = ""
    following: int = 1
    history: tuple[str, ...] = ()
    """What was in use, in order, that a rollback can go back to, `prior` too; the last one is current."""
    versions: Mapping[str, VersionInfo] = field(default_factory=dict)


class Registry:
    """The versions below FOLDER. EMIT is told of every change, as the data of a `policy.changed` event.

    Methods that take a version raise UsageError when there is none of that name. Several processes may share a folder.
    """

    def __init__(self, folder: Path, emit: Emit | None = None) -> None:
        self.folder, self._emit = folder, emit

    @classmethod
    def of(cls, store: Store) -> Registry:
        """The versions that belong to STORE."""
        return cls(store.root / FOLDER, lambda data: _record(store, data))

    # -- questions ---------------------------------------------------------------------------------

    @property
    def current(self) -> str:
        """The version in use; `prior` while nothing was promoted."""
        return self._state().current

    @property
    def trial(self) -> str:
        """The candidate that a share of the runs is given to; empty when there is none."""
        return self._state().trial

    @property
    def history(self) -> tuple[str, ...]:
        """What was in use and can be gone back to, oldest first, `prior` too; the last one is current."""
        return _used(self._state())

    @property
    def before(self) -> str:
        """What a rollback goes back to."""
        return _earlier(self._state())[-1]

    def versions(self) -> list[VersionInfo]:
        """All versions, newest first."""
        return sorted(self._state().versions.values(), key=lambda v: -_number(v.version))

    def info(self, version: str) -> VersionInfo:
        return _known(self._state(), version)

    def path(self, version: str) -> Path:
        """The folder of VERSION's files."""
        return self.folder / _known(self._state(), version).version

    def load(self, version: str | None = None) -> Policy:
        """VERSION (the one in use when None), ready to act. `prior` is the prior alone here; in a run the counts correct it.
        Raises UsageError when its files are gone or cannot be read."""
        wanted = self.current if version is None else version
        return PriorPolicy() if wanted == PRIOR else self.learnt(wanted)

    def learnt(self, version: str) -> LearntPolicy:
        """VERSION, which is not the prior. Raises UsageError when its files are gone or cannot be read (PackageMissing where
        that is for want of safetensors)."""
        info = self.info(version)
        if info.removed:
            raise UsageError(f"Policy {version} is listed, but its files were removed: {info.why}.")
        from wornpath.policy import versions  # numpy: only where something was learnt

        policy = versions.load(self.folder / info.version)
        policy.version = info.version
        return policy

    # -- changes -----------------------------------------------------------------------------------

    def add(
        self, policy: LearntPolicy, info: Mapping[str, Any], *, why: str, parent: str = "", imported: bool = False
    ) -> VersionInfo:
        """Save POLICY as a new candidate under the next number. INFO (algorithm, episodes, metrics, ...) is kept beside
        it. Older candidates that no trial needs are removed."""
        from wornpath.policy import versions

        with self._locked() as state:
            name = f"v{state.following}"
            policy.version = name
            versions.save(policy, self.folder / name, info=dict(info))
            now = round(time.time(), 3)
            made = VersionInfo(
                name,
                "candidate",
                now,
                now,
                str(info.get("algorithm", "")),
                int(info.get("episodes", 0)),
                parent,
                imported,
                why,
                metrics=dict(info.get("metrics", {})),
            )
            listed = {**state.versions, name: made}
            self._write(replace(state, following=state.following + 1, versions=self._pruned(listed, state.trial)))
        self._tell("imported" if imported else "made", name, "", why, made.metrics)
        return made

    def promote(
        self, version: str, why: str, *, baseline: float | None = None, figures: Figures | None = None
    ) -> VersionInfo:
        """Put VERSION in use from the next run on; the one in use before is retired."""
        if version != PRIOR:
            self.learnt(version)  # what cannot be read is not promoted
        with self._locked() as state:
            previous = state.current
            if previous == version:
                raise UsageError(f"Policy {version} is in use already.")
            state = _retired(state, previous, f"{version} took its place")
            history = (*(v for v in _used(state) if v != version), version)
            trial = "" if state.trial == version else state.trial
            state = _status(state, version, "promoted", why, baseline=baseline)
            self._write(replace(state, current=version, history=history, trial=trial))
        self._tell("promoted", version, previous, why, figures)
        return self.info(version) if version != PRIOR else VersionInfo(PRIOR, "promoted")

    def rollback(self, why: str, figures: Figures | None = None) -> str:
        """Go back to the version that was in use before the current one, or to `prior`; returns its name. The current
        one is retired. Raises UsageError when nothing learnt is in use."""
        with self._locked() as state:
            previous = state.current
            if previous == PRIOR:
                raise UsageError("No learnt policy is in use, so there is nothing to roll back.")
            earlier = _earlier(state)
            back = earlier[-1]
            state = _retired(state, previous, why)
            state = _status(state, back, "promoted", f"{previous} was rolled back")
            self._write(replace(state, current=back, history=earlier))
        self._tell("rolled back", back, previous, why, figures)
        return back

    def try_out(self, version: str, why: str) -> None:
        """Give a share of the runs to VERSION, a candidate."""
        with self._locked() as state:
            if _known(state, version).status != "candidate":
                raise UsageError(f"Policy {version} is {_known(state, version).status}; only a candidate can be tried.")
            self._write(replace(state, trial=version))
        self._tell("trial", version, "", why)

    def retire(
        self,
        version: str,
        why: str,
        *,
        change: Change = "retired",
        remove: bool = False,
        figures: Figures | None = None,
    ) -> None:
        """Take VERSION out of every use; with REMOVE its files too. When it was in use, the one before it is again."""
        if self.current == version:
            self.rollback(why)
        with self._locked() as state:
            state = _status(state, version, "retired", why, removed=remove or _known(state, version).removed)
            history = tuple(v for v in state.history if v != version or not remove)
            self._write(replace(state, trial="" if state.trial == version else state.trial, history=history))
            if remove:
                shutil.rmtree(self.folder / version, ignore_errors=True)
        self._tell(change, version, "", why, figures)

    def note(self, version: str, why: str, figures: Figures | None = None) -> None:
        """Record a finding about VERSION that changes nothing."""
        self._tell("noted", version, "", why, figures)

    # -- the file ----------------------------------------------------------------------------------

    def _state(self) -> _State:
        file = self.folder / FILE
        try:
            data = json.loads(file.read_bytes())
        except FileNotFoundError:
            return _State()
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror}.") from None
        except ValueError:
            raise _damaged(file) from None
        if not isinstance(data, dict) or data.get("format", FORMAT) != FORMAT:
            raise _damaged(file)
        if data.get("format_version", FORMAT_VERSION) != FORMAT_VERSION:
            raise UsageError(f"{file} was written by another release of Wornpath; use that one, or move the file away.")
        try:
            return from_json(_State, data)
        except (TypeError, ValueError):
            raise _damaged(file) from None

    def _write(self, state: _State) -> None:
        data = {"format": FORMAT, "format_version": FORMAT_VERSION, **to_json(state)}
        replace_file(self.folder / FILE, json.dumps(data, ensure_ascii=False, indent=1).encode())

    @contextlib.contextmanager
    def _locked(self) -> Iterator[_State]:
        """The state, while nobody else may change it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with file_lock(self.folder / LOCK):
            yield self._state()

    def _pruned(self, listed: dict[str, VersionInfo], trial: str) -> dict[str, VersionInfo]:
        """LISTED without the files of old candidates that were never tried; their lines stay, marked."""
        waiting = [v for v in listed.values() if v.status == "candidate" and v.version != trial and not v.imported]
        for old in sorted(waiting, key=lambda v: _number(v.version))[:-KEPT_CANDIDATES]:
            shutil.rmtree(self.folder / old.version, ignore_errors=True)
            listed[old.version] = replace(old, status="retired", why="a newer candidate took its place", removed=True)
        return listed

    def _tell(self, change: Change, version: str, previous: str, why: str, figures: Figures | None = None) -> None:
        if self._emit is not None:
            self._emit(
                {"change": change, "version": version, "previous": previous, "why": why, "figures": dict(figures or {})}
            )


def _record(store: Store, data: Mapping[str, Any]) -> None:
    store.append("", "policy.changed", data)


def _known(state: _State, version: str) -> VersionInfo:
    if version in state.versions:
        return state.versions[version]
    there = ", ".join(sorted(state.versions, key=_number)[-6:])
    hint = f"there are: {there}" if there else "none was made yet"
    raise UsageError(f"There is no policy version {version[:60]!r}; {hint}.")


def _used(state: _State) -> tuple[str, ...]:
    """The history of STATE up to what is in use; an older release left out `prior`."""
    return state.history if state.history[-1:] == (state.current,) else (*state.history, state.current)


def _earlier(state: _State) -> tuple[str, ...]:
    """What was in use before what is now, without versions that are gone; `prior` where nothing is left."""
    found = (v for v in _used(state) if v != state.current and (v == PRIOR or not state.versions[v].removed))
    return tuple(found) or (PRIOR,)


def _status(state: _State, version: str, status: Status, why: str, **more: Any) -> _State:
    if version == PRIOR:
        return state
    old = _known(state, version)
    new = replace(old, status=status, why=why, changed=round(time.time(), 3), **more)
    return replace(state, versions={**state.versions, version: new})


def _retired(state: _State, version: str, why: str) -> _State:
    return _status(state, version, "retired", why) if version in state.versions else state


def _damaged(file: Path) -> UsageError:
    return UsageError(
        f"{file} is damaged; move it away (the versions stay in their folders beside it) and learn again."
    )


def _number(version: str) -> int:
    return int(version[1:]) if version[1:].isdecimal() else 0
