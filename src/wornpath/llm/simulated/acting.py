"""Actions of the simulated model: which tool next, with what arguments. It re-lists, searches too narrowly, names files that are not there,
and seldom finishes by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from wornpath.llm.simulated import mistakes
from wornpath.llm.simulated.chance import draw, pick, uniform
from wornpath.llm.simulated.programs import code
from wornpath.llm.simulated.programs.parts import site
from wornpath.llm.simulated.programs.texts import wanted
from wornpath.llm.simulated.reading import View

_FILE = re.compile(r"[\w-]+(?:/[\w-]+)*\.(?!\d)\w{1,5}\b", re.ASCII)
_MOVES = ("move_file", "copy_file", "write_file", "edit_file", "append_file")


def action(view: View, tools: set[str], seed: int, rates: Mapping[str, Any], key: str) -> dict[str, Any]:
    """One proposed action, as JSON data, among TOOLS."""
    looking = view.kind in ("find", "read")
    situation = view.last[2] if view.last else "start"
    table = rates["propose"]["find" if looking else "make"]
    weights = dict(table.get(situation, table["error"]))
    past = view.system.partition("Solved before.")[2]
    for name, tool in (("search", "search_text"), ("copy", "copy_file")):
        if tool in past and name in weights:  # it does what it is shown
            weights[name] *= rates["heeds"]
    act = draw(weights, seed, key, "act")
    name, arguments = _concrete(act, view, seed, rates, key)
    if name not in tools:
        name, arguments = next(((t, {}) for t in ("python", "list_files", "finish") if t in tools), ("finish", {}))
    return {"tool": name, "arguments": arguments}


def _concrete(act: str, view: View, seed: int, rates: Mapping[str, Any], key: str) -> tuple[str, dict[str, Any]]:
    found = wanted(view.goal)
    query = found[1] if found else (re.findall(r"[\w'-]{4,}", view.task) or ["file"])[-1]
    folders = [f for f in view.folders if f != "."] or ["."]
    narrow = uniform(seed, key, "narrow") < rates["narrow"]
    place = {"path": pick(folders[:3], seed, key, "folder")} if narrow else {}
    target = view.makes or (view.outputs or ["copy.txt"])[0]
    match act:
        case "program":
            edit = (
                _edit(view, seed, rates, key)
                if view.kind == "code" and uniform(seed, key, "edit") < rates["edit"]
                else None
            )
            return ("edit_file", edit) if edit else ("python", {})
        case "list":
            return "list_files", {"path": pick([".", *folders], seed, key, "list")}
        case "names":
            return "find_files", {"pattern": query, **place}
        case "search":
            return "search_text", {"query": query, **place}
        case "read":
            files = hits(view) or view.files or ["readme.txt"]
            return "read_file", {"path": pick(files[:4], seed, key, "read")}
        case "copy":
            source = _chosen(view, seed, rates, key)
            if source is None:
                return "search_text", {"query": query, **place}
            return "copy_file", {"source": source, "destination": target}
        case "missing":
            return "copy_file", {"source": f"{pick(folders, seed, key, 'there')}/{query}.txt", "destination": target}
        case _:
            return "finish", {}


def _edit(view: View, seed: int, rates: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    """A change in place, as far as the prompt shows what stands in the file; mistaken as often as a program that makes it."""
    file = next((p for p in view.paths if p.endswith(".py") and "test_" not in p), "")
    found = code.replacement(View(view.system, view.text, view.sections, {file: view.text}), file) if file else None
    if found is None:
        return None
    hard = {**rates["program"], "hazard": rates["program"]["hazard"] * code.HARD}
    marked = site(found[1], found[2]) + " " * 250  # as long as the program would be
    new = mistakes.written(marked, view.goal, key, seed, hard, again=view.rejected)
    return {"path": file, "old": found[0], "new": new.rstrip()}


def hits(view: View) -> list[str]:
    """The files that a search or a look brought to light, as the prompt tells of them."""
    told = (
        view.known
        + "\n"
        + (view.last[3] if view.last and view.last[0] in ("search_text", "read_file", "find_files") else "")
    )
    known = [p for p in _FILE.findall(told) if p not in view.outputs]
    return list(dict.fromkeys(known))


def _chosen(view: View, seed: int, rates: Mapping[str, Any], key: str) -> str | None:
    """The hit to copy: the one whose line says what is looked for, if the model pays attention to it."""
    files = hits(view)
    if not files:
        return None
    found = wanted(view.goal)
    text = view.text[view.text.find("Known:") :].casefold()
    fits = [f for f in files if found and _near(text, f.casefold(), found[0])]
    if fits and uniform(seed, key, "choose") < rates["choose"]:
        return fits[0]
    return pick(files, seed, key, "which")


def _near(text: str, path: str, what: str) -> bool:
    """Whether a line about PATH says WHAT."""
    return any(path in line and what in line for line in text.splitlines())


def progress(view: View, seed: int, rates: Mapping[str, Any], key: str) -> str:
    """done, looking or partly, after the last action."""
    last = view.last
    done = "looked"
    if last is not None and last[0] in _MOVES:
        done = "moved"
    elif view.changed and (
        last is None or last[0] in ("python", "shell")
    ):  # the prompt may have no room for the last action
        done = "made"
    if uniform(seed, key, "done") < rates["progress"][done]:
        return "done"
    return "looking" if done == "looked" and uniform(seed, key, "looking") < 0.5 else "partly"
