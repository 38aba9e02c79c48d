"""The journal of a run's changes: what was there before, what an action is changing, and how the run left it.

It is a file of JSON lines that only grows. A group of images counts only when its last line is there, so what a crash tore never counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from wornpath.core import StoreError, from_json, to_json
from wornpath.store.database import private_folder
from wornpath.store.images import Image


class Journal:
    """The journal in the file manifest.jsonl of FOLDER. Methods that write raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, folder / "manifest.jsonl"
        self._sealed = folder / "after.jsonl"  # older versions noted the end of a run there
        self.before: dict[str, Image] = {}
        """What was there before the run changed it; where somebody else changed it since, as they left it."""
        self.left: dict[str, Image] = {}
        """What the run changed, as its last action left it."""
        self.now: dict[str, Image] = {}
        """Everything in the scopes as it was last seen."""
        self.shared: dict[str, Image] = {}
        """What the run changed and somebody else changed after it, as it was before either did."""
        self.scopes: set[str] = set()
        self.open: set[str] = set()
        """Where the action in hand may be changing something."""
        self._read()

    def keep(self, scope: str, images: Collection[Image]) -> None:
        """SCOPE, with IMAGES of what is in it, is about to be changed for the first time."""
        self._append(_group(images, {"scope": scope}))
        self._apply_scope(scope, images)

    def begin(self, scope: str, theirs: Collection[Image]) -> None:
        """SCOPE is about to be changed again. THEIRS is what somebody else has changed in it."""
        lines = _group(theirs, {"theirs": True}) if theirs else []
        self._append([*lines, {"open": scope}])
        self._apply_theirs(theirs)
        self.open.add(scope)

    def rebase(self, theirs: Collection[Image]) -> None:
        """THEIRS is what somebody else has changed."""
        if theirs:
            self._append(_group(theirs, {"theirs": True}))
            self._apply_theirs(theirs)

    def book(self, images: Collection[Image], *, end: bool) -> None:
        """IMAGES are how the run left what it changed; with END, the action in hand is over."""
        self._append(_group(images, {"left": end}))
        self._apply_left(images, end)

    def was(self, path: str) -> Image:
        """What was at PATH before the run."""
        return self.before.get(path) or Image(path)

    def last(self, path: str) -> Image:
        """What was last seen at PATH."""
        return self.now.get(path) or Image(path)

    # -- reading and writing -----------------------------------------------------------------------

    def _read(self) -> None:
        pending: list[Image] = []
        for record in _records(self._file):
            if "begin" in record:
                pending = []
            elif "scope" in record:
                self._apply_scope(record["scope"], pending)
            elif "theirs" in record:
                self._apply_theirs(pending)
            elif "left" in record:
                self._apply_left(pending, record["left"])
            elif "open" in record:
                self.open.add(record["open"])
            else:
                pending.append(from_json(Image, record))
        if self._sealed.exists():
            self._apply_left([from_json(Image, record) for record in _records(self._sealed)], True)

    def _apply_scope(self, scope: str, images: Iterable[Image]) -> None:
        for image in images:
            self.before[image.path] = self.now[image.path] = image
        self.scopes.add(scope)
        self.open.add(scope)

    def _apply_theirs(self, images: Iterable[Image]) -> None:
        for image in images:
            path, old = image.path, self.was(image.path)
            mine = self.left.pop(path, None)
            self.now[path] = image
            if image.same(old):
                continue
            if mine is not None:
                self.shared.setdefault(path, old)
            self.before[path] = image

    def _apply_left(self, images: Iterable[Image], end: bool) -> None:
        for image in images:
            self.now[image.path] = image
            if image.same(self.was(image.path)):
                self.left.pop(image.path, None)
            else:
                self.left[image.path] = image
        if end:
            self.open.clear()

    def _append(self, records: Iterable[Mapping[str, Any]]) -> None:
        private_folder(self._folder)
        old = self._sealed.exists()
        if old:
            records = [*_group(self.left.values(), {"left": True}), *records]
        text = "".join(f"{json.dumps(record)}\n" for record in records)
        fd = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            left = memoryview(b"\n" + text.encode("ascii"))  # a new line first: the last one may be torn
            while left:
                left = left[os.write(fd, left) :]
        finally:
            os.close(fd)
        if old:
            self._sealed.unlink()


def within(path: str, scopes: Collection[str]) -> bool:
    """Whether PATH is one of SCOPES or lies in one."""
    return path in scopes or (bool(scopes) and any(parent in scopes for parent in above(path)))


def above(path: str) -> list[str]:
    """The folders that PATH lies in, the workspace itself ("") among them."""
    if not path:
        return []
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(len(parts))]


def _group(images: Iterable[Image], last: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [{"begin": True}, *(to_json(image) for image in images), last]


def _records(file: Path) -> Iterable[dict[str, Any]]:
    try:
        lines = file.read_text(encoding="ascii", errors="replace").split("\n") if file.exists() else []
    except OSError as error:
        raise StoreError(f"{file} could not be read: {error.strerror}.") from error
    for line in lines:
        try:
            record = json.loads(line) if line else None
        except ValueError:
            continue  # torn by a crash; its group never counted
        if isinstance(record, dict):
            yield record
