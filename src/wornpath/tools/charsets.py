"""The charsets that web pages and mails say they are in. What calls itself gb2312 or gbk often holds characters that only gb18030 has."""

from __future__ import annotations

import re

_GB = r"(?:gb_?2312|(?:x-)?gbk|cp936|euc-cn)"
_IN_HEADER = re.compile(rf"(?<==\?){_GB}(?=[?*])|(?<=\*=){_GB}(?=')", re.IGNORECASE)


def codec(label: str) -> str:
    """The codec to read what LABEL says with."""
    return "gb18030" if re.fullmatch(_GB, label.strip(), re.IGNORECASE) else label


def relabelled(header: str) -> str:
    """A mail's HEADER, as it is written, with the encoded words and parameters labelled so that all of their characters are read."""
    return _IN_HEADER.sub("gb18030", header)
