"""The system-call filter, run by a small machine here: so the answers for older kernels and for root can be looked at, too."""

from __future__ import annotations

import errno
import os
import struct
from typing import Any

import pytest

from wornpath.sandbox import seccomp
from wornpath.sandbox.syscalls import ARCHITECTURES, numbers

CALLS = numbers()
pytestmark = pytest.mark.skipif(not CALLS, reason="the filter does not know this machine")
ALLOW, NOTIFY, KILL, EPERM, ENOSYS, PRETEND = (
    0x7FFF0000,
    0x7FC00000,
    0x80000000,
    0x50001,
    0x50000 | errno.ENOSYS,
    0x50000,
)


def answer(name: str | int, *arguments: int, abi: int = 7, arch: int | None = None, **how: Any) -> int:
    number = CALLS[name] if isinstance(name, str) else name
    arch = ARCHITECTURES[os.uname().machine] if arch is None else arch
    values = [a & (1 << 64) - 1 for a in (*arguments, *[0] * (6 - len(arguments)))]
    data = struct.pack("IIQ6Q", number, arch, 0, *values)
    code = seccomp.build(landlock_abi=abi, pid=77, owner=(1000, 100), **how).code
    at, a = 0, 0
    while True:
        op, true, false, k = code[at]
        at += 1
        if op == 0x20:
            a = struct.unpack_from("I", data, k)[0]
        elif op == 0x54:
            a &= k
        elif op == 0x06:
            return k
        else:
            at += true if {0x15: a == k, 0x25: a > k, 0x45: bool(a & k)}[op] else false


def test_foreign_conventions_and_unknown_calls() -> None:
    assert answer("socket", arch=0x40000003) == KILL
    assert answer(463) == answer(0x40000000 + 39) == ENOSYS
    assert answer(CALLS["clone3"]) == ENOSYS


def test_every_program_is_short_enough() -> None:
    for abi in range(1, 8):
        for changes in ("asked", "free", "refused"):
            assert len(seccomp.build(landlock_abi=abi, pid=1, owner=(0, 0), changes=changes, forks=True).code) < 4096


@pytest.mark.parametrize("abi", [1, 2, 3, 5, 6, 7])
def test_what_every_kernel_refuses(abi: int) -> None:
    for name in (
        "socket",
        "connect",
        "bind",
        "listen",
        "ptrace",
        "mount",
        "unshare",
        "setns",
        "keyctl",
        "bpf",
        "seccomp",
        "shmget",
    ):
        assert answer(name, abi=abi) == EPERM, name
    for name in ("openat2", "io_uring_setup", "userfaultfd"):
        assert answer(name, abi=abi) == ENOSYS, name


def test_arguments_decide() -> None:
    assert answer("socketpair", 1, 1 | 0o2000000) == ALLOW
    assert answer("socketpair", 1, 2) == answer("socketpair", 1, 5) == answer("socketpair", 16, 1) == EPERM
    assert answer("clone", 0x01200011, forks=True) == NOTIFY and answer("clone", 0x01200011) == ALLOW
    assert answer("clone", 0x003D0F00) == ALLOW
    assert answer("clone", 0x003D0F00 | 0x10000000) == answer("clone", 0x10000011) == EPERM
    assert answer("prctl", 22, 2) == EPERM and answer("prctl", 15) == ALLOW
    assert answer("ioctl", 0, 0x5412) == EPERM and answer("ioctl", 0, 0x5401) == ALLOW
    assert answer("prlimit64", 0) == ALLOW and answer("prlimit64", 1) == EPERM
    assert answer("personality", 0xFFFFFFFF) == ALLOW and answer("personality", 0x40000) == EPERM


def test_owners_and_modes() -> None:
    assert (
        answer("fchownat", 3, 0, 1000, 100)
        == answer("fchownat", 3, 0, -1, -1)
        == answer("fchown", 3, 1000, -1)
        == PRETEND
    )
    assert answer("fchownat", 3, 0, 0, 100) == answer("fchown", 3, 1000, 0) == EPERM
    assert answer("openat", -100, 0, os.O_CREAT | os.O_WRONLY, 0o644) == ALLOW
    assert answer("openat", -100, 0, os.O_CREAT | os.O_WRONLY, 0o4755) == EPERM
    assert answer("openat", -100, 0, os.O_TMPFILE | os.O_WRONLY, 0o2755) == EPERM
    assert answer("openat", -100, 0, os.O_RDONLY, 0o4755) == ALLOW  # the mode is whatever was in the register
    assert answer("openat", -100, 0, os.O_RDONLY | os.O_TRUNC) == EPERM
    assert answer("openat", -100, 0, os.O_RDWR | os.O_TRUNC | os.O_CREAT, 0o600) == ALLOW
    assert answer("fchmodat") == NOTIFY and answer("fchmodat", changes="refused") == EPERM
    assert answer("fchmod", 3, 0o755, changes="free") == answer("utimensat", changes="free") == ALLOW
    assert answer("fchmodat", -100, 0, 0o4755, changes="free") == answer("chmod", 0, 0o2755, changes="free") == EPERM


def test_older_landlock_leaves_more_to_the_filter() -> None:
    for abi in (1, 5):
        assert (
            answer("kill", 77, 9, abi=abi)
            == answer("kill", 0, 9, abi=abi)
            == answer("tgkill", 77, 77, 6, abi=abi)
            == ALLOW
        )
        assert (
            answer("kill", 1, 9, abi=abi)
            == answer("tgkill", 1, 1, 9, abi=abi)
            == answer("kill", -1, 9, abi=abi)
            == EPERM
        )
        assert answer("pidfd_send_signal", abi=abi) == answer("fcntl", 0, 8, abi=abi) == EPERM
    assert answer("kill", 1, 9) == answer("fcntl", 0, 8) == ALLOW  # Landlock sees to it
    assert answer("truncate", abi=2) == EPERM and answer("truncate", abi=3) == ALLOW
