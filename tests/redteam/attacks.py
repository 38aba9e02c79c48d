"""The attacks: what runs inside, and how it is told from outside whether it got anywhere.

In the code: S the secret file, D its folder, V the victim's process; `call(name, ...)` makes a system call, `hold()` stays with
what is open.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from world import ROOT, Judge, Target


@dataclass(frozen=True)
class Attack:
    """One attack. PRIVILEGED ones get somewhere only as root, even without a sandbox; OPTIONAL ones need something of the machine.
    KNOWN are the layers that let it pass, as THREAT_MODEL.md says."""

    name: str
    area: str
    code: str
    judge: Judge
    needs: tuple[str, ...] = ()
    privileged: bool = False
    optional: bool = False
    known: tuple[str, ...] = ()

    @property
    def possible(self) -> bool:
        return ROOT or not self.privileged


def _opened(pattern: str) -> Judge:
    return lambda target: target.opened(pattern)


def _other(kind: str) -> Judge:
    """Whether it has a namespace of another kind than the driver."""
    return lambda target: bool(target.held) and target.held.get(kind) != target.held["driver"].get(kind)


def _set_id(target: Target) -> bool:
    return any(path.lstat().st_mode & 0o6000 for path in target.inside.iterdir())


def _device(target: Target) -> bool:
    return any(path.is_block_device() or path.is_char_device() for path in target.inside.iterdir())


def _serves(target: Target) -> bool:
    import socket

    try:
        socket.create_connection(("127.0.0.1", target.names["PORT"]), 2).close()
    except OSError:
        return False
    return True


_READS = {
    "absolute path": "print(open(S).read())",
    "dots": "print(open(os.path.relpath(S)).read())",
    "symbolic link": "os.symlink(S, 'l'); print(open('l').read())",
    "linked folder": "os.symlink(D, 'l'); print(open('l/secret.txt').read())",
    "hard link": "os.link(S, 'h'); print(open('h').read())",
    "rename in": "os.rename(S, 's'); print(open('s').read())",
    "root in proc": "print(open(f'/proc/self/root{S}').read())",
    "folder descriptor": "f = os.open('/', os.O_PATH); print(os.read(os.open(S[1:], os.O_RDONLY, dir_fd=f), 99))",
    "numpy": "import numpy; print(numpy.fromfile(S, dtype='S16'))",
    "shell": "os.system(f'cat {S}')",
    "archive": "os.system(f'tar -cf a.tar -C {D} secret.txt && cat a.tar')",
    "sendfile": "o = os.open('o', os.O_CREAT | os.O_RDWR); os.sendfile(o, os.open(S, os.O_RDONLY), 0, 99); print(os.pread(o, 99, 0))",
    "memory map": "import mmap; f = open(S, 'rb'); print(mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)[:])",
    "linker's library": "os.environ['LD_PRELOAD'] = S; os.system('true 2>&1'); print(open(S).read())",
}
_VICTIM_READS = {
    "another's root": "print(open(f'/proc/{V}/root{S}').read())",
    "another's folder": "print(open(f'/proc/{V}/cwd/secret.txt').read())",
    "another's descriptor": "print(open(f'/proc/{V}/fd/0').read())",
}
_MEMORY = """
at = int(open(f'/proc/{V}/stat').read().rpartition(')')[2].split()[47])
"""
_HARMS = {
    "write": "open(S, 'w').write('x')",
    "append": "open(S, 'a').write('x')",
    "truncate": "os.truncate(S, 0)",
    "truncate by reading": "os.open(S, os.O_RDONLY | os.O_TRUNC)",
    "delete": "os.unlink(S)",
    "replace": "open('x', 'w').close(); os.rename('x', S)",
    "mode": "os.chmod(S, 0o777)",
    "mode by a link": "os.symlink(S, 'l'); os.chmod('l', 0o777)",
    "mode by dots": "os.chmod(os.path.relpath(S), 0o777)",
    "mode by a descriptor": "f = os.open(D, os.O_PATH); os.chmod('secret.txt', 0o777, dir_fd=f)",
    "times": "os.utime(S, (1, 1))",
    "new file": "open(D + '/new', 'w').close()",
    "new folder": "os.mkdir(D + '/new')",
    "new link": "os.symlink('x', D + '/new')",
    "new name": "open('mine', 'w').close(); os.link('mine', D + '/new')",
    "new pipe": "os.mkfifo(D + '/new')",
    "new socket": "import socket; socket.socket(socket.AF_UNIX).bind(D + '/new')",
    "attribute": "os.setxattr(S, 'user.x', b'x')",
}
_PROCESS = {
    "kill": "os.kill(V, 9)",
    "kill by descriptor": "import signal; signal.pidfd_send_signal(os.pidfd_open(V), 9)",
    "kill from a shell": "os.system(f'kill -9 {V}')",
    "kill a thread": "call('tgkill', V, V, 9)",
    "stop": "import signal; os.kill(V, signal.SIGSTOP)",
    "queued signal": (
        "i = ctypes.create_string_buffer(128); i[8:12] = (-1 & 0xffffffff).to_bytes(4, 'little')\n"
        "call('rt_sigqueueinfo', V, 15, i)"
    ),
    "signal by a pipe": (
        "import fcntl; r, w = os.pipe(); fcntl.fcntl(r, 10, 15); fcntl.fcntl(r, 8, V)\n"
        "fcntl.fcntl(r, fcntl.F_SETFL, fcntl.fcntl(r, fcntl.F_GETFL) | os.O_ASYNC); os.write(w, b'x')"
    ),
    "limits": "import resource; resource.prlimit(V, resource.RLIMIT_CORE, (0, 0))",
    "priority": "os.setpriority(os.PRIO_PROCESS, V, os.getpriority(os.PRIO_PROCESS, 0) + 5)",
    "processors": "os.sched_setaffinity(V, {min(os.sched_getaffinity(V))})",
    "scheduling": "os.sched_setscheduler(V, os.SCHED_BATCH, os.sched_param(0))",
    "disk priority": "call('ioprio_set', 1, V, (3 << 13))",
    "victim of memory": "open(f'/proc/{V}/oom_score_adj', 'w').write('999')",
}

ATTACKS: list[Attack] = [
    *(Attack(f"read: {name}", "files", code, Target.leaked) for name, code in _READS.items()),
    *(Attack(f"read: {name}", "files", code, Target.leaked, ("victim",)) for name, code in _VICTIM_READS.items()),
    Attack("read: program", "files", "os.system(D + '/program')", Target.leaked, ("program",)),
    Attack("read: module", "files", "sys.path.insert(0, D); import outside_module", Target.leaked, ("program",)),
    Attack("read: names of files", "files", "print(os.listdir(D))", Target.leaked, ("named",)),
    Attack(
        "read: goal of a link",
        "files",
        "print(os.readlink(D + '/link'))",
        Target.leaked,
        ("named",),
        known=("landlock",),
    ),
    Attack(
        "read: size of a file", "files", "print(os.stat(S).st_size)", Target.leaked, ("sized",), known=("landlock",)
    ),
    Attack("read: attribute", "files", "print(os.getxattr(S, 'user.secret'))", Target.leaked, ("attribute",)),
    Attack(
        "read: handle",
        "files",
        "import struct; h = ctypes.create_string_buffer(136); h[0:4] = struct.pack('I', 128); m = ctypes.c_int()\n"
        "call('name_to_handle_at', -100, S.encode(), h, ctypes.byref(m), 0); f = os.open('/', os.O_RDONLY)\n"
        "print(os.read(call('open_by_handle_at', f, h, 0), 99))",
        Target.leaked,
        privileged=True,
    ),
    Attack(
        "read: mount in a namespace",
        "files",
        "os.mkdir('m')\nif libc.unshare(0x10020000) == 0 and libc.mount(D.encode(), b'm', None, 4096, None) == 0:\n"
        "    print(open('m/secret.txt').read())",
        Target.leaked,
        optional=True,
    ),
    Attack(
        "read: change of root",
        "files",
        "os.chroot(D); print(open('/secret.txt').read())",
        Target.leaked,
        privileged=True,
    ),
    *(Attack(f"harm: {name}", "files", code, Target.changed) for name, code in _HARMS.items()),
    Attack("harm: owner", "files", "os.chown(S, 1, 1)", Target.changed, privileged=True),
    Attack(
        "harm: libraries",
        "files",
        "import numpy; f = open(numpy.__file__, 'r+b'); hold()",
        _opened("numpy/__init__.py"),
        optional=True,
    ),
    Attack(
        "harm: the sandbox itself",
        "files",
        "f = open(PACKAGE, 'r+b'); hold()",
        _opened("sandbox/__init__.py"),
        optional=True,
    ),
    # Secrets
    Attack("secret: environment", "secrets", "print(open(f'/proc/{V}/environ').read())", Target.leaked, ("victim",)),
    Attack(
        "secret: memory read",
        "secrets",
        _MEMORY + "b = ctypes.create_string_buffer(99); p = lambda a: (ctypes.c_uint64 * 2)(a, 99)\n"
        "call('process_vm_readv', V, p(ctypes.addressof(b)), 1, p(at), 1, 0); print(b.raw)",
        Target.leaked,
        ("victim",),
        optional=True,
    ),
    Attack(
        "secret: memory file",
        "secrets",
        _MEMORY + "f = os.open(f'/proc/{V}/mem', os.O_RDONLY); print(os.pread(f, 99, at))",
        Target.leaked,
        ("victim",),
        optional=True,
    ),
    Attack(
        "secret: supervisor's memory",
        "secrets",
        "up = lambda p: int(open(f'/proc/{p}/stat').read().rpartition(')')[2].split()[1])\n"
        "f = open(f'/proc/{up(os.getppid())}/mem', 'rb'); hold()",
        _opened("/mem"),
        optional=True,
    ),
    Attack(
        "secret: shared segment",
        "secrets",
        "libc.shmat.restype = ctypes.c_void_p; a = libc.shmat(SEGMENT, None, 0o10000); print(ctypes.string_at(a, 16))",
        Target.leaked,
        ("memory",),
    ),
    Attack(
        "secret: message queue",
        "secrets",
        "b = ctypes.create_string_buffer(99); libc.msgrcv(QUEUE, b, 80, 0, 0o4000); print(b.raw)",
        Target.leaked,
        ("queue",),
    ),
    Attack("secret: shared memory file", "secrets", "print(open(SHARED).read())", Target.leaked, ("shared",)),
    Attack(
        "secret: key ring",
        "secrets",
        "b = ctypes.create_string_buffer(99); call('keyctl', 11, KEY, b, 99); print(b.raw)",
        Target.leaked,
        ("key",),
        optional=True,
    ),
    Attack("secret: accounts", "secrets", "print(open('/etc/passwd').read())", lambda t: "root:x:0:0" in t.said),
    Attack("secret: shadow", "secrets", "f = open('/etc/shadow'); hold()", _opened("/etc/shadow"), privileged=True),
    # Processes
    *(Attack(f"process: {name}", "processes", code, Target.changed, ("victim",)) for name, code in _PROCESS.items()),
    Attack(
        "process: trace",
        "processes",
        "libc.ptrace(0x4206, V, 0, 0); libc.ptrace(0x4207, V, 0, 0); hold()",
        lambda t: t.victim is not None and "TracerPid:\t0\n" not in Path(f"/proc/{t.victim.pid}/status").read_text(),
        ("victim",),
        optional=True,
    ),
    # Network
    Attack("network: tcp", "network", "import socket; socket.create_connection(TCP)", Target.reached, ("tcp",)),
    Attack(
        "network: tcp 6",
        "network",
        "import socket; socket.create_connection(TCP6[:2])",
        Target.reached,
        ("tcp6",),
        optional=True,
    ),
    Attack(
        "network: udp",
        "network",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', tuple(UDP))",
        Target.reached,
        ("udp",),
    ),
    Attack(
        "network: fast open",
        "network",
        "import socket; socket.socket().sendto(b'x', 0x20000000, tuple(TCP))",
        Target.reached,
        ("tcp",),
        optional=True,
    ),
    Attack(
        "network: shell",
        "network",
        "os.system(f\"bash -c 'echo x > /dev/tcp/127.0.0.1/{TCP[1]}'\")",
        Target.reached,
        ("tcp",),
        optional=True,
    ),
    Attack(
        "network: local service",
        "network",
        "import socket; socket.socket(socket.AF_UNIX).connect(UNIX)",
        Target.reached,
        ("unix",),
    ),
    Attack(
        "network: abstract service",
        "network",
        "import socket; socket.socket(socket.AF_UNIX).connect('\\0' + ABSTRACT)",
        Target.reached,
        ("abstract",),
    ),
    Attack(
        "network: pair turned around",
        "network",
        "import socket; a, b = socket.socketpair(type=socket.SOCK_DGRAM); a.sendto(b'x', DATAGRAM)",
        Target.reached,
        ("datagram",),
    ),
    Attack(
        "network: netlink",
        "network",
        "import socket; s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 2); s.sendto(b'x' * 32, tuple(NETLINK))",
        Target.reached,
        ("netlink",),
    ),
    Attack(
        "network: packet",
        "network",
        "import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0xB588); s.bind(('lo', 0x88B5))\n"
        "s.send(b'\\0' * 12 + b'\\x88\\xb5' + b'x' * 50)",
        Target.reached,
        ("packet",),
        privileged=True,
    ),
    Attack(
        "network: virtual machine socket",
        "network",
        "import socket; s = socket.socket(40, 1); hold()",
        _opened("socket:["),
        optional=True,
    ),
    Attack(
        "network: kernel's ciphers",
        "network",
        "import socket; s = socket.socket(38, 5); hold()",
        _opened("socket:["),
        optional=True,
    ),
    Attack(
        "network: route socket",
        "network",
        "import socket; s = socket.socket(16, 3, 0); hold()",
        _opened("socket:["),
        optional=True,
    ),
    Attack(
        "network: service",
        "network",
        "import socket; s = socket.create_server(('127.0.0.1', PORT)); hold()",
        _serves,
        ("port",),
    ),
    # Privileges
    Attack("privilege: new privileges", "privileges", "hold()", lambda t: t.status("NoNewPrivs") == "0"),
    Attack("privilege: no filter", "privileges", "hold()", lambda t: t.status("Seccomp") == "0", optional=True),
    Attack(
        "privilege: capabilities",
        "privileges",
        "hold()",
        lambda t: int(t.status("CapEff") or "0", 16) != 0,
        privileged=True,
    ),
    Attack(
        "privilege: all processors' time",
        "privileges",
        "os.nice(-5); hold()",
        lambda t: (
            bool(t.held)
            and os.getpriority(os.PRIO_PROCESS, t.held["pid"])
            < os.getpriority(os.PRIO_PROCESS, t.held["driver"]["pid"])
        ),
        privileged=True,
    ),
    Attack(
        "privilege: user namespace", "privileges", "libc.unshare(0x10000000); hold()", _other("user"), optional=True
    ),
    Attack("privilege: mount namespace", "privileges", "libc.unshare(0x20000); hold()", _other("mnt"), privileged=True),
    Attack(
        "privilege: network namespace", "privileges", "libc.unshare(0x40000000); hold()", _other("net"), privileged=True
    ),
    Attack("privilege: set-uid change", "privileges", "open('s', 'w').close(); os.chmod('s', 0o4755)", _set_id),
    Attack(
        "privilege: set-uid creation", "privileges", "os.close(os.open('s', os.O_CREAT | os.O_WRONLY, 0o4755))", _set_id
    ),
    Attack(
        "privilege: set-gid by descriptor",
        "privileges",
        "os.fchmod(os.open('s', os.O_CREAT | os.O_WRONLY), 0o2755)",
        _set_id,
    ),
    Attack(
        "privilege: device",
        "privileges",
        "import stat; os.mknod('z', 0o600 | stat.S_IFCHR, os.makedev(1, 5))",
        _device,
        privileged=True,
    ),
    Attack(
        "privilege: core pattern",
        "privileges",
        "f = os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY); hold()",
        _opened("core_pattern"),
        privileged=True,
    ),
    Attack(
        "privilege: sysrq",
        "privileges",
        "f = os.open('/proc/sysrq-trigger', os.O_WRONLY); hold()",
        _opened("sysrq"),
        privileged=True,
        optional=True,
    ),
    Attack(
        "privilege: disk",
        "privileges",
        "f = os.open(DISK, os.O_RDONLY); hold()",
        _opened("/dev/"),
        ("disk",),
        privileged=True,
        optional=True,
    ),
    Attack(
        "privilege: kernel's log",
        "privileges",
        "f = os.open('/dev/kmsg', os.O_RDONLY); hold()",
        _opened("/dev/kmsg"),
        privileged=True,
        optional=True,
    ),
    Attack(
        "privilege: control groups",
        "privileges",
        "f = os.open('/sys/fs/cgroup/cgroup.procs', os.O_WRONLY); hold()",
        _opened("cgroup.procs"),
        privileged=True,
        optional=True,
    ),
    Attack(
        "privilege: page faults",
        "privileges",
        "call('userfaultfd', 1); hold()",
        _opened("[userfaultfd]"),
        optional=True,
    ),
    Attack(
        "privilege: io_uring",
        "privileges",
        "p = ctypes.create_string_buffer(120); call('io_uring_setup', 4, p); hold()",
        _opened("[io_uring]"),
        optional=True,
    ),
    Attack(
        "privilege: bpf",
        "privileges",
        "import struct; a = struct.pack('IIIII', 2, 4, 4, 1, 0).ljust(128, b'\\0'); call('bpf', 0, a, 128); hold()",
        _opened("bpf-map"),
        optional=True,
    ),
    Attack(
        "privilege: performance counters",
        "privileges",
        "import struct; a = struct.pack('IIQ', 1, 128, 0).ljust(128, b'\\0'); call('perf_event_open', a, 0, -1, -1, 0); hold()",
        _opened("[perf_event]"),
        optional=True,
    ),
    Attack(
        "privilege: fixed addresses",
        "privileges",
        "libc.personality(0x40000); hold()",
        lambda t: bool(t.held.get("personality", 0) & 0x40000),
    ),
    Attack(
        "privilege: new mount",
        "privileges",
        "call('fsopen', b'tmpfs', 0); hold()",
        _opened("[fscontext]"),
        privileged=True,
        optional=True,
    ),
]
