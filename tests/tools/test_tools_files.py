"""The file tools, on real files."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wornpath.core import Observation, ToolError
from wornpath.tools import Registry, ToolContext, Workspace, changes, contents, search
from wornpath.tools.changes import (
    append_file,
    copy_file,
    delete_file,
    edit_file,
    make_folder,
    move_file,
    write_file,
)
from wornpath.tools.files import find_files, list_files, read_file, search_text
from wornpath.tools.formats import MAX_BYTES
from wornpath.tools.search import matcher

Call = Callable[..., Awaitable[Observation]]


@pytest.fixture
def orders(folder: Path) -> Path:
    (folder / "invoices").mkdir()
    for number in (1, 2, 10):
        (folder / f"invoices/inv_{number}.csv").write_text(
            f"date,item,amount\n2024-01-0{number % 9},Bolt,{number}.50\n"
        )
    (folder / "notes.md").write_text("# Notes\nBuy milk\nBuy bread\n")
    (folder / "订单表.csv").write_bytes("编号,名称\n1,螺丝\n".encode("gb18030"))
    (folder / ".hidden").write_text("x")
    return folder


async def test_list(call: Call, orders: Path) -> None:
    seen = await call(list_files)
    lines = seen.text.splitlines()
    assert lines[0] == "The workspace has 3 files and 1 folder:" and lines[1] == "invoices/  folder, 3 files"
    assert (
        '.hidden  1 byte, text 1 line: "x" (hidden)' in lines
        and "订单表.csv  17 bytes, csv 2 columns: 编号,名称, 1 row" in lines
    )
    assert {(e.value, e.kind) for e in seen.entities} >= {("invoices", "folder"), ("notes.md", "file")}
    inner = await call(list_files, path="./invoices/")
    assert [line.split()[0] for line in inner.text.splitlines()[1:]] == ["inv_1.csv", "inv_2.csv", "inv_10.csv"]
    assert inner.entities[0].value == "invoices/inv_1.csv" and "date,item,amount" in inner.entities[0].detail
    assert "invoices/inv_10.csv" in (await call(list_files, depth=2)).text


async def test_list_pages(call: Call, folder: Path) -> None:
    for number in range(1000):
        (folder / f"file{number}.txt").touch()
    pages = [await call(list_files, page=page) for page in (1, 2)]
    assert "page 1 of" in pages[0].text and "list_files(path='.', page=2)" in pages[0].text
    assert not {e.value for e in pages[0].entities} & {e.value for e in pages[1].entities}
    assert all(len(p.text) <= 6000 for p in pages)
    assert (await call(list_files, page=99)).result == "error"
    (folder / "empty").mkdir()
    assert (await call(list_files, path="empty")).result == "empty"
    assert "is a file" in (await call(list_files, path="file1.txt")).text


async def test_read_and_its_pages(call: Call, folder: Path) -> None:
    text = "".join(f"line {number}\n" for number in range(3000))
    (folder / "long.txt").write_text(text)
    first = await call(read_file, path="long.txt")
    assert first.text.startswith("line 0\n") and len(first.text) <= 6000
    count = int(first.text.rsplit(" of long.txt", 1)[0].rsplit(" ", 1)[1])
    bodies = [(await call(read_file, path="long.txt", page=n)).text for n in range(1, count + 1)]
    assert "".join(body.rsplit("\n[page", 1)[0] + "\n" for body in bodies) == text
    assert (
        f"has {count} pages; there is no page {count + 1}"
        in (await call(read_file, path="long.txt", page=count + 1)).text
    )
    (folder / "empty.txt").touch()
    assert (await call(read_file, path="empty.txt")).result == "empty"
    assert "is a folder" in (await call(read_file, path=".")).text


async def test_a_missing_file_names_what_is_like_it(call: Call, orders: Path) -> None:
    for tool, arguments in (
        (read_file, {"path": "inv_10.csv"}),
        (edit_file, {"path": "invoices/INV_10.csv", "old": "a", "new": "b"}),
        (move_file, {"source": "invoice/inv_10.csv", "destination": "x"}),
        (delete_file, {"path": "inv_10.csv"}),
    ):
        seen = await call(tool, **arguments)
        assert seen.result == "error" and "did you mean invoices/inv_10.csv" in seen.text


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("INV_1", ["invoices/inv_1.csv", "invoices/inv_10.csv"]),
        ("*.md", ["notes.md"]),
        ("**/*.csv", ["invoices/inv_1.csv", "invoices/inv_2.csv", "invoices/inv_10.csv", "订单表.csv"]),
        ("invoices/*_2*", ["invoices/inv_2.csv"]),
        ("订单", ["订单表.csv"]),
        ("csv inv 2", ["invoices/inv_2.csv"]),
        ("ｎｏｔｅｓ", ["notes.md"]),
        ("voices", ["invoices"]),
    ],
)
async def test_find(call: Call, orders: Path, pattern: str, found: list[str]) -> None:
    seen = await call(find_files, pattern=pattern)
    assert [e.value for e in seen.entities] == found


async def test_find_nothing(call: Call, orders: Path) -> None:
    seen = await call(find_files, pattern="note.md")
    assert seen.result == "empty" and "notes.md" in seen.text
    assert (await call(find_files, pattern=" ")).result == "error"


async def test_search(call: Call, orders: Path) -> None:
    seen = await call(search_text, query="bUY")
    assert seen.text.splitlines() == ["2 lines in 1 file:", "notes.md:2: Buy milk", "notes.md:3: Buy bread"]
    assert (await call(search_text, query="螺丝")).text.endswith("订单表.csv:2: 1,螺丝")
    assert (await call(search_text, query="bolt", path="invoices/inv_2.csv")).text.endswith("2024-01-02,Bolt,2.50")
    assert len((await call(search_text, query="/^20\\d\\d-/", pattern="inv_1*")).entities) == 2
    nothing = await call(search_text, query="2024", path="notes.md")
    assert nothing.result == "ok" and "elsewhere, not in notes.md" in nothing.text
    nothing = await call(search_text, query="no such words anywhere")
    assert nothing.result == "empty" and "not found" in nothing.text
    near = await call(search_text, query="milk, but buy")
    assert near.result == "ok" and near.text.startswith("notes.md has 2 of the 3 words") and near.entities
    assert "is no regular expression" in (await call(search_text, query="/(/")).text


async def test_search_is_bounded(call: Call, folder: Path) -> None:
    for number in range(30):
        (folder / f"{number}.log").write_text("word " * 200 + "\nword\n" * 1000)
    (folder / "bin").write_bytes(b"word\0" * 100)
    seen = await call(search_text, query="word")
    assert len(seen.text) <= 6000 and "30,030 lines in 30 files" in seen.text and "more lines left out" in seen.text


@pytest.mark.parametrize(
    "query", ["/(a+)+$/", "/(a|a)*b/", "/(a{1,50}){1,50}b/", "/.*.*.*.*b/", r"/(a)\1*/", "/((a*)b?)*c/"]
)
def test_runaway_expressions_are_refused(query: str) -> None:
    with pytest.raises(ToolError, match="may take forever"):
        matcher(query)


@pytest.mark.parametrize(
    ("query", "line"), [("/a|b/", "xb"), (r"/\d{4}-\d\d/", "on 2024-01"), ("/(foo)?bar.*z/", "bar z"), ("/", "a/b")]
)
def test_plain_expressions_are_not(query: str, line: str) -> None:
    assert matcher(query)(line) is not None


@pytest.mark.parametrize(
    ("query", "at"),
    [(r"/ERR\d+/", 50_000), (r"/x*ERR/", 48_000), ("/ERR.*y$/", 50_000), ("/x+$/", None), (r"/x{30,}ERR\d+/", 49_851)],
)
def test_expressions_see_the_whole_of_a_long_line(query: str, at: int | None) -> None:
    found = matcher(query)("x" * 50_000 + "ERR42" + "y" * 3_000)
    assert found is None if at is None else found is not None and abs(found - at) <= 2_000


async def test_an_expression_ends_on_a_line_that_takes_long(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_SECONDS", 0.2)
    (folder / "a.log").write_text("x" * 60_000)
    seen = await call(search_text, query="/x*x*x*y/")
    assert seen.result == "error" and "takes too long on a line of 60,000 characters" in seen.text


async def test_write(call: Call, context: ToolContext, folder: Path) -> None:
    kept: list[str | None] = []
    context.before_write = kept.append
    seen = await call(write_file, path="./out//sales.csv", content="date,item,amount\n1,a,2\n")
    assert (folder / "out/sales.csv").read_text() == "date,item,amount\n1,a,2\n" and kept == ["out/sales.csv"]
    assert seen.changed == ("out/sales.csv",) and seen.facts == (
        "out/sales.csv: 23 bytes, csv 3 columns: date,item,amount, 1 row",
    )
    assert (await call(write_file, path="out/sales.csv", content="汉字\n")).text == "Replaced out/sales.csv, 1 line."
    assert (folder / "out/sales.csv").read_text(encoding="utf-8") == "汉字\n"
    assert "no valid JSON" in (await call(write_file, path="a.json", content="{")).text
    assert "no valid Python" in (await call(write_file, path="a.py", content="def f(:")).text
    for path in ("out", "new/", "../x.txt", "out/sales.csv/x"):
        assert (await call(write_file, path=path, content="x")).result == "error", path
    assert (
        not (folder / "new").exists() and len(kept) == 5
    )  # refused before anything was kept, but for what lies under a file


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"x,y\n"),
        (b"a\n", b"a\nx,y\n"),
        (b"a", b"a\nx,y\n"),
        ("\ufeffa".encode(), "\ufeffa\nx,y\n".encode()),
        ("字a".encode("utf-16"), "字a\nx,y\n".encode("utf-16")),
        ("星期一\n".encode("utf-16"), "星期一\nx,y\n".encode("utf-16")),
        (b"\xfe\xff" + "中上".encode("utf-16-be"), b"\xfe\xff" + "中上\nx,y\n".encode("utf-16-be")),
        ("一\n".encode("utf-32"), "一\nx,y\n".encode("utf-32")),
        ("客户\n名".encode()[:-1], "客户\n名".encode()[:-1] + b"\nx,y\n"),
        ("螺丝钉\n".encode("gb18030"), "螺丝钉\nx,y\n".encode("gb18030")),
    ],
)
async def test_append(call: Call, folder: Path, before: bytes, after: bytes) -> None:
    (folder / "log.txt").write_bytes(before)
    assert (await call(append_file, path="log.txt", content="x,y\n")).result == "ok"
    assert (folder / "log.txt").read_bytes() == after


async def test_append_makes_and_keeps_the_encoding(call: Call, folder: Path) -> None:
    assert (await call(append_file, path="new/log.txt", content="第一")).result == "ok"
    assert (folder / "new/log.txt").read_text(encoding="utf-8") == "第一"
    (folder / "gbk.txt").write_bytes("螺丝钉数量\n".encode("gbk"))
    await call(append_file, path="gbk.txt", content="价格")
    assert (folder / "gbk.txt").read_bytes().decode("gbk") == "螺丝钉数量\n价格"
    (folder / "latin.txt").write_bytes("Größe und Länge sind schön\n".encode("latin-1"))
    assert "cannot hold" in (await call(append_file, path="latin.txt", content="字")).text
    (folder / "data.bin").write_bytes(b"\0\1\2")
    assert "binary" in (await call(append_file, path="data.bin", content="x")).text
    (folder / "odd.txt").write_bytes("星期一".encode("utf-16") + b"\x4e")
    assert "not clean utf-16-le text" in (await call(append_file, path="odd.txt", content="二")).text
    assert (await call(append_file, path="gbk.txt", content="")).result == "error"


async def test_append_to_a_big_file_keeps_the_encoding(call: Call, folder: Path) -> None:
    (folder / "big.csv").write_bytes("订单,客户,金额\n".encode("gbk") * (MAX_BYTES // 15 + 1))
    assert (await call(append_file, path="big.csv", content="合计,,100\n")).result == "ok"
    assert (folder / "big.csv").read_bytes().endswith("金额\n合计,,100\n".encode("gbk"))
    (folder / "big.bin").write_bytes(b"\0\1\2" * (MAX_BYTES // 3 + 1))
    assert "binary" in (await call(append_file, path="big.bin", content="x")).text


async def test_edit(call: Call, orders: Path) -> None:
    seen = await call(edit_file, path="notes.md", old="Buy milk", new="Buy tea")
    assert (orders / "notes.md").read_text() == "# Notes\nBuy tea\nBuy bread\n" and seen.changed == ("notes.md",)
    twice = await call(edit_file, path="notes.md", old="Buy", new="Get")
    assert twice.result == "error" and "2 times" in twice.text and "lines 2, 3" in twice.text
    assert (
        await call(edit_file, path="notes.md", old="Buy", new="Get", replace_all=True)
    ).text == "Changed 2 places in notes.md."
    missing = await call(edit_file, path="notes.md", old="  get Tea", new="x")
    assert missing.result == "error" and "nearest lines" in missing.text and "Get tea" in missing.text
    for old, new in (("", "x"), ("Get", "Get")):
        assert (await call(edit_file, path="notes.md", old=old, new=new)).result == "error"
    assert (orders / "notes.md").read_text() == "# Notes\nGet tea\nGet bread\n"


async def test_edit_keeps_encoding_and_line_ends(call: Call, folder: Path) -> None:
    (folder / "win.txt").write_bytes(b"one\r\ntwo\r\nthree\r\n")
    await call(edit_file, path="win.txt", old="one\ntwo", new="1\n2")
    assert (folder / "win.txt").read_bytes() == b"1\r\n2\r\nthree\r\n"
    (folder / "gbk.txt").write_bytes("数量是五\n".encode("gbk"))
    await call(edit_file, path="gbk.txt", old="五", new="六")
    assert (folder / "gbk.txt").read_bytes() == "数量是六\n".encode("gbk")
    (folder / "bom.txt").write_bytes("\ufeffa b".encode())
    await call(edit_file, path="bom.txt", old="a", new="c")
    assert (folder / "bom.txt").read_bytes() == "\ufeffc b".encode()
    (folder / "latin.txt").write_bytes("schöne Größe\n".encode("latin-1"))
    seen = await call(edit_file, path="latin.txt", old="Größe", new="大小")
    assert seen.result == "error" and "seems to be cp1252" in seen.text and "'大'" in seen.text
    assert (folder / "latin.txt").read_text(encoding="latin-1") == "schöne Größe\n"
    (folder / "big5.txt").write_bytes("數量是五個\n".encode("big5"))
    assert "is UTF-8 now" in (await call(edit_file, path="big5.txt", old="五個", new="六个")).text
    assert (folder / "big5.txt").read_text(encoding="utf-8") == "數量是六个\n"
    (folder / "be.txt").write_bytes(b"\xfe\xff" + "一二".encode("utf-16-be"))
    await call(edit_file, path="be.txt", old="二", new="三")
    assert (folder / "be.txt").read_bytes() == b"\xfe\xff" + "一三".encode("utf-16-be")
    (folder / "b.bin").write_bytes(b"a\0b")
    assert "binary" in (await call(edit_file, path="b.bin", old="a", new="c")).text
    (folder / "torn.txt").write_bytes("数量".encode() + b"\xff\xfe")
    before = (folder / "torn.txt").read_bytes()
    await call(edit_file, path="torn.txt", old="数", new="x")
    assert (folder / "torn.txt").read_bytes() in (before, before.replace("数".encode(), b"x"))


async def test_bad_bytes_in_utf8_stay_and_harm_nothing(call: Call, folder: Path) -> None:
    """A log that was cut off in the middle of a character is UTF-8 all the same."""
    text, cut = "状态: TODO\n" + "客户名单：张三、李四\n" * 3, "完".encode()[:2]
    for data in (text.encode() + cut, cut[1:] + text.encode(), text.encode() + cut + b"\n" + text.encode()[24:]):
        (folder / "log.txt").write_bytes(data)
        assert "客户名单：张三、李四" in (await call(read_file, path="log.txt")).text
        assert (await call(edit_file, path="log.txt", old="TODO", new="完成")).result == "ok"
        assert (folder / "log.txt").read_bytes() == data.replace(b"TODO", "完成".encode())
    missing = await call(edit_file, path="log.txt", old="客户名单: 张三", new="x")
    assert "nearest lines" in missing.text and missing.text.encode()
    (folder / "log.txt").write_bytes("Größe schön".encode() + b"\xc3")
    assert (await call(read_file, path="log.txt")).text == "Größe schön\ufffd"


async def test_decomposed_text_is_written_found_and_edited(call: Call, context: ToolContext, folder: Path) -> None:
    tools, text = Registry.standard(), "5 \u2126 \uf90a Jose\u0301\n"
    for name, arguments in (
        ("write_file", {"path": "a.txt", "content": text}),
        ("edit_file", {"path": "a.txt", "old": "\u2126 \uf90a Jose\u0301", "new": "\u2126 Zoe\u0308"}),
    ):
        action = tools.action(name, arguments, context.workspace)
        assert (await call(tools[name], **action.arguments)).result == "ok"
    assert (folder / "a.txt").read_text(encoding="utf-8") == "5 \u2126 Zoe\u0308\n"
    for query in ("Zo\u00eb", "Zoe\u0308", "\u2126"):
        assert (await call(search_text, query=query)).result == "ok", query


@given(st.text(max_size=30), st.text(min_size=1, max_size=4), st.text(max_size=4), st.text(max_size=30), st.booleans())
def test_edit_changes_exactly_what_it_says(head: str, old: str, new: str, tail: str, every: bool) -> None:
    text = head + old + tail
    try:
        result, count = changes.replaced(text, old, new, every, "f")
    except ToolError:
        assert old == new or (text.count(old) > 1 and not every) or "\r\n" in text
        return
    if "\r\n" not in text:
        assert result == text.replace(old, new) and count == text.count(old) and (every or count == 1)


@pytest.mark.parametrize(
    ("destination", "new"),
    [
        ("kept", "kept/inv_1.csv"),
        ("a/b", "a/b/inv_1.csv"),
        ("inv_1", "inv_1"),
        ("kept/inv_1", "kept/inv_1"),
        ("kept.csv", "kept.csv"),
    ],
)
async def test_a_destination_without_an_ending_is_a_folder_or_the_own_name_without_it(
    call: Call, orders: Path, destination: str, new: str
) -> None:
    moved = await call(move_file, source="invoices/inv_1.csv", destination=destination)
    assert moved.changed == ("invoices/inv_1.csv", new) and (orders / new).is_file()


async def test_move(call: Call, context: ToolContext, orders: Path) -> None:
    kept: list[str | None] = []
    context.before_write = kept.append
    seen = await call(move_file, source="notes.md", destination="docs/")
    assert (orders / "docs/notes.md").exists() and not (orders / "notes.md").exists()
    assert seen.changed == ("notes.md", "docs/notes.md") and kept == ["notes.md", "docs/notes.md"]
    assert (await call(move_file, source="invoices/inv_1.csv", destination="docs")).changed[-1] == "docs/inv_1.csv"
    taken = await call(move_file, source="docs/notes.md", destination="invoices/inv_2.csv")
    assert (
        taken.result == "error" and "overwrite" in taken.text and "Bolt" in (orders / "invoices/inv_2.csv").read_text()
    )
    assert (
        await call(move_file, source="docs/notes.md", destination="invoices/inv_2.csv", overwrite=True)
    ).result == "ok"
    assert (orders / "invoices/inv_2.csv").read_text().startswith("# Notes")
    assert (await call(move_file, source="invoices", destination="docs")).changed == ("invoices", "docs/invoices")
    for source, destination in (
        ("docs", "docs/invoices/x"),
        (".", "x"),
        ("docs", "../x"),
        ("docs/invoices", ".hidden"),
    ):
        assert (await call(move_file, source=source, destination=destination)).result == "error"
    assert (await call(move_file, source="docs", destination=".")).text == "docs is already there."


async def test_copy(call: Call, orders: Path) -> None:
    (orders / "notes.md").chmod(0o640)
    assert (await call(copy_file, source="notes.md", destination="copy.md")).changed == ("copy.md",)
    assert (orders / "copy.md").read_bytes() == (orders / "notes.md").read_bytes()
    assert (orders / "copy.md").stat().st_mode & 0o777 == 0o640
    assert (await call(copy_file, source="notes.md", destination="copy.md")).result == "error"
    assert (await call(copy_file, source="notes.md", destination="copy.md", overwrite=True)).result == "ok"
    assert (await call(copy_file, source="notes.md", destination="notes.md")).result == "error"
    await call(copy_file, source="invoices", destination="backup")
    assert sorted(p.name for p in (orders / "backup").iterdir()) == ["inv_1.csv", "inv_10.csv", "inv_2.csv"]
    assert (await call(copy_file, source="invoices", destination="invoices/in")).result == "error"


async def test_copy_takes_all_of_a_folder(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("proj/.git/HEAD", "proj/.venv/x", "proj/a.txt", "proj/sub/f", "secret.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "proj/empty").mkdir()
    (folder / "proj/inside").symlink_to("a.txt")
    (folder / "proj/outside").symlink_to("/etc/passwd")
    (folder / "proj/way").symlink_to("sub")
    os.mkfifo(folder / "proj/pipe")
    seen = await call(copy_file, source="proj", destination="new")
    made = {p.relative_to(folder / "new").as_posix() for p in (folder / "new").rglob("*")}
    assert made == {".git", ".git/HEAD", ".venv", ".venv/x", "a.txt", "sub", "sub/f", "empty", "inside"}
    assert (folder / "new/inside").read_text() == "proj/a.txt" and not (folder / "new/inside").is_symlink()
    assert seen.text == (
        "Copied proj with 5 files to new. Left out: outside (a link), pipe (no regular file), way (a link)."
    )
    monkeypatch.setattr(contents, "MAX_COPIED", 3)
    seen = await call(copy_file, source="proj", destination="few")
    assert "with 3 files" in seen.text and ".git (too many files with it), .venv (too many" in seen.text
    assert not (folder / "few/.git").exists()
    monkeypatch.setattr(contents, "MAX_COPIED", 2)
    assert "more than 2 files" in (await call(copy_file, source="proj", destination="none")).text
    assert not (folder / "none").exists()
    assert "cannot go into itself" in (await call(copy_file, source=".", destination="all")).text


async def test_delete_and_make_folder(call: Call, context: ToolContext, orders: Path) -> None:
    kept: list[str | None] = []
    context.before_write = kept.append
    assert delete_file.risk == "delete" and not delete_file.idempotent
    assert "not empty" in (await call(delete_file, path="invoices")).text and kept == []
    assert (await call(delete_file, path="notes.md")).changed == ("notes.md",)
    assert (await call(delete_file, path="invoices", recursive=True)).result == "ok" and not (
        orders / "invoices"
    ).exists()
    assert kept == ["notes.md", "invoices"]
    assert (await call(make_folder, path="a/b")).changed == ("a/b",) and (
        await call(make_folder, path="a/b")
    ).changed == ()
    assert (await call(delete_file, path="a/b")).result == "ok"
    for path in (".", "..", "nothing"):
        assert (await call(delete_file, path=path, recursive=True)).result == "error"
    assert orders.exists()


async def test_nothing_outside_is_touched(call: Call, folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "f.txt").write_text("keep")
    (folder / "out").symlink_to(outside)
    (folder / "f.txt").write_text("mine")
    os.mkfifo(folder / "pipe")
    for tool, arguments in (
        (read_file, {"path": "out/f.txt"}),
        (list_files, {"path": "out"}),
        (search_text, {"query": "keep", "path": "out"}),
        (write_file, {"path": "out/f.txt", "content": "x"}),
        (append_file, {"path": "out/f.txt", "content": "x"}),
        (edit_file, {"path": "out/f.txt", "old": "keep", "new": "x"}),
        (move_file, {"source": "f.txt", "destination": "out/"}),
        (move_file, {"source": "out/f.txt", "destination": "got.txt"}),
        (copy_file, {"source": "out/f.txt", "destination": "got.txt"}),
        (delete_file, {"path": "out/f.txt"}),
        (delete_file, {"path": "out", "recursive": True}),
        (make_folder, {"path": "out/new"}),
        (read_file, {"path": "pipe"}),
        (copy_file, {"source": "pipe", "destination": "got.txt"}),
    ):
        seen = await call(tool, **arguments)
        assert seen.result == "error" and "keep" not in seen.text.split("'"), (tool.name, seen.text)
    assert [(p.name, p.read_text()) for p in outside.iterdir()] == [("f.txt", "keep")] and not (
        folder / "got.txt"
    ).exists()
    assert (await call(search_text, query="keep")).result == "empty"


async def test_a_change_that_cannot_be_undone_is_not_made(folder: Path) -> None:
    """Where the old content cannot be kept, nothing is changed."""

    def full(path: str | None) -> None:
        raise ToolError("The disk is full; nothing was changed.")

    (folder / "a.txt").write_text("old")
    context = ToolContext(Workspace(folder), before_write=full)
    for tool, arguments in (
        (write_file, {"path": "a.txt", "content": "new"}),
        (append_file, {"path": "a.txt", "content": "new"}),
        (edit_file, {"path": "a.txt", "old": "old", "new": "new"}),
        (move_file, {"source": "a.txt", "destination": "b.txt"}),
        (copy_file, {"source": "a.txt", "destination": "b.txt"}),
        (delete_file, {"path": "a.txt"}),
        (make_folder, {"path": "b"}),
    ):
        assert (await tool(context, **arguments)).text == "The disk is full; nothing was changed."
    assert [(p.name, p.read_text()) for p in folder.iterdir()] == [("a.txt", "old")]
