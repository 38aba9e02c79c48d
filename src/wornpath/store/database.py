"""One SQLite file, shared by threads and processes: opening, transactions, and errors that people can act on."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from wornpath.core import StoreError
from wornpath.store import schema

_abandoned: list[sqlite3.Connection] = []  # a fork's child must neither use nor close what its parent opened


class Database:
    """A connection opened at first use, behind a lock. After a fork the child opens its own."""

    def __init__(self, path: Path, timeout: float) -> None:
        self.path, self.timeout = path, timeout
        self._db: sqlite3.Connection | None = None
        self._lock = threading.RLock()
        self._pid = os.getpid()

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """The connection, alone, to read only; on a full or read-only disk, that of the file as it is. Raises StoreError."""
        with self._alone(or_frozen=True) as db:
            yield db

    @contextlib.contextmanager
    def write(self, *, to_disk: bool = False) -> Iterator[sqlite3.Connection]:
        """The connection inside a transaction, committed at the end or undone by any exception. What is committed outlives the process;
        TO_DISK waits until it outlives the machine, too. Raises StoreError."""
        with self._alone() as db:
            db.execute(f"PRAGMA synchronous = {'FULL' if to_disk else 'NORMAL'}")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # SQLite itself may have rolled back, as on a full disk
                    db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        with self._lock:
            db, self._db = self._db, None
            if db is not None and self._pid == os.getpid():
                db.close()

    @contextlib.contextmanager
    def _alone(self, *, or_frozen: bool = False) -> Iterator[sqlite3.Connection]:
        self._notice_fork()
        with self._lock, contextlib.ExitStack() as afterwards:
            try:
                yield self._db or self._opened(afterwards if or_frozen else None)
            except (sqlite3.Error, OSError) as error:
                raise self._explained(error) from error

    def _notice_fork(self) -> None:
        if self._pid != os.getpid():
            if self._db is not None:
                _abandoned.append(self._db)
            self._db, self._lock, self._pid = None, threading.RLock(), os.getpid()

    def _opened(self, afterwards: contextlib.ExitStack | None) -> sqlite3.Connection:
        """A connection; with AFTERWARDS one that is closed then, of the file as it is, where the disk lets nothing be written beside it."""
        try:
            return self._open()
        except (sqlite3.Error, OSError) as error:
            if afterwards is None or not self._stuck(error):
                raise
            frozen = afterwards.enter_context(contextlib.closing(self._frozen()))
            if not schema.is_ours(frozen) or schema.version(frozen) != schema.VERSION:
                raise
            return frozen

    def _stuck(self, error: sqlite3.Error | OSError) -> bool:
        """Whether ERROR came of a disk that takes nothing, and the file is whole by itself, without a log that goes on from it."""
        logs = [self.path.with_name(f"{self.path.name}-{kind}") for kind in ("wal", "journal")]
        try:
            if not self.path.stat().st_size or any(log.exists() and log.stat().st_size for log in logs):
                return False
            read_only = os.statvfs(self.path).f_flag & os.ST_RDONLY
        except OSError:
            return False
        full = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
        return bool(read_only) or full

    def _frozen(self) -> sqlite3.Connection:
        """The file as nobody can change it: SQLite then needs neither locks nor other files."""
        address = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1"
        return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            private_file(self.path), timeout=self.timeout, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        self._db = db
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        found = schema.version(db)
        if not schema.is_ours(db):
            raise StoreError(f"{self.path} is a database of another program; name another folder with WORNPATH_HOME.")
        if found > schema.VERSION:
            raise StoreError(
                f"{self.path} was written by a newer Wornpath (format {found}, this one reads up to {schema.VERSION}); "
                "upgrade Wornpath, or name another folder with WORNPATH_HOME."
            )
        if found == 0:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._use_wal(db)
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA wal_autocheckpoint = 4000")
        db.execute("PRAGMA journal_size_limit = 67108864")
        if found < schema.VERSION:
            schema.migrate(db)

    def _use_wal(self, db: sqlite3.Connection) -> None:
        """Changing to WAL needs the file alone and does not wait for it by itself."""
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)

    def _explained(self, error: sqlite3.Error | OSError) -> StoreError:
        if isinstance(error, OSError):
            return StoreError(f"The event store {self.path} cannot be opened: {error.strerror or error}.")
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        what = _SENTENCES.get(code, f"could not be used: {error}; what was stored before is intact.")
        return StoreError(f"The event store {self.path} {what.format(seconds=self.timeout)}")


_OPEN = "cannot be opened; make its folder readable and writable, or name another one with WORNPATH_HOME."
_BUSY = "was locked by another process for {seconds:g} seconds; end that process or try again."
_SENTENCES = {
    sqlite3.SQLITE_FULL: "could not be written, the disk is full; free some space and try again, nothing is lost.",
    sqlite3.SQLITE_IOERR: "could not be read or written (disk full, a quota, a failing disk); free some space and try again, "
    "what was stored is intact.",
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_READONLY: "cannot be written; make its folder writable, or name another one with WORNPATH_HOME.",
    sqlite3.SQLITE_CANTOPEN: _OPEN,
    sqlite3.SQLITE_PERM: _OPEN,
    sqlite3.SQLITE_CORRUPT: "is damaged; move it away or put a backup in its place, nothing was changed.",
    sqlite3.SQLITE_NOTADB: "is not a database; move the file away or put a backup in its place, nothing was changed.",
    sqlite3.SQLITE_TOOBIG: "cannot hold an event of this size; nothing was stored of it.",
}


def private_file(path: Path) -> Path:
    """The database PATH, made where it is missing, for its owner's eyes only; one that others may read is closed to them. SQLite gives its
    other files the permissions of this one. Raises OSError."""
    private_folder(path.parent)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with contextlib.suppress(
            FileNotFoundError, PermissionError
        ):  # never opened: closing it would take SQLite's locks away
            if (info := file.stat()).st_mode & 0o077 and info.st_uid == os.geteuid():
                file.chmod(0o600)
    return path


def private_folder(path: Path) -> Path:
    """PATH, made with its parents where they are missing, for its owner's eyes only. Raises OSError."""
    missing = []
    at = path
    while not at.exists():
        missing.append(at)
        at = at.parent
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    return path
