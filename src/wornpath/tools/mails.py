"""Mails as Python's parser likes them: small, and with the charsets that they really use."""

from __future__ import annotations

import contextlib
import re
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import EmailPolicy
from typing import Any, BinaryIO

from wornpath.tools.charsets import codec, relabelled
from wornpath.tools.encoding import sniff

_LINE = 1 << 16
_HEADS = 1 << 20
_BOUNDARY = re.compile(rb"""\bboundary\s*=\s*(?:"([^"\r\n]+)"|([^\s";]+))""", re.IGNORECASE)
_NO_TEXT = re.compile(
    rb"^content-(?:type:\s*(?!text/|multipart/)[^\s/;]+/|disposition:\s*attachment)", re.IGNORECASE | re.MULTILINE
)


class _Policy(EmailPolicy):
    def header_fetch_parse(self, name: str, value: str) -> Any:
        return super().header_fetch_parse(name, relabelled(value))


def parsed(file: BinaryIO, most: int) -> tuple[EmailMessage, bool]:
    """The mail in FILE, and whether all of its text is in it. One of more than MOST bytes is read without what is attached."""
    source, whole = file.read(most), True
    if file.read(1):
        file.seek(0)
        source, whole = _without_contents(file, most)
    mail = BytesParser(policy=_Policy()).parsebytes(source)
    assert isinstance(mail, EmailMessage)
    return mail, whole


def body_text(body: Any) -> str:
    """The text of a mail's BODY, one of its parts."""
    data = body.get_payload(decode=True) or b""
    label = body.get_content_charset()
    if label:
        with contextlib.suppress(LookupError, ValueError):  # a charset nobody knows
            return str(data.decode(codec(label), "replace"))
    return str(data.decode(sniff(data, whole=True) or "latin-1", "replace"))


def _without_contents(file: BinaryIO, most: int) -> tuple[bytes, bool]:
    """The lines of a mail: MOST bytes of its text, headers beyond these, nothing of what is attached; and whether that is all of its text.

    A large mail is large by what is attached, of which only the names are told.
    """
    kept, head = bytearray(), bytearray()
    marks: dict[bytes, bool] = {}
    in_head = is_text = whole = True
    while line := file.readline(_LINE):
        mark = line.rstrip()
        if mark in marks:
            in_head = is_text = marks[mark]
            head.clear()
        elif in_head:
            head += line
            if not mark:
                in_head, is_text = False, _NO_TEXT.search(head) is None
                for quoted, plain in _BOUNDARY.findall(head):
                    marks |= {b"--" + (quoted or plain): True, b"--" + (quoted or plain) + b"--": False}
        elif not is_text:
            continue
        elif not whole or len(kept) + len(line) > most:
            whole = False
            continue
        if len(kept) > most + _HEADS:
            return bytes(kept), False
        kept += line
    return bytes(kept), whole
