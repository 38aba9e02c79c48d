"""The parts of docs/ that are made from the code. `python tests/docs/docs_reference.py` writes them anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its full name (`runs ls`), the root as an empty name."""
    from typer.main import get_command

    from wornpath.cli.app import app

    def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        yield name, command
        for sub, child in getattr(command, "commands", {}).items():
            yield f"{name} {sub}".strip(), child

    root = get_command(app)
    yield "", root
    for name, command in root.commands.items():
        yield from below(name, command)


def options(command: Any) -> set[str]:
    """All the spellings of COMMAND's options, `--help` among them."""
    return {"--help", "-h", *(o for p in command.params for o in (*p.opts, *p.secondary_opts) if o.startswith("-"))}


def command_reference() -> str:
    """Every command with its arguments and options."""
    lines: list[str] = []
    for name, command in commands():
        if not name or (getattr(command, "commands", None) and not getattr(command, "invoke_without_command", False)):
            continue  # a group that does nothing by itself, unlike learn
        arguments = [p for p in command.params if not p.opts[0].startswith("-")]
        shown = " ".join(
            (p.metavar or p.name.upper()) if p.required else f"[{p.metavar or p.name.upper()}]" for p in arguments
        )
        lines += [
            f"### wornpath {name}",
            "",
            f"`wornpath {name} {shown}`".replace(" `", "`"),
            "",
            _clean(command.help or ""),
            "",
        ]
        rows = [(f"`{p.metavar or p.name.upper()}`".replace("|", "\\|"), p) for p in arguments]
        rows += [(_spelling(p), p) for p in command.params if p not in arguments]
        if rows:
            lines += [
                "| option | what it does |",
                "|---|---|",
                *(f"| {left} | {_clean(p.help or '')} |" for left, p in rows),
                "",
            ]
    return "\n".join(lines).strip()


def _spelling(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    if option.is_flag:
        return names
    choices = [str(choice) for choice in option.type_descriptor.choices or ()]
    return f"{names} {option.metavar or ', '.join(choices) or option.bare_type().upper()}"


def _clean(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\b", "").replace("|", "\\|")).strip()


def event_table() -> str:
    """The table of event types, as `wornpath.core.events` documents it."""
    import wornpath.core.events

    return "| type |" + (wornpath.core.events.__doc__ or "").partition("| type |")[2].rstrip()


PARTS: tuple[tuple[str, str, Callable[[], str]], ...] = (
    ("cli.md", "reference", command_reference),
    ("architecture.md", "events", event_table),
)


def written(page: str, mark: str, part: str) -> str:
    """PAGE with PART between the comments that MARK names."""
    begin, end = f"<!-- {mark}:begin -->", f"<!-- {mark}:end -->"
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n\n{part}\n\n{end}{rest.partition(end)[2]}"


if __name__ == "__main__":
    for name, mark, part in PARTS:
        file = DOCS / name
        file.write_text(written(file.read_text("utf-8"), mark, part()), "utf-8")
