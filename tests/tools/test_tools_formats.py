"""What other programs than the usual ones put into documents: wrong sizes, tracked changes, labels that say too little, odd archives."""

from __future__ import annotations

import base64
import io
import random
import re
import zipfile
from email.message import EmailMessage
from pathlib import Path

import pytest

from wornpath.tools import Workspace, opendocument
from wornpath.tools.documents import describe, overview
from wornpath.tools.formats import MAX_BYTES, docx_text, html_text, mail_text, packed_xml_text, xlsx_text
from wornpath.tools.readers import read_page

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_MC = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'


def packed(**members: str) -> io.BytesIO:
    """A ZIP archive; a member's name has `__` for `/` and `_` for `.`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), text)
    file.seek(0)
    return file


def word(*blocks: str) -> list[str]:
    """The lines of a Word document with the XML of BLOCKS."""
    from docx import Document
    from docx.oxml import parse_xml

    document, file = Document(), io.BytesIO()
    for block in blocks:
        document.element.body.insert_element_before(
            parse_xml(re.sub(r"^<([\w:]+)", rf"<\1 {_W} {_MC}", block)), "w:sectPr"
        )
    document.save(file)
    return "".join(docx_text(file)).splitlines()


@pytest.mark.parametrize("said", ["A1", "A1:A2", "B2:B2", "A1:C900"])
def test_a_sheet_is_read_whatever_it_says_of_its_size(said: str) -> None:
    from openpyxl import Workbook

    book, file, out = Workbook(), io.BytesIO(), io.BytesIO()
    for row in (["name", "amount"], ["Ann", 10], [None, None], ["sum", "=SUM(B2:B3)"]):
        book.worksheets[0].append(row)
    book.save(file)
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(out, "w") as archive:
        for name in source.namelist():
            data, found = re.subn(rb'<dimension ref="[^"]*"', f'<dimension ref="{said}"'.encode(), source.read(name))
            assert found == (name == "xl/worksheets/sheet1.xml")
            archive.writestr(name, data)
    assert "".join(xlsx_text(out)) == "[sheet Sheet]\nname,amount\nAnn,10\nsum,=SUM(B2:B3)\n"


def _odd_zip(kind: str, member: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo(member)
        info.extra = b"\x01\x00\x04\x00abcd"  # ZIP64, and too short for what it should hold
        archive.writestr(info, "<w:t>hello</w:t>")
    data = bytearray(file.getvalue())
    entry = data.index(b"PK\x01\x02")
    if kind == "version":  # needed to extract: 9.9
        data[entry + 6] = 99
    elif kind == "zip64":  # the size is in the extra field
        data[entry + 24 : entry + 28] = b"\xff\xff\xff\xff"
    elif kind == "locked":
        data[entry + 8] |= 1
    elif kind == "method":
        data[entry + 10] = 98
    return bytes(data)


@pytest.mark.parametrize("kind", ["version", "zip64", "locked", "method"])
def test_an_odd_archive_ends_no_run(folder: Path, kind: str) -> None:
    (folder / "a.docx").write_bytes(_odd_zip(kind, "word/document.xml"))
    (folder / "a.zip").write_bytes(_odd_zip(kind, "a.txt"))
    (folder / "notes.txt").write_text("milk\n")
    workspace = Workspace(folder)
    assert describe("a.docx", workspace) == "damaged document"
    assert describe("a.zip", workspace) == ("zip a.txt" if kind in ("locked", "method") else "damaged zip")
    assert "notes.txt" in overview(workspace)


@pytest.mark.parametrize("label", ["gb2312", "GBK", "GB18030"])
def test_rare_chinese_characters_in_mail_and_pages(folder: Path, label: str) -> None:
    """镕 and 喆 are in GBK and not in GB 2312, 㐀 is in GB 18030 only."""
    name = base64.b64encode("朱镕基㐀".encode("gb18030")).decode()
    mail = (
        f"From: =?{label}?B?{name}?= <z@example.cn>\nSubject: =?{label}?b?{name}?=\n"
        'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="x"\n\n'
        f"--x\nContent-Type: text/plain; charset={label}\nContent-Transfer-Encoding: 8bit\n\n收款人：陈喆㐀 =?gbk?B?\n"
        f'--x\nContent-Type: text/csv; name="=?{label}?B?{name}?="\nContent-Disposition: attachment\n\n1\n'
        f"--x\nContent-Type: text/csv\nContent-Disposition: attachment; filename*={label}''%E9F.csv\n\n1\n--x--\n"
    ).encode("gb18030")
    text = "".join(mail_text(io.BytesIO(mail)))
    assert text == (
        "From: 朱镕基㐀 <z@example.cn>\nSubject: 朱镕基㐀\nAttached: 朱镕基㐀, 镕.csv\n\n收款人：陈喆㐀 =?gbk?B?"
    )
    (folder / "a.eml").write_bytes(mail)
    assert describe("a.eml", Workspace(folder)) == 'mail from 朱镕基㐀 <z@example.cn>: "朱镕基㐀"'
    page = f'<meta charset="{label}"><p>朱镕基，陈喆㐀'.encode("gb18030")
    assert "".join(html_text(io.BytesIO(page))) == "朱镕基，陈喆㐀\n"


def test_text_in_an_unknown_charset_or_none() -> None:
    body = "本月的订单一共有一百二十份".encode("gbk")
    for label in ("", "; charset=x-nobody", "; charset=hex"):
        mail = f"From: a@example.org\nContent-Type: text/plain{label}\n\n".encode() + body
        assert "本月的订单" in "".join(mail_text(io.BytesIO(mail)))
        assert "本月的订单" in "".join(html_text(io.BytesIO(f"<meta {label}>".encode() + body)))


def test_what_is_attached_behind_something_large_is_told(folder: Path) -> None:
    """Two attachments of 7 MB, with what looks like the borders of parts in one of them."""
    mail, inner = EmailMessage(), EmailMessage()
    mail["From"], mail["Subject"] = "ann@example.org", "three files"
    mail.set_content("see them\n--\nAnn\n")
    mail.add_alternative("<p>see them", subtype="html")
    inner.set_content("within")
    mail.add_attachment(random.Random(0).randbytes(7_000_000), maintype="application", subtype="pdf", filename="a.pdf")
    mail.add_attachment("-- SQL\n--\n\nSELECT 1\n" * 350_000, subtype="sql", filename="b.sql")
    mail.add_attachment(inner)
    mail.add_attachment(b"x,1\n", maintype="text", subtype="csv", filename="发票.csv")
    (folder / "a.eml").write_bytes(mail.as_bytes())
    page = read_page(Workspace(folder), "a.eml", 1, 2000)
    assert page.text == (
        "From: ann@example.org\nSubject: three files\nAttached: a.pdf, b.sql, message/rfc822, 发票.csv\n\n"
        "see them\n--\nAnn\n"
    )


def test_what_is_cut_is_said() -> None:
    long = b"<p>word</p>" + b"<!-- " + b"-" * MAX_BYTES + b"\n" + b"-" * 100 + b" --><p>end</p>\n"
    mail = b"From: a@example.org\nContent-Type: text/html\n\n"
    assert "".join(mail_text(io.BytesIO(mail + long))).endswith("[only the first 8 MB of this mail's text are read]\n")
    assert "".join(html_text(io.BytesIO(long))).endswith("[only the first 8 MB of this page are read]\n")
    assert "only the first" in "".join(mail_text(io.BytesIO(b"X-Note: " + b"word " * (MAX_BYTES // 4))))
    assert "only the first" not in "".join(mail_text(io.BytesIO(mail + b"<p>word")))


def test_word_insertions_and_form_fields_are_read_and_deletions_not() -> None:
    run = "<w:r><w:t>{}</w:t></w:r>".format
    control = "<w:sdt><w:sdtPr/><w:sdtContent>{}</w:sdtContent></w:sdt>".format
    cell = "<w:tc><w:p>{}</w:p></w:tc>".format
    moved = f"<w:moveFrom>{run('gone')}</w:moveFrom><w:moveTo>{run('come')}</w:moveTo>"
    deleted = '<w:del><w:r><w:delText xml:space="preserve">old</w:delText><w:tab/></w:r></w:del>'
    assert word(
        control(
            control(f"<w:p>{run('Contract 77')}</w:p>") + f"<w:tbl><w:tr>{cell(run('in a control'))}</w:tr></w:tbl>"
        ),
        '<w:p><w:pPr><w:pStyle w:val="Heading2"/><w:tabs><w:tab w:val="left" w:pos="9"/></w:tabs></w:pPr>'
        f"{run('Price')}{deleted}<w:ins>{run(' 4,200')}</w:ins></w:p>",
        f"<w:p>{control(run('Ann'))}<w:r><w:tab/><w:t>left</w:t><w:br/></w:r>{moved}"
        f"<w:smartTag>{run(' Bern')}</w:smartTag></w:p>",
        f"<w:p>{deleted}</w:p>",
    ) == ["Contract 77", "| in a control |", "## Price 4,200", "Ann\tleft", "come Bern"]
    assert word(
        f"<w:tbl><w:tr>{cell(f'<w:ins>{run(1)}</w:ins>')}{control(cell(run(2)))}</w:tr>"
        + control(f"<w:tr>{cell(deleted + run(3))}<w:tc>{control(f'<w:p>{run(4)}</w:p>')}<w:p/></w:tc></w:tr>")
        + "</w:tbl>"
    ) == ["| 1 | 2 |", "| 3 | 4 |"]


def test_word_merged_cells_and_text_boxes() -> None:
    def cell(text: str, settings: str = "") -> str:
        return f"<w:tc><w:tcPr>{settings}</w:tcPr><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>"

    tall, wide = '<w:vMerge w:val="restart"/>', '<w:gridSpan w:val="2"/>'
    assert word(
        f"<w:tbl><w:tr>{cell('a', tall)}{cell('wide', wide)}</w:tr>"
        f"<w:tr>{cell('', '<w:vMerge/>')}{cell('b')}{cell('c', tall)}</w:tr>"
        f'<w:tr><w:trPr><w:gridBefore w:val="2"/></w:trPr>{cell("", "<w:vMerge/>")}</w:tr></w:tbl>'
    ) == ["| a | wide | wide |", "| a | b | c |", "|  |  | c |"]
    box = "<w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent>"
    both = f"<mc:AlternateContent><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent>"
    assert word(f"<w:p><w:r><w:t>before</w:t>{both}<w:t>after</w:t></w:r></w:p>") == ["before", "boxed", "after"]


def test_breaks_on_slides_and_in_opendocument_texts_part_words() -> None:
    slide = '<a:p><a:r><a:t>Revenue 5</a:t></a:r><a:br><a:rPr lang="en"/></a:br><a:r><a:t>20 &lt; 30</a:t></a:r></a:p>'
    assert "".join(packed_xml_text(packed(ppt__slides__slide1_xml=slide))) == "[slide 1]\nRevenue 5\n20 < 30\n"
    text = (
        "<office:text><text:tracked-changes><text:deletion><text:p>gone</text:p></text:deletion></text:tracked-changes>"
        '<text:h text:style-name="H">Name<text:tab/>Sum</text:h><text:p text:style-name="P"/>'
        '<text:p>One<text:line-break/>two<text:s/>three<text:s text:c="3"/><text:span>four &amp; </text:span>five</text:p>'
        "<text:p>Note<text:note><text:note-body><text:p>below</text:p></text:note-body></text:note> that.</text:p>"
        "<!-- <text:p>no</text:p> --></office:text>"
    )
    assert "".join(packed_xml_text(packed(content_xml=text))).splitlines() == [
        "Name\tSum",
        "One",
        "two three   four & five",
        "Note",
        "below",
        " that.",
    ]


def test_rows_and_cells_of_opendocument_tables() -> None:
    def cell(text: str, settings: str = "") -> str:
        return f"<table:table-cell {settings}><text:p>{text}</text:p></table:table-cell>"

    three = 'table:number-columns-repeated="3"'
    empty = '<table:table-cell table:number-columns-repeated="{}"/>'.format
    sheets = (
        '<office:spreadsheet><table:table table:name="A &amp; B">'
        f"<table:table-row>{cell('item')}{empty(1)}{cell('long, price')}{empty(16381)}</table:table-row>"
        f"<table:table-row>{cell('Bolt</text:p><text:p>M4')}<table:covered-table-cell/>{cell('5')}</table:table-row>"
        f"<table:table-row>{empty(2)}<table:table-cell><office:annotation><text:p>ask</text:p></office:annotation>"
        f"<text:p>7</text:p></table:table-cell></table:table-row>"
        f'<table:table-row table:number-rows-repeated="2">{cell("0", three)}</table:table-row>'
        f'<table:table-row table:number-rows-repeated="1048570">{empty(16384)}</table:table-row></table:table>'
        f'<table:table table:name="空表"><table:table-row>{cell("单价")}</table:table-row></table:table></office:spreadsheet>'
    )
    assert "".join(packed_xml_text(packed(content_xml=sheets))).splitlines() == [
        "[sheet A & B]",
        'item,,"long, price"',
        "Bolt M4,,5",
        ",,7",
        "0,0,0",
        "0,0,0",
        "[sheet 空表]",
        "单价",
    ]


def test_repeated_cells_and_spaces_are_bounded() -> None:
    many = 'table:number-columns-repeated="999999999"'
    row = f"<table:table-row><table:table-cell {many}/><table:table-cell {many}><text:p>x</text:p></table:table-cell></table:table-row>"
    assert [len(piece) for piece in opendocument.content(row)] == [16384]
    assert list(opendocument.content('<text:p>a<text:s text:c="999999999"/>b</text:p>')) == ["a" + " " * 100 + "b"]


@pytest.mark.parametrize(
    "xml", ["<text:p", "<text:p>a<b", "</text:p>", "<table:table-row><text:p>a", "<!--", '<text:p a="']
)
def test_a_torn_opendocument_says_what_it_can(xml: str) -> None:
    assert list(opendocument.content(f"<text:p>whole</text:p>{xml}")) == ["whole"]
