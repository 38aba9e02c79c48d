"""Readable text out of real documents, in any encoding, big or damaged."""

from __future__ import annotations

import functools
import io
import json
import os
import resource
import struct
import wave
import zipfile
import zlib
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wornpath.core import Observation, ToolError
from wornpath.tools import Workspace
from wornpath.tools.documents import describe, overview, preview
from wornpath.tools.encoding import sniff
from wornpath.tools.files import read_file, search_text
from wornpath.tools.formats import markup_text
from wornpath.tools.readers import read_page, text_lines

Call = Callable[..., Awaitable[Observation]]
CHINESE = "本月的订单一共有一百二十份，其中三十份还没有付款。请在周五之前联系客户，并把结果写进报告里。"
TRADITIONAL = "本月的訂單一共有一百二十份，其中三十份還沒有付款。請在週五之前聯繫客戶，並把結果寫進報告裡。"


def pdf(text: str) -> bytes:
    """A minimal PDF of one page that says TEXT."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    return out + b"xref\n0 6\n0000000000 65535 f \n%strailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        table,
        start,
    )


@functools.cache  # the time is in it
def docx() -> bytes:
    from docx import Document

    document = Document()
    document.add_heading("Report 2024", 1)
    document.add_paragraph("Sales grew by 12 %. 销售额增长了。")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip([c for row in table.rows for c in row.cells], ["item", "amount", "Bolt", "7"], strict=True):
        cell.text = text
    document.add_paragraph("The end.")
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


@functools.cache
def xlsx() -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Orders"
    for row in (
        ["date", "item", "amount"],
        ["2024-01-02", "Bolt, long", 7],
        [None, "Nut", 2.5],
        ["", "sum", "=SUM(C2:C3)"],
    ):
        sheet.append(row)
    book.create_sheet("空表").append(["单价"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def png(wide: int, high: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + b"\xff\0\0" * wide) * high)
    header = struct.pack(">IIBBBBB", wide, high, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@functools.cache  # a random boundary is in it
def mail() -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Ann <ann@example.org>", "bob@example.org", "发票 Invoice"
    message.set_content("Please pay 12 euros.\n")
    message.add_alternative("<p>Please <b>pay</b> 12 euros.</p>", subtype="html")
    message.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="invoice.pdf")
    return message.as_bytes()


async def test_pdf(call: Call, folder: Path) -> None:
    (folder / "a.pdf").write_bytes(pdf("Invoice 2024-001 total 99.50"))
    seen = await call(read_file, path="a.pdf")
    assert seen.text.strip() == "Invoice 2024-001 total 99.50"
    assert (await call(search_text, query="TOTAL 99")).text.endswith("a.pdf:1: Invoice 2024-001 total 99.50")


async def test_docx(call: Call, folder: Path) -> None:
    (folder / "a.docx").write_bytes(docx())
    (folder / "no_extension").write_bytes(docx())
    seen = await call(read_file, path="a.docx")
    assert seen.text.splitlines() == [
        "# Report 2024",
        "Sales grew by 12 %. 销售额增长了。",
        "| item | amount |",
        "| Bolt | 7 |",
        "The end.",
    ]
    assert (await call(read_file, path="no_extension")).text == seen.text
    assert describe("a.docx", Workspace(folder)).startswith('docx "Report 2024')


async def test_xlsx(call: Call, folder: Path) -> None:
    (folder / "a.xlsx").write_bytes(xlsx())
    seen = await call(read_file, path="a.xlsx")
    assert seen.text.splitlines() == [
        "[sheet Orders]",
        "date,item,amount",
        '2024-01-02,"Bolt, long",7',
        ",Nut,2.5",
        ",sum,=SUM(C2:C3)",
        "[sheet 空表]",
        "单价",
    ]
    assert describe("a.xlsx", Workspace(folder)) == "xlsx sheets: Orders,空表"


async def test_mail_is_untrusted(call: Call, folder: Path) -> None:
    (folder / "a.eml").write_bytes(mail())
    seen = await call(read_file, path="a.eml")
    assert seen.untrusted and "Please pay 12 euros." in seen.text and "Attached: invoice.pdf" in seen.text
    assert "Subject: 发票 Invoice" in seen.text and "<p>" not in seen.text
    assert describe("a.eml", Workspace(folder)).startswith("mail from Ann")


async def test_other_formats(call: Call, folder: Path) -> None:
    (folder / "a.html").write_text(
        "<title>Shop</title><script>x<1</script><h1>Hi</h1><p>A &amp; B<br>C<ul><li>one<li>two</ul><table><tr><td>1<td>2</table>"
    )
    text = (await call(read_file, path="a.html")).text
    assert "# Hi" in text and "A & B\nC" in text and "- two" in text and "x<1" not in text
    (folder / "a.png").write_bytes(png(3, 2))
    image = await call(read_file, path="a.png")
    assert "3×2 pixels" in image.text and [(p.kind, p.path, p.media_type) for p in image.parts[1:]] == [
        ("image", "a.png", "image/png")
    ]
    with wave.open(str(folder / "a.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(b"\0\0" * 12000)
    assert "1.5 seconds" in (await call(read_file, path="a.wav")).text
    (folder / "a.ics").write_text("BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Tea\nEND:VEVENT\nEND:VCALENDAR\n")
    assert "SUMMARY:Tea" in (await call(read_file, path="a.ics")).text
    (folder / "a.db").write_bytes(b"SQLite format 3\0" + bytes(100))
    assert (await call(read_file, path="a.db")).text == "binary file, 116 bytes, looks like SQLite database"
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("inner/x.txt", "hello")
    assert "inner/x.txt  5 bytes" in (await call(read_file, path="a.zip")).text
    with zipfile.ZipFile(folder / "a.pptx", "w") as archive:
        archive.writestr("ppt/slides/slide1.xml", "<p:sld><a:p><a:r><a:t>Plan &amp; goals</a:t></a:r></a:p></p:sld>")
    assert (await call(read_file, path="a.pptx")).text == "[slide 1]\nPlan & goals\n"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cut.pdf", pdf("x")[:200]),
        ("cut.docx", docx()[:3000]),
        ("cut.xlsx", xlsx()[:2000]),
        ("noise.pdf", bytes(range(256)) * 20),
        ("noise.docx", bytes(range(256)) * 20),
        ("wrong.xlsx", docx()),
        ("bomb.docx", b""),
    ],
)
async def test_damaged_documents_are_sentences(call: Call, folder: Path, name: str, data: bytes) -> None:
    if name == "bomb.docx":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(3):
                archive.writestr(f"word/document{number}.xml", bytes(90 << 20))
        data = out.getvalue()
    (folder / name).write_bytes(data)
    seen = await call(read_file, path=name)
    assert seen.result == "error" and name in seen.text and seen.text.endswith(".") and len(seen.text) < 300, seen.text
    describe(name, Workspace(folder))
    overview(Workspace(folder))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["a.pdf", "a.docx", "a.xlsx", "a.csv", "a.json", "a.eml", "a.html", "a.wav", "a.png", "a.zip"]),
    st.data(),
)
def test_mutated_documents_never_crash(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    makers: dict[str, Callable[[], bytes]] = {
        "pdf": lambda: pdf("hello"),
        "docx": docx,
        "xlsx": xlsx,
        "png": lambda: png(2, 2),
        "eml": mail,
    }
    base = bytearray(makers.get(name[2:], lambda: b'RIFF\0\0\0\0WAVEfmt [{"a": 1}] <p>x</p> PK\x03\x04')())
    for _ in range(data.draw(st.integers(0, 6))):
        base[data.draw(st.integers(0, len(base) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("mutated")
    (folder / name).write_bytes(base[: data.draw(st.integers(0, len(base)))])
    workspace = Workspace(folder)
    try:
        assert len(read_page(workspace, name, 1, 500).text) < 700
    except ToolError as error:
        assert name in str(error)
    assert len(describe(name, workspace)) < 700
    assert len(overview(workspace, 300)) <= 300


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (CHINESE, "utf-8"),
        (CHINESE, "gbk"),
        (CHINESE, "gb18030"),
        ("编号,名称,数量\n1,螺丝,5\n2,螺母,7\n", "gbk"),
        ("名称", "gbk"),
        (TRADITIONAL, "big5"),
        (CHINESE, "utf-16"),
        (CHINESE, "utf-8-sig"),
        ("date,item\n1,bolt\n", "utf-16-le"),
        ("Die Größe der schönen Übung heißt Ä, Ö und Ü.", "latin-1"),
        ("Café crème à la carte, déjà vu", "cp1252"),
        ("Цена заказа выросла, поэтому клиент попросил скидку на следующий месяц.", "cp1251"),
        ("ご注文ありがとうございます。商品の発送は来週の月曜日になります。どうぞよろしくお願いします。", "shift_jis"),
        ("plain", "ascii"),
    ],
)
async def test_encodings(call: Call, folder: Path, text: str, encoding: str) -> None:
    (folder / "a.txt").write_bytes(text.encode(encoding))
    assert (await call(read_file, path="a.txt")).text == text
    assert next(text_lines(Workspace(folder), "a.txt")) == text.splitlines()[0]


@given(st.text(max_size=200).filter(lambda t: "\0" not in t))
def test_utf8_is_never_taken_for_something_else(text: str) -> None:
    data = text.encode("utf-8", "replace")
    if not any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in data) and b"\x7f" not in data:
        assert sniff(data, whole=True) in ("utf-8", "utf-8-sig")


@given(st.binary(max_size=300))
def test_any_bytes_can_be_sniffed(data: bytes) -> None:
    encoding = sniff(data, whole=True)
    assert encoding is None or isinstance(data.decode(encoding, "replace"), str)


def test_a_late_encoding_is_found(folder: Path) -> None:
    (folder / "late.txt").write_bytes(b"plain\n" * 10_000 + (CHINESE + "\n").encode("gbk"))
    assert list(text_lines(Workspace(folder), "late.txt"))[-1] == CHINESE


async def test_a_big_sparse_file_in_bounded_memory(call: Call, folder: Path) -> None:
    """200 MB: first text, then a hole, read at the beginning, in the middle and at the end."""
    with (folder / "big.log").open("wb") as file:
        file.write(b"".join(b"line %d\n" % n for n in range(100_000)))
        file.truncate(200 << 20)
        file.seek(-20, os.SEEK_END)
        file.write(b"\nthe very last line\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    first = await call(read_file, path="big.log")
    assert first.text.startswith("line 0\nline 1\n") and "[page 1 of 35," in first.text
    pages = int(first.text.rsplit(" of big.log", 1)[0].rsplit(" ", 1)[1].replace(",", ""))
    second = await call(read_file, path="big.log", page=2)
    last_line = first.text.rsplit("\n[page", 1)[0].splitlines()[-1]
    assert second.text.splitlines()[0] == f"line {int(last_line.split()[1]) + 1}"
    assert "the very last line" in (await call(read_file, path="big.log", page=pages)).text
    assert describe("big.log", Workspace(folder)).startswith("log about ")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # KiB


def test_pages_of_a_big_file_join_up(folder: Path) -> None:
    """Every byte is on exactly one page, with Chinese and with a line longer than a page."""
    text = "".join(f"第 {n} 行\n" for n in range(300_000)) + "长" * 50_000 + "\nend\n" + "x" * (6 << 20)
    (folder / "big.txt").write_text(text, encoding="utf-8")
    workspace, parts, number, pages = Workspace(folder), [], 1, 1
    while number <= pages:
        page = read_page(workspace, "big.txt", number, 100_000)
        parts.append(page.text)
        number, pages = number + 1, page.pages
    assert "".join(parts) == text and pages > 80


def test_overlong_lines_are_streamed(folder: Path) -> None:
    (folder / "min.json").write_text("[" + "1," * 10_000_000 + "1]")
    assert max(map(len, text_lines(Workspace(folder), "min.json"))) <= 65536
    assert len(preview("min.json", 100, Workspace(folder))) <= 100


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.csv", "date,item,amount\n1,a,2\n3,b,4\n", "csv 3 columns: date,item,amount, 2 rows"),
        ("a.csv", "名称;数量\n螺丝;5\n", 'csv 2 columns: 名称,数量 (sep=";"), 1 row'),
        ("a.csv", "n,text\n" + "1,abcdefgh\n" * 5000, "csv 2 columns: n,text, about 4,900 rows"),
        ("a.tsv", "a\tb\n1\t2\n", 'csv 2 columns: a,b (sep="\\t"), 1 row'),
        ("a.txt", "\n  Invoice   2024-001\nTotal 5\n", 'text 3 lines: "Invoice 2024-001"'),
        ("a.md", "# " + "long " * 40, None),
        ("a.json", '[{"id": 1, "name": "x"}]', "json list of 1 item with keys id,name"),
        ("a.json", '{"a": {"deep": 1}, "b": [1], "c": "}"}', "json object with keys a,b,c"),
        ("a.json", '{"a": [' + "1," * 20000, "json object with keys a"),
        ("a.jsonl", '{"id": 1}\n{"id": 2}\n', "jsonl 2 lines with keys id"),
        ("a.html", "<html><title> My &amp; page </title>", 'html "My & page"'),
        ("a.ics", "BEGIN:VEVENT\nBEGIN:VEVENT\n", "calendar 2 events"),
        ("a.py", "import os\n", 'python 1 line: "import os"'),
        ("empty.csv", "", "csv empty"),
    ],
)
def test_describe(folder: Path, name: str, content: str, line: str | None) -> None:
    (folder / name).write_text(content, encoding="utf-8")
    said = describe(folder / name)
    assert said == line if line is not None else len(said) < 100
    assert describe(name, Workspace(folder)) == said


def test_describe_follows_changes_and_never_raises(folder: Path) -> None:
    (folder / "a.csv").write_text("a,b\n1,2\n")
    assert describe(folder / "a.csv").endswith("1 row")
    (folder / "a.csv").write_text("a,b\n1,2\n3,4\n")
    assert describe(folder / "a.csv").endswith("2 rows")
    os.mkfifo(folder / "pipe")
    for path in ("pipe", "missing", ".", "../x", "/etc/passwd", "a\0"):
        assert describe(path, Workspace(folder)) == "" and preview(path, 50, Workspace(folder)) == ""


def test_preview(folder: Path) -> None:
    (folder / "a.csv").write_bytes("名称,数量\n螺丝,5\n螺母,7\n".encode("gbk"))
    assert preview(folder / "a.csv", 14) == "名称,数量\n螺丝,5"
    assert preview(folder / "a.csv", 3) == "名称…"
    (folder / "a.xlsx").write_bytes(xlsx())
    assert preview(folder / "a.xlsx", 40).startswith("[sheet Orders]\ndate,item")


def test_overview(folder: Path) -> None:
    assert overview(Workspace(folder)) == "The workspace is empty."
    (folder / "invoices").mkdir()
    for number in range(1, 12):
        (folder / f"invoices/inv_{number}.csv").write_text(f"date,item,amount\n2024-01-02,Bolt,{number}\n")
    (folder / "customers.csv").write_text("name,city\nAnn,Bern\n")
    (folder / "notes.md").write_text("# Notes\nBuy milk\n")
    (folder / ".hidden").write_text("x")
    text = overview(Workspace(folder))
    assert text.splitlines()[:3] == [
        "13 files and 1 hidden",
        "./: customers.csv, notes.md",
        "invoices/: 11 csv (inv_1.csv, inv_2.csv … inv_11.csv)",
    ]
    assert "invoices/inv_1.csv: csv 3 columns, 1 row\n  date,item,amount\n  2024-01-02,Bolt,1" in text
    assert "  name,city\n  Ann,Bern" in text and "# Notes" in text
    assert overview(Workspace(folder)) == text


@settings(max_examples=30, deadline=None)
@given(
    budget=st.integers(60, 900),
    names=st.lists(st.from_regex(r"[a-c]/[a-z]{1,12}\.(csv|txt|json)", fullmatch=True), max_size=20),
)
def test_overview_keeps_its_budget(tmp_path_factory: pytest.TempPathFactory, budget: int, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("overview")
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps({"name": name, "long": "汉" * 30}) + "\na,b,c\n")
    text = overview(Workspace(folder), budget)
    assert len(text) <= budget and text == overview(Workspace(folder), budget)


@given(st.text(max_size=200))
def test_any_markup_becomes_text(source: str) -> None:
    assert markup_text(source).endswith("\n")
