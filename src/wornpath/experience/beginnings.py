"""What the first lines of a file tell: its columns or labels, and how it is written."""

from __future__ import annotations

import csv
import posixpath
import re
from collections.abc import Iterator, Sequence

_LABEL = re.compile(r"^\s*[-*#]?\s*([^\W\d_][\w /\-]{0,30}?)\s*[:：=]\s*(\S.*)?$")
SEPARATORS = ",;\t|"
DATE = re.compile(r"\d{4}-\d{2}(?:-\d{2})?")


def separator(lines: Sequence[str]) -> str:
    """What parts the columns in the first LINES of a table; empty where there is but one column."""
    first = next(_plain(lines), "")
    best = max(SEPARATORS, key=first.count)
    return best if best in first else ""


def _plain(lines: Sequence[str]) -> Iterator[str]:
    return (line for line in lines if line.strip() and not line.startswith("[sheet "))


def header(lines: Sequence[str]) -> dict[str, str]:
    """Column → a value under it, from the first LINES of a table."""
    plain = list(_plain(lines))
    if not plain:
        return {}
    rows = list(csv.reader(plain[:4], delimiter=separator(lines) or ","))
    names, samples = rows[0], rows[1] if len(rows) > 1 else []
    if len(names) > 60:
        return {}
    return {n.strip(): samples[i] if i < len(samples) else "" for i, n in enumerate(names) if n.strip()}


def labels(lines: Sequence[str]) -> dict[str, str]:
    """Label → what stands after it, from lines such as `Customer: Harbor Books`."""
    out: dict[str, str] = {}
    for line in lines[:40]:
        match = _LABEL.match(line)
        if match:
            out.setdefault(match[1].strip(), (match[2] or "").strip())
    return out if len(out) <= 25 else {}


def layout(lines: Sequence[str], table: bool) -> str:
    """How LINES are written: of a table its separator and the forms of its values, of other text how its lines begin."""
    plain = [line for line in lines if line.strip()]
    if not plain:
        return ""
    if table:
        separator = max(SEPARATORS, key=plain[0].count)
        row = plain[1].split(separator) if len(plain) > 1 else []
        return separator + " ".join(sorted({_mask(value) if re.search(r"\d", value) else "a" for value in row}))
    masks = [_mask(line) for line in plain[:12]]
    alike = posixpath.commonprefix(masks)
    return alike if len(alike) > 2 else re.sub(r"(?<=\w) .*", "", masks[0])


def _mask(text: str) -> str:
    """TEXT with words as a, numbers as 0, and what repeats once: `2026-01-02 WARN [db] slow query` is `0-0-0 a [a] a`."""
    masked = re.sub(r"[^\W\d]+", "a", re.sub(r"\d+", "0", text.strip()[:120]))
    return re.sub(r"(\b[a0][^\s\w]?\s)\1+", r"\1", re.sub(r"\ba( a)+\b", "a", masked))


def kind(sample: str) -> str:
    """What SAMPLE, a value, is: dates, numbers, text or nothing."""
    text = sample.strip()
    if DATE.match(text):
        return "dates"
    if re.match(r"^[^\w]*\d[\d.,' ]*\D{0,4}$", text):
        return "numbers"
    return "text" if text else "nothing"
