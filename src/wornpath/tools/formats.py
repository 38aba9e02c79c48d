"""Readable text out of documents that are not plain text: PDF, Word, Excel, slides, OpenDocument, web pages, mail, archives.

Every function takes a binary file and yields pieces of text, so that a reader may stop early. What a damaged document raises is
the caller's to turn into a sentence.
"""

from __future__ import annotations

import contextlib
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
from wornpath.tools import opendocument, word
from wornpath.tools.charsets import codec
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
    yield from word.lines(file)


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
        both = (sheet, formulas[sheet.title])
        for one in both:
            one.reset_dimensions()  # what a sheet says of its size is wrong in what many programs write
        yield from _rows(*(one.iter_rows(values_only=True) for one in both))


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
            yield _csv_line(cells)


def _csv_line(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    text = value.isoformat(" ") if hasattr(value, "hour") and hasattr(value, "year") else str(value)
    return text.removesuffix(" 00:00:00")


def packed_xml_text(file: BinaryIO) -> Iterator[str]:
    """Slides (PPTX) and OpenDocument texts and tables: their paragraphs, and rows as CSV."""
    _check_zip(file)
    with opened_zip(file) as archive:
        slides = sorted((n for n in archive.namelist() if re.fullmatch(r"ppt/slides/slide\d+\.xml", n)), key=natural)
        for number, name in enumerate(slides, 1):
            yield f"[slide {number}]\n"
            yield from _slide_paragraphs(archive.read(name).decode("utf-8", "replace"))
        if "content.xml" in archive.namelist():
            for piece in opendocument.content(archive.read("content.xml").decode("utf-8", "replace")):
                yield _csv_line(piece) if isinstance(piece, list) else piece + "\n"


def _slide_paragraphs(xml: str) -> Iterator[str]:
    for body in re.findall(r"<a:p(?: [^>]*)?>(.*?)</a:p>", xml, re.DOTALL):
        pieces = re.findall(r"<a:t(?: [^>]*)?>(.*?)</a:t>|<a:(br)\b", body, re.DOTALL)
        text = html.unescape("".join("\n" if line_break else piece for piece, line_break in pieces)).strip()
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
    text = data.decode(encoding, "replace")
    if named and not encoding.startswith("utf"):
        with contextlib.suppress(LookupError, ValueError):  # a charset nobody knows
            text = data.decode(codec(named[1].decode("ascii")), "replace")
    yield markup_text(text)
    if file.read(1):
        yield f"\n[only the first {MAX_BYTES >> 20} MB of this page are read]\n"


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
    from wornpath.tools import mails

    mail, whole = mails.parsed(file, MAX_BYTES)
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
        text = mails.body_text(body)
        yield "\n" + (markup_text(text) if body.get_content_type() == "text/html" else text)
    if not whole:
        yield f"\n[only the first {MAX_BYTES >> 20} MB of this mail's text are read]\n"


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
