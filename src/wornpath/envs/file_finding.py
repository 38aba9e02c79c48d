"""Finding something in a real directory tree: the worked example of the design, with the agent's own file tools as
actions.

Observations are what the tools returned; the reward is 1 for the right answer, −0.5 for a wrong or empty one, −0.02 a
step, so that failing is never cheaper than trying. After `limit` steps the episode is truncated. Train and test draws
are disjoint in trees, names and wording, and one family of goals is met only in tests; `info["task_family"]` is for
reports, policies are not shown it."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from fnmatch import translate
from functools import lru_cache
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from wornpath.core import Action, UsageError
from wornpath.envs.explorer import MORE, Explorer
from wornpath.envs.names import DEV_FAMILIES, FAMILIES, GOALS, TRAIN_FAMILIES, Language, Split
from wornpath.envs.situation import parse_action
from wornpath.envs.trees import Fact, plant
from wornpath.experience.text import is_stale

STEP_COST, RIGHT, WRONG = -0.02, 1.0, -0.5
MAX_LINES = 100
Trace = Sequence[tuple[str, str]]


class Folder:
    """A directory tree on disk, each file read once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = sorted(_walk(str(root)))
        self._parts = [path.lower().split("/") for path in self.paths]
        self._texts: dict[str, str] = {}
        self._lower: dict[str, str] = {}

    def text(self, path: str) -> str:
        if path not in self._texts:
            with open(f"{self.root}/{path}", "rb") as file:  # noqa: PTH123 (thousands of small files: Path costs more)
                self._texts[path] = file.read().decode("utf-8")
        return self._texts[path]

    def list_files(self, path: str) -> tuple[str, str]:
        """What lies in folder PATH, folders with a slash at the end."""
        prefix = "" if path in ("", ".", "./") else path.rstrip("/") + "/"
        names = dict.fromkeys(
            prefix + rest.split("/")[0] + ("/" if "/" in rest else "")
            for p in self.paths
            if p.startswith(prefix) and (rest := p[len(prefix) :])
        )
        return _output(list(names)) if names else (f"There is no folder {path}.", "error")

    def find_files(self, pattern: str) -> tuple[str, str]:
        """Paths whose file or folder names match PATTERN, upper and lower case alike."""
        wanted = re.compile(translate(pattern.lower())).match
        return _output([p for p, parts in zip(self.paths, self._parts, strict=True) if any(map(wanted, parts))])

    def search_text(self, query: str) -> tuple[str, str]:
        """Lines that hold QUERY, upper and lower case alike, as `path:line: text`."""
        wanted, out = query.lower(), []
        for path in self.paths:
            if path not in self._lower:
                self._lower[path] = self.text(path).lower()
            if wanted in self._lower[path]:
                lines = self.text(path).split("\n")
                out += [f"{path}:{i}: {line}" for i, line in enumerate(lines, 1) if wanted in line.lower()]
        return _output(out)

    def read_file(self, path: str) -> tuple[str, str]:
        if path not in self.paths:
            return f"There is no file {path}.", "error"
        return self.text(path)[:4000], "ok"


def _output(lines: list[str]) -> tuple[str, str]:
    if not lines:
        return "Nothing found.", "empty"
    more = [f"{MORE}and {len(lines) - MAX_LINES} more"] if len(lines) > MAX_LINES else []
    return "\n".join([*lines[:MAX_LINES], *more]), "ok"


def _walk(root: str) -> Iterator[str]:
    """The files under ROOT, named from there."""
    for folder, _, names in os.walk(root):
        prefix = folder[len(root) + 1 :].replace(os.sep, "/")
        yield from (f"{prefix}/{name}" if prefix else name for name in names)


@lru_cache(maxsize=128)
def _folder(root: str) -> Folder:
    return Folder(Path(root))


class FileFinding(gymnasium.Env[str, str]):
    """One goal an episode, drawn by the seed given to `reset`."""

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (gymnasium's own declaration)

    def __init__(
        self,
        split: Split = "train",
        *,
        trees: int = 50,
        limit: int = 20,
        families: Sequence[str] | None = None,
        language: Language | None = None,
        root: str | Path | None = None,
    ) -> None:
        """TREES is the number of different trees, half of them Chinese; they are kept under ROOT (a folder in the
        system's temporary directory if not given). FAMILIES and LANGUAGE restrict the goals. Raises UsageError for a
        family that does not exist.
        """
        known = {"train": TRAIN_FAMILIES, "dev": DEV_FAMILIES, "test": FAMILIES}[split]
        unknown = set(families or ()) - set(known)
        if unknown:
            raise UsageError(
                f"There is no goal family {', '.join(sorted(unknown))} in {split}; there are {', '.join(known)}."
            )
        self.split, self.limit, self._trees, self._language = split, limit, trees, language
        self._families = tuple(families) if families else known
        self._root = (
            Path(root)
            if root
            else Path(tempfile.gettempdir()) / f"wornpath-trees-{os.getuid() if hasattr(os, 'getuid') else 0}"
        )
        self.observation_space = spaces.Text(max_length=100_000, min_length=0)
        self.action_space = spaces.Text(max_length=1_000)
        self._facts: dict[tuple[int, str], tuple[Path, list[Fact]]] = {}
        self.fact: Fact | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """A new goal. Consecutive seeds go round the families."""
        super().reset(seed=seed)
        draw = int(self.np_random.integers(0, 2**31)) if seed is None else seed
        rng = np.random.default_rng([draw, 11])
        tree = int(rng.integers(0, self._trees))
        language: Language = self._language or ("zh" if tree % 2 else "en")
        if (tree, language) not in self._facts:
            self._facts[tree, language] = plant(self._root, tree, self.split, language)
        path, facts = self._facts[tree, language]
        family = self._families[draw % len(self._families)]
        mine = [f for f in facts if f.family == family]
        self.fact = mine[int(rng.integers(0, len(mine)))]
        sentences = GOALS[family][self.split, language]
        self.goal = sentences[int(rng.integers(0, len(sentences)))].format(**self.fact.slots)
        self.folder = _folder(str(path))
        self._explorer = Explorer(self.goal)
        self._steps = 0
        text, result = self.folder.list_files("")
        self._explorer.observe(None, text, result)
        return text, self._info("")

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """One call of a file tool, as `read_file(path="...")`; `finish(answer="...")` ends the episode."""
        call = parse_action(action)
        self._steps += 1
        if call.tool == "finish":
            right = self.right(str(call.arguments.get("answer", "")))
            info = self._info("ok", success=right)
            return ("Right." if right else "Wrong."), STEP_COST + (RIGHT if right else WRONG), True, False, info
        text, result = self._call(call)
        self._explorer.observe(call, text, result)
        truncated = self._steps >= self.limit
        return text, STEP_COST, False, truncated, self._info(result, **({"success": False} if truncated else {}))

    def right(self, answer: str) -> bool:
        """Whether ANSWER is what the goal asks for."""
        assert self.fact is not None
        return answer.strip() == self.fact.answer

    def _call(self, call: Action) -> tuple[str, str]:
        arguments = {k: str(v) for k, v in call.arguments.items()}
        tools: dict[str, tuple[str, Callable[[str], tuple[str, str]]]] = {
            "list_files": ("path", self.folder.list_files),
            "read_file": ("path", self.folder.read_file),
            "find_files": ("pattern", self.folder.find_files),
            "search_text": ("query", self.folder.search_text),
        }
        if call.tool not in tools:
            return f"There is no tool {call.tool}.", "error"
        name, run = tools[call.tool]
        return run(arguments.get(name, ""))

    def _info(self, result: str, **more: Any) -> dict[str, Any]:
        assert self.fact is not None
        return {**_view(self._explorer, result), "task_family": self.fact.family, **more}

    # Hindsight: what a wrong answer would have been right for.

    def relabel(self, trace: Trace) -> tuple[str, str] | None:
        """The goal that the answer in TRACE meets, and that answer; None where the file it came from does not say, or
        is a stale copy.
        """
        last = parse_action(trace[-1][0])
        answer = str(last.arguments.get("answer", "")) if last.tool == "finish" else ""
        if not answer:
            return None
        for action, text in reversed(trace[:-1]):
            call = parse_action(action) if action else None
            if call is not None and call.tool == "read_file":
                goal = _goal_for(str(call.arguments.get("path", "")), text, answer)
                if goal:
                    return goal, answer
        return None

    def retrace(self, goal: str, trace: Trace) -> list[tuple[str, dict[str, Any]]]:
        """The observations of TRACE as they look under GOAL."""
        explorer = Explorer(goal)
        views = []
        for action, text in trace[:-1]:
            result = "empty" if text == "Nothing found." else "error" if text.startswith("There is no ") else "ok"
            explorer.observe(parse_action(action) if action else None, text, result)
            views.append((text, _view(explorer, result if action else "")))
        return views

    def relabelled_reward(self, action: str, answer: str, last: bool) -> float:
        """The reward of ACTION under a goal that ANSWER meets."""
        return STEP_COST + (RIGHT if last else 0.0)


def _view(explorer: Explorer, result: str) -> dict[str, Any]:
    """`info` as a policy may see it."""
    return {
        "goal": explorer.goal,
        "admissible_actions": explorer.actions(),
        "entities": explorer.entities(),
        "result": result,
    }


_DOCUMENTS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"configuration of the (?P<service>\S+) service"), "setting", "en"),
    (re.compile(r"# (?P<service>\S+)服务配置"), "setting", "zh"),
    (re.compile(r"^Invoice (?P<number>\S+)\nCustomer: (?P<company>.+)"), "invoice", "en"),
    (re.compile(r"^发票 (?P<number>\S+)\n客户: (?P<company>.+)"), "invoice", "zh"),
    (re.compile(r"^To: (?P<company>.+)\nSubject: (?P<subject>.+)"), "letter", "en"),
    (re.compile(r"^致: (?P<company>.+)\n事由: (?P<subject>.+)"), "letter", "zh"),
    (re.compile(r"INFO start (?P<service>\S+) (?P<date>\S+)"), "log", ""),
)
_KEYS = {"invoice": ("Total", "合计"), "letter": ("Signed", "签名"), "log": ("error code", "错误代码")}


def _goal_for(path: str, text: str, answer: str) -> str | None:
    """A goal of the training wording that ANSWER, read in the file PATH with TEXT, meets."""
    line = next((x for x in text.split("\n") if x.endswith(f": {answer}") or x.endswith(f" {answer}")), "")
    if not line or is_stale(path):
        return None
    for pattern, family, language in _DOCUMENTS:
        match = pattern.search(text)
        if not match:
            continue
        slots = match.groupdict()
        key = line.rpartition(":")[0].strip()
        if family in _KEYS and not key.endswith(_KEYS[family]):
            return None
        tongue: Language = "zh" if language == "zh" or (not language and "错误" in text) else "en"
        return GOALS[family]["train", tongue][0].format(**slots, key=key)
    return None
