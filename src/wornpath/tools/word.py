"""The text of a Word document as its readers see it: with what was inserted and what stands in form fields, without what was deleted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_PARAGRAPH, _TABLE, _TEXT = _W + "p", _W + "tbl", _W + "t"
_WRAPPERS = {_W + name for name in ("sdt", "sdtContent", "customXml", "ins")}
_MARKS = {_W + "tab": "\t", _W + "ptab": "\t", _W + "br": "\n", _W + "cr": "\n", _W + "noBreakHyphen": "-"}
_UNSEEN = {_W + name for name in ("del", "moveFrom", "pPr", "rPr", "rt")}  # a paragraph's settings name tabs, too
_UNSEEN.add(
    "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
)  # says the same again for old programs


def lines(file: BinaryIO) -> Iterator[str]:
    """Paragraphs and tables in their order; headings as in Markdown, table rows with bars."""
    from docx import Document
    from docx.text.paragraph import Paragraph

    document = Document(file)
    for block in _within(document.element.body, _PARAGRAPH, _TABLE):
        if block.tag == _TABLE:
            for cells in _rows(block):
                yield "| " + " | ".join(cells) + " |\n"
            continue
        named = Paragraph(block, document).style
        style = (named.name if named is not None else "") or ""
        level = re.match(r"Heading (\d)", style)
        prefix = "#" * int(level[1]) + " " if level else "- " if style.startswith("List") else ""
        text = "".join(_pieces(block)).strip("\n")
        if text.strip():
            yield prefix + text + "\n"


def _within(element: Any, *tags: str) -> Iterator[Any]:
    """The children of ELEMENT with TAGS, those in content controls among them."""
    for child in element:
        if child.tag in tags:
            yield child
        elif child.tag in _WRAPPERS:
            yield from _within(child, *tags)


def _pieces(element: Any) -> Iterator[str]:
    """The text below ELEMENT; paragraphs there (of a cell or a text box) are lines of their own."""
    for child in element:
        if child.tag == _TEXT:
            yield child.text or ""
        elif child.tag in _MARKS:
            yield _MARKS[child.tag]
        elif child.tag == _PARAGRAPH:
            yield "\n"
            yield from _pieces(child)
            yield "\n"
        elif child.tag not in _UNSEEN:
            yield from _pieces(child)


def _rows(table: Any) -> Iterator[list[str]]:
    """The texts of the cells of each row; a merged cell's text stands in every place that it covers."""
    above: list[str] = []
    for row in _within(table, _W + "tr"):
        cells = [""] * sum(map(int, row.xpath("./w:trPr/w:gridBefore/@w:val")))
        for cell in _within(row, _W + "tc"):
            merged = cell.vMerge == "continue" and len(cells) < len(above)
            text = above[len(cells)] if merged else " ".join("".join(_pieces(cell)).split())
            cells += [text] * cell.grid_span
        yield cells
        above = cells
