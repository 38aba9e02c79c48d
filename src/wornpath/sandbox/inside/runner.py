"""The persistent Python inside the sandbox: takes cells as JSON lines, runs them in one namespace, answers in JSON lines.

`runner.py REQUESTS ANSWERS SITE PACKAGES CPU_SECONDS`, the first two being descriptors. What cells print goes to descriptors 1 and 2,
which are another pipe: nothing that a cell prints can get between the answers.
"""
# ruff: noqa: PTH109, PTH113, PTH118, PTH123, SIM105

import ast
import builtins
import fcntl
import importlib
import json
import linecache
import os
import re
import reprlib
import resource
import sys
import traceback
import types
import warnings

_VALUE_LIMIT = 20_000
_ERROR_LIMIT = 20_000
_VALUE, _MOST_VALUES = 80, 3
_HOME = os.getcwd()
_MODULES = frozenset(
    [
        "collections",
        "csv",
        "datetime",
        "email",
        "functools",
        "glob",
        "io",
        "itertools",
        "json",
        "math",
        "os",
        "random",
        "re",
        "shutil",
        "statistics",
        "string",
        "sys",
        "textwrap",
        "time",
    ]
)
_WELL_KNOWN = {
    "Counter": "collections:Counter",
    "defaultdict": "collections:defaultdict",
    "date": "datetime:date",
    "timedelta": "datetime:timedelta",
    "Decimal": "decimal:Decimal",
    "Path": "pathlib:Path",
    "np": "numpy",
    "pd": "pandas",
    "plt": "matplotlib.pyplot",
}


def _no_input(prompt: object = "", /) -> str:
    raise EOFError("input() has no one to answer it here; read files, or set the values in the code")


def _run(source: str, name: str, namespace: dict[str, object]) -> tuple[str, str]:
    """(value, error) of one cell. The value is the last expression's, as the interactive prompt shows it."""
    lines = source.splitlines(keepends=True)
    linecache.cache[name] = (len(source), None, lines, name)
    try:
        tree = ast.parse(source, name)
        _import_missing(tree, namespace)
        last = tree.body[-1] if tree.body else None
        if not isinstance(last, ast.Expr):
            exec(compile(tree, name, "exec"), namespace)
            return "", ""
        exec(compile(ast.Module(tree.body[:-1], tree.type_ignores), name, "exec"), namespace)
        value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
        if value is None:
            return "", ""
        namespace["_"] = value
        if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0 and hasattr(value, "item"):
            value = value.item()  # 15.5 rather than np.float64(15.5)
        return repr(value)[:_VALUE_LIMIT], ""
    except SystemExit as error:
        return "", "" if error.code in (None, 0) else f"SystemExit: {error.code}"
    except BaseException as error:
        return "", _describe(error)


def _import_missing(tree: ast.Module, namespace: dict[str, object]) -> None:
    """Import the well-known names that the cell uses and nobody defined: a forgotten import is the commonest slip of written programs."""
    used: set[str] = set()
    asked: dict[str, set[str]] = {}
    """What is asked of a name: its attributes, and `()` where it is called."""
    bound = {*namespace, *vars(builtins)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            asked.setdefault(node.value.id, set()).add(node.attr)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            asked.setdefault(node.func.id, set()).add("()")
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
    if "email" in used:
        importlib.import_module("email.policy")  # `import email` alone is not enough for it
    for name in sorted(used - bound):
        module, _, member = _WELL_KNOWN.get(name, "").partition(":")
        if module or name in _MODULES:
            try:
                found = importlib.import_module(module or name)
                if not member and not all(hasattr(found, what) for what in asked.get(name, ())):
                    found = getattr(found, name, found)  # `datetime.now()` and `glob("*")` mean what is in the module
                namespace[name] = getattr(found, member) if member else found
            except (ImportError, AttributeError):
                pass  # the cell's own NameError says it best


def _describe(error: BaseException) -> str:
    """The traceback, trimmed, with what the line that failed worked on."""
    try:
        summary = traceback.TracebackException.from_exception(error)
        _trim(summary, set())
        text = "".join(summary.format() if summary.stack else summary.format_exception_only())
        frames = "".join(summary.stack.format()) if summary.stack else ""
        if frames and (values := _values(error.__traceback__)):
            before, _, after = text.rpartition(frames)
            text = f"{before}{frames}    where {values}\n{after}"
    except Exception:  # an exception whose own text cannot be made
        text = f"{type(error).__name__} (its message could not be shown)"
    if len(text) > _ERROR_LIMIT:
        text = text[: _ERROR_LIMIT // 2] + "\n[…]\n" + text[-_ERROR_LIMIT // 2 :]
    return text.rstrip("\n")


def _values(trace: types.TracebackType | None) -> str:
    """The values of the names in the line of the last cell that TRACE goes through, short: a KeyError alone does not say which keys
    there are."""
    frame, number = None, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith("<cell "):
            frame, number = trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next
    if frame is None:
        return ""
    line = linecache.getline(frame.f_code.co_filename, number)
    shown = []
    for name in dict.fromkeys(re.findall(r"(?<![\w.])[A-Za-z]\w*", line)):
        value = frame.f_locals.get(name, frame.f_globals.get(name))
        if value is None or callable(value) or isinstance(value, types.ModuleType):
            continue
        try:
            columns = getattr(value, "columns", None)
            if isinstance(value, (str, bytes)):
                value = value[: _VALUE + 1]  # what is large is not written out to be cut
            written = (
                reprlib.repr if isinstance(value, (list, tuple, dict, set, frozenset)) and len(value) > 99 else repr
            )
            short, most = (written(value), _VALUE) if columns is None else (f"columns {list(columns)}", 3 * _VALUE)
            begins = _beginning(value)
        except Exception:  # a value of the program's own making
            continue
        shown.append(f"{name} = {short if len(short) <= most else short[:most] + '…'}{begins}")
    return "; ".join(shown[:_MOST_VALUES])


def _beginning(value: object) -> str:
    """How the text file that VALUE is the path of begins, which tells why it could not be taken apart."""
    if not isinstance(value, os.PathLike) or not os.path.isfile(value):
        return ""
    with open(value, "rb") as file:
        text = file.read(_VALUE).decode("utf-8", "replace")
    return f", which begins {text!r}" if text.isprintable() or "\n" in text else ""


def _trim(summary: traceback.TracebackException | None, seen: set[int]) -> None:
    """Keep the frames of cells and of modules in the workspace; what libraries did on the way, and the errors they met and handled
    among themselves, only hide what went wrong."""
    if summary is None or id(summary) in seen:
        return
    seen.add(id(summary))
    here = os.path.join(_HOME, "")
    kept = [frame for frame in summary.stack if frame.filename.startswith(("<cell ", here))]
    summary.stack = traceback.StackSummary.from_list(kept)
    _trim(summary.__cause__, seen)
    _trim(summary.__context__, seen)
    if summary.__context__ is not None and not summary.__context__.stack:
        summary.__context__ = None
    if summary.__cause__ is not None and not summary.__cause__.stack:
        summary.__cause__ = None


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # closed, full or replaced by the cell
            pass


def _allow_cpu(seconds: int) -> None:
    """Each cell has its own allowance of processor time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = int(used.ru_utime + used.ru_stime) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard < 0 else min(soft, hard), hard))


def main() -> None:
    requests, answers = (fcntl.fcntl(int(fd), fcntl.F_DUPFD_CLOEXEC, 200) for fd in sys.argv[1:3])
    for fd in sys.argv[1:3]:
        os.close(int(fd))
    site, packages, cpu_seconds = sys.argv[3], sys.argv[4], int(sys.argv[5])
    for folder in (*packages.split(os.pathsep), site, os.getcwd()):
        if folder and folder not in sys.path:
            sys.path.append(folder)
    sys.argv = [""]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    builtins.input = _no_input
    # what libraries will drop some day is no news to a program that runs once
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    me = os.getpid()
    os.write(answers, b'{"ready": true}\n')
    with open(requests, encoding="utf-8") as lines:
        for line in lines:
            request = json.loads(line)
            _allow_cpu(cpu_seconds)
            value, error = _run(request["code"], f"<cell {request['cell']}>", module.__dict__)
            _flush()
            if os.getpid() != me:  # a child that the cell forked and that came back here
                os._exit(0)
            answer = json.dumps({"id": request["id"], "value": value, "error": error}).encode() + b"\n"
            try:
                while answer:
                    answer = answer[os.write(answers, answer) :]
            except OSError:  # the cell closed it: nothing can be said any more
                os._exit(1)


if __name__ == "__main__":
    main()
