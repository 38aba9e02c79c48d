"""The text of an OpenDocument's `content.xml`. It is read without an XML library, so that a damaged one still says what it can."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator

_MAX_COLUMNS = 16384
_MAX_ROWS = 1 << 20
_MAX_SPACES = 100
_TOKEN = re.compile(
    r"""<!--.*?-->|<\?.*?\?>|<!\[CDATA\[(?P<data>.*?)\]\]>|(?P<text>[^<]+)"""
    r"""|<(?P<end>/?)(?P<tag>[\w:.-]+)(?=(?P<attributes>(?:[^<>"'/]+|/(?!>)|"[^"]*"|'[^']*')*))(?P=attributes)(?P<empty>/?)>""",
    re.DOTALL,
)
"""What the attributes match is not gone back into. Possessive quantifiers of groups would say so, but go wrong in Python 3.11.2."""
_KINDS = {
    "text:p": "paragraph",
    "text:h": "paragraph",
    "table:table-row": "row",
    "table:table-cell": "cell",
    "table:covered-table-cell": "cell",
    "office:annotation": "comment",
    "text:tracked-changes": "deleted",
    "table:tracked-changes": "deleted",
}


def content(xml: str) -> Iterator[str | list[str]]:
    """The paragraphs, and the rows of tables as lists of the texts of their cells; `[sheet NAME]` before those of a spreadsheet's sheet."""
    reader = _Content(sheets="<office:spreadsheet" in xml)
    for token in _TOKEN.finditer(xml):
        tag = token["tag"]
        if tag is None:
            reader.say(html.unescape(token["text"] or "") or token["data"] or "")
            continue
        if not token["end"]:
            yield from reader.opened(tag, token["attributes"])
        if token["end"] or token["empty"]:
            yield from reader.closed(tag)


class _Content:
    """What is open at a place of the document, and the text since the last piece. A cell is one piece with all that it holds."""

    def __init__(self, sheets: bool) -> None:
        self.sheets = sheets
        self.open: Counter[str] = Counter()
        self.text: list[str] = []
        self.cells: list[str] = []
        self.blanks = self.times = 0
        self.rows = 1

    def say(self, text: str) -> None:
        if self.open["paragraph"] and not self.open["deleted"] and not (self.open["comment"] and self.open["row"]):
            self.text.append(text)

    def opened(self, tag: str, attributes: str) -> Iterator[str]:
        kind = _KINDS.get(tag, tag)
        if kind in ("paragraph", "comment"):  # a footnote or a text box within a paragraph
            self.say("\n")
        elif kind == "text:tab":
            self.say("\t")
        elif kind == "text:line-break":
            self.say("\n")
        elif kind == "text:s":
            self.say(" " * _number("text:c", attributes, _MAX_SPACES))
        elif kind == "table:table" and self.sheets and not self.open["row"]:
            name = re.search(r"""table:name=(?:"([^"]*)"|'([^']*)')""", attributes)
            yield f"[sheet {html.unescape(name[1] or name[2] or '') if name else ''}]"
        elif kind == "row" and not self.open["row"]:
            yield from self._paragraph()
            self.cells, self.blanks = [], 0
            self.rows = _number("table:number-rows-repeated", attributes, _MAX_ROWS)
        elif kind == "cell" and not self.open["cell"]:
            self.times = _number("table:number-columns-repeated", attributes, _MAX_COLUMNS)
        self.open[kind] += 1

    def closed(self, tag: str) -> Iterator[str | list[str]]:
        kind = _KINDS.get(tag, tag)
        if kind in ("paragraph", "comment"):
            self.say("\n")
        self.open[kind] = max(0, self.open[kind] - 1)
        if kind == "paragraph" and not self.open["paragraph"] and not self.open["row"]:
            yield from self._paragraph()
        elif kind == "cell" and not self.open["cell"]:
            self._cell(" ".join("".join(self.text).split()))
            self.text.clear()
        elif kind == "row" and not self.open["row"] and self.cells:
            for _ in range(self.rows):
                yield self.cells
            self.cells = []

    def _paragraph(self) -> Iterator[str]:
        text = "".join(self.text).strip()
        self.text.clear()
        if text:
            yield text

    def _cell(self, text: str) -> None:
        """Blank cells are taken down where another follows: every row is filled with them up to the last column."""
        if not text:
            self.blanks += self.times
            return
        for filler, times in (("", self.blanks), (text, self.times)):
            self.cells += [filler] * min(times, _MAX_COLUMNS - len(self.cells))
        self.blanks = 0


def _number(name: str, attributes: str, most: int) -> int:
    """The attribute NAME, which is 1 where it is not said."""
    found = re.search(rf"""{name}=["'](\d{{1,9}})""", attributes)
    return min(int(found[1]), most) if found else 1
