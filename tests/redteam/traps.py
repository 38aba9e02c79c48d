"""Traps for the host: files and answers made inside to harm what reads them outside.

Each is laid by code in the sandbox. The control is what a naive reader would do with it; it must be harmed, or the trap is none.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import stat
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wornpath.core import Observation, ToolError
from wornpath.sandbox.protocol import Sandbox, SandboxLimits
from wornpath.sandbox.text import clean
from wornpath.tools import ToolContext, Workspace
from wornpath.tools.documents import overview
from wornpath.tools.files import read_file
from wornpath.tools.run_code import manifest, python, shell

TOKEN = "outside-" + os.urandom(6).hex()
_MOST_MEMORY, _MOST_SECONDS = 300 << 10, 20.0


@dataclass(frozen=True)
class Trap:
    """CODE lays it. `reader` is what Wornpath does with it: True when it was harmed. `naive` is the control."""

    name: str
    code: str
    reader: Callable[[Path, Sandbox], bool]
    naive: Callable[[Path], bool]
    area: str = "host"


def lay(trap: Trap, sandbox: Sandbox, workspace: Path) -> None:
    code = f"SECRET = {str(workspace.parent / 'secret.txt')!r}\nimport os, json, zipfile\n{trap.code}"
    result = asyncio.run(sandbox.run(["python", "-c", code], workspace=workspace))
    assert result.exit_code == 0, result.stderr


def _context(workspace: Path, sandbox: Sandbox | None = None) -> ToolContext:
    limits = SandboxLimits(wall_seconds=20)
    kernel = sandbox.kernel(workspace=workspace, limits=limits) if sandbox else None
    return ToolContext(Workspace(workspace), sandbox=sandbox, kernel=kernel, limits=limits)


def _reads(name: str, harmed: Callable[[Observation], bool]) -> Callable[[Path, Sandbox], bool]:
    """Reading NAME by the tool. A refusal is fine; so is an answer in reasonable time and memory that HARMED does not mind."""

    def work(workspace: Path, sandbox: Sandbox) -> bool:
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        try:
            seen = asyncio.run(read_file(_context(workspace), path=name))
        except ToolError:
            return False
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        return harmed(seen) or grown > _MOST_MEMORY or time.monotonic() - began > _MOST_SECONDS

    return work


def _runs(code: str, harmed: Callable[[Observation], bool]) -> Callable[[Path, Sandbox], bool]:
    """Running CODE by the tools; everything the model would see is looked at."""

    def work(workspace: Path, sandbox: Sandbox) -> bool:
        async def both() -> bool:
            context = _context(workspace, sandbox)
            assert context.kernel is not None
            try:
                cell = await python(context, code=code)
                again = await python(context, code="6 * 7")
                (workspace / "p.py").write_text(code)
                command = await shell(context, command="python p.py")
                return harmed(cell) or harmed(command) or "42" not in again.text
            finally:
                await context.kernel.close()

        return asyncio.run(both())

    return work


def _secret(seen: Observation) -> bool:
    return TOKEN in seen.text


def _unclean(seen: Observation) -> bool:
    texts = [seen.text, *seen.facts, *seen.changed, *(f"{e.value}{e.detail}" for e in seen.entities)]
    return any(clean(text) != text for text in texts)


def _never(seen: Observation) -> bool:
    return False


def _walks(workspace: Path, sandbox: Sandbox) -> bool:
    """Everything that walks over the workspace."""
    place = Workspace(workspace)
    try:
        manifest(workspace)
        place.files()
        overview(place)
    except RecursionError:
        return True
    return False


def _raises(kind: type[BaseException], work: Callable[[Path], object]) -> Callable[[Path], bool]:
    def naive(workspace: Path) -> bool:
        try:
            work(workspace)
        except kind:
            return True
        return False

    return naive


def _swells(name: str) -> Callable[[Path], bool]:
    """Whether what is packed is a hundred times larger than the file."""
    return lambda w: sum(i.file_size for i in zipfile.ZipFile(w / name).infolist()) > 100 * (w / name).stat().st_size


def _deepest(workspace: Path) -> bool:
    depth, folder = 0, os.open(workspace, os.O_RDONLY)
    while "d" in os.listdir(folder):  # noqa: PTH208
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder, depth = below, depth + 1
    os.close(folder)
    return depth >= 1500


_TERMINAL = "print('\\x1b]0;owned\\x07\\x1b[2J\\x1b[31mred\\x9b5n')"
_ANSWER = "import os\nfor fd in range(3, 256):\n  try: os.write(fd, {data})\n  except OSError: pass\n"
_BOMB = (
    "z = zipfile.ZipFile({name!r}, 'w', zipfile.ZIP_DEFLATED)\n"
    "z.writestr('[Content_Types].xml', '<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>')\n"
    "with z.open({member!r}, 'w', force_zip64=True) as f:\n  for i in range(600): f.write(b' ' * (1 << 20))\nz.close()"
)
_ENTITIES = """
e = "<!DOCTYPE x [<!ENTITY a '" + "A" * 100 + "'>"
for one, next in zip("abcdef", "bcdefg"):
    e += f"<!ENTITY {{next}} '" + f"&{{one}};" * 30 + "'>"
z = zipfile.ZipFile({name!r}, "w")
z.writestr({member!r}, '<?xml version="1.0"?>' + e + "]><x>&g;</x>")
z.close()
"""

TRAPS = [
    Trap(
        "link to a file outside",
        "os.symlink(SECRET, 'notes.txt')",
        _reads("notes.txt", _secret),
        lambda w: TOKEN in (w / "notes.txt").read_text(),
    ),
    Trap(
        "link to a folder outside",
        "os.symlink(os.path.dirname(SECRET), 'd')",
        _reads("d/secret.txt", _secret),
        lambda w: TOKEN in (w / "d/secret.txt").read_text(),
    ),
    Trap(
        "chain of links",
        "os.symlink('b', 'a.txt'); os.symlink('c', 'b'); os.symlink(SECRET, 'c')",
        _reads("a.txt", _secret),
        lambda w: TOKEN in (w / "a.txt").read_text(),
    ),
    Trap(
        "link in a listing",
        "os.symlink(SECRET, 'x.csv')",
        _runs("import os; os.symlink(os.readlink('x.csv'), 'y.csv')", _secret),
        lambda w: TOKEN in (w / "x.csv").read_text(),
    ),
    Trap(
        "link to the process itself",
        "os.symlink('/proc/self/environ', 'e.txt')",
        _reads("e.txt", lambda s: "PATH=" in s.text),
        lambda w: "PATH=" in (w / "e.txt").read_text(),
    ),
    Trap(
        "link to an endless device",
        "os.symlink('/dev/zero', 'z.txt')",
        _reads("z.txt", lambda s: "\0" in s.text),
        lambda w: stat.S_ISCHR((w / "z.txt").stat().st_mode),
    ),
    Trap(
        "pipe that nobody feeds",
        "os.mkfifo('p.txt')",
        _reads("p.txt", _never),
        lambda w: stat.S_ISFIFO((w / "p.txt").stat().st_mode),
    ),
    Trap(
        "terminal sequences",
        "open('t.txt', 'w').write('\\x1b[2J')",
        _runs(_TERMINAL, _unclean),
        lambda w: "\x1b" in (w / "t.txt").read_text(),
    ),
    Trap(
        "text that runs backwards",
        "open('t.txt', 'w').write('\\u202e')",
        _runs("print('\\u202egpj.exe'); '\\u2066hidden\\u2069'", _unclean),
        lambda w: clean((w / "t.txt").read_text()) == "",
    ),
    Trap(
        "errors with sequences",
        "open('t.txt', 'w').write('\\x1b')",
        _runs("raise ValueError('\\x1b[2J\\u202e')", _unclean),
        lambda w: "\x1b" in (w / "t.txt").read_text(),
    ),
    Trap(
        "names of files with sequences",
        "open('a\\x1b[2J\\nb\\u202e.txt', 'w').write('x')",
        _runs("open('\\x1b]0;x\\x07\\n.csv', 'w').write('a,b\\n1,2\\n')", _unclean),
        lambda w: any(clean(p.name) != p.name for p in w.iterdir()),
    ),
    Trap(
        "names that are no text",
        "open(b'\\xff\\xfe.csv', 'w').write('x')",
        _runs("open(b'\\xff.csv', 'w').write('a,b\\n')", _unclean),
        _raises(UnicodeEncodeError, lambda w: [p.name.encode() for p in w.iterdir()]),
    ),
    Trap(
        "answers nested without end",
        "open('a', 'w').write('[' * 200000)",
        _runs(_ANSWER.format(data="b'[' * 60000 + b'\\n'"), _never),
        _raises(RecursionError, lambda w: json.loads((w / "a").read_text())),
    ),
    Trap(
        "answers that are no objects",
        "open('a', 'w').write('[]')",
        _runs(_ANSWER.format(data="b'[]\\nnull\\n1e999\\n'"), _never),
        _raises(TypeError, lambda w: json.loads((w / "a").read_text())["value"]),
    ),
    Trap(
        "answers with huge numbers",
        "open('a', 'w').write('9' * 9000)",
        _runs(_ANSWER.format(data="b'{\"id\": ' + b'9' * 9000 + b'}\\n'"), _never),
        _raises(ValueError, lambda w: json.loads((w / "a").read_text())),
    ),
    Trap(
        "an answer without end",
        "open('a', 'wb').write(b'x' * 3000000)",
        _runs(
            "import os\nfor fd in range(200, 210):\n  try: [os.write(fd, b'x' * 65536) for i in range(50)]\n  except OSError: pass",
            lambda s: len(s.text) > 100_000,
        ),
        lambda w: len((w / "a").read_bytes()) > 1 << 21,
    ),
    Trap(
        "forged answers",
        "open('a', 'w').write(json.dumps({'id': 1, 'value': 'forged'}))",
        _runs(
            "import os\nfor n in range(1, 4): print(json.dumps({'id': n, 'value': 'forged', 'error': ''}))",
            lambda s: s.text.strip().splitlines()[-1:] == ["forged"],
        ),
        lambda w: json.loads((w / "a").read_text())["value"] == "forged",
    ),
    Trap(
        "objects that run when they are loaded",
        'class R:\n  def __reduce__(self): return exec, (\'open("pwned", "w").close()\',)\n'
        "import pickle; open('data.pkl', 'wb').write(pickle.dumps(R()))",
        lambda w, s: _reads("data.pkl", _never)(w, s) or Path("pwned").exists(),
        lambda w: b"exec" in (w / "data.pkl").read_bytes(),
    ),
    Trap(
        "folders without end",
        "for i in range(1900): os.mkdir('d'); os.chdir('d')\nopen('f', 'w').close()",
        _walks,
        _deepest,
    ),
    Trap(
        "a loop of links",
        "os.symlink('l', 'l'); os.symlink('.', 'here')",
        _walks,
        _raises(OSError, lambda w: (w / "l").read_text()),
    ),
    Trap(
        "packed emptiness (docx)",
        _BOMB.format(name="b.docx", member="word/document.xml"),
        _reads("b.docx", _never),
        _swells("b.docx"),
    ),
    Trap(
        "packed emptiness (xlsx)",
        _BOMB.format(name="b.xlsx", member="xl/workbook.xml"),
        _reads("b.xlsx", _never),
        _swells("b.xlsx"),
    ),
    Trap(
        "packed emptiness (pptx)",
        _BOMB.format(name="b.pptx", member="ppt/slides/slide1.xml"),
        _reads("b.pptx", _never),
        _swells("b.pptx"),
    ),
    Trap(
        "entities that multiply (docx)",
        _ENTITIES.format(name="e.docx", member="word/document.xml"),
        _reads("e.docx", lambda s: "AAAAA" in s.text),
        lambda w: "<!ENTITY g" in zipfile.ZipFile(w / "e.docx").read("word/document.xml").decode(),
    ),
    Trap(
        "entities that multiply (odt)",
        _ENTITIES.format(name="e.odt", member="content.xml"),
        _reads("e.odt", lambda s: s.text.count("A" * 100) > 1000),
        lambda w: "<!ENTITY g" in zipfile.ZipFile(w / "e.odt").read("content.xml").decode(),
    ),
    Trap(
        "a file of nothing, very long",
        "f = open('s.txt', 'w'); f.truncate(200 << 20)",
        _reads("s.txt", lambda s: len(s.text) > 100_000),
        lambda w: (w / "s.txt").stat().st_size > 100 << 20,
    ),
]
