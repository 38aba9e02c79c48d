"""Text from inside the sandbox, made fit for people, terminals and prompts."""

from __future__ import annotations

import re

# Terminal sequences: CSI, OSC (with its end), and the two-character ones.
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])"
)
# Control characters but tab and newline; marks that reorder or hide text; byte order mark; line and paragraph separators; tags.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def clean(text: str) -> str:
    """TEXT without control and bidirectional characters.

    A line written over (by carriage returns, as progress bars do) keeps its last form.
    """
    if text.isascii() and text.isprintable():
        return text
    text = text.encode("utf-8", "replace").decode()  # lone surrogates cannot be written anywhere
    text = _ESCAPES.sub("", text).replace("\r\n", "\n")
    if "\r" in text:
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return _HIDDEN.sub("", text)


def visible(name: str) -> str:
    """NAME, of a file say, on one line: what `clean` would take away, and tabs and newlines, becomes U+FFFD."""
    return _HIDDEN.sub("\ufffd", name).replace("\n", "\ufffd").replace("\t", "\ufffd")


def decode(data: bytes) -> str:
    """Bytes of a program's output as clean text; what is no UTF-8 becomes replacement characters."""
    return clean(data.decode("utf-8", "replace"))


def clip(text: str, limit: int) -> tuple[str, bool]:
    """TEXT in at most about LIMIT characters, its head and its tail, with a line between them that says how much is left out."""
    if len(text) <= limit:
        return text, False
    head, tail = limit * 2 // 3, limit // 3
    start, end = text[:head], text[len(text) - tail :]
    # Whole lines read better, where that costs little.
    if (cut := start.rfind("\n")) > head * 3 // 4:
        start = start[: cut + 1]
    if 0 <= (cut := end.find("\n")) < tail // 4:
        end = end[cut + 1 :]
    left_out = len(text) - len(start) - len(end)
    return f"{start.rstrip()}\n[… {left_out:,} characters left out …]\n{end}", True


class HeadAndTail:
    """Keeps the first and the last bytes of a stream, LIMIT in all."""

    def __init__(self, limit: int) -> None:
        self._half = max(limit // 2, 1)
        self._head, self._tail = bytearray(), bytearray()
        self.dropped = 0

    def add(self, data: bytes) -> None:
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * self._half:
            self._shorten()

    def skip(self, count: int) -> None:
        """COUNT bytes went by that nobody read."""
        self.dropped += count

    def _shorten(self) -> None:
        excess = len(self._tail) - self._half
        if excess > 0:
            del self._tail[:excess]
            self.dropped += excess

    def text(self) -> str:
        self._shorten()
        if not self.dropped:
            return decode(bytes(self._head + self._tail))
        return f"{decode(bytes(self._head))}\n[… {self.dropped:,} bytes left out …]\n{decode(bytes(self._tail))}"
