"""Finding secrets in text: keys, tokens, private keys, passwords in URLs, and values of settings that are named like secrets.

What is found is replaced by a mark. Ordinary text is left alone: a value must look like one (its prefix, its form, or the name before it),
and words of a sentence, numbers and code that only names a secret do not. Applying it twice changes nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

MARK = "[secret]"


def _hints(words: str) -> tuple[str, ...]:
    return tuple(words.split())


_CHARS = r"[^\s\"'\\,;$<>\[\](){}]"
_END = r"(?=[\s\"',;\\]|$)"
_VALUE = rf"(?:\\*\"(?P<a>{_CHARS}{{6,}})\\*\"|\\*'(?P<b>{_CHARS}{{6,}})\\*'|(?P<c>{_CHARS}{{6,}}){_END})"
_PATTERNS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    (
        _hints(
            "sk- akia asia ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- xox aiza ya29. hf_ npm_ pypi- sg. k_live_ k_test_"
        ),
        re.compile(
            r"(?<![A-Za-z0-9])(?P<a>sk-[A-Za-z0-9_-]{16,}|(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
            r"|glpat-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}|AIza[\w-]{30,}|ya29\.[\w-]{20,}|hf_[A-Za-z0-9]{20,}|npm_[A-Za-z0-9]{20,}"
            r"|pypi-[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}|[rs]k_(?:live|test)_\w{16,})"
        ),
    ),
    (("eyj",), re.compile(r"(?<![\w-])(?P<a>eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)")),
    (
        ("private key-----",),
        re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?P<a>(?:(?!-----END).)+)", re.DOTALL),
    ),
    (("://",), re.compile(r"://[^\s/:@\"']*:(?P<a>[^\s/@\"'\[]+)@")),
    (
        ("bearer ", "basic "),
        re.compile(r"\b(?:bearer|basic)[ \t]+(?P<a>(?=[A-Za-z._~+/=-]*\d)[\w.~+/=-]{16,})", re.IGNORECASE),
    ),
    (
        ("password", "passwd", "secret", "token", "api_key", "access_key", "private_key"),
        re.compile(
            r"^[ \t]*(?:export[ \t]+)?[A-Z][A-Z0-9_]*(?:PASSWORD|PASSWD|SECRET|TOKEN|API_KEY|ACCESS_KEY|PRIVATE_KEY)[ \t]*=[ \t]*"
            rf"[\"']?(?P<a>(?!\d+[\"']?\s*$){_CHARS}{{6,}}){_END}",
            re.MULTILINE,
        ),
    ),
    (
        _hints(
            "password passwd passphrase secret token api_key apikey api-key access_key access-key private_key private-key"
        ),
        re.compile(
            r"(?<![A-Za-z])[\w.-]{0,40}?(?:password|passwd|passphrase|secret|token|api[_-]?key|(?:access|private)[_-]key)"
            r"(?:[_-]\w{1,20})?\\*[\"']?[ \t]*[:=][ \t]*" + _VALUE,
            re.IGNORECASE,
        ),
    ),
)
_HINTS = tuple({hint for hints, _ in _PATTERNS for hint in hints})
_LETTER, _DIGIT = re.compile(r"[^\W\d_]"), re.compile(r"\d")


def redact(text: str, mark: Callable[[str], str] = lambda secret: MARK) -> str:
    """TEXT with its secrets replaced by what MARK gives for each."""
    if len(text) < 8:
        return text
    folded = text.casefold()
    for hints, pattern in _PATTERNS:
        if any(hint in folded for hint in hints):
            text = pattern.sub(lambda match: _replaced(match, mark), text)
    return text


def _replaced(match: re.Match[str], mark: Callable[[str], str]) -> str:
    group = match.lastgroup or "a"
    value = match[group]
    if value is None or value.startswith("[secret"):
        return match[0]
    if group == "c" and not _random(value):
        return match[0]
    start, end = match.start(group) - match.start(), match.end(group) - match.start()
    return match[0][:start] + mark(value) + match[0][end:]


def _random(value: str) -> bool:
    """Whether VALUE, which has no quotes around it, looks like a secret: letters and digits, and no path, call or attribute."""
    return bool(_LETTER.search(value) and _DIGIT.search(value)) and not re.search(r"^[./~]|[=:]{2}|\.\w+\.", value)


def suspicious(text: str) -> bool:
    """Whether TEXT may hold a secret: quick, and never wrong about one that `redact` would find."""
    folded = text.casefold()
    return any(hint in folded for hint in _HINTS)


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
