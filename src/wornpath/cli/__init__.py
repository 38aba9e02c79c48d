"""The command line. `main` is the console script; commands import what they need when they run, so `--help` stays quick."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Sequence

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code (see the table in the README)."""
    sys.exit(_flushed(_guarded(list(arguments) if arguments is not None else None)))


def _guarded(arguments: list[str] | None) -> int:
    """The exit code; every error told in one line."""
    try:
        from wornpath.cli.output import prepare_streams

        prepare_streams()
        from wornpath.cli.app import command

        outcome = command()(args=arguments, prog_name="wornpath", standalone_mode=False)
        return outcome if isinstance(outcome, int) else 0
    except KeyboardInterrupt:
        _complain("interrupted")
        return 130
    except BrokenPipeError:
        return _unread()
    except SystemExit as left:  # of typer, at a broken pipe; or of a library that gave up, whose codes are not ours
        return _unread() if isinstance(left.__context__, BrokenPipeError) else 1
    except Exception as error:
        return _own_error(error) or _typer_error(error) or _writing_error(error) or _unexpected(error)


def _unread() -> int:
    _drop(1)
    return 0


def _own_error(error: Exception) -> int | None:
    """The exit code of an error of ours, told; None for anything else."""
    from wornpath.core import WornpathError

    if not isinstance(error, WornpathError):
        return None
    _complain(str(error), *getattr(error, "__notes__", ()))
    return error.exit_code


def _typer_error(error: Exception) -> int | None:
    """The exit code for what typer itself raises (a bad option, an abort), told; None for anything else."""
    import typer

    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        said = error.format_message().replace("Value error, ", "").rstrip(".")
        if not said:  # a group without a command has shown its help instead
            return 2
        hint = f" See `{context.command_path} --help`." if context is not None else ""
        _complain(f"{said}{'' if said.endswith('?') else '.'}{hint}")
        return 2
    if isinstance(error, typer.Abort):
        _complain("stopped; nothing was done")
        return 130
    if isinstance(error, UnicodeEncodeError) and any(not _is_text(argument) for argument in sys.argv):
        _complain("An argument holds bytes that are no text in this locale; type it again.")
        return 2
    return None


def _is_text(argument: str) -> bool:
    """Whether ARGUMENT came in whole: bytes that did not fit the locale are lone surrogates in it."""
    return not any("\ud800" <= char <= "\udfff" for char in argument)


def _writing_error(error: Exception) -> int | None:
    """The exit code for output, or a file, that there is no room for, told; None for anything else."""
    if not isinstance(error, OSError) or error.filename is not None or error.errno not in _NO_ROOM:
        return None
    _complain(f"{_not_written(error)}. Free some space, or send the output elsewhere, and try again")
    try:
        sys.stdout.flush()
    except OSError:
        _drop(1)
    return 1


def _not_written(error: OSError) -> str:
    return f"not everything could be written: {error.strerror or error}"


def _unexpected(error: Exception) -> int:
    """A fault of ours: one line, and the traceback in a file (or on stderr with WORNPATH_DEBUG=1)."""
    import traceback

    trace = "".join(traceback.format_exception(error))
    if os.environ.get("WORNPATH_DEBUG"):
        sys.stderr.write(trace)
        return 1
    import tempfile

    where = "nowhere, since no file could be written; set WORNPATH_DEBUG=1 to see it"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="wornpath-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(trace)
            where = file.name
    except OSError:
        pass
    first = str(error).splitlines()[0] if str(error) else ""
    _complain(f"internal error, {type(error).__name__}{': ' if first else ''}{first}. The traceback is in {where}")
    return 1


def _complain(message: str, *notes: str) -> None:
    """MESSAGE as the one line of an error, and NOTES below it: what can be done now."""
    from wornpath.cli.text import one_line

    with contextlib.suppress(OSError):
        sys.stderr.write("".join(f"{one_line(line)}\n" for line in (f"wornpath: error: {message}", *notes)))
        sys.stderr.flush()


def _flushed(code: int) -> int:
    """CODE, once all output is out; 1 in place of 0 where standard output cannot take it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop(1)
    except OSError as error:
        _drop(1)
        _complain(_not_written(error))
        code = code or 1
    try:
        sys.stderr.flush()
    except OSError:
        _drop(2)
    return code


def _drop(stream: int) -> None:
    """Nobody reads any more: let the interpreter's own flush at exit go nowhere, so that it stays quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
