"""`wornpath tools`, `doctor`, `config` and `paths`: what there is, and whether it works here."""

from __future__ import annotations

from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

config_group = typer.Typer(help="Show the settings.", no_args_is_help=True)


@config_group.command("show")
def config_show(
    origin: Annotated[bool, typer.Option("--origin", help="Show where each value comes from.")] = False,
    json: Json = False,
) -> None:
    """Show every setting. Keys are masked."""
    from wornpath.cli.output import json_line, table
    from wornpath.cli.settings import Settings, load

    loaded = load()
    if json:
        json_line(
            {name: {"value": loaded.shown(name), "origin": str(loaded.origin(name))} for name in Settings.model_fields}
        )
        return
    rows = []
    for name, about in Settings.model_fields.items():
        where = [str(loaded.origin(name))] if origin else []
        rows.append([name, _setting(loaded.shown(name)), *where, about.description or ""])
    table(["setting", "value", *(["origin"] if origin else []), "about"], rows, flexible=["about"])


def _setting(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    from wornpath.core import canonical

    return value if isinstance(value, str) else canonical(value)


def paths(json: Json = False) -> None:
    """Show where Wornpath keeps its things. WORNPATH_HOME moves them all into one folder."""
    from wornpath.cli.output import json_line, table
    from wornpath.cli.settings import PROJECT_FILE
    from wornpath.store import paths as places

    found = {
        "store": (places.data_dir() / "events.sqlite3", "the event store"),
        "runs": (places.data_dir() / "runs", "a folder a run: artefacts, kept files"),
        "models": (places.cache_dir() / "models", "model weights"),
        "config": (places.config_file(), "your settings"),
        "project": (PROJECT_FILE, "this folder's settings"),
    }
    if json:
        json_line({name: str(path) for name, (path, _) in found.items()})
    else:
        rows = [[name, str(path), about] for name, (path, about) in found.items()]
        table(["what", "where", "about"], rows, spare=["about"])


def tools(json: Json = False) -> None:
    """List the tools: what they do, how risky they are, what they take."""
    from wornpath.cli.output import json_line, note, table
    from wornpath.tools import Registry

    registry = Registry.standard()
    for warning in registry.warnings:
        note(warning)
    if json:
        for tool in registry:
            json_line(
                {
                    "name": tool.name,
                    "risk": tool.risk,
                    "description": tool.description,
                    "schema": dict(tool.schema),
                    "kinds": sorted(tool.kinds),
                    "source": _source(tool),
                }
            )
        return
    rows = [
        [tool.name, tool.risk, _parameters(tool), " ".join(sorted(tool.kinds)) or "all", _source(tool)]
        for tool in registry
    ]
    table(["tool", "risk", "arguments", "kinds", "source"], rows, flexible=["arguments", "kinds"])


def _parameters(tool: Any) -> str:
    """The names of a tool's arguments; those that may be left out in brackets."""
    needed = set(tool.schema.get("required", ()))
    return " ".join(name if name in needed else f"[{name}]" for name in tool.schema.get("properties", {}))


def _source(tool: Any) -> str:
    """The package a tool comes from."""
    module = getattr(getattr(tool, "function", tool), "__module__", "") or type(tool).__module__
    package = str(module).partition(".")[0]
    return "built in" if package == "wornpath" else package
