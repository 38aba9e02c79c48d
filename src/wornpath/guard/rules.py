"""Rules: what a person or a policy file allows, asks about or denies, by tool, risk class and arguments.

Of all rules that fit an action, a denial has the last word, then a question, then an allowance: the order they are written in and where
they come from make no difference. An allowance never matches more than it says: in its patterns `*` stops at what could begin another
command, another address or another line.
"""

from __future__ import annotations

import contextlib
import functools
import os
import posixpath
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

from wornpath.core import Action, ApprovalScope, Effect, Risk, Rule, ToolError, UsageError
from wornpath.store.trees import walk
from wornpath.tools import Tool, Workspace
from wornpath.tools.changes import target_of
from wornpath.tools.workspace import spelling

ORDER: tuple[Effect, ...] = ("deny", "ask", "allow")
ANSWER = "answer"
"""What the user is told, as a rule names it: it is no tool."""
_FIELDS = ("effect", "tool", "risk", "arguments", "hosts", "untrusted", "note")
_ANY = r"[\s\S]"
_IN_CODE = r"[^;&|`$<>(){}\n\r\\]"
_IN_ADDRESS = r"[^@,;<>\s]"
_IN_LINE = r"[^\x00-\x1f\x7f]"
_IN_NAME = r"[^/\x00-\x1f\x7f]"
_PROGRAM = re.compile(r"[A-Za-z0-9_./+-]+")
_RUNNERS = re.compile(
    r"((ba|da|z|k|fi|c|tc|a|tcl|wi|pw)?sh|busybox|toybox|env|sudo|doas|su|runuser|pkexec|gosu|setpriv|xargs|nohup|time|timeout|nice|ionice"
    r"|chrt|taskset|numactl|stdbuf|unbuffer|setsid|flock|exec|eval|command|builtin|coproc|trap|alias|source|\.|find|fd|parallel|watch|entr"
    r"|ssh|rsync|script|expect|screen|tmux|at|batch|systemd-run|run-parts|strace|ltrace|perf|valgrind|gdb|lldb|unshare|nsenter|chroot|proot"
    r"|fakeroot|bwrap|firejail|docker|podman|nerdctl|kubectl|ld(-linux.*)?\.so.*|[gmn]?awk|sed|tar|split|ed|ex|vim?|nvim|emacs"
    r"|python|ipython|pypy|py|uv|uvx|pip|pipx|poetry|pdm|hatch|tox|nox|conda|mamba|micromamba|node|nodejs|npm|npx|pnpm|pnpx|yarn|bun|bunx"
    r"|deno|tsx|ts-node|perl|ruby|bundle|gem|rake|php|composer|lua|luajit|java|jshell|groovy|scala|kotlin|clojure|clj|dotnet|mono|go|cargo"
    r"|runghc|runhaskell|stack|cabal|elixir|iex|mix|erl|escript|swift|julia|Rscript|R|octave|guile|racket|sbcl|make|gmake|cmake|ninja|just"
    r"|gradle|mvn|ant|bazel|git|hg|svn|rg|sort|zip|less|man|psql|mysql|mariadb|sqlite)[\d.]*"
)
"""Programs that run what their arguments say, if only by some option: leave for one command of theirs is leave for that command only."""
MAX_PARTS = 20_000
_UNSEEN = "\0"
"""Stands for any name in a folder that cannot be looked into. No file is called that."""


def deciding(rules: Iterable[Rule], tool: Tool, action: Action, folder: str = "") -> Rule | None:
    """The rule that decides on ACTION of TOOL: the first that fits of the strictest effect; None where none fits.

    A path in FOLDER that leads through a link counts as given and as where it leads: an allowance must hold for both. A denial or a
    question fits, too, where it fits a part of ACTION.
    """
    rules = list(rules)
    both = list({a.key: a for a in (action, _led(tool, action, folder))}.values()) if rules and folder else [action]
    fitting = [rule for rule in rules if _enough(rule.effect, (fits(rule, tool, a) for a in both))]
    strict = [r for r in rules if r.effect != "allow" and r.arguments.keys() & {*tool.paths} and covers(r, tool)]
    if strict and folder:
        parts = [part for a in both for part in _parts(tool, a, folder)]
        fitting += [rule for rule in strict if any(fits(rule, tool, part) for part in parts)]
    return min(fitting, key=lambda rule: ORDER.index(rule.effect), default=None)


def _led(tool: Tool, action: Action, folder: str) -> Action:
    """ACTION with its paths as they are once links are followed."""

    def real(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [real(item) for item in value]
        if not isinstance(value, str) or "\0" in value:
            return value
        return os.path.relpath(os.path.realpath(os.path.join(folder, value)), os.path.realpath(folder))  # noqa: PTH118

    return Action(action.tool, {n: real(v) if n in tool.paths else v for n, v in action.arguments.items()})


def _parts(tool: Tool, action: Action, folder: str) -> Iterator[Action]:
    """What ACTION comes to: where a thing lands that is put into a folder, and the same for each thing in a folder that is deleted, moved
    or copied with all that is in it."""
    workspace, given = Workspace(Path(folder)), dict(action.arguments)
    moves = {"source", "destination"} <= {*tool.paths}
    with contextlib.suppress(ToolError):  # then nothing is done either
        if moves and all(isinstance(given.get(name), str) for name in ("source", "destination")):
            given["destination"] = target_of(workspace, given["source"], given["destination"])
            yield Action(action.tool, given)
            for below in _below(workspace, given["source"]):
                ends = {name: posixpath.join(given[name], below) for name in ("source", "destination")}
                yield Action(action.tool, {**given, **ends})
        elif tool.risk == "delete" and (given.get("recursive") or tool.name != "delete_file"):
            for name in tool.paths:
                for path in leaves(given.get(name)):
                    for below in _below(workspace, path):
                        yield Action(action.tool, {**given, name: posixpath.join(path, below)})


def _below(workspace: Workspace, path: str) -> Iterator[str]:
    """All that is in the folder PATH, as paths below it. What cannot be looked into, or is too much, is `_UNSEEN`."""
    start = os.path.realpath(workspace.root.joinpath(*workspace.writable_parts(path)))
    rel = os.path.relpath(start, workspace.root)
    rel = "" if rel == "." else rel
    closed: list[str] = []
    try:
        for number, (found, *_) in enumerate(walk(workspace.root, rel, unreadable=closed.append)):
            if number >= MAX_PARTS:
                closed.append(rel)
                break
            yield spelling(found[len(rel) :].lstrip("/"))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError:
        closed.append(rel)
    for shut in closed:
        yield posixpath.join(spelling(shut[len(rel) :].lstrip("/")), _UNSEEN)


def fits(rule: Rule, tool: Tool, action: Action) -> bool:
    """Whether RULE is about ACTION. An argument that is not there fits no pattern."""
    if not covers(rule, tool):
        return False
    for name, pattern in rule.arguments.items():
        if name in tool.text and name not in action.arguments and rule.effect == "allow":
            continue  # it is not written yet, and is looked at again when it is
        values = list(leaves(action.arguments.get(name)))
        if not values or not _enough(rule.effect, (_matches(v, pattern, rule.effect, tool, name) for v in values)):
            return False
    if not rule.hosts:
        return True
    hosts = [host(value) for value in links(tool, action)]
    return bool(hosts) and _enough(rule.effect, (_host_matches(h, rule.hosts) for h in hosts))


def covers(rule: Rule, tool: Tool) -> bool:
    """Whether RULE may be about an action of TOOL, whatever its arguments."""
    return bool(_pattern(rule.tool, _ANY).fullmatch(tool.name)) and (not rule.risk or tool.risk in rule.risk)


def always_denied(rules: Iterable[Rule], tool: Tool) -> bool:
    """Whether every action of TOOL is denied, so that it need not be offered."""
    return any(r.effect == "deny" and not r.arguments and not r.hosts and covers(r, tool) for r in rules)


def sometimes_allowed(rules: Iterable[Rule], tool: Tool) -> bool:
    return any(r.effect == "allow" and covers(r, tool) for r in rules)


def named_by(rule: Rule | None, tool: Tool, argument: str) -> bool:
    """Whether RULE itself says what may be in ARGUMENT: then it was named by the person who wrote the rule."""
    if rule is None or rule.effect != "allow":
        return False
    roles: Mapping[str, str] = getattr(tool, "roles", {})
    named = rule.arguments.get(argument, "*").strip("*?") != ""
    return named or (bool(rule.hosts) and roles.get(argument) == "link")


def _enough(effect: Effect, matches: Iterable[bool]) -> bool:
    """An allowance must hold for all of a list; one is enough for a question or a denial."""
    return all(matches) if effect == "allow" else any(matches)


def _matches(value: str, pattern: str, effect: Effect, tool: Tool, name: str) -> bool:
    pattern = unicodedata.normalize("NFC", pattern)
    if name in tool.paths:
        value, pattern = posixpath.normpath(value), pattern.removeprefix("./")
    if effect != "allow":
        fit = _could_fit if value.endswith(_UNSEEN) else _fit
        return fit(pattern, value) or fit(_folded(pattern), _folded(value))  # capitals and wide letters are the same
    deep = ""
    if _is_code(tool, name):
        wild = _IN_CODE
    elif name in tool.text:
        wild = _ANY
    elif name in tool.paths:
        wild, deep = _IN_NAME, _IN_LINE
    else:
        address = "@" in pattern or ("@" in value and pattern.strip("*") != "")
        wild = _IN_ADDRESS if address else _IN_LINE
    return bool(_pattern(pattern, wild, deep).fullmatch(value))


def _fit(pattern: str, value: str) -> bool:
    return bool(_pattern(pattern, _ANY).fullmatch(value))


def _could_fit(pattern: str, value: str) -> bool:
    """Whether PATTERN fits some name in the folder that VALUE begins with: a beginning of it fits the folder."""
    folder = value.removesuffix(_UNSEEN)
    return not folder or any(_fit(pattern[: cut.end()], folder) for cut in re.finditer(r"[/*?]", pattern))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _is_code(tool: Tool, name: str) -> bool:
    """Whether the argument NAME is run: a program or a command."""
    return tool.text.get(name) == "code" or (tool.risk == "execute" and name not in tool.paths)


@functools.lru_cache(512)
def _pattern(pattern: str, wild: str, deep: str = "") -> re.Pattern[str]:
    """PATTERN with `*` and `?` as so many WILD characters, and `**` as DEEP ones; a backslash before one of them takes it as it is."""
    out, chars = [], iter(re.sub(r"(?<!\\)\*\*+", "\0" if deep else "*", pattern))
    for char in chars:
        if char == "\0":
            out.append(f"{deep}*")
            continue
        if char == "\\":
            following = next(chars, "")
            out.append(re.escape(following if following in ("*", "?", "\\") else char + following))
        else:
            out.append(f"{wild}*" if char == "*" else wild if char == "?" else re.escape(char))
    return re.compile("".join(out))


def leaves(value: Any) -> Iterator[str]:
    """The single values in VALUE as text, in Unicode NFC so that they can be compared: of lists and mappings all of them."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif value is not None:
        yield unicodedata.normalize("NFC", str(value))


def links(tool: Tool, action: Action) -> list[str]:
    """The values of ACTION's arguments that are links."""
    roles: Mapping[str, str] = getattr(tool, "roles", {})
    return [v for name, role in roles.items() if role == "link" for v in leaves(action.arguments.get(name))]


def host(link: str) -> str:
    """The host that LINK leads to, in lower case; empty where it has none."""
    try:
        return (urlsplit(link if "://" in link else f"//{link}").hostname or "").rstrip(".").casefold()
    except ValueError:
        return ""


def _host_matches(name: str, patterns: Sequence[str]) -> bool:
    return bool(name) and any(_pattern(p.casefold(), r"[^/@:]").fullmatch(name) for p in patterns)


# -- words ---------------------------------------------------------------------------------------------


def described(rule: Rule) -> str:
    """RULE on one line, as `rules ls` shows it: `allow delete_file(path=tmp/*)`."""
    inner = ", ".join(f"{name}={value}" for name, value in rule.arguments.items())
    text = f"{rule.effect} {rule.tool}" + (f"({inner})" if inner else "")
    text += f" of risk {' or '.join(rule.risk)}" if rule.risk else ""
    text += f" to {' or '.join(rule.hosts)}" if rule.hosts else ""
    return text + (", from outside too" if rule.untrusted else "")


def like(effect: Effect, tool: Tool, action: Action, scope: ApprovalScope, where: str) -> Rule:
    """The rule that an answer about ACTION becomes when it is to hold for longer: files of the same kind in the same folder, commands of
    the same program, the same values of anything else. Who is sent to or paid, and how much, is never widened."""
    arguments: dict[str, str] = {}
    for name, value in action.arguments.items():
        if name in tool.paths and isinstance(value, str):
            folder, base = posixpath.split(posixpath.normpath(value))
            suffix = posixpath.splitext(base)[1]
            arguments[name] = _literally(posixpath.join(folder, "") if folder else "") + (
                "*" + _literally(suffix) if suffix else _literally(base)
            )
        elif name in tool.text or _is_code(tool, name):
            words = str(value).split()
            if name not in tool.text and words:  # a command; a program is another one each time
                program = _PROGRAM.fullmatch(words[0])  # not `!`, a redirection, a variable or a name in quotes
                if program and not _RUNNERS.fullmatch(posixpath.basename(words[0])):
                    arguments[name] = _literally(words[0]) + (" *" if len(words) > 1 else "")
                else:
                    arguments[name] = _literally(str(value))
        else:
            values = sorted(set(leaves(value)))
            if len(values) > 1:
                raise ToolError(f"{name} has several values; a rule for longer has to be written by hand.")
            if values and (isinstance(value, str) or tool.risk in ("send", "spend")):
                arguments[name] = _literally(values[0])
    return Rule(effect, tool.name, (), arguments, scope=scope, where=where)


def _literally(text: str) -> str:
    return re.sub(r"([*?\\])", r"\\\1", text)


# -- files ---------------------------------------------------------------------------------------------


def read_rules(path: Path) -> list[Rule]:
    """The rules of a policy file in TOML: a list of `[[rule]]` tables with the fields of `Rule`.

    Raises UsageError with one sentence for a file that cannot be read or says something that is no rule.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"The rules {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"The rules {path} are not valid TOML: {' '.join(str(error).split())}.") from None
    tables = data.pop("rule", [])
    if data:
        raise UsageError(f"{path} says {next(iter(data))!r}, which no rule has; rules are tables named [[rule]].")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"In {path} each rule is a table of its own: write [[rule]] above it.")
    return [read_rule(table, f"Rule {number} in {path}") for number, table in enumerate(tables, 1)]


def read_rule(table: Mapping[str, Any], called: str) -> Rule:
    """The rule that TABLE holds; CALLED is its name in errors. Raises UsageError where it is none."""
    for name in table:
        if name not in _FIELDS:
            raise UsageError(f"{called} has a field {name!r}; the fields of a rule are {', '.join(_FIELDS)}.")
    effect = table.get("effect")
    if effect not in ORDER:
        raise UsageError(f"{called} needs an effect: allow, ask or deny.")
    tool, note, untrusted = table.get("tool", "*"), table.get("note", ""), table.get("untrusted", False)
    if not isinstance(tool, str) or not tool.strip() or not isinstance(note, str):
        raise UsageError(f"{called}: tool and note are texts, a tool such as delete_file or send_*.")
    if not isinstance(untrusted, bool) or (untrusted and effect != "allow"):
        raise UsageError(f"{called}: untrusted is true or false, and only an allowance has it.")
    risk = _texts(table.get("risk", ()), f"{called}: risk")
    if unknown := [r for r in risk if r not in get_args(Risk)]:
        raise UsageError(f"{called} names the risk {unknown[0]!r}; the risks are {', '.join(get_args(Risk))}.")
    arguments = table.get("arguments", {})
    if not isinstance(arguments, Mapping) or any(isinstance(v, (Mapping, list)) for v in arguments.values()):
        raise UsageError(f'{called}: arguments are patterns by name, such as arguments = {{ path = "tmp/*" }}.')
    patterns = {str(name): next(leaves(value), "") for name, value in arguments.items()}
    hosts = _texts(table.get("hosts", ()), f"{called}: hosts")
    if tool == "*" and effect == "allow" and not (risk or patterns or hosts):
        raise UsageError(f"{called} would allow everything; name a tool, a risk or an argument.")
    return Rule(effect, tool.strip(), tuple(risk), patterns, hosts, untrusted, note=note)  # type: ignore[arg-type]


def _texts(value: Any, called: str) -> tuple[str, ...]:
    found = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, (list, tuple)) else None
    if found is None or not all(isinstance(item, str) and item.strip() for item in found):
        raise UsageError(f"{called} is a text or a list of texts.")
    return tuple(item.strip() for item in found)


def check_names(rules: Iterable[Rule], tools: Sequence[Tool]) -> None:
    """Raises UsageError for a rule about a tool or an argument that there is not: one that is spelled wrong would forbid nothing."""
    import difflib

    for rule in rules:
        about = [tool for tool in tools if covers(rule, tool)]
        if not about and not any(c in rule.tool for c in "*?") and rule.tool not in {ANSWER, *(t.name for t in tools)}:
            near = difflib.get_close_matches(rule.tool, [t.name for t in tools], 1)
            hint = f"did you mean {near[0]}?" if near else "`wornpath tools` lists them."
            raise UsageError(f"A rule is about the tool {rule.tool!r}, which there is not; {hint}")
        known = {name for tool in about if rule.arguments for name in tool.schema.get("properties", {})}
        if about and (odd := [name for name in rule.arguments if name not in known]):
            raise UsageError(f"A rule is about the argument {odd[0]!r}, which {rule.tool} does not have.")
