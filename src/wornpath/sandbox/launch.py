"""The supervisor: a small program between the host and what runs in the sandbox.

Started as `python -I -S -c BOOT ROOT FD`. It reads its orders from the control socket FD, forks the program, confines it, answers its
filter's questions, and when the program ends, or the host lets go of the socket (also by dying), ends every process that came of it:
as a subreaper it is the parent of all that lost theirs, so a daemon in a session of its own does not survive. Then it removes the private
folder and writes one line: `exit CODE`, with what was too much after it, if that ended it; or `error SENTENCE` when nothing was run.

With bubblewrap there are two of it: an outer one, which starts bubblewrap and cleans up after it, and the supervisor itself in there.

The start is on every call's way, so only what is cheap to import is: marshal, not json (8 ms), `_socket`, not socket (6 ms), neither
typing nor what uses it (10 ms), and not the package's own front door.
"""

# ruff: noqa: PTH101, PTH104, PTH106, PTH108

from __future__ import annotations

import _socket
import ctypes
import marshal
import os
import select
import stat
import struct
import sys
import time

from wornpath.sandbox import cgroup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

BOOT = """
import sys
package = sys.modules["wornpath"] = type(sys)("wornpath")
package.__path__ = [sys.argv[1]]
from wornpath.sandbox.launch import main
main(*map(int, sys.argv[2:]))
"""
_SET_DUMPABLE = 4
_SET_CHILD_SUBREAPER = 36
_SIGKILL = 9
_LINUX = sys.platform == "linux"


def main(control: int, orders: int = 0, errors: int = 0) -> None:
    """Inside bubblewrap ORDERS is the descriptor of the orders, and ERRORS the program's standard error."""
    if orders:
        os.write(2, b"\0")
        os.dup2(errors, 2)
        os.close(errors)
        _inside(control, marshal.loads(_whole(orders)))
    config = _read_config(control)
    group = None
    if config["group"]:
        name = os.path.basename(config["private"])  # noqa: PTH119
        group = cgroup.make(name, memory_bytes=config["memory_total"], tasks=config["tasks"])
    events = group.events() if group else -1
    try:
        if config["bubblewrap"]:
            _outside(control, config, group, events)
        else:
            _report(control, _Supervisor(config, control, group, events))
    finally:  # what cannot be removed stays: the system cleans its temporary folder, too
        try:
            if group is not None:
                group.remove()
            remove(config["private"])
        finally:
            os._exit(0)


def _report(control: int, supervisor: _Supervisor) -> None:
    try:
        status = supervisor.run()
    except OSError as error:
        status = f"error {error.strerror or error}"
    try:  # noqa: SIM105 - contextlib is slow to import
        os.write(control, status.replace("\n", " ").encode() + b"\n")
    except OSError:  # the host is gone
        pass


def _inside(control: int, config: Mapping[str, Any]) -> None:
    # With the program in one user and process namespace, only this keeps it out of the supervisor's memory where there is no Landlock.
    ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    if config["events"] >= 0:
        os.set_inheritable(config["events"], False)
    try:
        _report(control, _Supervisor(config, control, None, config["events"]))
    finally:
        os._exit(0)


def _outside(control: int, config: Mapping[str, Any], group: cgroup.Group | None, events: int) -> None:
    """Start bubblewrap with the supervisor in it and wait for its end. The host talks to the supervisor itself."""
    from wornpath.sandbox import spaces

    uid = spaces.fresh_uid()
    if os.geteuid() == 0:
        _give(config["private"], uid)
        for stream in (0, 1, 2):  # so that /dev/stdout can be opened: a pipe has an owner, too
            if stat.S_ISFIFO(os.fstat(stream).st_mode):
                os.fchown(stream, uid, uid)
    reading, complaints = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if group is not None:
                group.join()
            errors = os.dup(2)
            os.dup2(complaints, 2)
            orders = os.memfd_create("orders", 0)
            os.write(orders, marshal.dumps({**config, "events": events, "grouped": group is not None}))
            for fd in (errors, orders, control, *config["fds"], *([events] if events >= 0 else [])):
                os.set_inheritable(fd, True)
            command = [config["python"], "-I", "-S", "-c", BOOT, os.path.dirname(config["package"])]  # noqa: PTH120
            spaces.enter(config, [*command, str(control), str(orders), str(errors)], uid)
        except OSError as error:
            os.write(2, f"{error.strerror or error}".encode(errors="replace"))
        finally:
            os._exit(127)
    os.close(complaints)
    _let_go((0, 1, 2), config["fds"])
    said = b""
    while not said.endswith(b"\0") and (piece := os.read(reading, 4096)):
        said += piece
    if not said.endswith(b"\0"):
        reason = said.decode(errors="replace").strip().replace("\n", " ")
        os.write(control, f"error {reason or 'bubblewrap ended without a word'}\n".encode())
    os.close(control)
    os.waitpid(pid, 0)


def _give(folder: str, uid: int) -> None:
    """Make UID the owner of the private folder, which nobody works in yet."""
    os.chown(folder, uid, uid)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _give(entry.path, uid)
            else:
                os.chown(entry.path, uid, uid)


def _let_go(streams: tuple[int, ...], fds: list[int]) -> None:
    """The program's descriptors are its alone, or its readers would never see an end."""
    for fd in fds:
        os.close(fd)
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in streams:
        os.dup2(nothing, fd)
    os.close(nothing)


def _whole(fd: int) -> bytes:
    size = os.fstat(fd).st_size
    data = os.pread(fd, size, 0)
    os.close(fd)
    return data


def _read_config(control: int) -> Mapping[str, Any]:
    size = struct.unpack("I", _exactly(control, 4))[0]
    config: Mapping[str, Any] = marshal.loads(_exactly(control, size))
    return config


def _exactly(fd: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = os.read(fd, size - len(data))
        if not piece:
            os._exit(1)  # the host is gone
        data += piece
    return data


class _Supervisor:
    def __init__(self, config: Mapping[str, Any], control: int, group: cgroup.Group | None, events: int) -> None:
        self._config, self._control = config, control
        self._group, self._events = group, events
        self._shut_in = False
        self._child = 0
        self._code: int | None = None
        self._excess = ""

    def run(self) -> str:
        if _LINUX:
            ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._shut_in = self._config["confined"] and (bool(self._config["bubblewrap"]) or _shut_in())
        counting = _counting(self._config, self._group, self._shut_in)
        self._config = {**self._config, "counting": counting}
        if self._config["proxied"]:
            self._config["port"] = _hand_over_listener(self._control)
            address = f"http://127.0.0.1:{self._config['port']}"
            names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
            self._config["env"] = {**self._config["env"], **dict.fromkeys(names, address)}
        # The report tells of a failure before the program began; the pair hands over the filter's listener.
        report, reporting = os.pipe()
        here, there = _socket.socketpair()
        me = os.getpid()
        self._child = os.fork()
        if self._child == 0:
            self._become(reporting, there, me)
        os.close(reporting)
        there.close()
        _let_go((0, 1, 2), self._config["fds"])
        listener = _receive_descriptor(here)
        here.close()
        failure = b""
        while piece := os.read(report, 4096):
            failure += piece
        os.close(report)
        if failure:
            self._end_all()
            return "error " + failure.decode(errors="replace")
        try:
            os.write(self._control, b"started\n")
            self._watch(listener)
        except OSError:  # the host is gone: the end is the same
            pass
        if self._events >= 0 and cgroup.ended_by_memory(self._events):
            self._excess = f"its processes together used more than {self._config['memory_total'] >> 20:,} MiB of memory"
        self._end_all()
        return f"exit {self._code} {self._excess}".rstrip()

    def _become(self, reporting: int, there: _socket.socket, supervisor: int) -> None:
        """In the child: confine, then become the program. Does not return."""
        from wornpath.sandbox import jail

        try:
            if self._group is not None:
                self._group.join()
            os.close(self._control)
            for fd in self._config["fds"]:
                os.set_inheritable(fd, True)
            listener = jail.enter(self._config, supervisor)
            rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", listener))] if listener else []
            there.sendmsg([b"."], rights)
            if listener:
                os.close(listener)
            argv = self._config["argv"]
            os.execvpe(argv[0], argv, self._config["env"])
        except Exception as error:
            if not isinstance(error, OSError):
                os.write(reporting, f"{type(error).__name__}: {error}".encode(errors="replace"))
                return
            # The search along PATH names the last place it looked at, as bytes; what was asked for says more.
            what = error.filename if isinstance(error.filename, str) else self._config["argv"][0]
            what = f"{what}: " if error.filename else ""
            os.write(reporting, f"{what}{error.strerror or error}".encode(errors="replace"))
        finally:
            os._exit(127)

    def _watch(self, listener: int) -> None:
        """Until the program ends, takes too much, or the host lets go."""
        from wornpath.sandbox import broker, watch

        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        pidfd = os.pidfd_open(self._child) if hasattr(os, "pidfd_open") else -1
        if pidfd >= 0:
            poll.register(pidfd, select.POLLIN)
        questions = None
        if listener:
            poll.register(listener, select.POLLIN)
            roots = [os.path.realpath(path) for path in self._config["writable"]]
            count = lambda: 1 + len(_descendants())  # noqa: E731
            questions = broker.Broker(listener, roots, self._config["processes"], count, self._config["port"])
        watching = watch.Watch(self._config)
        due = time.monotonic() + watching.pause
        while True:
            if (now := time.monotonic()) >= due:
                self._excess = watching.exceeded(_descendants())
                if self._excess:
                    return
                due = time.monotonic() + watching.pause
            for fd, event in poll.poll(max(1000 * (due - now), 1) if pidfd >= 0 else 20):
                if fd == self._control:
                    return
                if fd == listener and questions is not None:
                    if event & select.POLLIN:
                        questions.serve()
                    else:
                        poll.unregister(listener)
            if self._reap() or self._code is not None:
                return

    def _reap(self) -> bool:
        """Collect the dead; True when no process is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            if pid == self._child:
                self._code = os.waitstatus_to_exitcode(status)

    def _end_all(self) -> None:
        """Kill until nothing is left. Where the kernel knows who belongs to this, it kills all at once; elsewhere nobody answers the
        filter now, or a limit holds, so the number of new processes has an end."""
        deadline = time.monotonic() + 10
        while not self._reap() and time.monotonic() < deadline:
            if self._shut_in:
                try:  # noqa: SIM105 - contextlib is slow to import
                    os.kill(-1, _SIGKILL)
                except OSError:  # nobody is left to kill
                    pass
                time.sleep(0.0002)
                continue
            for pid in _descendants() or [self._child]:
                try:
                    os.kill(pid, _SIGKILL)
                except OSError:
                    continue
            time.sleep(0.0005)
        if self._code is None:
            self._code = -_SIGKILL


def _hand_over_listener(control: int) -> int:
    """Make the socket that the host's proxy serves, where the program can reach it, and send it to the host. Returns its port."""
    with_host = _socket.socket(fileno=control)
    listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        with_host.sendmsg([b"."], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", listener.fileno()))])
        return int(listener.getsockname()[1])
    finally:
        listener.close()
        with_host.detach()


def _shut_in() -> bool:
    """Make `kill(-1)` safe, where the kernel can."""
    from wornpath.sandbox import landlock

    if landlock.abi() < 6:
        return False
    try:
        landlock.scope_signals()
    except OSError:
        return False
    return True


def _counting(config: Mapping[str, Any], group: cgroup.Group | None, shut_in: bool) -> str:
    """Who bounds the number of processes: the control `group`; the kernel's `limit` for a user, which since Linux 5.14 counts those in
    bubblewrap apart, and which never binds root; a `look` every moment, if all can be ended at once; or the `filter`, which asks."""
    if group is not None or config["grouped"]:
        return "group"
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2] if part.isdigit())
    if release >= (5, 14) if config["bubblewrap"] else os.geteuid() != 0:
        return "limit"
    return "look" if shut_in else "filter"


def _receive_descriptor(here: _socket.socket) -> int:
    _, ancillary, _, _ = here.recvmsg(1, 64)
    return next((int(struct.unpack("i", data[:4])[0]) for _, _, data in ancillary), 0)


def _descendants() -> list[int]:
    """All living processes that come from this one. Where there is no /proc, none are known."""
    parents: dict[int, int] = {}
    try:
        names = os.listdir("/proc")  # noqa: PTH208
    except OSError:
        return []
    for name in names:
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if fields[0] not in (b"Z", b"X"):
                parents[int(name)] = int(fields[1])
            else:
                parents[int(name)] = 0
    found: list[int] = []
    level = {os.getpid()}
    while level:
        level = {pid for pid, parent in parents.items() if parent in level}
        found += level
    return found


def remove(folder: str) -> None:
    """Remove a folder in which nobody works any more, however deep it is: what lies deeper is pulled up first. Raises OSError."""
    pulled = 0
    os.chmod(folder, 0o700)
    while True:
        with os.scandir(folder) as entries:
            found = list(entries)
        if not found:
            break
        for entry in found:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
                continue
            os.chmod(entry.path, 0o700)
            with os.scandir(entry.path) as below:
                for inner in list(below):
                    if not inner.is_dir(follow_symlinks=False):
                        os.unlink(inner.path)
                        continue
                    pulled += 1
                    os.chmod(inner.path, 0o700)
                    os.rename(inner.path, f"{folder}/.pulled-up-{pulled}")
            os.rmdir(entry.path)
    os.rmdir(folder)
