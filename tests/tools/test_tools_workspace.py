"""No path leaves the workspace, judged from outside with os.path.realpath and a secret that must never be read."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import tempfile
import threading
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wornpath.core import ToolError, UsageError
from wornpath.tools import Workspace, beneath, check_workspace
from wornpath.tools.workspace import canonical_path, natural

SECRET = b"the secret outside"


@pytest.fixture(scope="module")
def tree() -> Iterator[Path]:
    """A workspace with links of every kind beside a secret."""
    with tempfile.TemporaryDirectory() as name:
        base = Path(name).resolve()
        (base / "secret.txt").write_bytes(SECRET)
        (base / "outside").mkdir()
        (base / "outside" / "secret.txt").write_bytes(SECRET)
        root = base / "work"
        (root / "a" / "b").mkdir(parents=True)
        (root / "a" / "in.txt").write_bytes(b"inside")
        (root / "up").symlink_to("..")
        (root / "out").symlink_to(base / "outside")
        (root / "file").symlink_to(base / "secret.txt")
        (root / "a" / "chain").symlink_to("../out")
        (root / "loop").symlink_to("loop")
        (root / "good").symlink_to("a/in.txt")
        (root / "absolute").symlink_to(root / "a" / "in.txt")
        (root / "folder").symlink_to("a")
        yield root


_NAMES = [
    "a",
    "b",
    "in.txt",
    "up",
    "out",
    "file",
    "chain",
    "loop",
    "good",
    "folder",
    "secret.txt",
    "work",
    "..",
    ".",
    "",
    "~",
    "é",
    "文",
]
_PIECES = st.one_of(st.sampled_from(_NAMES), st.text(max_size=6))
_PATHS = st.one_of(
    st.text(max_size=20),
    st.builds(
        lambda parts, head: head + "/".join(parts),
        st.lists(_PIECES, max_size=7),
        st.sampled_from(["", "/", "./", "../", "//"]),
    ),
)


@settings(max_examples=500, deadline=None)
@given(path=_PATHS, absolute=st.booleans())
@example(path="out/secret.txt", absolute=False)
@example(path="a/../up/secret.txt", absolute=False)
@example(path="folder/chain/secret.txt", absolute=True)
@example(path="a\0b", absolute=False)
def test_no_path_leaves(tree: Path, path: str, absolute: bool) -> None:
    if absolute:
        path = f"{tree}/{path}"
    workspace = Workspace(tree)
    try:
        place = workspace.resolve(path)
    except ToolError as error:
        assert str(error).endswith((".", "!")) and "\n" not in str(error)
    else:
        real = os.path.realpath(place)
        assert real == str(tree) or real.startswith(f"{tree}/")
    try:
        with workspace.open_read(path) as file:
            assert file.read() != SECRET
    except ToolError:
        pass


def test_the_links_do_lead_out(tree: Path) -> None:
    """The positive control: without the workspace the very same paths read the secret."""
    for path in ("out/secret.txt", "up/secret.txt", "file", "a/chain/secret.txt"):
        assert (tree / path).read_bytes() == SECRET
        with pytest.raises(ToolError, match="leaves the workspace"):
            Workspace(tree).open_read(path)


@settings(max_examples=300, deadline=None)
@given(path=_PATHS)
def test_canonical_is_idempotent(path: str) -> None:
    try:
        once = canonical_path(path)
    except ToolError:
        return
    assert canonical_path(once) == once
    assert ".." not in once.split("/") and not once.startswith("//") and unicodedata.is_normalized("NFC", once)


@settings(max_examples=100, deadline=None)
@given(path=_PATHS)
def test_relative_is_idempotent_and_one_with_absolute(tree: Path, path: str) -> None:
    workspace = Workspace(tree)
    try:
        relative = workspace.relative(path)
    except ToolError:
        return
    assert workspace.relative(relative) == relative
    assert workspace.relative(str(tree / relative)) == relative


def test_half_a_character_is_no_reason_to_end() -> None:
    """A model's JSON can hold one; it stands for no byte of a name."""
    assert canonical_path("a\ud800/\udfff.txt") == "a\ufffd/\ufffd.txt"


def test_equal_paths_have_one_spelling(context_free: Workspace) -> None:
    spellings = ["a/b.txt", "./a//b.txt", "a/c/../b.txt", f"{context_free.root}/a/b.txt", "a/b.txt/"]
    assert {context_free.relative(s) for s in spellings} == {"a/b.txt"}


@pytest.fixture
def context_free(folder: Path) -> Workspace:
    return Workspace(folder)


@pytest.mark.parametrize("path", ["", "  ", "a\0b", "..", "../x", "a/../../x", "/etc/passwd", "~", "~/x"])
def test_bad_paths_are_sentences(context_free: Workspace, path: str) -> None:
    for use in (context_free.resolve, context_free.open_read, lambda p: context_free.write_bytes(p, b"")):
        with pytest.raises(ToolError, match=r"\.$"):
            use(path)


def test_reading_follows_links_inside(tree: Path) -> None:
    for path in ("good", "absolute", "folder/in.txt"):
        with Workspace(tree).open_read(path) as file:
            assert file.read() == b"inside"


@pytest.mark.parametrize("path", ["good", "absolute", "folder/new.txt", "out/new.txt", "file", "loop"])
def test_writing_follows_no_link(tree: Path, path: str) -> None:
    workspace = Workspace(tree)
    for write in (workspace.write_bytes, workspace.append_bytes):
        with pytest.raises(ToolError):
            write(path, b"changed")
    assert (tree / "a" / "in.txt").read_bytes() == b"inside"
    assert (tree.parent / "secret.txt").read_bytes() == SECRET
    assert not (tree / "a" / "new.txt").exists() and not (tree.parent / "outside" / "new.txt").exists()


@pytest.mark.parametrize("kernel", [True, False], ids=["openat2", "walk"])
def test_swapped_links_lead_nowhere(folder: Path, monkeypatch: pytest.MonkeyPatch, kernel: bool) -> None:
    """One thread swaps a folder with a link to the outside while another reads through it."""
    if not kernel:
        monkeypatch.setattr(beneath, "_libc", lambda: None)
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "f").write_bytes(SECRET)
    (folder / "d").mkdir()
    (folder / "d" / "f").write_bytes(b"inside")
    (folder / "link").symlink_to(outside)
    workspace, stop = Workspace(folder), threading.Event()
    exchange = ctypes.CDLL(None).renameat2  # swaps two names at once

    def swap() -> None:
        while not stop.is_set():
            assert exchange(-100, os.fsencode(folder / "d"), -100, os.fsencode(folder / "link"), 2) == 0

    thread = threading.Thread(target=swap)
    thread.start()
    seen: set[bytes] = set()
    try:
        for number in range(1500):
            try:
                with workspace.open_read("d/f") as file:
                    seen.add(file.read())
            except ToolError:
                seen.add(b"refused")
            with contextlib.suppress(ToolError):
                workspace.write_bytes("d/w", str(number).encode())
    finally:
        stop.set()
        thread.join()
    assert b"inside" in seen and SECRET not in seen
    assert sorted(p.name for p in outside.iterdir()) == ["f"]


def test_walk_refuses_dots_and_links(tree: Path) -> None:
    fd = os.open(tree, os.O_RDONLY)
    try:
        for parts in (
            ("..", "secret.txt"),
            ("up", "secret.txt"),
            ("a", "chain", "secret.txt"),
            ("file",),
            ("a/../../secret.txt",),
        ):
            for way in (beneath.walk_beneath, beneath.open_beneath):
                with pytest.raises(OSError) as caught:
                    os.close(way(fd, parts, os.O_RDONLY))
                assert caught.value.errno in (errno.ELOOP, errno.EXDEV, errno.ENOTDIR, errno.ENOENT)
        os.close(beneath.walk_beneath(fd, ("a", "in.txt"), os.O_RDONLY))
    finally:
        os.close(fd)


def test_pipes_and_devices_do_not_hang(context_free: Workspace, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    for use in (
        context_free.open_read,
        lambda p: context_free.write_bytes(p, b"x"),
        lambda p: context_free.append_bytes(p, b"x"),
    ):
        with pytest.raises(ToolError, match="pipe or a device"):
            use("pipe")
    assert [e.path for e in context_free.iter_files()] == []


def test_write_is_atomic_and_keeps_the_mode(context_free: Workspace, folder: Path) -> None:
    context_free.write_bytes("s/run.sh", b"one")
    (folder / "s/run.sh").chmod(0o750)
    with context_free.open_read("s/run.sh") as before:
        context_free.write_bytes("s/run.sh", b"two")
        assert before.read() == b"one"
    assert (folder / "s/run.sh").read_bytes() == b"two" and (folder / "s/run.sh").stat().st_mode & 0o777 == 0o750

    def broken() -> Iterator[bytes]:
        yield b"half"
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(ToolError, match="disk is full"):
        context_free.write_bytes("s/run.sh", broken())
    assert (folder / "s/run.sh").read_bytes() == b"two" and len(list((folder / "s").iterdir())) == 1


def test_hard_link_outside_is_not_written(context_free: Workspace, folder: Path) -> None:
    outside = folder.parent / "outside.txt"
    outside.write_bytes(SECRET)
    os.link(outside, folder / "linked.txt")
    context_free.write_bytes("linked.txt", b"changed")
    assert outside.read_bytes() == SECRET


def test_read_only_workspace(folder: Path) -> None:
    workspace = Workspace(folder, writable=False)
    for change in (
        lambda: workspace.write_bytes("a", b""),
        lambda: workspace.make_folder("b"),
        lambda: workspace.remove("c"),
    ):
        with pytest.raises(ToolError, match="read-only"):
            change()


def test_names_in_other_unicode_forms_and_bytes(context_free: Workspace, folder: Path) -> None:
    (folder / unicodedata.normalize("NFD", "café.txt")).write_text("nfd")
    (folder / os.fsdecode("订单.csv".encode("gbk"))).write_text("gbk")
    found = [e.path for e in context_free.iter_files()]
    assert "café.txt" in found and len(found) == 2
    texts = set()
    for path in found:
        path.encode("utf-8")  # can be stored
        with context_free.open_read(path) as file:
            texts.add(file.read())
    assert texts == {b"nfd", b"gbk"}
    context_free.write_bytes("café.txt", b"again")
    assert len(list(folder.iterdir())) == 2


def test_files_are_in_natural_order_and_bounded(context_free: Workspace, folder: Path) -> None:
    for name in (
        "p10.txt",
        "p2.txt",
        "P1.txt",
        ".git/config",
        "node_modules/x.js",
        "sub/__pycache__/x.pyc",
        "sub/f",
        ".h/x",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    assert [e.path for e in context_free.iter_files()] == [".h/x", "P1.txt", "p2.txt", "p10.txt", "sub/f"]
    assert [e.path for e in context_free.iter_files() if e.hidden] == [".h/x"]
    some = context_free.files(limit=2)
    assert len(some.entries) == 2 and not some.complete and context_free.files().complete
    assert sorted(["a10", "a2", "A1"], key=natural) == ["A1", "a2", "a10"]


def test_check_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home" / "me"
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    (tmp_path / "link").symlink_to(home)
    (tmp_path / "file").write_text("x")
    for bad in (
        "/",
        "~",
        home,
        home.parent,
        tmp_path / "link",
        tmp_path / "file",
        tmp_path / "file" / "below",
        f"{home}/x/..",
    ):
        with pytest.raises(UsageError, match="workspace"):
            check_workspace(bad)
    assert check_workspace("~/new/work") == home.resolve() / "new" / "work" and (home / "new" / "work").is_dir()
    assert not check_workspace(tmp_path / "later", create=False).exists()
