"""Telling text from binary, and which encoding text is in, with care for Chinese."""

from __future__ import annotations

import codecs

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TRUSTED = {
    "cp932",
    "shift_jis",
    "euc_jp",
    "euc_kr",
    "cp949",
    "johab",
    "cp1251",
    "koi8_r",
    "koi8_u",
    "cp1253",
    "cp1255",
    "cp1256",
}
"""Encodings believed when charset-normalizer names them; its guesses among the Western ones are wilder than Windows-1252."""
_CONTINUING = bytes(range(0x80, 0xC0))
"""The bytes that no character begins with in UTF-8."""
_MAGIC = (
    (b"%PDF-", "PDF"),
    (b"\x89PNG", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"GIF8", "GIF image"),
    (b"PK\x03\x04", "ZIP archive"),
    (b"\x1f\x8b", "gzip archive"),
    (b"BZh", "bzip2 archive"),
    (b"\xfd7zXZ", "xz archive"),
    (b"7z\xbc\xaf", "7-Zip archive"),
    (b"Rar!", "RAR archive"),
    (b"\x28\xb5\x2f\xfd", "Zstandard archive"),
    (b"\xd0\xcf\x11\xe0", "old Microsoft Office document; save it in today's format to read it"),
    (b"SQLite format 3\0", "SQLite database"),
    (b"\x7fELF", "program for Linux"),
    (b"MZ", "program for Windows"),
    (b"OggS", "Ogg audio or video"),
    (b"ID3", "MP3 audio"),
    (b"\xff\xfb", "MP3 audio"),
    (b"fLaC", "FLAC audio"),
    (b"PAR1", "Parquet table"),
    (b"GGUF", "language model weights"),
    (b"\x80\x04\x95", "Python pickle"),
    (b"\x80\x05\x95", "Python pickle"),
    (b"\x93NUMPY", "NumPy array"),
    (b"wOF", "font"),
)


def sniff(data: bytes, *, whole: bool = False) -> str | None:
    """The encoding of DATA, the beginning of a file (or all of it: WHOLE), as a codec name; None where it is no text.

    UTF-8 with a few bad bytes, such as a log cut off in the middle of a character, is UTF-8: strict decoding may fail then.
    """
    for bom, name in _BOMS:
        if data.startswith(bom):
            return name
    if b"\0" in data:
        return _without_bom(data)
    if _controls(data) * 20 > len(data):
        return None
    if data.isascii() or _decodes(data, "utf-8", whole):
        return "utf-8"
    torn = _torn_utf8(data)
    if torn >= 3:
        return "utf-8"
    chinese = max(((_chinese(data, name, whole), name) for name in ("gb18030", "big5")), key=lambda pair: pair[0])
    if chinese[0] >= 0.7:
        return chinese[1]
    from charset_normalizer import from_bytes

    best = from_bytes(data[:16384]).best()
    if best is not None and best.encoding in _TRUSTED and _decodes(data, best.encoding, whole):
        return best.encoding
    if torn > 0:  # asked last, since a few characters of another encoding may look so by chance
        return "utf-8"
    return "cp1252" if _decodes(data, "cp1252", True) else "latin-1"


def is_guess(encoding: str) -> bool:
    """Whether ENCODING, as `sniff` names it, is but a guess: nothing that it looks at makes it certain, as it does UTF-8 or Chinese."""
    return encoding in _TRUSTED or encoding in ("cp1252", "latin-1")


def looks_like(data: bytes) -> str:
    """What the magic bytes at the beginning of DATA say, in words; empty where they say nothing."""
    if data[:4] == b"RIFF":
        return {b"WAVE": "WAV audio", b"WEBP": "WebP image", b"AVI ": "AVI video"}.get(data[8:12], "RIFF data")
    if data[4:8] == b"ftyp":
        return "MP4 audio or video"
    return next((words for magic, words in _MAGIC if data.startswith(magic)), "")


def _decodes(data: bytes, encoding: str, whole: bool) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(data, final=whole)
    except (UnicodeDecodeError, LookupError):
        return False
    return True


def _torn_utf8(data: bytes) -> int:
    """How much speaks for DATA being UTF-8 with bad bytes: 1 for each byte that goes on with a character as it should, -3 for a bad place.

    What is cut off at either end is no bad place. From 3 on, fewer than one in a hundred texts of six characters in another encoding are
    mistaken, and hardly any longer one.
    """
    data = data[:3].lstrip(_CONTINUING) + data[3:]
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(data)
    bad = text.count("\ufffd") - data.count("\ufffd".encode())
    return len(text.encode()) - len(text) - (2 + 3) * bad


def _controls(data: bytes) -> int:
    return len(data) - len(data.translate(None, bytes([*range(9), 11, *range(14, 27), *range(28, 32), 127])))


def _without_bom(data: bytes) -> str | None:
    """UTF-16 text of mostly Western characters has a zero in every other byte."""
    sample = data[: len(data) // 2 * 2][:8192]
    half = len(sample) // 2
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    for zeros, others, name in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if half >= 2 and zeros > 0.4 * half and others <= 0.02 * half and _decodes(sample, name, False):
            return name
    return None


def _chinese(data: bytes, encoding: str, whole: bool) -> float:
    """The share of frequent Chinese characters among those of DATA beyond ASCII, read as ENCODING; 0 where it is not that.

    Frequent: level 1 of GB 2312 (lead bytes B0-D7), level 1 of Big5 (A4-C6). Punctuation counts neither way. Western text that
    happens to decode falls into the rare levels.
    """
    if not _decodes(data, encoding, whole):
        return 0.0
    text = codecs.getincrementaldecoder(encoding)().decode(data)
    low, high = (0xB0, 0xD7) if encoding == "gb18030" else (0xA4, 0xC6)
    frequent = others = 0
    for char in [c for c in text if c >= "\x80"][:500]:
        if "\u3000" <= char <= "\u303f" or "\uff00" <= char <= "\uffef" or "\u2010" <= char <= "\u2030":
            continue
        raw = char.encode(encoding)
        good = len(raw) == 2 and low <= raw[0] <= high and (encoding == "big5" or raw[1] >= 0xA1)
        frequent, others = frequent + good, others + (not good)
    return frequent / (frequent + others) if frequent + others else 0.0
