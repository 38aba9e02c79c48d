"""Text as people may safely be shown it: what a model or a file says cannot hide itself, turn the direction, or move a cursor."""

from __future__ import annotations

import unicodedata

_JOINER = "\u200d"  # inside emoji; harmless, and escaping it would tear them apart
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: str) -> str:
    """TEXT with control, bidirectional, zero-width and unassigned characters written out as escapes; line feeds and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in "\n\t" or not _hidden(c) else _escape(c) for c in text)


def _hidden(char: str) -> bool:
    return char != _JOINER and unicodedata.category(char) in _HIDDEN


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
