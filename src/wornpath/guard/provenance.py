"""Provenance: whose words a value comes from, and which of them may steer what.

After CaMeL (arXiv 2503.18813): what is done follows from the user's goal; data may flow into an argument only where that argument's role
allows it. CaMeL tracks values through an interpreter of its own. Here every observation has an origin, and an argument is traced by
looking for its value in what was seen:

- `own`: the goal, a person's words, and what a tool itself says. It may be used anywhere.
- `known`: people the user works with. It may be used where the goal names the place it was read from ("Alice's inbox").
- `document`: files that this run did not make. `outside`: web, mail, anything that anybody may have written.

Values that a service vouches for (ids, accounts, senders) and things it lists (entities) count as whole values, never in part, so that an
instruction written into a name stays a name. Who is written to, paid, deleted, or which link is followed must be found among the trusted
values: one that was found nowhere is not trusted either, so that spelling an address in pieces does not help. Text to be sent may say
anything, but no link, address or account that only an untrusted text knows, and nothing private.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from wornpath.core import Action, Event, Observation, Origin, Risk, from_json
from wornpath.guard.rules import leaves
from wornpath.tools import Tool

ORIGINS: tuple[Origin, ...] = ("own", "known", "document", "outside")
"""From the most trusted to the least."""
RISKY: frozenset[Risk] = frozenset({"send", "spend", "delete"})
MAIL = (".eml", ".mbox", ".msg")
MAX_TEXT = 60_000
"""How many characters of trusted text are kept. What is dropped is no longer trusted."""
MAX_HOOKS = 5_000
MAX_PATH = 4096
_LATIN = r"0-9A-Za-z_\u00c0-\u024f"
_MARKS = r"\u3000-\u303f\uff00-\uffef"
"""Punctuation of East Asian scripts, and full-width forms: no link goes on through them."""
_UNSPACED = (
    _MARKS + r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Scripts in which a word may stand right beside an address: Chinese, Japanese, Korean, Thai, Lao, Burmese, Khmer."""


def _address(letters: str) -> str:
    """A pattern of e-mail addresses made of LETTERS. Bounded, so that a long word costs no more than its length."""
    return rf"[{letters}][{letters}.+-]{{0,80}}@[{letters}-]+(?:\.[{letters}-]+)+"


def _link(letters: str, end: str) -> str:
    """A pattern of links with hosts of LETTERS, which stop at END."""
    host = rf"(?<![{letters}])(?=[{letters}])(?:[{letters}-]{{1,63}}\.){{1,127}}[a-z]{{2,63}}/"
    return rf"(?:https?://|www\.)[^\s<>\"'()\[\]{{}}{end}]+|{host}[^\s<>\"'{end}]*"


_ADDRESS = re.compile(_address(_LATIN))
_HOOK = re.compile(
    rf"{_address(_LATIN)}|{_link(_LATIN, _UNSPACED)}"
    rf"|(?<![{_LATIN}])[a-z]{{2}}\d{{2}}(?:[ -]?[a-z0-9]){{10,30}}(?![{_LATIN}])"  # an account
    r"|\d[\d.,-]{2,}\d",  # a number or a date
)
_OTHER_SCRIPT = re.compile(_address(r"\w") + "|" + _link(r"\w", _MARKS))
"""Hosts and paths in letters of any script. What stands beside them cannot be told apart, so they are looked for as well, not instead."""
_NAME = re.compile(r"\b[A-Z][\w'’-]*(?:[ \t]+[A-Z][\w'’-]*){1,5}")
_WORD = re.compile(r"[^\W_]+")
_NEW_SENTENCE = re.compile(r"(?<=[a-z0-9])\.(?=[A-Z][a-z])")
_INNER = re.compile(r"[a-z0-9_@/-]")


def worst(*origins: Origin) -> Origin:
    return max(origins, key=ORIGINS.index, default="own")


def found_in(value: str, text: str) -> bool:
    """Whether VALUE stands in TEXT by itself, not as a part of a longer name, address or link. Both casefolded."""
    if not value:
        return False
    at = text.find(value)
    while at >= 0:
        before, after = text[at - 1 : at], text[at + len(value) : at + len(value) + 2]
        joined = value[0].isascii() and (_INNER.match(before) or (before == "." and at > 1 and text[at - 2].isalnum()))
        goes_on = value[-1].isascii() and (_INNER.match(after) or (after[:1] == "." and after[1:].isalnum()))
        if not joined and not goes_on:
            return True
        at = text.find(value, at + 1)
    return False


def hooks(text: str) -> set[str]:
    """What an instruction needs to reach somebody: the links, addresses, accounts and numbers in TEXT, casefolded."""
    found = [*_HOOK.findall(text), *_OTHER_SCRIPT.findall(_ADDRESS.sub(" ", text))]
    return {match.rstrip(".,;:!?").removeprefix("https://").removeprefix("http://") for match in found}


def _reaches(hook: str) -> bool:
    """Whether HOOK leads somewhere: a link, an address, or a number that is long enough for an account, a card or a telephone."""
    return not hook[0].isdigit() or sum(map(str.isdigit, hook)) >= 9 or any(map(str.isalpha, hook))


@dataclass(frozen=True, slots=True)
class Finding:
    """An argument that may not be used without asking, and why."""

    argument: str
    value: str
    why: str

    def __str__(self) -> str:
        shown = self.value if len(self.value) <= 60 else f"{self.value[:57]}..."
        return f"{self.argument} {shown!r} {self.why}"


@dataclass(slots=True)
class Provenance:
    """What a run has seen, by origin: a fold over its events, and the check of an action's arguments against it."""

    worst: Origin = "own"
    """The least trusted words so far."""
    trusted: list[str] = field(default_factory=list)
    """The goal, what a person said, and what tools themselves said, casefolded."""
    delegated: list[str] = field(default_factory=list)
    """Words of known people, read where the goal said."""
    pointed: list[str] = field(default_factory=list)
    """Documents that were reached by a trusted link."""
    vouched: set[str] = field(default_factory=set)
    entities: set[str] = field(default_factory=set)
    untrusted: dict[str, str] = field(default_factory=dict)
    """The hooks of texts that are not the user's own → the tool that read them."""
    private: set[str] = field(default_factory=set)
    outside_names: set[str] = field(default_factory=set)
    other_names: set[str] = field(default_factory=set)
    files: dict[str, Origin] = field(default_factory=dict)
    """Whose words are in the files that this run, or a tainted one before it, wrote."""
    goal: str = ""
    _action: Action | None = None
    _lost: bool = False

    @property
    def tainted(self) -> bool:
        """Whether words from outside may have steered the run."""
        return self.worst == "outside"

    # -- the fold ----------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Fold EVENT in."""
        data = event.data
        match event.type:
            case "goal.set":
                text = str(data["goal"].get("text", ""))
                parted = _NEW_SENTENCE.sub(". ", text)  # "our-company.com.They": people forget the space
                self.goal = (text if parted == text else f"{text}\n{parted}").casefold()
                self._trust(self.goal)
            case "approval.answered":
                self._trust(data.get("comment", ""))
                for value in leaves(data.get("arguments")):
                    self._trust(value)
            case "person.said":
                self._trust(data.get("text", ""))
            case "action.started":
                self._action = from_json(Action, data["action"])
            case "action.finished":
                if self._action is not None:
                    self.see(self._action, from_json(Observation, data["observation"]))
            case "run.started":
                if data.get("tainted"):
                    self.worst = "outside"
            case _:
                pass

    def _trust(self, text: str, kept: list[str] | None = None) -> None:
        kept = self.trusted if kept is None else kept
        if text:
            kept.append(text.casefold()[:MAX_TEXT])
        while len(kept) > 2 and sum(map(len, kept)) > MAX_TEXT:
            del kept[1]  # the goal stays

    def see(self, action: Action, seen: Observation) -> None:
        """Take in what ACTION brought to light. Its origin was settled by `label`."""
        origin: Origin = "outside" if seen.untrusted else seen.origin
        self.vouched.update(v.casefold() for v in seen.vouched)
        self.entities.update(e.value.casefold() for e in seen.entities)
        self.private.update(v.casefold() for v in seen.private if len(v) >= 4)
        for path in seen.changed:
            self.files[path] = self.in_written(seen, action, path)
        self.worst = worst(self.worst, origin)
        known = self.outside_names if origin == "outside" else self.other_names
        if len(known) < MAX_HOOKS:
            known |= names(seen.text)
        text = seen.text.casefold()
        if origin == "own":
            self._trust(self._without_echo(action, text))
            return
        if origin == "known" and self._named(action):
            self._trust(text, self.delegated)
        for hook in hooks(text) - self.vouched:
            if hook in self.untrusted or len(self.untrusted) < MAX_HOOKS:
                self.untrusted[hook] = action.tool
            else:
                self._lost = True
        values = list(leaves(action.arguments))
        if "@" in text and values and all(self._found(v, own=False) for v in values):
            self._trust(text, self.pointed)

    def _without_echo(self, action: Action, text: str) -> str:
        """TEXT of a tool without what it only repeats: its arguments, and what others' texts brought, are not trusted for being said again
        ("No entry for eve@evil.example")."""
        if self.worst == "own":
            return text
        repeated = {v.casefold() for v in leaves(action.arguments) if not self._found(v)}
        repeated |= {hook for hook in hooks(text) if hook in self.untrusted and not self._found(hook)}
        for value in sorted(repeated, key=len, reverse=True):
            text = text.replace(value, " ") if value.strip() else text
        return text

    def in_written(self, seen: Observation, action: Action, path: str) -> Origin:
        """Whose words may be in PATH, which ACTION wrote and which brought SEEN: any that the run has read, and those of the files that it
        moved, copied or added to. Only a file that is written anew has nothing of what it was; a mail is known by its name."""
        origin = worst(self.worst, "outside" if seen.untrusted else seen.origin)
        if action.tool == "write_file" or path.casefold().endswith(MAIL):
            return origin
        named = [v for v in leaves(action.arguments) if len(v) < MAX_PATH and "\n" not in v]
        return "outside" if any(self._of_path(v.rstrip("/") or ".") == "outside" for v in named) else origin

    def _named(self, action: Action) -> bool:
        """Whether the goal itself says where ACTION reads: all its texts are in it."""
        values = [v for v in action.arguments.values() if isinstance(v, str)]
        return bool(values) and all(found_in(v.casefold(), self.goal) for v in values)

    def glimpse(self, text: str, path: str = "") -> None:
        """Take in TEXT that the model is shown without an action: the beginning of the file at PATH, or a map of the workspace."""
        if text:
            self.see(
                Action(path or "the files of the workspace"),
                Observation.of(text, origin=self._of_path(path) if path else "document"),
            )

    # -- labels ------------------------------------------------------------------------------------

    def label(self, tool: Tool, action: Action, seen: Observation) -> Observation:
        """SEEN with the origin that it has at least: what is read from a file has the file's, and what a program prints may come from any
        file of the workspace and, once words from outside are in the run, from those."""
        origin: Origin = "outside" if seen.untrusted else seen.origin
        if tool.risk == "execute":
            kept = worst(*self.files.values())
            origin = worst(origin, "document", "outside" if self.tainted or kept == "outside" else "own")
        elif tool.paths and tool.risk == "read":
            paths = [v for name in tool.paths for v in leaves(action.arguments.get(name, "."))]
            brought = [e.value for e in seen.entities if e.kind == "file"]
            origin = worst(origin, *(self._of_path(path) for path in (*paths, *brought)))
        elif tool.paths and seen.result == "error":  # what went wrong is told in the file's own words
            origin = worst(origin, "document")
        if origin == seen.origin and not seen.untrusted:
            return seen
        return replace(seen, origin=origin, untrusted=origin == "outside")

    def _of_path(self, path: str) -> Origin:
        if path in self.files:
            return self.files[path]
        if path.casefold().endswith(MAIL):
            return "outside"
        inside = "" if path in (".", "") else path.rstrip("/") + "/"
        return worst("document", *(origin for name, origin in self.files.items() if name.startswith(inside)))

    # -- the check ---------------------------------------------------------------------------------

    def check(self, tool: Tool, action: Action, *, unconfined: bool = False) -> list[Finding]:
        """The arguments of ACTION that must not be used without asking. UNCONFINED: code runs without a sandbox.

        Nothing is found before anything but the user's own words was seen: then nothing else can be in an argument.
        """
        roles: Mapping[str, str] = getattr(tool, "roles", {})
        risky = tool.risk in RISKY or (tool.risk == "execute" and unconfined)
        if self.worst == "own" or not (risky or "link" in roles.values()):
            return []
        out: list[Finding] = []
        for name, value in action.arguments.items():
            role = roles.get(name) or ("content" if name in tool.text else "")
            if not risky and role != "link":
                continue
            if tool.risk == "execute":
                out.append(Finding(name, str(value), "was written after words that are not yours were read"))
            elif role == "content":
                out += self._content(name, value)
            elif role == "name":
                out += [Finding(name, v, "is no name of yours") for v in leaves(value) if not self._covered(v)]
            elif role == "detail" or not isinstance(value, (str, list, tuple, Mapping)):
                out += self._details(name, value)
            else:
                out += self._targets(tool, action, name, value)
        return out

    def _targets(self, tool: Tool, action: Action, name: str, value: object) -> list[Finding]:
        """Who or what the action is aimed at: a value that you named, or that a service you use stands for."""
        strict = tool.risk == "spend"
        return [
            Finding(name, v, f"was not named by you{self._source(v)}")
            for v in leaves(value)
            if not self._found(v, strict=strict)
            and not (tool.risk == "send" and "@" in v and self._introduced(tool, action, v))
        ]

    def _found(self, value: str, *, strict: bool = False, own: bool = True) -> bool:
        """Whether VALUE is among the trusted ones. STRICT leaves out what a service merely lists, and others' words; with OWN false only
        what you and your people named is left."""
        value = value.casefold().removeprefix("https://").removeprefix("http://").rstrip("/")
        if not value.strip():
            return True
        if own and (value in self.vouched or (value in self.entities and not strict)):
            return True
        texts = [self.goal] if not own else self.trusted
        return any(found_in(value, t) for t in (texts if strict else (*texts, *self.delegated)))

    def _introduced(self, tool: Tool, action: Action, address: str) -> bool:
        """Whether ADDRESS stands in a document that you led to, beside the name of somebody that you named in the same action."""
        spoken = {*tool.text, *tool.paths, *getattr(tool, "roles", {})}
        others = [v for n, item in action.arguments.items() if n not in spoken for v in leaves(item) if v != address]
        people = [o.casefold() for o in others if not o.isdigit() and self._found(o, own=False)]
        wanted = address.casefold()
        return any(found_in(wanted, page) and any(found_in(p, page) for p in people) for page in self.pointed)

    def _covered(self, value: str) -> bool:
        """Whether VALUE is put together from the goal's words and from whole things that a service lists."""
        rest = value.casefold()
        for thing in sorted((*self.vouched, *self.entities), key=len, reverse=True):
            rest = rest.replace(thing, " ") if len(thing) > 2 else rest
        return all(found_in(word, self.goal) for word in _WORD.findall(rest))

    def _content(self, name: str, value: object) -> Iterable[Finding]:
        for text in leaves(value):
            folded = text.casefold()
            for hook in sorted(hooks(folded)):
                if _reaches(hook) and self._foreign(hook):
                    yield Finding(name, hook, f"is in the text{self._source(hook)}")
            for secret in self.private:
                if secret in folded and not found_in(secret, self.goal):
                    yield Finding(name, secret, "is private")

    def _details(self, name: str, value: object) -> Iterable[Finding]:
        for text in leaves(value):
            if len(text) >= 4 and self._foreign(text.casefold()):
                yield Finding(name, text, f"was not named by you{self._source(text)}")

    def _foreign(self, hook: str) -> bool:
        """Whether HOOK is known from an untrusted text only."""
        if self._found(hook):
            return False
        return hook in self.untrusted or self._lost

    def _source(self, value: str) -> str:
        tool = self.untrusted.get(value.casefold().removeprefix("https://").removeprefix("http://"))
        return f" and comes from {tool}" if tool else ""

    # -- answers -----------------------------------------------------------------------------------

    def unvouched(self, text: str) -> list[str]:
        """The lines of TEXT with a name that only words from outside know: neither the goal, nor a file, nor a service."""
        return [line for line in text.splitlines() if any(self._only_outside(forms) for forms in _names(line))]

    def _only_outside(self, forms: tuple[str, ...]) -> bool:
        things = (*self.vouched, *self.entities)
        known = any(f in self.other_names or found_in(f, self.goal) or any(f in t for t in things) for f in forms)
        return not known and any(form in self.outside_names for form in forms)


def _names(text: str) -> list[tuple[str, ...]]:
    """The names in TEXT: words in a row that begin with a capital letter, casefolded, with and without the first: it may only begin a
    sentence."""
    found: list[tuple[str, ...]] = []
    for match in _NAME.findall(text):
        words = match.casefold().split()
        found.append((" ".join(words), " ".join(words[1:])) if len(words) > 2 else (" ".join(words),))
    return found


def names(text: str) -> set[str]:
    """All forms of the names in TEXT."""
    return {form for forms in _names(text) for form in forms}
