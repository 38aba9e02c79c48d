"""Readable text out of documents that are not plain text: PDF, Word, Excel, slides, OpenDocument, web pages, mail, archives.

Every function takes a binary file and yields pieces of text, so that a reader may stop early. What a damaged document raises is
the caller's to turn into a sentence.
"""

from __future__ import annotations

import csv
import html
import io
import logging
import re
import warnings
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, BinaryIO

from wornpath.core import ToolError
from wornpath.tools.encoding import sniff
from wornpath.tools.workspace import natural

MAX_BYTES = 8 << 20
"""The most of one file that is ever held in memory as it is."""
MAX_UNPACKED = 200 << 20
MAX_DIRECTORY = 4 << 20
_SIZE_OF_DIRECTORY = 5  # in what zipfile finds at an archive's end
_MAX_BLANK_ROWS = 1000
_BLOCKS = """address article aside blockquote br dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 header hr li main nav ol
    p pre section table title tr ul"""


def pdf_text(file: BinaryIO) -> Iterator[str]:
    """The text of each page. Raises ToolError for a locked document."""
    logging.getLogger("pypdf").addHandler(logging.NullHandler())  # its remarks on odd files are not for the terminal
    from pypdf import PdfReader

    reader = PdfReader(file)
    if reader.is_encrypted and not reader.decrypt(""):
        raise ToolError("It is locked with a password; save it without one to read it.")
    for number, page in enumerate(reader.pages, 1):
        text = page.extract_text().strip()
        if text:
            yield (f"\n[page {number}]\n" if number > 1 else "") + text + "\n"


def docx_text(file: BinaryIO) -> Iterator[str]:
    """Paragraphs and tables in their order; headings as in Markdown, table rows with bars."""
    _check_zip(file)
    from docx import Document
    from docx.table import Table

    for block in Document(file).iter_inner_content():
        if isinstance(block, Table):
            for row in block.rows:
                cells = (" ".join(cell.text.split()) for cell in row.cells)
                yield "| " + " | ".join(cells) + " |\n"
            continue
        style = (block.style.name if block.style is not None else "") or ""
        level = re.match(r"Heading (\d)", style)
        prefix = "#" * int(level[1]) + " " if level else "- " if style.startswith("List") else ""
        if block.text.strip():
            yield prefix + block.text + "\n"


def xlsx_text(file: BinaryIO) -> Iterator[str]:
    """Each sheet under its name, rows as CSV; a formula is shown where no value of it was saved."""
    _check_zip(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl's remarks on features it leaves out
        from openpyxl import load_workbook

        values = load_workbook(file, read_only=True, data_only=True)
        formulas = load_workbook(file, read_only=True)
    for sheet in values.worksheets:
        yield f"[sheet {sheet.title}]\n"
        yield from _rows(sheet.iter_rows(values_only=True), formulas[sheet.title].iter_rows(values_only=True))


def _rows(values: Any, formulas: Any) -> Iterator[str]:
    blank = 0
    for row, plain in zip(values, formulas, strict=False):
        cells = [_cell(f if v is None else v) for v, f in zip(row, plain, strict=False)]
        while cells and not cells[-1]:
            cells.pop()
        blank = 0 if cells else blank + 1
        if blank > _MAX_BLANK_ROWS:  # formatted to the last row, as spreadsheets love to be
            return
        if cells:
            line = io.StringIO()
            csv.writer(line, lineterminator="\n").writerow(cells)
            yield line.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    text = value.isoformat(" ") if hasattr(value, "hour") and hasattr(value, "year") else str(value)
    return text.removesuffix(" 00:00:00")


def packed_xml_text(file: BinaryIO) -> Iterator[str]:
    """Slides (PPTX) and OpenDocument texts and tables: their paragraphs."""
    _check_zip(file)
    with opened_zip(file) as archive:
        slides = sorted((n for n in archive.namelist() if re.fullmatch(r"ppt/slides/slide\d+\.xml", n)), key=natural)
        for number, name in enumerate(slides, 1):
            yield f"[slide {number}]\n"
            yield from _paragraphs(archive.read(name).decode("utf-8", "replace"), "a:p", "a:t")
        if "content.xml" in archive.namelist():
            yield from _paragraphs(archive.read("content.xml").decode("utf-8", "replace"), "text:[ph]", "")


def _paragraphs(xml: str, outer: str, inner: str) -> Iterator[str]:
    for body in re.findall(rf"<{outer}(?: [^>]*)?>(.*?)</{outer}>", xml, re.DOTALL):
        pieces = (
            re.findall(rf"<{inner}(?: [^>]*)?>(.*?)</{inner}>", body, re.DOTALL)
            if inner
            else [re.sub(r"<[^>]*>", "", body)]
        )
        text = html.unescape("".join(pieces)).strip()
        if text:
            yield text + "\n"


def archive_text(file: BinaryIO) -> Iterator[str]:
    """The names and sizes in a ZIP archive."""
    with opened_zip(file) as archive:
        infos = archive.infolist()
        yield f"ZIP archive with {len(infos)} entries\n"
        for info in infos:
            yield f"{info.filename}  {info.file_size:,} bytes\n"


def html_text(file: BinaryIO) -> Iterator[str]:
    """The readable text of a web page, without scripts and styles."""
    data = file.read(MAX_BYTES)
    named = re.search(rb"""charset=["']?([\w-]+)""", data[:2048])
    encoding = sniff(data, whole=len(data) < MAX_BYTES) or "utf-8"
    if named and not encoding.startswith("utf"):
        encoding = named[1].decode("ascii")
    try:
        text = data.decode(encoding, "replace")
    except LookupError:
        text = data.decode("utf-8", "replace")
    yield markup_text(text)


def markup_text(text: str) -> str:
    """The readable text of HTML source."""
    parser = _Page()
    parser.feed(text)
    parser.close()
    lines = (" ".join(line.split()) for line in "".join(parser.pieces).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


class _Page(HTMLParser):
    """Collects text; blocks end lines, cells are parted by bars."""

    _ENDING = frozenset(_BLOCKS.split())
    _SILENT = frozenset(("script", "style", "template", "noscript", "svg"))

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.silent += tag in self._SILENT
        if tag in self._ENDING:
            self.pieces.append("\n")
        if tag == "li":
            self.pieces.append("- ")
        elif tag in ("h1", "h2", "h3"):
            self.pieces.append("#" * int(tag[1]) + " ")

    def handle_endtag(self, tag: str) -> None:
        self.silent = max(0, self.silent - (tag in self._SILENT))
        if tag in self._ENDING:
            self.pieces.append("\n")
        elif tag in ("td", "th"):
            self.pieces.append(" | ")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.pieces.append(data if data.strip() else " ")


def mail_text(file: BinaryIO) -> Iterator[str]:
    """A mail's sender, receivers, date, subject and text, and the names of what is attached."""
    from email import policy
    from email.message import EmailMessage
    from email.parser import BytesParser

    mail = BytesParser(policy=policy.default).parsebytes(file.read(MAX_BYTES))
    assert isinstance(mail, EmailMessage)
    for name in ("From", "To", "Cc", "Date", "Subject"):
        if mail[name]:
            yield f"{name}: {' '.join(str(mail[name]).split())}\n"
    attached = (
        [a.get_filename() or a.get_content_type() for a in mail.iter_attachments()] if mail.is_multipart() else []
    )
    if attached:
        yield f"Attached: {', '.join(attached)}\n"
    body = mail.get_body(("plain", "html"))
    if body is not None:
        text = _mail_body(body)
        yield "\n" + (markup_text(text) if body.get_content_type() == "text/html" else text)


def _mail_body(body: Any) -> str:
    try:
        return str(body.get_content())
    except (LookupError, UnicodeError):  # a charset nobody knows
        data = body.get_payload(decode=True) or b""
        return str(data.decode(sniff(data, whole=True) or "latin-1", "replace"))


def opened_zip(file: BinaryIO) -> zipfile.ZipFile:
    """FILE as an archive. Raises ToolError for one with more entries than any real document has, before they are read, and BadZipFile."""
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    if end and end[_SIZE_OF_DIRECTORY] > MAX_DIRECTORY:
        raise ToolError("It has too many entries to be opened.")
    file.seek(0)
    return zipfile.ZipFile(file)


def _check_zip(file: BinaryIO) -> None:
    """Refuse what would unpack to more than any real document, before a library does it."""
    with opened_zip(file) as archive:
        if sum(info.file_size for info in archive.infolist()) > MAX_UNPACKED:
            raise ToolError(f"It would unpack to more than {MAX_UNPACKED >> 20} MB, so it was not opened.")
    file.seek(0)
