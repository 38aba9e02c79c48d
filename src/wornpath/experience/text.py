"""Words of goals, actions and observations, for matching: Latin words, parts of identifiers, and bigrams of Chinese
characters.

Everything here is deterministic and the same in every process (no `hash`), because learnt weights depend on it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

T = TypeVar("T")
LONG = 600

_TOKEN = re.compile(
    r"[A-Za-z]+(?:'[a-z]+)?|\d+|[\u3400-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af]+|[^\W\d_A-Za-z]+"
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af]")
_QUOTED = re.compile(r"[\"“「『‘`]([^\"”」』’`]{2,60})[\"”」』’`]")
_CODE = re.compile(r"[A-Za-z0-9]{0,60}(?:[-_./:]?\d[A-Za-z0-9]*)+|[a-z0-9]{1,60}(?:_[a-z0-9]+)+|[a-z]{1,60}[A-Z]\w+")
"""The bounds keep a long word from being gone through from each of its letters."""
_NAME = re.compile(r"\b[A-Z][A-Za-z]+(?:\s[A-Z][A-Za-z]+)+|(?<![.!?]\s)(?<!^)\b[A-Z][A-Za-z]+")
_CJK_BREAK = re.compile(
    r"请问|请你|请把|请|什么|多少|哪一个|哪个|哪份|哪里|哪位|哪天|哪|几|怎么|是否|一下|告诉我|给出|帮我|我想知道|查一查|查一下|查|找到|找出|找|"
    r"关于|那封|这张|的|是|在|了|和|与|吗|呢|把|为|被|由|对|到|从|里|中|上|下|写|个|份|位|谁|有|于|给|致|我|你|这|那|该|还|要"
)
_CJK_NOUN = re.compile(
    r"(服务|项目|公司|部门|发票|合同|信件|信函|邮件|电话|号码|地址|日期|文件|路径|仓库|数量|金额|合计|总额|函数|定义|会议|纪要|日志|错误|代码|"
    r"配置|设置|设定|版本|名称|签名|签字|负责人|客户|订单|价格|最新|最近|最后|现在|目前|一次)"
)
STOP_WORDS = frozenset(
    """
    a an the of to in on at for from by with and or is are was were be been do does did has have had it its this
    that these those what which who whom whose when where how much many tell me us i we you my our your please
    find give show look up need know get as about there any into can could would should will may us name say
    says said one
    """.split()  # noqa: SIM905
)
STALE_MARKS = frozenset(
    """
    bak backup backups old older draft drafts copy copies archive archived obsolete deprecated tmp temp orig
    superseded previous legacy outdated
    """.split()  # noqa: SIM905
)
STALE_CJK = ("备份", "草稿", "旧", "副本", "归档", "作废", "过期", "历史", "初稿", "废弃")


def has_cjk(text: str) -> bool:
    """Whether TEXT holds a Chinese, Japanese or Korean character."""
    return _CJK.search(text) is not None


def _remembered(function: Callable[[str], T]) -> Callable[[str], T]:
    """FUNCTION with the results of its latest short arguments kept: the same names and lines are asked about again and
    again, and long texts would fill the memory."""
    kept = lru_cache(maxsize=4096)(function)

    @wraps(function)
    def asked(text: str) -> T:
        return kept(text) if len(text) <= LONG else function(text)

    return asked


@_remembered
def words(text: str) -> tuple[str, ...]:
    """The words of TEXT in lower case, in order: Latin words, parts of identifiers, numbers, and bigrams of CJK
    runs.
    """
    out: list[str] = []
    for token in _TOKEN.findall(text):
        if _CJK.match(token):
            for piece in _CJK_BREAK.split(token):
                out.extend(piece[i : i + 2] for i in range(max(1, len(piece) - 1)) if piece)
        elif token.isascii() and token.isalpha():
            out.extend(part if part in STOP_WORDS else _stem(part) for part in map(str.lower, _CAMEL.split(token)))
        else:
            out.append(token.lower())
    return tuple(out)


def _stem(word: str) -> str:
    """WORD without a plural s: enough for matching names of files and settings."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


@_remembered
def content_words(text: str) -> frozenset[str]:
    """The words of TEXT that carry meaning (no stop words, no single Latin letters)."""
    found = (w for w in words(text) if w not in STOP_WORDS and (len(w) > 1 or not w.isascii() or w.isdigit()))
    return frozenset(found)


@_remembered
def trigrams(text: str) -> frozenset[str]:
    """The character trigrams of TEXT in lower case without white space; for CJK text they are bigrams."""
    flat = "".join(text.lower().split())
    n = 2 if has_cjk(flat) else 3
    return frozenset(flat[i : i + n] for i in range(len(flat) - n + 1))


@_remembered
def key_phrases(goal: str) -> tuple[str, ...]:
    """What one would search for to reach GOAL: quoted phrases, codes and numbers, names, then single content words;
    at most 12.

    A Chinese sentence is cut at its function words and common nouns; the pieces of two to eight characters are its
    names."""
    found = [m.strip() for m in _QUOTED.findall(goal)]
    found += [m for m in _CODE.findall(goal) if len(m) > 1]
    found += [name for name in _NAME.findall(goal) if not any(name in code for code in found)]
    plain = _QUOTED.sub(" ", goal)
    found += _cjk_names(plain)
    found += _CJK_NOUN.findall(plain)
    found += [w for w in re.findall(r"[A-Za-z][A-Za-z0-9]+", plain) if w.lower() not in STOP_WORDS and len(w) > 2]
    unique: dict[str, str] = {}
    for phrase in found:
        unique.setdefault(phrase.lower(), phrase)
    return tuple(unique.values())[:12]


def _cjk_names(text: str) -> list[str]:
    """The pieces of the Chinese runs of TEXT that are left when function words and common nouns are cut out: names,
    most often.
    """
    out = []
    for run in re.findall(r"[\u3400-\u9fff]+", text):
        for piece in _CJK_BREAK.split(run):
            out += [part for part in _CJK_NOUN.split(piece) if 2 <= len(part) <= 8 and not _CJK_NOUN.fullmatch(part)]
    return out


@_remembered
def identifiers(goal: str) -> tuple[str, ...]:
    """The parts of GOAL that name one thing (quoted phrases, codes, numbers, proper names), in lower case."""
    found = [*_QUOTED.findall(goal), *(m for m in _CODE.findall(goal) if len(m) > 1)]
    found += [name for name in _NAME.findall(goal) if not any(name in code for code in found)]
    found += _cjk_names(_QUOTED.sub(" ", goal))
    return tuple(dict.fromkeys(f.strip().lower() for f in found))


@_remembered
def is_stale(path: str) -> bool:
    """Whether PATH looks like a copy that is not in force: a backup, a draft, an archive."""
    if any(mark in path for mark in STALE_CJK):
        return True
    return path.endswith("~") or any(w in STALE_MARKS for w in re.findall(r"[a-z]+", path.lower()))


def bucket(text: str, buckets: int) -> int:
    """A stable bucket in 1 ... BUCKETS-1 for TEXT (0 is kept for nothing)."""
    return 1 + zlib.crc32(text.encode("utf-8", "surrogatepass")) % (buckets - 1)


def hashed_grams(goal: str, action: str, context: str, buckets: int, limit: int = 96) -> tuple[int, ...]:
    """Buckets of the sparse features of taking ACTION for GOAL in CONTEXT: words and character 3-4-grams of the
    action, and the crosses of its words with the goal's and the context's words. At most LIMIT, never none.
    """
    acts = sorted(content_words(action))[:12] or ["-"]
    goals = sorted(content_words(goal))[:12]
    contexts = sorted(content_words(context))[:12]
    found = ["w:" + a for a in acts]
    found += [f"x:{g}|{a}" for a in acts for g in goals][:48]
    found += [f"c:{c}|{a}" for a in acts for c in contexts][:24]
    flat = "".join(action.lower().split())
    found += ["g:" + flat[i : i + n] for n in (3, 4) for i in range(len(flat) - n + 1)]
    return tuple(dict.fromkeys(bucket(f, buckets) for f in found[:limit]))
