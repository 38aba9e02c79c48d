"""Finding secrets in text: keys, tokens, private keys, passwords in URLs, and values of settings that are named like secrets.

What is found is replaced by a mark. Ordinary text is left alone: a value must look like one (its prefix, its form, or the name before it),
and words of a sentence, numbers and code that only names a secret do not. Applying it twice changes nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

MARK = "[secret]"
_BEGUN = "[secret"


# A value in quotes goes to the quote. One without is judged by its first characters and then taken whole: names in a row
# ("token=token=token=...") must not cost more than their length.
_FIRST = 200
_EAST_ASIAN = r"\u3000-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_DOUBLE, _SINGLE = r"[^\"\\\r\n]{6,}", r"[^'\\\r\n]{6,}"
_CHARS = rf"[^\s\"'\\,;<>\[\](){{}}{_EAST_ASIAN}]"
_END = rf"(?=[\s\"',;\\{_EAST_ASIAN}]|$)"
_VALUE = (
    rf"(?:\\*\"(?P<double>{_DOUBLE})\\*\"|\\*'(?P<single>{_SINGLE})\\*'"
    rf"|(?!\$)(?P<plain>{_CHARS}{{{_FIRST}}}|{_CHARS}{{6,{_FIRST - 1}}}{_END}))"
)
_NEXT = r"[,;][A-Za-z_]\w{0,40}="  # PASSWORD=x;USER=y
_SET_CHARS = rf"(?:[^\s\"'\\,;]|(?!{_NEXT}|[,;](?:[\s\"'\\]|$))[,;])"
_SET_LAST = rf"[^\s\"'\\,;)\]}}>](?=[,;)\]}}>]*(?:[\s\"'\\]|$)|{_NEXT})"
_SETTING = (
    rf"(?:\\*\"(?P<any_double>{_DOUBLE})\\*\"|\\*'(?P<any_single>{_SINGLE})\\*'|[\"']?(?!=|\d+(?:[\s\"',;\\]|$))"
    rf"(?P<set>{_SET_CHARS}{{{_FIRST}}}|{_SET_CHARS}{{5,{_FIRST - 2}}}{_SET_LAST}))"
)
_REST = {"plain": re.compile(f"{_CHARS}*"), "set": re.compile(r"[^\s\"'\\,;]*")}
_REFERENCE = re.compile(
    r"\$\{[^{}]{0,200}\}|\$\([^()]{0,200}\)|^(?:\$[({]|\$(?:[A-Za-z_]+|[A-Z_][A-Z0-9_]*)$|%\w+%$|%\(\w+\)s$|<[^<>]*>?$|\{.*\}$"
    r"|[A-Za-z_][\w.]*[(\[][\w.,:=|\s()\[\]-]*[)\]]$)"
)
"""What stands for a value elsewhere: a variable, a command, a blank to fill in, a call."""
_NAMES = "password passwd passphrase secret token api_key apikey api-key access_key access-key private_key private-key"


def _table(*rows: tuple[str, str]) -> dict[str, tuple[re.Pattern[str], ...]]:
    """Hint → the patterns that begin with it."""
    table: dict[str, tuple[re.Pattern[str], ...]] = {}
    for hints, pattern in rows:
        for hint in hints.split():
            hint = hint.replace("·", " ")
            table[hint] = (*table.get(hint, ()), re.compile(pattern))
    return table


_PATTERNS = _table(
    ("sk-", r"(?<![A-Za-z0-9])(?P<a>sk-[A-Za-z0-9_-]{16,})"),
    ("akia asia", r"(?<![A-Za-z0-9])(?P<a>(?:AKIA|ASIA)[0-9A-Z]{16})"),
    ("ghp_ gho_ ghu_ ghs_ ghr_", r"(?<![A-Za-z0-9])(?P<a>gh[pousr]_[A-Za-z0-9]{20,})"),
    ("github_pat_", r"(?P<a>github_pat_\w{20,})"),
    ("glpat-", r"(?P<a>glpat-[\w-]{16,})"),
    ("xox", r"(?<![A-Za-z0-9])(?P<a>xox[abeoprs]-[\w-]{10,})"),
    ("aiza", r"(?<![A-Za-z0-9])(?P<a>AIza[\w-]{30,})"),
    ("ya29.", r"(?<![A-Za-z0-9])(?P<a>ya29\.[\w-]{20,})"),
    ("hf_", r"(?<![A-Za-z0-9])(?P<a>hf_[A-Za-z0-9]{20,})"),
    ("npm_", r"(?<![A-Za-z0-9])(?P<a>npm_[A-Za-z0-9]{20,})"),
    ("pypi-", r"(?<![A-Za-z0-9])(?P<a>pypi-[\w-]{20,})"),
    ("sg.", r"(?<![A-Za-z0-9])(?P<a>SG\.[\w-]{16,}\.[\w-]{16,})"),
    ("sk_live_ sk_test_ rk_live_ rk_test_", r"(?<![A-Za-z0-9])(?P<a>[rs]k_(?:live|test)_\w{16,})"),
    ("eyj", r"(?<![\w-])(?P<a>eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"),
    ("-----begin", r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?P<a>(?:(?!-----END).)+)"),
    ("://", r"://[^\s/:@\"']*:(?P<a>[^\s/@\"'\[]+)@"),
    ("bearer· basic·", r"(?i)(?<!\w)(?:bearer|basic)[ \t]+(?P<a>(?=[A-Za-z._~+/=-]*\d)[\w.~+/=-]{16,})"),
    (
        "password passwd secret token api_key access_key private_key",  # as in a file of settings: any value
        rf"(?<![a-z0-9])(?:PASSWORD|PASSWD|SECRET|TOKEN|(?:API|ACCESS|PRIVATE)_KEY)={_SETTING}",
    ),
    (_NAMES, rf"(?i)(?:{'|'.join(_NAMES.split())})(?:[_-]\w{{1,20}})?\\*[\"']?[ \t]*[:=\uff1a][ \t]*{_VALUE}"),
)
_LETTER, _DIGIT, _SIGN = re.compile(r"[^\W\d_]"), re.compile(r"\d"), re.compile(r"[$<>\[\](){},;]")


def redact(text: str, mark: Callable[[str], str] = lambda secret: MARK) -> str:
    """TEXT with its secrets replaced by what MARK gives for each."""
    if len(text) < 8:
        return text
    folded = _lower(text)
    found: dict[int, tuple[int, str]] = {}
    for hint, patterns in _PATTERNS.items():
        at = folded.find(hint)
        while at >= 0:
            end = at + 1
            for pattern in patterns:
                match = pattern.match(text, at)
                if match and (span := _secret(match)):
                    found[span[0]] = max(found.get(span[0], (0, "")), (span[1], text[span[0] : span[1]]))
                    end = max(end, span[1])
            at = folded.find(hint, end)
    out, done = [], 0
    for start in sorted(found):
        end, value = found[start]
        if start >= done:
            out += [text[done:start], mark(value)]
            done = end
    return "".join([*out, text[done:]]) if out else text


def _lower(text: str) -> str:
    """TEXT in lower case, character by character, so that places in it are places in TEXT."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c.lower()[:1] for c in text)


def _secret(match: re.Match[str]) -> tuple[int, int] | None:
    """Where in its text the secret of MATCH stands; None where it only looks like one."""
    group = match.lastgroup or "a"
    value, (start, end) = match[group], match.span(group)
    if group == "a":
        return None if value.startswith(_BEGUN) else (start, end)
    bracket = match.string[end : end + 1] if group == "set" else ""
    if _BEGUN in value or _REFERENCE.search(value + bracket if bracket in ")]}>" else value):
        return None
    mixed = _LETTER.search(value) and _DIGIT.search(value)
    if group in ("double", "single") and " " in value and not mixed and not match[0].lower().startswith("passphrase"):
        return None  # a sentence
    if group == "plain" and not random_looking(value):
        return None
    if (
        group == "set" and not mixed and _SIGN.search(value)
    ):  # perhaps a program: only a plain word before a comma counts
        word = re.split("[,;]", value)[0]
        return (start, start + len(word)) if len(word) >= 6 and not _SIGN.search(word) else None
    if len(value) == _FIRST and group in _REST and (rest := _REST[group].match(match.string, end)):
        end = rest.end()
    return start, end


def random_looking(value: str) -> bool:
    """Whether VALUE, which has no quotes around it, looks like a secret: letters and digits, and no path, call or attribute."""
    return bool(_LETTER.search(value) and _DIGIT.search(value)) and not re.search(r"^[./~]|[=:]{2}|\.\w+\.", value)


def suspicious(text: str) -> bool:
    """Whether TEXT may hold a secret: quick, and never wrong about one that `redact` would find."""
    folded = _lower(text)
    return any(hint in folded for hint in _PATTERNS)


def redact_data(data: Any, replace: Callable[[str], str] = redact) -> Any:
    """JSON DATA with all its texts, keys too, as REPLACE gives them. What has no secret comes back as it is."""
    if isinstance(data, str):
        return replace(data)
    if isinstance(data, Mapping):
        return {replace(k) if isinstance(k, str) else k: redact_data(v, replace) for k, v in data.items()}
    if isinstance(data, (list, tuple)):
        return [redact_data(item, replace) for item in data]
    return data


def named_secret(name: str) -> bool:
    """Whether a setting or an environment variable of this NAME holds a secret."""
    return bool(re.search(r"(?i)(pass(word|wd|phrase)?|secret|token|api_?key|_key|credential)s?$", name))
