"""Plans of the simulated model: mostly a subtask for each file that the goal asks for, and the ways in which small models plan badly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from wornpath.llm.simulated.chance import draw, pick
from wornpath.llm.simulated.programs.texts import wanted
from wornpath.llm.simulated.reading import View, groups, named_columns

_ORGANISE = (
    r"subfolder|folders inside|move its files|move every|put (?:every|each) |rename|have useless names|should be called|"
    "子文件夹|其下的文件夹|下面的文件夹|重命名|改名"
)
_CODE = r"\bbug\b|\b(?:fix|repair)\b.*\.py|\.py\b.*\b(?:fix|fails|wrong)|修复|改正"


def plan(view: View, seed: int, rates: Mapping[str, Any], key: str) -> Any:
    """The answer to a request for a plan, as JSON data, or text that holds none."""
    subtasks = good(view)
    match draw(rates["plan"], seed, key, "plan"):
        case "split":
            subtasks = _split(view, subtasks)
        case "kind":
            wrong = {"compute": "write", "organise": "other", "find": "read", "code": "compute"}
            subtasks = [{**s, "kind": wrong.get(s["kind"], "other")} for s in subtasks]
        case "output":
            name = pick(("output.csv", "result.csv", "summary.txt"), seed, key, "name")
            subtasks = [*subtasks, _subtask(f"Save the result to {name}", "write", name)]
        case "unusable":
            return "To do this, I would first look at the files and then do what is asked."
        case _:
            pass
    return {"subtasks": subtasks[:7]}


def good(view: View) -> list[dict[str, Any]]:
    goal, outputs = view.goal, view.outputs
    kind = kind_of(goal)
    if kind != "compute" or not outputs:
        return [_subtask(goal[:190], kind, outputs[0] if kind == "find" and outputs else "")]
    columns = named_columns(goal)
    found = []
    for path in outputs:
        if path.endswith((".png", ".svg")):
            found.append(_subtask(f"Draw a chart of it in {path}", "compute", path))
        else:
            found.append(
                _subtask(
                    f"Make {path} as the goal says from {', '.join(view.sources) or view.folder}",
                    "compute",
                    path,
                    columns,
                )
            )
    return found if len(found) > 1 else [{**found[0], "do": goal[:190]}]


def kind_of(goal: str) -> str:
    if wanted(goal):
        return "find"
    if re.search(_CODE, goal, re.IGNORECASE):
        return "code"
    return "organise" if re.search(_ORGANISE, goal, re.IGNORECASE) else "compute"


def _split(view: View, subtasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Too many: a look first, and a subtask for each rule."""
    rules = groups(view.goal)
    if rules and subtasks[0]["kind"] == "organise":
        return [
            _subtask(f"Move the {', '.join(members)} files to the {name} folder", "organise", name)
            for name, members in rules.items()
        ]
    first = (view.files or ["the files"])[0]
    return [_subtask(f"Read {first}", "read", first), *subtasks]


def _subtask(do: str, kind: str, output: str = "", has: list[str] | None = None) -> dict[str, Any]:
    return {"do": do, "kind": kind, "output": output, "has": has or []}
