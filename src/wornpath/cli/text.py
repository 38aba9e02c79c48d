"""Text for terminals: nothing a model or a file says can move the cursor, hide itself or break a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wornpath.core.visible import visible as visible


def one_line(text: str) -> str:
    """TEXT on one line: white space squeezed, everything else as `visible` has it."""
    return visible(" ".join(text.split()))


def cells(text: str) -> int:
    """The width of TEXT in terminal columns; Chinese characters take two."""
    from rich.cells import cell_len

    return cell_len(text)


def clip(text: str, width: int, *, end: str = "…") -> str:
    """TEXT cut to at most WIDTH columns, with END where something was cut."""
    if cells(text) <= width:
        return text
    from rich.cells import set_cell_size

    return set_cell_size(text, max(0, width - cells(end))).rstrip() + end if width > 0 else ""


def pad(text: str, width: int, *, right: bool = False) -> str:
    """TEXT filled with spaces to WIDTH columns."""
    space = " " * max(0, width - cells(text))
    return space + text if right else text + space


def duration(seconds: float) -> str:
    """SECONDS as people write it: `0.3 s`, `42 s`, `3 min 05 s`, `1 h 02 min`."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(count: int) -> str:
    """COUNT bytes in decimal units: `812 B`, `1.2 kB`, `1.1 GB`."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.5 else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def seconds(value: float) -> str:
    """A column of seconds: one decimal below 100."""
    return f"{value:.1f} s" if value < 99.95 else f"{value:.0f} s"


def tokens(count: int) -> str:
    return f"{count:,} tok" if count < 10_000 else f"{count / 1000:.1f}k tok"


def plural(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def money(dollars: float) -> str:
    return f"${dollars:.2f}" if dollars >= 1 else f"${dollars:.4f}"


_TELLING = ("path", "source", "destination", "pattern", "query")


def arguments(values: Mapping[str, Any]) -> str:
    """The arguments of an action on one line: a single one by its value, several as `name=value`, what tells most in front."""
    if len(values) == 1:
        return one_line(_value(next(iter(values.values()))))
    order = sorted(values, key=lambda name: _TELLING.index(name) if name in _TELLING else len(_TELLING))
    return "  ".join(f"{name}={one_line(_value(values[name]))}" for name in order)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value
    from wornpath.core import canonical

    return canonical(value)
