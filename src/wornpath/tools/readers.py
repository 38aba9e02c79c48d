"""The text of any file, page by page and in bounded memory: plain text in any encoding, documents, and what is no text at all."""

from __future__ import annotations

import contextlib
import io
import mimetypes
import posixpath
import struct
import wave
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from wornpath.core import Part, ToolError
from wornpath.tools import apart, formats
from wornpath.tools.encoding import looks_like, sniff
from wornpath.tools.formats import MAX_BYTES
from wornpath.tools.workspace import Workspace

MAX_TEXT = 2_000_000
"""The most characters taken out of one document that is not plain text."""
HEAD = 16384
"""How much of a file is looked at to tell what it is, in bytes."""

DOCUMENTS: Mapping[str, Callable[[BinaryIO], Iterator[str]]] = {
    "pdf": formats.pdf_text,
    "docx": formats.docx_text,
    "xlsx": formats.xlsx_text,
    "pptx": formats.packed_xml_text,
    "odt": formats.packed_xml_text,
    "ods": formats.packed_xml_text,
    "html": formats.html_text,
    "eml": formats.mail_text,
    "zip": formats.archive_text,
}
_SAME = {"htm": "html", "xhtml": "html", "docm": "docx", "xlsm": "xlsx", "odp": "odt"}
_PACKED = ("docx", "xlsx", "pptx", "odt", "ods")
_FOLDERS = {"docx": b"word/", "xlsx": b"xl/", "pptx": b"ppt/"}
_IMAGES = {"PNG image", "JPEG image", "GIF image", "WebP image"}
_AUDIO = {"WAV audio", "MP3 audio", "FLAC audio", "Ogg audio or video"}


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a file's text. `kind` is pdf, docx, text, image, binary ...; `parts` what goes with it besides text."""

    text: str
    number: int = 1
    pages: int = 1
    kind: str = "text"
    parts: tuple[Part, ...] = ()


def kind_of(name: str, head: bytes) -> str:
    """What sort of file begins with HEAD: a document's kind, image, audio, binary, or for text its extension (`text` without one)."""
    extension = posixpath.splitext(name)[1][1:].lower()
    extension = _SAME.get(extension, extension)
    looks = looks_like(head)
    if looks == "PDF" or b"%PDF-" in head[:1024]:
        return "pdf"
    if looks == "ZIP archive":
        inside = next((k for k, folder in _FOLDERS.items() if folder in head), "zip")
        return extension if extension in _PACKED else inside
    if looks in _IMAGES:
        return "image"
    if looks in _AUDIO:
        return "audio"
    named = extension in _PACKED or extension in ("pdf", "zip")
    if sniff(head) is None:
        return extension if named else "binary"  # a damaged document: its reader will say so
    return "text" if named or not extension else extension


def read_page(workspace: Workspace, path: str, number: int, chars: int) -> Page:
    """Page NUMBER (from 1) of the text of PATH, about CHARS characters a page, cut at the ends of lines.

    Raises ToolError for a page that does not exist, a damaged or locked document, and whatever cannot be opened.
    """
    with workspace.open_read(path) as file:
        head, size = file.read(HEAD), _size(file)
        kind = kind_of(path, head)
        if size and kind not in DOCUMENTS and kind not in ("image", "audio", "binary") and size > MAX_BYTES:
            return _big_page(file, path, kind, size, number, max(chars // 4, 1) * 4)
        if kind in ("image", "audio", "binary"):
            return _no_text(file, workspace.relative(path), kind, head, size)
    text, complete = whole_text(workspace, path)
    cuts = _cuts(text, chars)
    _check_number(path, number, len(cuts) - 1)
    page = text[cuts[number - 1] : cuts[number]]
    if not complete and number == len(cuts) - 1:
        page += f"\n[only the first {MAX_TEXT:,} characters of this document are read]"
    if not text.strip() and kind == "pdf":
        page = "[a PDF without text: its pages are pictures]"
    return Page(page, number, len(cuts) - 1, kind)


def whole_text(workspace: Workspace, path: str, *, hurried: bool = False) -> tuple[str, bool]:
    """The text of PATH, at most MAX_BYTES of plain text, and whether that is all; documents are cached while they stay the same. HURRIED: a
    document that takes long is not worth it.

    Raises ToolError as `read_page` does, and for what is no text.
    """
    info = workspace.stat(path)
    if info is None:
        workspace.open_read(path).close()  # raises the sentence that says why
        raise ToolError(f"{path} could not be read.")
    with workspace.open_read(path) as file:
        if kind_of(path, file.read(HEAD)) not in DOCUMENTS:
            return _plain_text(file, path, _size(file))
    key = (str(workspace.root), workspace.relative(path), info.st_size, info.st_mtime_ns, info.st_ino)
    found = _KNOWN.get(key)
    if found is None or (isinstance(found, apart.TooMuch) and found.hurried and not hurried):
        try:
            found = _document_text(*key[:3], hurried)
        except ToolError as error:
            found = error
        _KNOWN[key] = found
        while len(_KNOWN) > _MOST_KNOWN:
            with contextlib.suppress(KeyError, StopIteration, RuntimeError):  # another thread was there first
                del _KNOWN[next(iter(_KNOWN))]
    if isinstance(found, ToolError):
        raise found.with_traceback(None)
    return found


_KNOWN: dict[tuple[str, str, int, int, int], tuple[str, bool] | ToolError] = {}
_MOST_KNOWN = 4


def text_lines(workspace: Workspace, path: str, *, hurried: bool = False) -> Iterator[str]:
    """The lines of PATH, streamed where it is plain text; pieces of 64 Ki characters where a line is longer. Nothing for binary files.

    Raises ToolError as `read_page` does.
    """
    with workspace.open_read(path) as file:
        head = file.read(HEAD)
        kind = kind_of(path, head)
        if kind in ("image", "audio", "binary"):
            return
        if kind in DOCUMENTS:
            yield from whole_text(workspace, path, hurried=hurried)[0].splitlines()
            return
        file.seek(0)
        encoding = _later_encoding(file) if head.isascii() and b"\0" not in head else sniff(head)
        lines = io.TextIOWrapper(file, encoding=encoding, errors="replace")
        while line := lines.readline(65536):
            yield line.rstrip("\r\n")


def decode(data: bytes, path: str) -> tuple[str, str]:
    """All of the text file PATH's DATA as text, line ends as they are, and its encoding. Raises ToolError where it is no clean text."""
    encoding = sniff(data, whole=True)
    if encoding is None:
        raise ToolError(f"{path} is a binary file ({looks_like(data) or 'of no known type'}), not text.")
    try:
        return data.decode(encoding), encoding
    except UnicodeDecodeError:
        raise ToolError(f"{path} is not clean {encoding} text, so changing it would damage it.") from None


def _later_encoding(file: BinaryIO) -> str:
    """The encoding of a file that begins in ASCII: that of the first part of it that does not."""
    found = "utf-8"
    while data := file.read(1 << 20):
        if not data.isascii():
            start = next(i for i, byte in enumerate(data) if byte > 127)
            found = sniff(data[start : start + HEAD]) or "utf-8"
            break
    file.seek(0)
    return found


def _document_text(root: str, path: str, size: int, hurried: bool) -> tuple[str, bool]:
    with Workspace(Path(root), writable=False).open_read(path) as file:
        kind = kind_of(path, file.read(HEAD))
        file.seek(0)
        if kind not in DOCUMENTS:  # it was replaced this very moment
            return _plain_text(file, path, size)
        try:
            return apart.READER.text(kind, file, MAX_TEXT, hurried=hurried)
        except (apart.TooMuch, apart.Damaged) as error:
            if kind in ("eml", "html"):
                return _plain_text(file, path, size)
            if isinstance(error, apart.TooMuch):
                raise apart.TooMuch(f"{path} could not be read. {error}", hurried=hurried) from None
            raise ToolError(f"{path} is damaged or not really {kind.upper()}: {error}.") from None
        except ToolError as error:
            raise ToolError(f"{path} could not be read. {error}") from None


def _plain_text(file: BinaryIO, path: str, size: int) -> tuple[str, bool]:
    file.seek(0)
    data = file.read(MAX_BYTES)
    encoding = sniff(data, whole=size <= MAX_BYTES)
    if encoding is None:
        raise ToolError(f"{path} is a binary file of {size:,} bytes, not text.")
    return data.decode(encoding, "replace").replace("\r\n", "\n"), size <= MAX_BYTES


def _cuts(text: str, chars: int) -> list[int]:
    """Where pages of TEXT begin, and its end; a page ends with a line unless a line is longer than half a page."""
    cuts = [0]
    while len(text) - cuts[-1] > chars:
        end = cuts[-1] + chars
        line = text.rfind("\n", cuts[-1] + chars // 2, end)
        cuts.append(line + 1 if line >= 0 else end)
    return [*cuts, len(text)]


def _big_page(file: BinaryIO, path: str, kind: str, size: int, number: int, length: int) -> Page:
    """A page of a text file too big to hold: LENGTH bytes from where the first line begins there."""
    pages = -(-size // length)
    _check_number(path, number, pages)
    file.seek(0)
    head = file.read(HEAD)
    encoding = sniff(head) or "utf-8"
    if encoding in ("utf-16", "utf-32") and number > 1:  # the mark that tells the byte order is on the first page only
        encoding += "-be" if head[:2] in (b"\xfe\xff", b"\0\0") else "-le"
    start = _line_start(file, (number - 1) * length, length, encoding)
    end = _line_start(file, number * length, length, encoding) if number < pages else size
    file.seek(start)
    data = file.read(max(end - start, 0))
    if encoding == "utf-8" and not data.isascii():  # the file began in ASCII, which may be any encoding
        encoding = sniff(data) or encoding
    text = data.decode(encoding, "replace")
    return Page(text.replace("\r\n", "\n"), number, pages, kind)


def _line_start(file: BinaryIO, at: int, within: int, encoding: str) -> int:
    """The first line border at or after AT, or AT itself where none is near."""
    if at == 0 or encoding.startswith(("utf-16", "utf-32")):
        return at
    file.seek(at - 1)
    data = file.read(within)
    line = data.find(b"\n")
    if line >= 0:
        return at + line
    while encoding.startswith("utf-8") and len(data) > 1 and data[1] & 0xC0 == 0x80:
        data, at = data[1:], at + 1
    return at


def _check_number(path: str, number: int, pages: int) -> None:
    if not 1 <= number <= pages:
        raise ToolError(f"{path} has {pages} page{'s' if pages > 1 else ''}; there is no page {number}.")


def _no_text(file: BinaryIO, path: str, kind: str, head: bytes, size: int) -> Page:
    looks = looks_like(head)
    media_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
    if kind == "image":
        wide, high = image_size(head) or (0, 0)
        text = f"{looks}, {wide}×{high} pixels, {size:,} bytes" if wide else f"{looks}, {size:,} bytes"
        return Page(text, kind=kind, parts=(Part("image", path=path, media_type=media_type, bytes=size),))
    if kind == "audio":
        file.seek(0)
        seconds = wave_seconds(file)
        text = f"{looks}, {seconds:.1f} seconds, {size:,} bytes" if seconds else f"{looks}, {size:,} bytes"
        return Page(text, kind=kind, parts=(Part("audio", path=path, media_type=media_type, bytes=size),))
    text = f"binary file, {size:,} bytes" + (f", looks like {looks}" if looks else "")
    return Page(text, kind=kind, parts=(Part("file", path=path, media_type=media_type, bytes=size),))


def image_size(head: bytes) -> tuple[int, int] | None:
    """Width and height in pixels from the beginning of an image; None where they are not found."""
    try:
        if head.startswith(b"\x89PNG"):
            return struct.unpack(">II", head[16:24])
        if head.startswith(b"GIF8"):
            return struct.unpack("<HH", head[6:10])
        if head[12:16] == b"VP8X":
            return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
        at = 2
        while head.startswith(b"\xff\xd8") and head[at] == 0xFF:
            if head[at + 1] in (0xC0, 0xC1, 0xC2):
                high, wide = struct.unpack(">HH", head[at + 5 : at + 9])
                return wide, high
            at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    except (struct.error, IndexError):
        pass
    return None


def wave_seconds(file: BinaryIO) -> float | None:
    """How long a WAV file plays, in seconds; None for anything else."""
    try:
        with wave.open(file, "rb") as sound:
            return sound.getnframes() / (sound.getframerate() or 1)
    except (wave.Error, EOFError, RuntimeError, OSError):  # what it raises on damaged ones
        return None


def _size(file: BinaryIO) -> int:
    at = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(at)
    return size
