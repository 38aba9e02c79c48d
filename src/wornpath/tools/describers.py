"""What a file is, in one line, for each kind of file: columns and rows of a table, keys of JSON, sender and subject of a mail."""

from __future__ import annotations

import contextlib
import csv
import html
import json
import re
from collections.abc import Callable
from typing import BinaryIO

from wornpath.tools.charsets import relabelled
from wornpath.tools.encoding import looks_like, sniff
from wornpath.tools.formats import opened_zip
from wornpath.tools.readers import HEAD, image_size, kind_of, wave_seconds
from wornpath.tools.results import clean

_LINE = 60
_WORDS = {
    "py": "python",
    "md": "markdown",
    "txt": "text",
    "ics": "calendar",
    "eml": "mail",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
}


def line_about(name: str, file: BinaryIO, size: int) -> str:
    """One line on FILE, which is called NAME and has SIZE bytes, from its first 16 KiB. Raises nothing on damaged files."""
    head = file.read(HEAD)
    kind = kind_of(name, head)
    if not size:
        return f"{_WORDS.get(kind, kind)} empty"
    special = _SPECIAL.get(kind)
    if special is not None:
        try:
            return special(file, head, size)
        except Exception:  # zipfile, zlib and struct raise nearly anything on a damaged or unheard-of file
            return f"damaged {kind if kind in ('image', 'audio', 'zip') else 'document'}"
    encoding = sniff(head, whole=size <= HEAD) or "utf-8"
    text = clean(head.decode(encoding, "replace" if size <= HEAD else "ignore"))
    line, maker = "", _TEXTS.get(kind)
    if maker is not None:
        with contextlib.suppress(
            Exception
        ):  # the standard library's mail parser, for one, raises IndexError on a torn address
            line = maker(text, size, len(head))
    return line or _plain(_WORDS.get(kind, kind), text, size, len(head))


def _count(number: int, size: int, read: int, word: str) -> str:
    """NUMBER of things in READ bytes, extended to SIZE bytes: `120 rows`, `about 5,000 rows`."""
    if size > read:
        number = round(number * size / max(read, 1))
        step = 10 ** max(len(str(number)) - 2, 0)
        return f"about {number // step * step:,} {word}s"
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _quoted(text: str) -> str:
    line = next((" ".join(part.split()) for part in text.splitlines() if part.strip()), "")
    return f'"{line if len(line) <= _LINE else line[: _LINE - 1] + "…"}"' if line else ""


def _plain(word: str, text: str, size: int, read: int) -> str:
    lines = text.count("\n") + (not text.endswith("\n"))
    return f"{word} {_count(lines, size, read, 'line')}: {_quoted(text)}".rstrip(": ")


def _table(text: str, size: int, read: int) -> str:
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    delimiter = max(",;\t|", key=first.count)
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return ""
    if not rows:
        return ""
    columns = [" ".join(c.split())[:40] for c in rows[0]]
    shown = ",".join(columns[:12]) + (f" and {len(columns) - 12} more" if len(columns) > 12 else "")
    apart = {",": "", ";": ' (sep=";")', "\t": r' (sep="\t")', "|": ' (sep="|")'}[delimiter]
    plural = "" if len(columns) == 1 else "s"
    return f"csv {len(columns)} column{plural}: {shown}{apart}, {_count(len(rows) - 1, size, read, 'row')}"


def _json(text: str, size: int, read: int) -> str:
    text = text.lstrip("\ufeff \n\t")
    if text.startswith("["):
        try:
            items = json.loads(text) if size <= read else [json.JSONDecoder().raw_decode(text[1:].lstrip())[0]]
        except (ValueError, RecursionError):
            return ""
        count = f"{len(items):,} item{'' if len(items) == 1 else 's'}" if size <= read else "many items"
        return f"json list of {count}" + (
            f" with keys {_keys(items[0])}" if items and isinstance(items[0], dict) else ""
        )
    if text.startswith("{"):
        keys = _top_keys(text)
        return f"json object with keys {_some(keys)}" if keys else "json object"
    return ""


def _json_lines(text: str, size: int, read: int) -> str:
    try:
        first = json.loads(text.splitlines()[0])
    except (ValueError, RecursionError, IndexError):
        return ""
    count = _count(text.count("\n") + (not text.endswith("\n")), size, read, "line")
    return f"jsonl {count}" + (f" with keys {_keys(first)}" if isinstance(first, dict) else "")


def _keys(item: dict[str, object]) -> str:
    return _some([str(key) for key in item])


def _some(names: list[str]) -> str:
    return ",".join(n[:40] for n in names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _top_keys(text: str) -> list[str]:
    """The keys of the object TEXT begins with, though its end may be missing."""
    keys: list[str] = []
    depth = 0
    for found in re.finditer(r'"((?:[^"\\]|\\.)*)"(\s*:)?|[{}\[\]]', text):
        mark = found[0]
        if mark[0] in "{[":
            depth += 1
        elif mark[0] in "}]":
            depth -= 1
            if depth == 0:
                break
        elif found[2] and depth == 1:
            keys.append(found[1])
    return keys


def _web_page(text: str, size: int, read: int) -> str:
    found = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    return f"html {_quoted(html.unescape(found[1]))}" if found and found[1].strip() else ""


def _mail(text: str, size: int, read: int) -> str:
    from email.parser import HeaderParser

    mail = HeaderParser().parsestr(
        text
    )  # the newer policy takes addresses apart, which long lists of them make very slow
    sender = " ".join(_header(mail["From"]).split())[:_LINE]
    return f"mail from {sender}: {_quoted(_header(mail['Subject']))}".rstrip(": ") if sender else ""


def _header(value: object) -> str:
    from email.errors import HeaderParseError
    from email.header import decode_header, make_header

    try:
        return str(make_header(decode_header(relabelled(str(value or "")[:2000]))))
    except (HeaderParseError, LookupError, UnicodeError):
        return str(value)[:2000]


def _calendar(text: str, size: int, read: int) -> str:
    return f"calendar {_count(text.count('BEGIN:VEVENT'), size, read, 'event')}"


def _image(file: BinaryIO, head: bytes, size: int) -> str:
    wide_high = image_size(head)
    return looks_like(head) + (f" {wide_high[0]}×{wide_high[1]}" if wide_high else "")


def _audio(file: BinaryIO, head: bytes, size: int) -> str:
    file.seek(0)
    seconds = wave_seconds(file)
    return looks_like(head) + (f" {seconds:.1f} s" if seconds else "")


def _pdf(file: BinaryIO, head: bytes, size: int) -> str:
    return "pdf document"


def _packed(member: str, pattern: str, show: Callable[[list[str]], str]) -> Callable[[BinaryIO, bytes, int], str]:
    """A describer of a ZIP based document by what PATTERN finds in the beginning of MEMBER."""

    def line(file: BinaryIO, head: bytes, size: int) -> str:
        with opened_zip(file) as archive, archive.open(member) as part:
            found = re.findall(pattern, part.read(HEAD).decode("utf-8", "ignore"))
        return show([html.unescape(f) for f in found])

    return line


def _zip(file: BinaryIO, head: bytes, size: int) -> str:
    with opened_zip(file) as archive:
        return f"zip {_some(archive.namelist())}"


def _binary(file: BinaryIO, head: bytes, size: int) -> str:
    looks = looks_like(head)
    return "binary" + (f", looks like {looks}" if looks else "")


_SPECIAL: dict[str, Callable[[BinaryIO, bytes, int], str]] = {
    "image": _image,
    "audio": _audio,
    "binary": _binary,
    "pdf": _pdf,
    "zip": _zip,
    "docx": _packed(
        "word/document.xml", r"<w:t(?: [^>]*)?>([^<]+)", lambda found: f"docx {_quoted(''.join(found)[:200])}"
    ),
    "xlsx": _packed(
        "xl/workbook.xml", r'<(?:\w+:)?sheet [^>]*?name="([^"]*)"', lambda found: f"xlsx sheets: {_some(found)}"
    ),
    "pptx": _packed("ppt/slides/slide1.xml", r"<a:t>([^<]+)", lambda found: f"pptx {_quoted(' '.join(found)[:200])}"),
    "odt": _packed("content.xml", r"<text:[ph][^>]*>([^<]+)", lambda found: f"odt {_quoted(' '.join(found)[:200])}"),
    "ods": _packed("content.xml", r'table:name="([^"]*)"', lambda found: f"ods sheets: {_some(found)}"),
}
_TEXTS: dict[str, Callable[[str, int, int], str]] = {
    "csv": _table,
    "tsv": _table,
    "json": _json,
    "jsonl": _json_lines,
    "ndjson": _json_lines,
    "html": _web_page,
    "eml": _mail,
    "ics": _calendar,
}
