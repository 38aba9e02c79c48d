"""Which files a check command names, directly or as the programs that test runners run."""

from __future__ import annotations

import functools
import os
import re
import shlex
import sys
import sysconfig
import tomllib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from importlib.machinery import PathFinder
from itertools import pairwise
from pathlib import Path

HOOKS = frozenset(
    {"conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "sitecustomize.py", "usercustomize.py"}
)
"""Files that Python and test runners load without being told to."""
_SETTINGS = {"pyproject.toml": "[tool.pytest", "setup.cfg": "[tool:pytest]", "tox.ini": "[pytest]"}
_OVERRIDES = (
    ("GNUmakefile", "makefile", "Makefile"),
    ("justfile", "Justfile", ".justfile"),
    ("package.json", ".npmrc", ".yarnrc", ".yarnrc.yml", ".pnpmfile.cjs"),
    ("tox.ini", "tox.toml"),
)
"""Files that a tool takes in place of each other, or besides: one that a run adds to the one that was there changes what the check does."""
_TEST_RUNNERS = frozenset({"pytest", "py.test", "unittest", "nose2", "tox", "nox"})
_TESTS = ("test_*.py", "*_test.py", *sorted(HOOKS), *_SETTINGS)
_RUN = {
    **dict.fromkeys(_TEST_RUNNERS, _TESTS),
    **dict.fromkeys(("make", "gmake"), ("makefile", "Makefile", "GNUmakefile", "*.mk")),
    **dict.fromkeys(("npm", "npx", "yarn", "pnpm", "node"), ("package.json", "*.test.*", "*.spec.*")),
    "just": ("justfile", "Justfile", ".justfile"),
}
# Only these are put back when a check names their folder: `ls inbox` and `pytest tests` both name one.
_PROGRAMS = (
    *("*.py", "*.sh", "*.bash", "*.js", "*.mjs", "*.cjs", "*.ts", "*.rb", "*.pl", "*.php", "*.lua", "*.awk", "*.sed"),
    *("*.jq", "*.sql", "*.R", "*.mk", "Makefile", "makefile", "*.bats"),
)
# These ask whether something is there, or look for words in it: their operands are the run's work, not part of the check.
_ASKING = frozenset({"test", "[", "[[", "ls", "find", "stat", "grep", "egrep", "fgrep", "rg"})
_BEFORE_COMMAND = frozenset({"!", "{", "if", "then", "else", "elif", "while", "until", "do", "time", "exec", "command"})
_SKIPPED = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", "venv"})
_MAX_FILES, _MAX_LOOKED_AT = 2000, 50_000


def named_files(command: str, workspace: Path) -> list[str]:
    """The regular files in WORKSPACE that COMMAND names, sorted: by path, by pattern, by module name, by their folder (programs only), in a
    piece of code it holds, or as what a test runner or `make` runs. Not the operands of commands that only ask whether files are there or
    what words they hold."""
    root = workspace.resolve()
    found: dict[str, None] = {}
    bases = [root]
    for words in _commands(command):
        program, operands = os.path.basename(words[0]), words[1:]  # noqa: PTH119
        if program == "cd" and operands and (folder := _inside(root, root, operands[0])) and folder.is_dir():
            bases.append(folder)
            continue
        if program in _ASKING:
            operands = _pattern_files(operands) if program.endswith(("grep", "rg")) else []
        for pattern in dict.fromkeys(p for word in words for p in _RUN.get(os.path.basename(word), ())):  # noqa: PTH119
            found.update((path, None) for path in _below(root, root, (pattern,)))
        for before, word in pairwise(("", words[0], *operands)):
            module = before == "-m" or "import" in word
            for base in bases:
                found.update((path, None) for path in _named(root, base, word, module))
    return sorted(found)[:_MAX_FILES]


def outside_paths(command: str, workspace: Path) -> list[Path]:
    """The existing files and folders outside WORKSPACE that COMMAND names by their absolute path: a person's own checks, kept apart."""
    root = workspace.resolve()
    words = {word for words in _commands(command) for word in words if word.startswith("/")}
    paths = [Path(os.path.realpath(word)) for word in sorted(words)]
    return [
        p
        for p in paths
        if p.exists() and p != root and root not in p.parents and p not in root.parents and p != Path("/")
    ]


def uses_test_runner(command: str) -> bool:
    """Whether COMMAND runs something that loads hooks by itself."""
    return any(os.path.basename(word) in _TEST_RUNNERS for words in _commands(command) for word in words)  # noqa: PTH119


def is_hook_setting(file: Path) -> bool:
    """Whether FILE is a project file with settings for a test runner. TOML can write a name in many ways, so it is read as such; one that
    cannot be read counts as having some."""
    mark = _SETTINGS.get(file.name)
    try:
        if mark is None or not file.is_file():
            return False
        text = file.read_text("utf-8", "replace")
        if file.suffix != ".toml":
            return mark in text
        tools = tomllib.loads(text).get("tool", {})
        return not isinstance(tools, dict) or "pytest" in tools
    except (tomllib.TOMLDecodeError, RecursionError):
        return True
    except OSError:
        return False


def overriding(command: str, copy: Path, known: Iterable[str]) -> Iterator[Path]:
    """What lies in COPY, was not there at the start (the KNOWN paths), and would be taken instead of what was: a `GNUmakefile` beside the
    `Makefile`; and, since pytest puts folders of tests in front, a module there with the name of one that is installed."""
    there = set(known)
    for path in there:
        folder, name = (copy / path).parent, os.path.basename(path)  # noqa: PTH119
        for other in next((group for group in _OVERRIDES if name in group), ()):
            if (folder / other).relative_to(copy).as_posix() not in there and os.path.lexists(folder / other):
                yield folder / other
    programs = {(copy / path).parent for path in there if path.endswith(".py")}
    for folder in sorted(programs) if uses_test_runner(command) else ():
        for entry in sorted(folder.iterdir()):
            name, here = entry.name.partition(".")[0], entry.relative_to(copy).as_posix()
            known_here = here in there or any(path.startswith(f"{here}/") for path in there)
            if not known_here and _is_module(entry) and _installed(name) and not re.search(rf"\b{name}\b", command):
                yield entry


def _is_module(entry: Path) -> bool:
    if entry.is_dir():
        return (entry / "__init__.py").exists()
    return entry.suffix in (".py", ".pyc", ".so")


@functools.lru_cache(1024)
def _installed(name: str) -> bool:
    """Whether Python has a module NAME of its own or from a package."""
    if name in sys.stdlib_module_names:
        return True
    folders = {sysconfig.get_path(kind) for kind in ("stdlib", "purelib", "platlib")}
    return name.isidentifier() and PathFinder.find_spec(name, sorted(folders)) is not None


def _commands(text: str) -> Iterator[list[str]]:
    """The simple commands of a shell line as words, those in `$(...)` and backquotes, too."""
    for inner in re.findall(r"\$\(([^()]*)\)|`([^`]*)`", text):
        yield from _commands(inner[0] or inner[1])
    lexer = shlex.shlex(text.replace("\n", " ; "), posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError:  # an open quote: the shell will complain; look at what there is
        words = text.split()
    command: list[str] = []
    for word in [*words, ";"]:
        if word and set(word) <= set(";&|()"):
            while command and (command[0] in _BEFORE_COMMAND or re.match(r"\w+=", command[0])):
                command.pop(0)
            if command:
                yield command
            command = []
        elif not set(word) <= set("<>"):
            command.append(word)


def _pattern_files(operands: list[str]) -> list[str]:
    """Of the operands of grep the files of patterns: those decide what is looked for."""
    found = [after for before, after in pairwise(operands) if re.fullmatch(r"-\w*f|--file", before)]
    return found + [word.partition("=")[2] for word in operands if word.startswith("--file=")]


def _named(root: Path, base: Path, word: str, module: bool) -> Iterator[str]:
    """The files that WORD means when it is said in BASE; with MODULE, words without a dot may be names of modules, too."""
    pieces = re.split(r"[^\w./+@%,~*?\[\]-]+", word)
    spellings = {word, word.rpartition("=")[2], *pieces}
    for name in (piece.replace(".", "/") for piece in pieces if module or "." in piece):
        spellings |= {f"{name}.py", f"{name}/__main__.py"}
    for spelling in spellings:
        if any(mark in spelling for mark in "*?["):
            yield from _below(root, base, (spelling,))
        elif spelling and (path := _inside(root, base, spelling)) is not None:
            if path.is_file():
                yield path.relative_to(root).as_posix()
            elif path != root and path.is_dir():
                yield from _below(root, path, (*_PROGRAMS, *_TESTS))


def _inside(root: Path, base: Path, spelling: str) -> Path | None:
    """The place of SPELLING, when it lies in the workspace and no link leads out of it."""
    try:
        place = os.path.normpath(os.path.join(base, spelling))  # noqa: PTH118 - asked for every word of a check: `Path` is slow
        if not os.path.lexists(place):
            return None
        path = Path(place)
        real = Path(os.path.realpath(path))
    except (ValueError, OSError):
        return None
    return path if path.is_relative_to(root) and real.is_relative_to(root) else None


def _below(root: Path, folder: Path, patterns: tuple[str, ...]) -> Iterator[str]:
    """The regular files below FOLDER whose name, or path from there, matches one of PATTERNS."""
    looked_at = 0
    for at, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - _SKIPPED)
        for name in names:
            looked_at += 1
            path = Path(at, name)
            below = path.relative_to(folder).as_posix()
            if (
                any(fnmatchcase(name, p) or fnmatchcase(below, p) for p in patterns)
                and not path.is_symlink()
                and path.is_file()
            ):
                yield path.relative_to(root).as_posix()
        if looked_at > _MAX_LOOKED_AT:
            return
